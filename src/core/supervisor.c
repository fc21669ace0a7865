/* supervisor -- see supervisor.h. */
#include "core/core.h"

#include "core/worker.h"

#include "core/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CRASHES_MOST = 5,               /* restarts of one worker within CRASH_WINDOW_NS; then the run is given up */
	FIRST_BACKOFF_NS = 20000000,    /* doubled with each death within the window */
	EXIT_WORKER = 3
};
#define CRASH_WINDOW_NS 60000000000ULL

struct child {
	pid_t pid;                      /* 0: not running */
	int control, resource;          /* our ends of its sockets; -1 */
	bool ready, ended;
	uint32_t deaths;                /* within the window */
	uint64_t first_death_ns, restart_ns;    /* restart_ns: CLOCK_NEVER unless it waits for its restart */
	struct worker_report report;
};

struct supervisor {
	struct graph *graph;
	const struct supervisor_options *options;
	struct supervisor_result *result;
	struct child child[MEMORY_WORKERS];
	int lock, signals;
	sigset_t mask, before;
	uint32_t stops;
	bool started;                   /* all workers were ready once */
	bool failed;
	char text[ERROR_TEXT];
};

/* Memory for every worker's packets, before any fork. */
static int make_segments(const struct graph *graph)
{
	int code = memory_reserve();

	if (code == 0)
		code = memory_home_init(graph->worker_count);
	for (uint32_t i = 0; code == 0 && i < graph->worker_count; i++)
		for (uint32_t size = 0; code >= 0 && size < PACKET_SIZES; size++)
			if (graph->worker[i].packets[size] > 0)
				code = memory_segment_add((uint8_t)i, (enum packet_size)size, graph->worker[i].packets[size], -1);
	return code < 0 ? code : 0;
}

/* Every device and file now, while errors can still be told and nothing runs. */
static int open_resources(struct resources *resources)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		int code = resource_find_open(resources, resources->list[i].key);

		if (code < 0)
			return code;
	}
	return 0;
}

static void on_stop(int signal_number)
{
	(void)signal_number;
	worker_stop();
}

/* The worker's process from its first to its last instruction. */
static void be_worker(struct supervisor *s, uint32_t number, int control, int resource) __attribute__((noreturn));
static void be_worker(struct supervisor *s, uint32_t number, int control, int resource)
{
	struct sigaction action = { .sa_handler = on_stop };
	struct worker_report report;
	char prefix[32];
	int code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);       /* no worker outlives its supervisor */
	prctl(PR_SET_NAME, "nf-worker");
	sigaction(SIGTERM, &action, NULL);
	signal(SIGINT, SIG_IGN);                /* a terminal sends it to all of us; the supervisor passes it on as SIGTERM */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	close(s->signals);
	close(s->lock);
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		if (s->child[i].control >= 0)
			close(s->child[i].control);
		if (s->child[i].resource >= 0)
			close(s->child[i].resource);
	}
	if (s->graph->worker_count > 1) {
		snprintf(prefix, sizeof(prefix), "worker %.20s: ", s->graph->worker[number].name);
		log_prefix(prefix);
	}
	resource_ask(resource);
	code = worker_run(s->graph, number, &s->options->worker, s->result->stats, control, &report);
	_exit(code < 0 ? EXIT_WORKER : 0);
}

/* Fork worker `number`. */
static int start_worker(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	int control[2], resource[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
		return nf_fail(errno, "no socket for a worker: %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, resource) != 0) {
		close(control[0]);
		close(control[1]);
		return nf_fail(errno, "no socket for a worker: %s", strerror(errno));
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(control[0]);
		close(resource[0]);
		be_worker(s, number, control[1], resource[1]);
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
	child->ready = child->ended = false;
	child->restart_ns = CLOCK_NEVER;
	stats_header(s->result->stats)->worker_pid[number] = pid;
	return 0;
}

static void give_up(struct supervisor *s, const char *text)
{
	if (!s->failed)
		snprintf(s->text, sizeof(s->text), "%s", text);
	s->failed = true;
}

static void signal_workers(struct supervisor *s, int signal_number)
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
	uint32_t count = s->graph->worker_count;

	for (uint32_t i = 0; i < count; i++)
		if (!s->child[i].ready && !s->started)
			return;
	for (uint32_t i = 0; i < count; i++)
		if (s->child[i].ready && s->child[i].control >= 0)
			send(s->child[i].control, "g", 1, MSG_NOSIGNAL);
	s->started = true;
}

/* One message of a worker. Hostile: its size and type are checked, its text ends where the buffer ends. */
static void read_report(struct supervisor *s, uint32_t number)
{
	struct child *child = &s->child[number];
	struct worker_report report;
	ssize_t n = recv(child->control, &report, sizeof(report), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(report)) {
		close(child->control);
		child->control = -1;
		return;
	}
	report.text[sizeof(report.text) - 1] = '\0';
	if (report.type == WORKER_READY && !child->ready) {
		child->ready = true;
		release(s);
	} else if (report.type == WORKER_FAILED) {
		child->ended = true;
		give_up(s, report.text);
		signal_workers(s, SIGTERM);
	} else if (report.type == WORKER_ENDED) {
		child->ended = true;
		child->report = report;
	} else {
		log_error("worker %u sent what no worker sends; it is ended", number);
		kill(child->pid, SIGKILL);
	}
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
		read_report(s, number);
	}
	if (child->control >= 0)
		close(child->control);
	if (child->resource >= 0)
		close(child->resource);
	child->control = child->resource = -1;
	child->pid = 0;
	stats_header(s->result->stats)->worker_pid[number] = 0;
	if (child->ended)
		return;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, sizeof(how), "ended with code %d", WEXITSTATUS(status));
	s->result->crashes++;
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
		give_up(s, text);
		signal_workers(s, SIGTERM);
		return;
	}
	child->restart_ns = now + ((uint64_t)FIRST_BACKOFF_NS << (child->deaths - 1));
	log_error("worker '%s' %s; it is started again", s->graph->worker[number].name, how);
}

static void reap(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		int status;

		if (s->child[i].pid > 0 && waitpid(s->child[i].pid, &status, WNOHANG) == s->child[i].pid)
			on_death(s, i, status);
	}
}

/* Signals that came: somebody wants us to end, or a worker has died. */
static void read_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGINT && info.ssi_signo != SIGTERM)
			continue;
		s->stops++;
		s->result->stopped = true;
		signal_workers(s, SIGTERM);
	}
	reap(s);
}

static bool is_over(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++)
		if (s->child[i].pid > 0 || s->child[i].restart_ns != CLOCK_NEVER)
			return false;
	return true;
}

/* Start again those whose time has come; gives how many milliseconds until the next one, -1: none. */
static int restart(struct supervisor *s)
{
	uint64_t now = clock_system_ns(), next = CLOCK_NEVER;

	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		struct child *child = &s->child[i];

		if (child->restart_ns > now) {
			next = child->restart_ns < next ? child->restart_ns : next;
			continue;
		}
		if (start_worker(s, i) < 0) {
			give_up(s, nf_error());
			child->restart_ns = CLOCK_NEVER;
			signal_workers(s, SIGTERM);
		}
	}
	return next == CLOCK_NEVER ? -1 : (int)((next - now) / 1000000) + 1;
}

static void watch(struct supervisor *s)
{
	struct pollfd wait[1 + 2 * MEMORY_WORKERS];

	while (!is_over(s)) {
		uint32_t count = s->graph->worker_count;
		int timeout = restart(s);

		wait[0] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
		for (uint32_t i = 0; i < count; i++) {
			wait[1 + 2 * i] = (struct pollfd){ .fd = s->child[i].control, .events = POLLIN };
			wait[2 + 2 * i] = (struct pollfd){ .fd = s->child[i].resource, .events = POLLIN };
		}
		if (poll(wait, 1 + 2 * count, timeout) < 0 && errno != EINTR)
			break;
		for (uint32_t i = 0; i < count; i++) {
			if (wait[2 + 2 * i].revents && s->child[i].resource >= 0 &&
				resource_answer(s->child[i].resource, s->graph->resources) < 0) {
				close(s->child[i].resource);
				s->child[i].resource = -1;
			}
			if (wait[1 + 2 * i].revents && s->child[i].control >= 0)
				read_report(s, i);
		}
		if (wait[0].revents)
			read_signals(s);
	}
}

/* Add a worker's ledger to the sum. */
static void add_ledger(struct ledger *sum, const struct ledger *one)
{
	uint64_t *to = &sum->taken;
	const uint64_t *from = &one->taken;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

static void judge(struct supervisor *s)
{
	struct supervisor_result *result = s->result;
	uint64_t leaked = 0;

	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		add_ledger(&result->ledger, &s->child[i].report.ledger);
		leaked += s->child[i].report.leaked;
	}
	result->balanced = ledger_balances(&result->ledger, result->unbalanced, sizeof(result->unbalanced));
	if (result->balanced && leaked > 0) {
		result->balanced = false;
		snprintf(result->unbalanced, sizeof(result->unbalanced), "memory: %llu packets were still in use after every app "
			"was gone.", (unsigned long long)leaked);
	}
}

/* In one process: the same steps without forks. */
static int run_here(struct supervisor *s)
{
	struct sigaction action = { .sa_handler = on_stop };
	int code;

	if (s->graph->worker_count > 1)
		return nf_fail(EINVAL, "--single-process runs one worker; the configuration has %u", s->graph->worker_count);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	resource_serve_here(s->graph->resources);
	stats_header(s->result->stats)->worker_pid[0] = getpid();
	code = worker_run(s->graph, 0, &s->options->worker, s->result->stats, -1, &s->child[0].report);
	resource_serve_here(NULL);
	return code;
}

/* Fork them all; when one cannot be started, end the others. */
static int run_workers(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		int code = start_worker(s, i);

		if (code < 0) {
			give_up(s, nf_error());
			signal_workers(s, SIGTERM);
			break;
		}
	}
	watch(s);
	return s->failed ? nf_fail(EIO, "%s", s->text) : 0;
}

/* Block the signals that we read from a descriptor. */
static int catch_signals(struct supervisor *s)
{
	sigemptyset(&s->mask);
	sigaddset(&s->mask, SIGINT);
	sigaddset(&s->mask, SIGTERM);
	sigaddset(&s->mask, SIGHUP);
	sigaddset(&s->mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s->mask, &s->before);
	s->signals = signalfd(-1, &s->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? nf_fail(errno, "no signal descriptor: %s", strerror(errno)) : 0;
}

static int start_all(struct supervisor *s)
{
	char path[INSTANCE_PATH];
	int code = make_segments(s->graph);

	if (code == 0)
		code = instance_path(path, s->options->name, "stats");
	if (code == 0)
		code = stats_create(&s->result->stats, path, s->graph);
	if (code == 0) {
		struct stats_header *header = stats_header(s->result->stats);

		snprintf(header->name, sizeof(header->name), "%s", s->options->name);
		code = open_resources(s->graph->resources);
	}
	return code;
}

int supervisor_run(struct graph *graph, const struct supervisor_options *options, struct supervisor_result *result)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int code;

	*result = (struct supervisor_result){ 0 };
	if (s == NULL)
		return nf_fail(ENOMEM, "not enough memory");
	s->graph = graph;
	s->options = options;
	s->result = result;
	s->signals = -1;
	for (uint32_t i = 0; i < MEMORY_WORKERS; i++)
		s->child[i] = (struct child){ .control = -1, .resource = -1, .restart_ns = CLOCK_NEVER };
	s->lock = instance_create(options->name);
	if (s->lock < 0) {
		code = s->lock;
		free(s);
		return code;
	}
	code = catch_signals(s);
	if (code == 0)
		code = start_all(s);
	if (code == 0)
		code = options->single_process ? run_here(s) : run_workers(s);
	if (code == 0)
		judge(s);
	if (code < 0)
		snprintf(s->text, sizeof(s->text), "%s", nf_error());
	resources_fini(graph->resources, code < 0 && !s->started);
	if (s->signals >= 0)
		close(s->signals);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	instance_remove(options->name, s->lock);
	if (code < 0)
		code = nf_fail(-code, "%s", s->text);
	free(s);
	return code;
}
