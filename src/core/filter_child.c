/* filter_child -- compile long expressions in a child process, which may be ended: libpcap takes minutes for some. See filter.h. */
#include "core/core.h"
#include "lib/lib.h"

#include "core/filter.h"
#include "core/filter_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SHORT = 1024,                   /* bytes of an expression that is compiled here: 40 hosts take some hundredths of a second */
	SECONDS = 5,                    /* of processor time for a longer one: 64 KiB of hosts would take three minutes */
	PATIENCE = 30                   /* seconds by the clock: the processor may be busy, or nobody tells a name's address */
};

/* What the child says; the instructions follow. */
struct verdict {
	int32_t code;
	uint32_t count;
	char text[ERROR_TEXT];
};

static bool write_all(int fd, const void *data, size_t bytes)
{
	const char *from = data;

	while (bytes > 0) {
		ssize_t n = write(fd, from, bytes);

		if (n <= 0)
			return false;
		from += n;
		bytes -= (size_t)n;
	}
	return true;
}

static int run_child(const char *expression, int fd)
{
	struct rlimit time = { SECONDS, SECONDS + 1 }, core = { 0, 0 };
	struct verdict verdict = { 0 };
	struct bpf_ops program;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CPU, &time);
	setrlimit(RLIMIT_CORE, &core);
	verdict.code = filter_compile_here(expression, &program);
	if (verdict.code < 0)
		snprintf(verdict.text, sizeof(verdict.text), "%s", nf_error());
	else
		verdict.count = program.count;
	return write_all(fd, &verdict, sizeof(verdict)) &&
		write_all(fd, program.op, program.count * sizeof(*program.op)) ? 0 : 1;
}

/* Read so many bytes before the deadline. */
static bool read_all(int fd, void *data, size_t bytes, uint64_t deadline)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char *to = data;
	uint64_t now;

	while (bytes > 0 && (now = clock_system_ns()) < deadline) {
		ssize_t n;

		if (poll(&wait, 1, (int)((deadline - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, to, bytes);
		if (n <= 0)
			return false;
		to += n;
		bytes -= (size_t)n;
	}
	return bytes == 0;
}

/* Take over what the child says. gives: false when it says nothing, or nothing in time */
static bool receive(int fd, struct verdict *verdict, struct bpf_ops *program)
{
	uint64_t deadline = clock_system_ns() + PATIENCE * 1000000000ULL;
	struct bpf_op *op;

	if (!read_all(fd, verdict, sizeof(*verdict), deadline))
		return false;
	if (verdict->code < 0)
		return true;
	op = malloc(verdict->count * sizeof(*op));
	if (op == NULL || !read_all(fd, op, verdict->count * sizeof(*op), deadline)) {
		free(op);
		return false;
	}
	*program = (struct bpf_ops){ op, verdict->count };
	return true;
}

static int compile_in_child(const char *expression, struct bpf_ops *program)
{
	struct verdict verdict;
	int pipe_fd[2], status;
	bool heard;
	pid_t child;

	if (pipe2(pipe_fd, O_CLOEXEC) != 0)
		return nf_fail(errno, "no pipe for compiling a filter: %s", strerror(errno));
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(run_child(expression, pipe_fd[1]));
	close(pipe_fd[1]);
	if (child < 0) {
		close(pipe_fd[0]);
		return nf_fail(errno, "no process for compiling a filter: %s", strerror(errno));
	}
	heard = receive(pipe_fd[0], &verdict, program);
	close(pipe_fd[0]);
	if (!heard)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!heard && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		return nf_fail(EINVAL, "the expression is too complicated: libpcap has not compiled its %zu bytes within %d s of "
			"processor time", strlen(expression), SECONDS);
	if (!heard && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return nf_fail(EINVAL, "libpcap has not compiled the %zu bytes of the expression within %d s: it is too complicated, or "
			"no name server answers", strlen(expression), PATIENCE);
	if (!heard)
		return nf_fail(EINVAL, "libpcap has failed over the %zu bytes of the expression (status %d)", strlen(expression), status);
	return verdict.code < 0 ? nf_fail(-verdict.code, "%s", verdict.text) : 0;
}

int filter_compile(const char *expression, struct bpf_ops *program)
{
	size_t length = strlen(expression);

	*program = (struct bpf_ops){ 0 };
	if (length > FILTER_TEXT)
		return nf_fail(EINVAL, "the expression is too long: %zu bytes, %d are accepted", length, FILTER_TEXT);
	return length <= SHORT ? filter_compile_here(expression, program) : compile_in_child(expression, program);
}
