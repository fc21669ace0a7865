/* worker -- see worker.h. */
#include "core/worker_state.h"

#include "core/filter.h"
#include "core/sandbox.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char worker_thread[] = "nf-packets";

static struct engine *volatile running; /* what worker_stop stops */
static volatile int stop_requests;

void worker_stop(void)
{
	struct engine *engine = running;

	stop_requests++;
	if (engine != NULL)
		engine_stop(engine);
}

void worker_send(struct worker *w, enum worker_report_type type)
{
	w->report->type = type;
	if (w->socket >= 0 && descriptor_send(w->socket, w->report, sizeof(*w->report), NULL, 0) < 0)
		log_debug("the supervisor is gone: %s", strerror(errno));
}

/* Say that everything is prepared and wait until all workers are. fails: -ECONNRESET: the supervisor gave up */
static int wait_for_others(struct worker *w)
{
	int fds[DESCRIPTOR_MOST], code;

	worker_send(w, WORKER_READY);
	if (w->socket < 0)
		return 0;
	code = descriptor_receive(w->socket, &w->order, sizeof(w->order), fds, DESCRIPTOR_MOST, NULL, 0);
	return code == 1 && w->order.type == WORKER_GO ? 0 : nf_fail(ECONNRESET, "the start was given up");
}

/* Only the packet thread is pinned: the house-keeping thread must not take its time. */
int worker_processor(const struct graph_worker *graph, uint32_t number, const struct worker_options *options)
{
	return graph->cpu < 0 && number == 0 ? options->cpu : graph->cpu;
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		log_warn("cannot run on processor %d: %s", cpu, strerror(errno));
}

static void *run_packets(void *context)
{
	struct worker *w = context;

	pin(w->cpu);
	prctl(PR_SET_NAME, worker_thread);
	prctl(PR_SET_TIMERSLACK, 1);    /* a sleep of 5 us is to be one of 5 us, not of 55 */
	sem_post(&w->settled);
	while (sem_wait(&w->go) != 0)
		;
	if (w->given_up)
		return NULL;
	w->code = engine_run(w->engine);
	if (w->code < 0)
		snprintf(w->text, sizeof(w->text), "%s", nf_error());
	eventfd_write(w->ended_fd, 1);
	return NULL;
}

/* Keep house while the packet thread runs: follow the supervisor's orders until the engine has ended. */
static void keep_house(struct worker *w)
{
	struct pollfd wait[2] = { { .fd = w->ended_fd, .events = POLLIN }, { .fd = w->socket, .events = POLLIN } };

	for (;;) {
		if (poll(wait, 2, -1) < 0)
			continue;       /* a signal: the handler has done what is to be done */
		if (wait[0].revents)
			break;
		if (wait[1].revents && worker_obey(w) <= 0)
			wait[1].fd = -1;
	}
	worker_forget(w);
}

/* Start the packet thread: a thread of its own, so that this one keeps house. It sets itself up and waits. */
static int start_packets(struct worker *w)
{
	int code;

	w->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (w->ended_fd < 0)
		return nf_fail(errno, "no event descriptor: %s", strerror(errno));
	sem_init(&w->settled, 0, 0);
	sem_init(&w->go, 0, 0);
	code = pthread_create(&w->packets, NULL, run_packets, w);
	if (code != 0) {
		close(w->ended_fd);
		return nf_fail(code, "no packet thread: %s", strerror(code));
	}
	while (sem_wait(&w->settled) != 0)
		;
	return 0;
}

/* Let the packet thread run, or end when the start has failed; gives how it ended. */
static int run_packets_to_end(struct worker *w, int code)
{
	w->given_up = code < 0;
	running = w->engine;
	for (int i = 0; i < stop_requests; i++)
		engine_stop(w->engine);
	sem_post(&w->go);
	if (code == 0)
		keep_house(w);
	pthread_join(w->packets, NULL);
	running = NULL;
	close(w->ended_fd);
	return code < 0 ? code : w->code < 0 ? nf_fail(-w->code, "%s", w->text) : 0;
}

/* Is native code made in this worker, by LuaJIT or by an app? */
static bool makes_code(const struct graph_worker *graph)
{
	for (uint32_t i = 0; i < graph->app_count; i++)
		if (graph->app[i].class->module != NULL || graph->app[i].class->executable)
			return true;
	return false;
}

/* From here on the worker makes only the system calls of the table. All threads are there; the filter is for all of them. */
static int close_sandbox(struct worker *w, bool compiles)
{
	int code = sandbox_filter(compiles, w->socket);

	/* Lua apps and filters that a reload brings are interpreted. */
	if (code == 0 && sandbox_has_filter && !compiles)
		script_compiles = filter_compiles = false;
	return code;
}

static int report_socket = -1;

/* Within a signal handler, and the last that this process does: tell which app it dies of. */
static void tell_stuck(const char *app)
{
	static struct worker_report report = { .type = WORKER_STUCK };

	strncpy(report.text, app, sizeof(report.text) - 1);
	descriptor_send(report_socket, &report, sizeof(report), NULL, 0);
}

/* What has ended a predecessor is not run again. */
static void quarantine_stuck(struct worker *w, const struct worker_stuck *stuck)
{
	for (uint32_t i = 0; stuck != NULL && i < stuck->count; i++) {
		struct app *app = engine_app_find(w->engine, stuck->app[i]);

		if (app != NULL)
			script_app_quarantine(app, "a call of C did not come back, which ended the worker before this one");
	}
}

static int prepare(struct worker *w, const struct worker_options *options, struct stats *stats)
{
	const struct graph_worker *graph = &w->graph->worker[w->number];
	struct engine_plan *plan;
	int code;

	engine_set_idle(w->engine, options->idle);
	engine_set_duration(w->engine, options->duration_ns);
	w->cpu = worker_processor(graph, w->number, options);
	if (options->virtual_clock)
		clock_set(0);
	code = engine_plan(w->engine, graph, &plan);
	if (code < 0)
		return code;
	engine_set_stats(w->engine, stats, w->number);
	engine_commit(w->engine, plan);
	engine_retire(w->engine, plan);
	if (options->successor && stats != NULL)
		engine_restore(w->engine);
	quarantine_stuck(w, options->stuck);
	report_socket = w->socket;
	script_on_stuck = w->socket >= 0 ? tell_stuck : NULL;
	return 0;
}

/* Everything from the start of the packet thread to its end. */
static int run(struct worker *w, const struct worker_options *options)
{
	int code = start_packets(w);

	if (code < 0)
		return code;
	if (options->sandbox)
		code = close_sandbox(w, options->compiles || makes_code(&w->graph->worker[w->number]));
	if (code == 0)
		code = wait_for_others(w);
	w->ran = code == 0;
	return run_packets_to_end(w, code);
}

/* Apps whose output is not complete: the run has not done what was asked for. */
static void name_failed(struct worker *w)
{
	for (uint32_t i = 0; i < engine_app_count(w->engine); i++) {
		const struct app *app = engine_app(w->engine, i);

		if (app->failed && w->report->failed++ == 0)
			snprintf(w->report->text, sizeof(w->report->text), "%s", app->name);
	}
}

int worker_run(struct graph *graph, uint32_t number, const struct worker_options *options, struct stats *stats, int socket,
	struct worker_report *report)
{
	struct worker *w = calloc(1, sizeof(*w));
	int code = 0;

	*report = (struct worker_report){ 0 };
	if (w == NULL)
		return nf_fail(ENOMEM, "no memory for a worker");
	if (options->successor)
		code = memory_recover((uint8_t)number);
	if (code >= 0)
		code = memory_worker_start((uint8_t)number);
	*w = (struct worker){ .graph = graph, .first = graph, .number = number, .socket = socket, .report = report };
	if (code == 0)
		code = job_start();
	if (code == 0 && (w->engine = engine_new()) == NULL)
		code = nf_fail(ENOMEM, "no memory for an engine");
	if (code == 0)
		code = prepare(w, options, stats);
	if (code == 0)
		code = run(w, options);
	if (w->ran)
		engine_ledger(w->engine, &report->ledger);
	if (w->ran && code == 0)
		name_failed(w);
	/* What is in the rings is counted when nobody changes them any more. */
	if (graph->worker_count > 1)
		report->ledger.between = memory_home_own();
	if (code < 0)
		snprintf(report->text, sizeof(report->text), "%s", nf_error());
	engine_free(w->engine);
	job_stop();
	report->leaked = memory_in_use();
	if (report->leaked > 0 && graph->worker_count == 1)     /* of several, others may have them */
		memory_report_leaks();
	worker_send(w, code < 0 ? WORKER_FAILED : WORKER_ENDED);
	memory_worker_stop();
	if (w->graph != graph)
		graph_free(w->graph);
	stats_close(w->present);
	free(w);
	return code < 0 ? nf_fail(-code, "%s", report->text) : 0;
}
