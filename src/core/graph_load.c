/* graph_load -- evaluate a configuration in a child process that is limited in time and memory and sends back plain data.
 *
 *      supervisor                       child
 *      fork -------------------------->  limits, nf.config: run the file, describe Lua modules
 *      read until the end or the limit <- encoded value
 *      wait, decode */
#include "core/graph_build.h"

#include "core/pci_registers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t graph_seconds = 10;
uint64_t graph_bytes = 1 << 30;

enum { READ_STEP = 64 << 10, EXIT_SENT = 0, EXIT_NOT_SENT = 1, EXTRA_BYTES = 64 << 20 };

/* The memory of the child's Lua state. */
struct budget {
	uint64_t used, limit;
	bool exhausted;
};

/* What the child is asked to evaluate. */
struct request {
	const char *file, *text, *folder;       /* text NULL: read the file */
	const char *const *arguments;           /* NULL: none */
	struct budget *budget;
};

/* Lua's allocator with a limit. */
static void *allocate(void *context, void *block, size_t old, size_t size)
{
	struct budget *budget = context;
	void *moved;

	if (size == 0) {
		budget->used -= old;
		free(block);
		return NULL;
	}
	if (size > old && budget->used + (size - old) > budget->limit) {
		budget->exhausted = true;
		return NULL;
	}
	moved = realloc(block, size);
	if (moved == NULL)
		budget->exhausted = true;
	else
		budget->used += size - old;
	return moved;
}

/* Push the table that nf.config takes. */
static void push_request(lua_State *L, const struct request *request)
{
	lua_newtable(L);
	lua_pushstring(L, request->file);
	lua_setfield(L, -2, "file");
	lua_pushstring(L, request->text);
	lua_setfield(L, -2, "text");
	lua_pushstring(L, request->folder);
	lua_setfield(L, -2, "folder");
	lua_newtable(L);
	for (int i = 0; request->arguments != NULL && request->arguments[i] != NULL; i++) {
		lua_pushstring(L, request->arguments[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "arguments");
	lua_newtable(L);
	for (const struct app_class *const *class = app_classes; *class != NULL; class++) {
		lua_pushboolean(L, true);
		lua_setfield(L, -2, (*class)->name);
	}
	lua_setfield(L, -2, "native");
}

/* Runs protected: leaves the result of nf.config on the stack. */
static int evaluate(lua_State *L)
{
	const struct request *request = lua_touserdata(L, 1);

	lua_getglobal(L, "require");
	lua_pushstring(L, "nf.config");
	lua_call(L, 1, 1);
	push_request(L, request);
	lua_call(L, 1, 1);
	return 1;
}

/* Write all bytes; a parent that is gone needs none. */
static int send_all(const uint8_t *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(GRAPH_RESULT_FD, data, length);

		if (n < 0 && errno != EINTR)
			return EXIT_NOT_SENT;
		if (n > 0) {
			data += n;
			length -= (size_t)n;
		}
	}
	return EXIT_SENT;
}

/* Send { error = message }. */
static int send_error(const char *message)
{
	uint8_t head[] = { 'T', 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 'e', 'r', 'r', 'o', 'r', 's', 0, 0, 0, 0 };
	uint32_t length = (uint32_t)strlen(message);

	memcpy(head + sizeof(head) - sizeof(length), &length, sizeof(length));
	if (send_all(head, sizeof(head)) != EXIT_SENT)
		return EXIT_NOT_SENT;
	return send_all((const uint8_t *)message, length);
}

static int send_result(const struct request *request, lua_State *L, int status)
{
	char message[ERROR_TEXT + 256];
	const char *text = lua_tostring(L, -1);
	uint8_t *data;
	size_t length;
	int code;

	/* Now it is our turn: reading the result may take a few strings, and a parent that is gone must not kill us. */
	request->budget->limit += EXTRA_BYTES;
	signal(SIGPIPE, SIG_IGN);
	if (status == 0 && lua_istable(L, -1)) {
		lua_getfield(L, -1, "error");
		text = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	if (text != NULL && request->budget->exhausted && strstr(text, "not enough memory") != NULL) {
		snprintf(message, sizeof(message), "%s: needs more than %" PRIu64 " MiB of memory", request->file, graph_bytes >> 20);
		return send_error(message);
	}
	if (status != 0)
		return send_error(text != NULL ? text : "failed without a message");
	code = script_value_encode(L, -1, &data, &length);
	if (code < 0) {
		const char *what = nf_error();

		/* The user knows what the file returns, not what it is wrapped in. */
		if (strncmp(what, "config.", 7) == 0 || strncmp(what, "config[", 7) == 0)
			what += what[6] == '.' ? 7 : 6;
		snprintf(message, sizeof(message), "%s: what it returns is no plain data: %s", request->file, what);
		return send_error(message);
	}
	code = send_all(data, length);
	free(data);
	return code;
}

/* Addresses in use: the limit of address space is counted from here, since packet memory is reserved in advance. */
static uint64_t address_space(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Limits that the kernel keeps, whatever the configuration does: processor time; memory beyond Lua's own limit (the
 * encoded result, and what C libraries take), unless a sanitizer needs terabytes of addresses. */
static void limit_resources(void)
{
	struct rlimit cpu = { graph_seconds, graph_seconds }, core = { 0, 0 };
	uint64_t space = address_space();

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	if (!SANITIZED && space > 0) {
		uint64_t most = space + graph_bytes + EXTRA_BYTES + 4ULL * VALUE_BYTES;
		struct rlimit addresses = { most, most };

		setrlimit(RLIMIT_AS, &addresses);
	}
}

void graph_detach(int fd)
{
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pci_registers_leave();
	setpgid(0, 0);
	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (isatty(STDIN_FILENO) && (null = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		dup2(null, STDIN_FILENO);
	if (fd != GRAPH_RESULT_FD)
		dup2(fd, GRAPH_RESULT_FD);
	fcntl(GRAPH_RESULT_FD, F_SETFD, FD_CLOEXEC);
	close_range(GRAPH_RESULT_FD + 1, ~0U, 0);
	dup2(STDERR_FILENO, STDOUT_FILENO);
}

static int run_child(const struct request *request, int fd)
{
	lua_State *L;
	int status;

	graph_detach(fd);
	limit_resources();
	L = script_state_new_with(allocate, request->budget);
	if (L == NULL)
		return send_error("no memory for a Lua state");
	lua_pushcfunction(L, evaluate);
	lua_pushlightuserdata(L, (void *)(uintptr_t)request);
	status = lua_pcall(L, 1, 1, 0);
	fflush(stdout);
	return send_result(request, L, status);
}

/* The bytes that come from the child. */
struct answer {
	uint8_t *data;
	size_t length, size;
};

/* Read until the child closes its end. gives: 0; -ETIMEDOUT, -EMSGSIZE, -ENOMEM */
static int receive(int fd, struct answer *answer)
{
	uint64_t deadline = clock_system_ns() + graph_seconds * 1000000000ULL;

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_system_ns();
		ssize_t n;

		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)((deadline - now) / 1000000 + 1)) <= 0)
			continue;
		if (answer->length + READ_STEP > answer->size) {
			size_t size = answer->size * 2 + READ_STEP;
			uint8_t *data = realloc(answer->data, size);

			if (data == NULL)
				return -ENOMEM;
			answer->data = data;
			answer->size = size;
		}
		n = read(fd, answer->data + answer->length, READ_STEP);
		if (n == 0)
			return 0;
		if (n > 0)
			answer->length += (size_t)n;
		if (answer->length > VALUE_BYTES)
			return -EMSGSIZE;
	}
}

/* Add the message of a child that has not sent a value. */
static void explain(const char *file, int code, int status, struct errors *errors)
{
	if (code == -ETIMEDOUT || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) ||
		(code == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		errors_add(errors, "%s: is not done after %u seconds (an endless loop?)", file, graph_seconds);
	else if (code == -EMSGSIZE)
		errors_add(errors, "%s: what it returns needs more than %d MiB", file, VALUE_BYTES >> 20);
	else if (code == -ENOMEM)
		errors_add(errors, "%s: no memory for what it returns", file);
	else if (WIFSIGNALED(status))
		errors_add(errors, "%s: its evaluation was ended by signal %d (%s)", file, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		errors_add(errors, "%s: its evaluation ended without a result, with exit code %d", file, WEXITSTATUS(status));
}

/* Decode what has been received. */
static int finish(const char *file, const struct answer *answer, struct value **value, struct errors *errors)
{
	const struct value *error;

	if (value_decode(answer->data, answer->length, value) < 0) {
		errors_add(errors, "%s: its evaluation gave no proper result: %s", file, nf_error());
		return -EBADMSG;
	}
	error = value_get(*value, "error");
	if (error == NULL)
		return 0;
	errors_add(errors, "%s", error->type == VALUE_STRING ? error->string : "the configuration failed");
	value_free(*value);
	*value = NULL;
	return -EINVAL;
}

int graph_evaluate(const char *file, const char *text, const char *folder, const char *const *arguments, struct value **value,
	struct errors *errors)
{
	struct budget budget = { .limit = graph_bytes };
	struct request request = { file, text, folder, arguments, &budget };
	struct answer answer = { 0 };
	int pipe_fd[2], status = 0, code;
	pid_t child;

	if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
		errors_add(errors, "%s: no pipe for its evaluation: %s", file, strerror(errno));
		return -EMFILE;
	}
	/* What waits in this buffer must not be printed by the child, too. */
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(run_child(&request, pipe_fd[1]));
	close(pipe_fd[1]);
	if (child < 0) {
		errors_add(errors, "%s: no process for its evaluation: %s", file, strerror(errno));
		close(pipe_fd[0]);
		return -EAGAIN;
	}
	code = receive(pipe_fd[0], &answer);
	close(pipe_fd[0]);
	if (code < 0) {
		kill(child, SIGKILL);
		kill(-child, SIGKILL);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (code == 0 && answer.length > 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SENT) {
		code = finish(file, &answer, value, errors);
	} else {
		explain(file, code, status, errors);
		code = -EINVAL;
	}
	free(answer.data);
	return code;
}
