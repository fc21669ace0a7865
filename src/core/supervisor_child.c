/* supervisor_child -- the workers' processes: fork, reports, death, restart. See supervisor.h. */
#include "core/supervisor_state.h"

#include "core/memory_window.h"
#include "core/notify.h"
#include "core/pci_registers.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>


enum {
	CRASHES_MOST = 5,               /* restarts of one worker within CRASH_WINDOW_NS; then the run is given up */
	FIRST_BACKOFF_NS = 20000000,    /* doubled with each death within the window */
	ORDER_PATIENCE_MS = 500,        /* for a worker to read an order, so that there is room for another */
	EXIT_WORKER = 3
};
#define CRASH_WINDOW_NS 60000000000ULL

void supervisor_on_stop(int signal_number)
{
	(void)signal_number;
	worker_stop();
}

/* A worker has its two sockets and nothing else of what the supervisor has open: what it needs it asks for. */
static void keep_descriptors(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	close_range(STDERR_FILENO + 1, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
	for (uint32_t i = 0; i < memory_segment_count; i++)
		memory_segment[i].fd = -1;
}

/* The worker's process from its first to its last instruction. */
static void be_worker(struct supervisor *s, uint32_t number, int control, int resource, pid_t supervisor) __attribute__((noreturn));
static void be_worker(struct supervisor *s, uint32_t number, int control, int resource, pid_t supervisor)
{
	struct sigaction action = { .sa_handler = supervisor_on_stop };
	struct worker_options options = s->options->worker;
	struct worker_report report;
	char prefix[32];
	int code;

	prctl(PR_SET_NAME, "nf-worker");
	sigaction(SIGTERM, &action, NULL);
	signal(SIGINT, SIG_IGN);                /* a terminal sends it to all of us; the supervisor passes it on as SIGTERM */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	keep_descriptors(control, resource);
	if (s->graph->worker_count > 1) {
		snprintf(prefix, sizeof(prefix), "worker %.20s: ", s->graph->worker[number].name);
		log_prefix(prefix);
	}
	resource_ask(resource);
	code = s->options->worker.sandbox ? sandbox_drop(&s->options->user) : 0;
	/* No worker outlives its supervisor. A change of user would undo it, so it comes behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(EXIT_WORKER);
	if (code < 0) {
		report = (struct worker_report){ .type = WORKER_FAILED };
		snprintf(report.text, sizeof(report.text), "%s", nf_error());
		descriptor_send(control, &report, sizeof(report), NULL, 0);
		_exit(EXIT_WORKER);
	}
	mallopt(M_ARENA_MAX, 1);                /* others would be made with calls that the sandbox does not allow */
	options.successor = s->child[number].died;
	options.stuck = &s->child[number].stuck;
	code = worker_run(s->graph, number, &options, s->result->stats, control, &report);
	_exit(code < 0 ? EXIT_WORKER : 0);
}

/* Fork worker `number`. */
int supervisor_start_worker(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	int control[2], resource[2];
	pid_t pid, supervisor = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
		return nf_fail(errno, "no socket for a worker: %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, resource) != 0) {
		close(control[0]);
		close(control[1]);
		return nf_fail(errno, "no socket for a worker: %s", strerror(errno));
	}
	/* A worker that does not read what it asked for must not make us wait. */
	fcntl(control[0], F_SETFL, O_NONBLOCK);
	fcntl(resource[0], F_SETFL, O_NONBLOCK);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(control[0]);
		close(resource[0]);
		pci_registers_leave();
		be_worker(s, number, control[1], resource[1], supervisor);
	}
	close(control[1]);
	close(resource[1]);
	if (pid < 0) {
		close(control[0]);
		close(resource[0]);
		return nf_fail(errno, "cannot start a worker: %s", strerror(errno));
	}
	child->pid = pid;
	child->control = control[0];
	child->resource = resource[0];
	child->ready = child->released = child->ended = false;
	child->restart_ns = CLOCK_NEVER;
	stats_header(s->result->stats)->worker_pid[number] = pid;
	return 0;
}

void supervisor_give_up(struct supervisor *s, const char *text)
{
	if (!s->failed)
		snprintf(s->text, sizeof(s->text), "%s", text);
	s->failed = true;
}

void supervisor_signal_workers(struct supervisor *s, int signal_number)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		if (s->child[i].pid > 0)
			kill(s->child[i].pid, signal_number);
		s->child[i].restart_ns = CLOCK_NEVER;
	}
}

/* Everybody has prepared: let them run. A restarted worker need not wait. */
static void release(struct supervisor *s)
{
	const struct worker_order go = { .type = WORKER_GO };
	uint32_t count = s->graph->worker_count;

	for (uint32_t i = 0; i < count; i++)
		if (!s->child[i].ready && !s->started)
			return;
	for (uint32_t i = 0; i < count; i++)
		if (s->child[i].ready && !s->child[i].released && s->child[i].control >= 0) {
			s->child[i].released = true;
			s->child[i].breathless = 0;
			s->child[i].breathes = false;
			s->child[i].breaths = __atomic_load_n(&stats_block(s->result->stats, i)->breaths, __ATOMIC_RELAXED);
			if (s->child[i].died)
				log_warn("worker '%s' is back after %.1f ms", s->graph->worker[i].name,
					(double)(clock_system_ns() - s->child[i].died_ns) / 1e6);
			if (supervisor_order(s, i, &go, NULL, 0) < 0)
				log_debug("worker %u is gone", i + 1);
		}
	if (!s->started)
		notify_send("READY=1");
	s->started = true;
}

int supervisor_order(struct supervisor *s, uint32_t number, const struct worker_order *order, const int *fds, int count)
{
	struct pollfd wait = { .fd = s->child[number].control, .events = POLLOUT };
	int code = descriptor_send(wait.fd, order, sizeof(*order), fds, count);

	/* Many orders wait already. An honest worker reads them soon; for another one we do not wait longer. */
	if (code == -EAGAIN && poll(&wait, 1, ORDER_PATIENCE_MS) == 1)
		code = descriptor_send(wait.fd, order, sizeof(*order), fds, count);
	return code;
}

/* Keep the name of an app that a worker dies of; a reload forgets it. */
static void add_stuck(struct worker_stuck *stuck, const char *app)
{
	if (stuck->count < WORKER_STUCKS)
		snprintf(stuck->app[stuck->count++], WORKER_APP, "%.*s", WORKER_APP - 1, app);
}

/* One message of a worker. Hostile: its size and type are checked, its text ends where the buffer ends. */
void supervisor_read_report(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	struct worker_report report;
	char name[64];
	int code = descriptor_receive(child->control, &report, sizeof(report), NULL, 0, NULL, MSG_DONTWAIT);

	/* One that died with orders unread: what it has sent before follows. */
	if (code == -EAGAIN || code == -ECONNRESET)
		return;
	if (code == 0) {
		close(child->control);
		child->control = -1;
		return;
	}
	report.text[sizeof(report.text) - 1] = '\0';
	if (code == 1 && report.type == WORKER_READY && !child->ready) {
		child->ready = true;
		release(s);
	} else if (code == 1 && report.type == WORKER_FAILED) {
		child->ended = true;
		supervisor_give_up(s, report.text);
		supervisor_signal_workers(s, SIGTERM);
	} else if (code == 1 && report.type == WORKER_ENDED) {
		child->ended = true;
		child->report = report;
		supervisor_reload_lost(s, number);
		supervisor_command_lost(s, number);
	} else if (code == 1 && report.type == WORKER_BROKE) {
		sandbox_call_name(report.call, name, sizeof(name));
		log_error("worker '%s' made the system call '%s', which no worker makes; it is ended", s->graph->worker[number].name,
			name);
		kill(child->pid, SIGKILL);
	} else if (code == 1 && report.type == WORKER_STUCK) {
		add_stuck(&child->stuck, report.text);
	} else if (code == 1 && report.type == WORKER_DONE && supervisor_command_report(s, number, &report)) {
		return;
	} else if (code != 1 || !supervisor_reload_report(s, number, &report)) {
		log_error("worker %u sent what no worker sends; it is ended", number + 1);
		kill(child->pid, SIGKILL);
	}
}

void supervisor_cut_off(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	struct pollfd waiting = { .fd = child->resource, .events = POLLIN };
	bool closed = poll(&waiting, 1, 0) == 1 && (waiting.revents & POLLHUP) != 0;

	close(child->resource);
	child->resource = -1;
	if (closed)
		return;         /* it has died or ended, which is met elsewhere */
	log_error("worker %u asked for a resource in a way that no worker does; it is ended", number + 1);
	kill(child->pid, SIGKILL);
}

/* What the dead worker's devices still do must end before another one takes over its memory. */
static void quiesce(const struct graph *graph, uint32_t number)
{
	const struct graph_worker *worker = &graph->worker[number];

	for (uint32_t i = 0; i < graph->resources->count; i++) {
		const struct resource *resource = &graph->resources->list[i];
		bool had = false;

		for (uint32_t j = 0; j < worker->app_count; j++)
			had = had || worker->app[j].checked == resource->app;
		if (had && (resource->fd >= 0 || resource->given) && resource->app->class->quiesce != NULL &&
			resource->app->class->quiesce(resource->app, resource->key, resource->fd) < 0)
			log_error("%s", nf_error());
	}
}

/* In the lists of the graph that runs and of one that is on its way. */
static void bereave(struct supervisor *s, uint32_t number)
{
	struct graph *graph[] = { s->graph, s->reload.phase != RELOAD_NONE ? s->reload.graph : NULL };

	for (uint32_t i = 0; i < 2; i++)
		if (graph[i] != NULL)
			quiesce(graph[i], number);
	if (memory_dma_is_on())
		memory_addresses();             /* a worker that ran wild may have spoilt them */
}

/* A worker that has not said that it has ended is dead by accident: start another one, a little later each time. */
static void on_death(struct supervisor *s, uint32_t number, int status)
{
	struct child *child = &s->child[number];
	uint64_t now = clock_system_ns();
	char how[64];

	while (child->control >= 0 && !child->ended) {
		struct pollfd waiting = { .fd = child->control, .events = POLLIN };

		if (poll(&waiting, 1, 0) <= 0 || !(waiting.revents & POLLIN))
			break;
		supervisor_read_report(s, number);
	}
	if (child->control >= 0)
		close(child->control);
	if (child->resource >= 0)
		close(child->resource);
	child->control = child->resource = -1;
	child->pid = 0;
	stats_header(s->result->stats)->worker_pid[number] = 0;
	supervisor_reload_lost(s, number);
	supervisor_command_lost(s, number);
	supervisor_probe_lost(s, number, child->ended ? "the graph has ended\n" : "the worker has died\n");
	if (child->ended)
		return;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "ended with code %d", WEXITSTATUS(status));
	s->result->crashes++;
	child->died = true;
	child->died_ns = now;
	if (child->deaths == 0 || now - child->first_death_ns > CRASH_WINDOW_NS) {
		child->first_death_ns = now;
		child->deaths = 0;
	}
	child->deaths++;
	if (s->stops > 0 || s->failed || !s->started || child->deaths > CRASHES_MOST) {
		char text[ERROR_TEXT];

		snprintf(text, sizeof(text), "worker '%s' %s%s", s->graph->worker[number].name, how,
			child->deaths > CRASHES_MOST ? ", again and again; given up" : "");
		child->ended = true;
		supervisor_give_up(s, text);
		supervisor_signal_workers(s, SIGTERM);
		return;
	}
	bereave(s, number);
	child->restart_ns = now + ((uint64_t)FIRST_BACKOFF_NS << (child->deaths - 1));
	log_error("worker '%s' %s; it is started again", s->graph->worker[number].name, how);
}

void supervisor_reap(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		int status;

		if (s->child[i].pid > 0 && waitpid(s->child[i].pid, &status, WNOHANG) == s->child[i].pid)
			on_death(s, i, status);
	}
}

/* Start again those whose time has come; gives how many milliseconds until the next one, -1: none. */
int supervisor_restart(struct supervisor *s)
{
	uint64_t now = clock_system_ns(), next = CLOCK_NEVER;

	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		struct child *child = &s->child[i];

		if (child->restart_ns > now) {
			next = child->restart_ns < next ? child->restart_ns : next;
			continue;
		}
		if (supervisor_start_worker(s, i) < 0) {
			supervisor_give_up(s, nf_error());
			child->restart_ns = CLOCK_NEVER;
			supervisor_signal_workers(s, SIGTERM);
		}
	}
	return next == CLOCK_NEVER ? -1 : (int)((next - now) / 1000000) + 1;
}

