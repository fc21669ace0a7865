/* filter -- see filter.h: filters, and their programs on the way from the supervisor to the worker. */
#include "core/core.h"
#include "lib/lib.h"

#include "core/filter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern inline uint32_t filter_match(const struct filter *filter, const uint8_t *data, uint32_t length);

bool filter_compiles = true;

enum { KEY = 32 };                      /* bytes of a key with the final zero */

uint32_t filter_run(const struct filter *filter, const uint8_t *data, uint32_t length)
{
	for (uint32_t i = 0; i < filter->count; i++)
		if (bpf_run(&filter->program[i], data, length) != 0)
			return i + 1;
	return 0;
}

void filter_program_free(struct bpf_ops *program)
{
	free((void *)(uintptr_t)program->op);
	*program = (struct bpf_ops){ 0 };
}

/* The answer that does not depend on the frame, -1: it does. Programs that say no to all do not count. */
static int32_t constant_of(const struct filter *filter)
{
	for (uint32_t i = 0; i < filter->count; i++) {
		const struct bpf_op *first = filter->program[i].op;

		if (first->code != 0x06 /* return a constant */)
			return -1;
		if (first->k != 0)
			return (int32_t)i + 1;
	}
	return 0;
}

static int copy_programs(struct filter *filter, const struct bpf_ops *programs, uint32_t count)
{
	struct bpf_ops *copy = calloc(count, sizeof(*copy));

	filter->program = copy;
	if (copy == NULL)
		return nf_fail(ENOMEM, "no memory for a filter");
	for (; filter->count < count; filter->count++) {
		const struct bpf_ops *from = &programs[filter->count];
		struct bpf_op *op;
		uint32_t at;
		const char *wrong = bpf_check(from, &at);

		if (wrong != NULL)
			return nf_fail(EINVAL, "a filter's program has %s at instruction %u", wrong, at);
		op = malloc(from->count * sizeof(*op));
		if (op == NULL)
			return nf_fail(ENOMEM, "no memory for a filter of %u instructions", from->count);
		memcpy(op, from->op, from->count * sizeof(*op));
		copy[filter->count] = (struct bpf_ops){ op, from->count };
	}
	return 0;
}

/* Native code is a gain, not a need: where it cannot be made the filter is interpreted. */
static void make_native(struct filter *filter)
{
	if (!filter_compiles)
		return;
	filter->code = calloc(1, sizeof(*filter->code));
	if (filter->code != NULL && bpf_native_make(filter->code, filter->program, filter->count, true) == 0)
		filter->native = filter->code->match;
}

int filter_new(struct filter **filter, const struct bpf_ops *programs, uint32_t count, bool native)
{
	struct filter *made = calloc(1, sizeof(*made));
	int code;

	*filter = NULL;
	if (made == NULL)
		return nf_fail(ENOMEM, "no memory for a filter");
	code = copy_programs(made, programs, count);
	if (code < 0) {
		filter_delete(made);
		return code;
	}
	made->constant = constant_of(made);
	if (native)
		make_native(made);
	*filter = made;
	return 0;
}

void filter_delete(struct filter *filter)
{
	if (filter == NULL)
		return;
	if (filter->code != NULL)
		bpf_native_free(filter->code);
	free(filter->code);
	for (uint32_t i = 0; i < filter->count; i++)
		free((void *)(uintptr_t)filter->program[i].op);
	free((void *)(uintptr_t)filter->program);
	free(filter);
}

void filter_check(const struct app *app, const char *key, const char *expression, struct errors *errors)
{
	struct bpf_ops program;

	if (resource_is_asked())
		return;
	if (filter_compile(expression, &program) < 0)
		errors_add(errors, "app '%s': key '%s': %s", app->name, key, nf_error());
	else
		filter_program_free(&program);
}

/* A key is short, whatever the expression: its hash. Expressions come from one configuration, by nobody who wants them to collide. */
static void make_key(char key[KEY], const char *expression)
{
	static const struct siphash_key hash_key = { { 0x6e66, 0x66696c746572 } };

	snprintf(key, KEY, "filter:%016llx", (unsigned long long)siphash_2_4(&hash_key, expression, strlen(expression)));
}

void filter_resource(struct resources *resources, const char *expression)
{
	char key[KEY];

	make_key(key, expression);
	resources_add(resources, "%s", key);
}

bool filter_is_key(const char *expression, const char *key)
{
	char own[KEY];

	make_key(own, expression);
	return strcmp(own, key) == 0;
}

static int write_program(int fd, const struct bpf_ops *program)
{
	size_t size = program->count * sizeof(*program->op);

	if (write(fd, program->op, size) != (ssize_t)size)
		return nf_fail(errno, "a filter's program cannot be written: %s", strerror(errno));
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		return nf_fail(errno, "a filter's program cannot be sealed: %s", strerror(errno));
	return 0;
}

int filter_open(const char *expression)
{
	struct bpf_ops program;
	int fd, code = filter_compile(expression, &program);

	if (code < 0)
		return code;
	fd = memfd_create("nf-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	code = fd < 0 ? nf_fail(errno, "no file for a filter's program: %s", strerror(errno)) : write_program(fd, &program);
	filter_program_free(&program);
	if (code < 0 && fd >= 0)
		close(fd);
	return code < 0 ? code : fd;
}

/* Read a program from where the supervisor put it. The descriptor's position is shared with others. */
static int read_program(int fd, struct bpf_ops *program)
{
	struct bpf_op *op;
	struct stat status;

	if (fstat(fd, &status) != 0 || status.st_size <= 0 || status.st_size > (off_t)(BPF_OPS * sizeof(*op)))
		return nf_fail(EBADMSG, "a filter's program has no good size");
	op = malloc((size_t)status.st_size);
	if (op == NULL)
		return nf_fail(ENOMEM, "no memory for a filter's program");
	if (pread(fd, op, (size_t)status.st_size, 0) != status.st_size) {
		free(op);
		return nf_fail(EBADMSG, "a filter's program cannot be read");
	}
	*program = (struct bpf_ops){ op, (uint32_t)((size_t)status.st_size / sizeof(*op)) };
	return 0;
}

static int get_program(const char *expression, struct bpf_ops *program)
{
	char key[KEY];
	int fd, code;

	make_key(key, expression);
	fd = resource_open(key);
	if (fd < 0)
		return fd;
	code = read_program(fd, program);
	close(fd);
	return code;
}

int filter_prepare(struct filter **filter, const struct app *app, const char *const *expressions, uint32_t count, bool native)
{
	struct bpf_ops *programs = calloc(count, sizeof(*programs));
	int code = programs == NULL ? nf_fail(ENOMEM, "app '%s': no memory for %u filters", app->name, count) : 0;

	*filter = NULL;
	for (uint32_t i = 0; i < count && code == 0; i++)
		code = get_program(expressions[i], &programs[i]);
	if (code == 0)
		code = filter_new(filter, programs, count, native);
	if (code == 0 && native && (*filter)->native == NULL)
		log_warn("app '%s': its filter is interpreted: %s", app->name, filter_compiles ? "no native code could be made" :
			"its worker was started without apps that make native code; start nf anew, or with --compile");
	for (uint32_t i = 0; programs != NULL && i < count; i++)
		filter_program_free(&programs[i]);
	free(programs);
	return code;
}
