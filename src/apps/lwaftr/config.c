/* config -- see config.h. */
#include "apps/lwaftr/config_decode.h"
#include "apps/lwaftr/config_source.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MISTAKES_MOST = 100000 };        /* that are kept; the rest is counted */

enum { PATH = 256 };                    /* bytes of one in a message */

struct lwaftr_mistake {
	uint64_t place;
	char *text;                     /* NULL: there was no memory for it */
};

int lwaftr_config_parse(struct lwaftr_config *config, const char *file, const void *text, uint64_t length, uint32_t flags)
{
	struct config_decoder decoder;

	*config = (struct lwaftr_config){ .file = file, .text = text, .length = length, .flags = flags };
	config_begin(&decoder, config);
	config_text_read(&decoder, text, length);
	config_finish(&decoder);
	config_check(config);
	return 0;
}

/* Map a regular file. gives: NULL with nf_error(), or the text; an empty one has no mapping */
static const void *map(const char *file, int fd, uint64_t *length)
{
	struct stat status;
	void *text;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		nf_fail(EINVAL, "%s is no regular file", file);
		return NULL;
	}
	*length = (uint64_t)status.st_size;
	if (*length == 0)
		return "";
	text = mmap(NULL, *length, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED) {
		nf_fail(errno, "cannot read %s: %s", file, strerror(errno));
		return NULL;
	}
	return text;
}

int lwaftr_config_load(struct lwaftr_config *config, const char *file, int fd, uint32_t flags)
{
	int own = fd < 0 ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	uint64_t length = 0;
	const void *text;
	int code;

	if (fd < 0 && own < 0)
		return nf_fail(errno, "cannot open %s: %s", file, strerror(errno));
	text = map(file, fd < 0 ? own : fd, &length);
	if (own >= 0)
		close(own);
	if (text == NULL)
		return -EINVAL;
	code = lwaftr_config_parse(config, file, text, length, flags);
	config->mapped = length > 0;
	return code;
}

void lwaftr_config_shrink(struct lwaftr_config *config)
{
	free(config->softwire);
	config->softwire = NULL;
	config->softwire_room = 0;
	if (config->mapped)
		munmap((void *)(uintptr_t)config->text, config->length);
	if (config->flags & LWAFTR_OWN_TEXT)
		free((void *)(uintptr_t)config->text);
	config->flags &= ~(uint32_t)LWAFTR_OWN_TEXT;
	config->mapped = false;
	config->text = NULL;
	config->length = 0;
}

/* Mistakes that have a text. */
static uint64_t kept(const struct lwaftr_config *config)
{
	return config->mistake_count < MISTAKES_MOST ? config->mistake_count : MISTAKES_MOST;
}

void lwaftr_config_fini(struct lwaftr_config *config)
{
	for (uint64_t i = 0; i < kept(config); i++)
		free(config->mistake[i].text);
	free(config->mistake);
	lwaftr_config_shrink(config);
	arena_free(&config->arena);
	if (config->source != NULL)
		config_source_free(config->source);
	free(config->source);
	*config = (struct lwaftr_config){ 0 };
}

void lwaftr_config_mistake(struct lwaftr_config *config, uint64_t place, const char *format, ...)
{
	struct lwaftr_mistake *mistake;
	va_list arguments;

	if (config->mistake_count >= MISTAKES_MOST) {
		config->mistake_count++;
		return;
	}
	if (config->mistake_count == config->mistake_room) {
		uint64_t room = config->mistake_room * 2 + 16;
		void *larger = realloc(config->mistake, room * sizeof(*mistake));

		if (larger == NULL)
			return;                 /* those that are there are enough to refuse it */
		config->mistake = larger;
		config->mistake_room = room;
	}
	mistake = &config->mistake[config->mistake_count++];
	mistake->place = place;
	va_start(arguments, format);
	if (vasprintf(&mistake->text, format, arguments) < 0)
		mistake->text = NULL;
	va_end(arguments);
}

void lwaftr_config_forget(struct lwaftr_config *config, uint64_t count)
{
	for (; config->mistake_count > count; config->mistake_count--)
		if (config->mistake_count <= MISTAKES_MOST)
			free(config->mistake[config->mistake_count - 1].text);
}

static int compare(const void *a, const void *b)
{
	const struct lwaftr_mistake *one = a, *two = b;

	return one->place < two->place ? -1 : one->place > two->place;
}

/* A mistake with the path of what was made into the text. */
static void tell_path(const struct lwaftr_config *config, const struct lwaftr_mistake *mistake, const char *text, struct errors *errors)
{
	char path[PATH];

	config_source_locate(config->source, mistake->place, path, sizeof(path));
	errors_add(errors, "%s: %s%s%s", config->file, path, path[0] != '\0' ? ": " : "", text);
}

bool lwaftr_config_mistakes(struct lwaftr_config *config, struct errors *errors)
{
	uint64_t line = 1, begin = 0, at = 0, count = kept(config), more = config->mistake_count - count;

	if (count > 1)
		qsort(config->mistake, count, sizeof(*config->mistake), compare);
	for (uint64_t i = 0; i < count; i++) {
		struct lwaftr_mistake *mistake = &config->mistake[i];
		const char *text = mistake->text != NULL ? mistake->text : "out of memory";

		for (; config->source == NULL && at < mistake->place && at < config->length; at++) {
			if (config->text[at] == '\n') {
				line++;
				begin = at + 1;
			}
		}
		if (mistake->place == (uint64_t)LWAFTR_NOWHERE)
			errors_add(errors, "%s", text);
		else if (config->source != NULL)
			tell_path(config, mistake, text, errors);
		else
			errors_add(errors, "%s:%llu:%llu: %s", config->file, (unsigned long long)line,
				(unsigned long long)(mistake->place - begin + 1), text);
		free(mistake->text);
	}
	if (more > 0)
		errors_add(errors, "%s: %llu more mistakes, which are not told", config->file, (unsigned long long)more);
	config->mistake_count = 0;
	return count == 0;
}

bool lwaftr_config_select(const struct lwaftr_config *config, const char *device, int queue, const struct lwaftr_instance **instance,
	const struct lwaftr_queue **found)
{
	*instance = NULL;
	*found = NULL;
	for (uint32_t i = 0; i < config->instance_count; i++) {
		if (device != NULL && strcmp(config->instance[i].device, device) != 0)
			continue;
		if (*instance != NULL) {
			nf_fail(EINVAL, "%s has %u instances: say which device", config->file, config->instance_count);
			return false;
		}
		*instance = &config->instance[i];
	}
	if (*instance == NULL) {
		nf_fail(EINVAL, "%s has no instance%s%s", config->file, device != NULL ? " of device " : "", device != NULL ? device : "");
		return false;
	}
	for (uint32_t i = 0; i < (*instance)->queue_count; i++) {
		if (queue >= 0 && (*instance)->queue[i].id != queue)
			continue;
		if (*found != NULL) {
			nf_fail(EINVAL, "%s: instance '%s' has %u queues: say which", config->file, (*instance)->device, (*instance)->queue_count);
			return false;
		}
		*found = &(*instance)->queue[i];
	}
	if (*found == NULL)
		nf_fail(EINVAL, "%s: instance '%s' has no %squeue", config->file, (*instance)->device, queue >= 0 ? "such " : "");
	return *found != NULL;
}
