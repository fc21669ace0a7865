/* worker -- see worker.h. */
#include "core/core.h"

#include "core/worker.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct engine *volatile running; /* what worker_stop stops */
static volatile int stop_requests;

void worker_stop(void)
{
	struct engine *engine = running;

	stop_requests++;
	if (engine != NULL)
		engine_stop(engine);
}

static void send_report(int socket, struct worker_report *report, enum worker_report_type type)
{
	report->type = type;
	if (socket >= 0 && send(socket, report, sizeof(*report), MSG_NOSIGNAL) < 0)
		log_debug("the supervisor is gone: %s", strerror(errno));
}

/* Say that everything is prepared and wait until all workers are. fails: -ECONNRESET: the supervisor gave up */
static int wait_for_others(int socket, struct worker_report *report)
{
	char go = 0;
	ssize_t n;

	send_report(socket, report, WORKER_READY);
	if (socket < 0)
		return 0;
	do {
		n = recv(socket, &go, 1, 0);
	} while (n < 0 && errno == EINTR && stop_requests == 0);
	return n == 1 ? 0 : nf_fail(ECONNRESET, "the start was given up");
}

struct packet_thread {
	struct engine *engine;
	int cpu;
	int code;
	char text[ERROR_TEXT];
};

/* Only the packet thread is pinned: the house-keeping thread must not take its time. */
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
	struct packet_thread *thread = context;

	pin(thread->cpu);
	prctl(PR_SET_TIMERSLACK, 1);    /* a sleep of 5 us is to be one of 5 us, not of 55 */
	thread->code = engine_run(thread->engine);
	if (thread->code < 0)
		snprintf(thread->text, sizeof(thread->text), "%s", nf_error());
	return NULL;
}

/* Run the engine in the packet thread: a thread of its own, so that this one keeps house. */
static int run_engine(struct engine *engine, int cpu)
{
	struct packet_thread thread = { .engine = engine, .cpu = cpu };
	pthread_t id;
	int code = pthread_create(&id, NULL, run_packets, &thread);

	if (code != 0)
		return nf_fail(code, "no packet thread: %s", strerror(code));
	pthread_join(id, NULL);
	return thread.code < 0 ? nf_fail(-thread.code, "%s", thread.text) : 0;
}

static int prepare(struct engine *engine, const struct graph *graph, uint32_t number, const struct worker_options *options,
	struct stats *stats)
{
	struct engine_plan *plan;
	int code;

	engine_set_idle(engine, options->idle);
	engine_set_duration(engine, options->duration_ns);
	if (options->virtual_clock)
		clock_set(0);
	code = engine_plan(engine, &graph->worker[number], &plan);
	if (code < 0)
		return code;
	engine_set_stats(engine, stats, number);
	engine_commit(engine, plan);
	engine_retire(engine, plan);
	return 0;
}

int worker_run(const struct graph *graph, uint32_t number, const struct worker_options *options, struct stats *stats, int socket,
	struct worker_report *report)
{
	struct engine *engine = NULL;
	int code = memory_worker_start((uint8_t)number);

	*report = (struct worker_report){ 0 };
	if (code == 0)
		code = job_start();
	if (code == 0 && (engine = engine_new()) == NULL)
		code = nf_fail(ENOMEM, "no memory for an engine");
	if (code == 0)
		code = prepare(engine, graph, number, options, stats);
	if (code == 0)
		code = wait_for_others(socket, report);
	if (code == 0) {
		running = engine;
		for (int i = 0; i < stop_requests; i++)
			engine_stop(engine);
		code = run_engine(engine, graph->worker[number].cpu < 0 && number == 0 ? options->cpu : graph->worker[number].cpu);
		running = NULL;
		engine_ledger(engine, &report->ledger);
	}
	if (code < 0)
		snprintf(report->text, sizeof(report->text), "%s", nf_error());
	engine_free(engine);
	job_stop();
	report->leaked = memory_in_use();
	if (report->leaked > 0)
		memory_report_leaks();
	send_report(socket, report, code < 0 ? WORKER_FAILED : WORKER_ENDED);
	memory_worker_stop();
	return code < 0 ? nf_fail(-code, "%s", report->text) : 0;
}
