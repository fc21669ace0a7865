/* graph_trial -- make each app written in Lua once, in a child process, before any worker does. See graph_build.h.
 *
 * A module's `new` is code of the user. It may raise an error, spend its time in one call of C, which no hook ends, or fill the C
 * stack. In a worker the last two would end or block what already runs; here they end the child, and the next one goes on behind
 * the app that did it. Modules with `unsafe = true` are left out: what they do outside of Lua must happen once. */
#include "core/graph_build.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 2 };             /* of processor time for one app; nf.sandbox ends Lua code after one */

/* What the child says of one app: "" when it could be made. */
struct trial {
	char text[ERROR_TEXT];
};

/* All apps to be tried; gives how many. */
static uint32_t collect(const struct graph *graph, struct graph_app **list)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < graph->worker_count; w++) {
		for (uint32_t i = 0; i < graph->worker[w].app_count; i++) {
			struct graph_app *app = &graph->worker[w].app[i];

			if (app->class->module == NULL || app->class->module->is_unsafe)
				continue;
			if (list != NULL)
				list[n] = app;
			n++;
		}
	}
	return n;
}

/* Let the kernel end this process when it has used TRIAL_SECONDS more of processor time. */
static void limit_time(void)
{
	struct rlimit limit;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	limit.rlim_cur = (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1 + TRIAL_SECONDS);
	limit.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_CPU, &limit);
}

static int run_child(struct graph_app *const *list, uint32_t count, int fd)
{
	struct rlimit core = { 0, 0 };

	graph_detach(fd);
	setrlimit(RLIMIT_CORE, &core);
	log_level = LOG_ERROR;          /* what an app prints is printed when it is made to run */
	for (uint32_t i = 0; i < count; i++) {
		struct trial trial = { 0 };

		limit_time();
		if (list[i]->class->prepare(list[i]->checked, NULL) < 0)
			snprintf(trial.text, sizeof(trial.text), "%s", nf_error());
		else
			list[i]->class->abort(list[i]->checked);
		if (write(GRAPH_RESULT_FD, &trial, sizeof(trial)) != (ssize_t)sizeof(trial))
			return 1;
	}
	return 0;
}

/* Read what the child says of its next app. gives: false when it says nothing any more, or nothing in time */
static bool receive(int fd, struct trial *trial)
{
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	uint64_t deadline = clock_system_ns() + graph_seconds * 1000000000ULL, now;
	size_t length = 0;

	while (length < sizeof(*trial) && (now = clock_system_ns()) < deadline) {
		ssize_t n;

		if (poll(&waiting, 1, (int)((deadline - now) / 1000000 + 1)) <= 0)
			continue;
		n = read(fd, (char *)trial + length, sizeof(*trial) - length);
		if (n == 0)
			return false;
		if (n > 0)
			length += (size_t)n;
	}
	trial->text[ERROR_TEXT - 1] = '\0';
	return length == sizeof(*trial);
}

/* Add the message of the app at which the child ended, or was ended. */
static void explain(const struct graph_app *app, int status, struct errors *errors)
{
	const char *path = app->class->module->path;

	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		errors_add(errors, "app '%s': %s: making the app takes longer than %d s, in a call that does not come back", app->name,
			path, TRIAL_SECONDS);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
		errors_add(errors, "app '%s': %s: making the app fills the C stack: calls nested too deep", app->name, path);
	else if (WIFSIGNALED(status))
		errors_add(errors, "app '%s': %s: making the app was ended by signal %d (%s)", app->name, path, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		errors_add(errors, "app '%s': %s: making the app ended its process with exit code %d", app->name, path,
			WEXITSTATUS(status));
}

/* Try the apps of the list in one child. gives: how many are done with, at least one */
static uint32_t try_some(struct graph_app *const *list, uint32_t count, struct errors *errors)
{
	struct trial trial;
	uint32_t done = 0;
	int pipe_fd[2], status = 0;
	pid_t child;

	if (pipe2(pipe_fd, O_CLOEXEC) != 0) {
		errors_add(errors, "app '%s': no pipe for its trial: %s", list[0]->name, strerror(errno));
		return count;
	}
	fflush(NULL);
	child = fork();
	if (child == 0)
		_exit(run_child(list, count, pipe_fd[1]));
	close(pipe_fd[1]);
	if (child < 0)
		errors_add(errors, "app '%s': no process for its trial: %s", list[0]->name, strerror(errno));
	for (; child > 0 && done < count && receive(pipe_fd[0], &trial); done++)
		if (trial.text[0] != '\0')
			errors_add(errors, "%s", trial.text);
	close(pipe_fd[0]);
	if (child < 0)
		return count;
	if (done < count)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (done < count)
		explain(list[done++], status, errors);
	return done;
}

int graph_try(const struct graph *graph, struct errors *errors)
{
	uint32_t before = errors->count, count = collect(graph, NULL), done = 0;
	struct graph_app **list = calloc(count + 1, sizeof(*list));

	nf_assert(list != NULL, "no memory for the trial of a graph");
	collect(graph, list);
	while (done < count)
		done += try_some(list + done, count - done, errors);
	free(list);
	return errors->count == before ? 0 : -EINVAL;
}
