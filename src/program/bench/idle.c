/* idle -- what the idle policies cost and how soon they wake: an app of this file brings in a packet for each event that another
 * thread sends after a pause of 0.5 to 9.5 ms. It behaves as a network card does: looking for an event reads memory, and a
 * descriptor announces it to who sleeps.
 *
 * The ns of a case are the median latency from event to packet; cpu is the share of a processor that the packet thread takes
 * while events come, cpu_silent while none does. */
#include "program/bench/rig.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 4096,                  /* of one run, at most */
	PAUSE_LEAST_US = 500, PAUSE_MOST_US = 9500,
	SILENT_MS = 100,                /* before the events, in long runs */
	RING_NS = 34000                 /* half a ring of 1,024 descriptors at 14.88 Mpps: how long a card's app may sleep */
};

struct event_app {
	struct app app;
	bool ring;                      /* limit sleeps as a network card must */
};

static int event_descriptor = -1;
static uint64_t sent_ns[EVENTS], latency_ns[EVENTS];
static uint32_t sent, seen;

/* Bring in a packet for each event. */
static void event_pull(struct app *app)
{
	uint32_t until = __atomic_load_n(&sent, __ATOMIC_ACQUIRE), at = seen;
	eventfd_t value;

	if (at == until)
		return;
	for (; at < until && link_room(app->output[0]) > 0; at++) {
		struct packet *p = packet_alloc_length(60);

		latency_ns[at] = clock_system_ns() - sent_ns[at];
		if (p != NULL) {
			app->received++;
			link_send(app->output[0], p);
		}
	}
	__atomic_store_n(&seen, at, __ATOMIC_RELEASE);
	eventfd_read(event_descriptor, &value);         /* what is announced only now costs one more look */
}

static int event_fd(const struct app *app)
{
	(void)app;
	return event_descriptor;
}

static uint64_t event_sleep_limit(const struct app *app)
{
	return ((const struct event_app *)app)->ring ? RING_NS : CLOCK_NEVER;
}

static const struct param event_params[] = {
	{ "ring", PARAM_BOOL, offsetof(struct event_app, ring), .help = "sleep no longer than half a receive ring lasts" },
	{ 0 }
};

static const struct app_class event_class = {
	.name = "bench.event", .help = "Bring in a packet for each event of the benchmark.",
	.size = sizeof(struct event_app), .params = event_params,
	.outputs = (const char *const[]){ "output", NULL },
	.pull = event_pull, .event_fd = event_fd, .sleep_limit = event_sleep_limit,
};

/* The table of apps, and the one of this file. */
static int add_class(void)
{
	const struct app_class **classes;
	uint32_t count = 0;

	while (app_classes[count] != NULL)
		count++;
	classes = calloc(count + 2, sizeof(*classes));
	if (classes == NULL)
		return nf_fail(ENOMEM, "no memory for a table of apps");
	memcpy(classes, app_classes, count * sizeof(*classes));
	classes[count] = &event_class;
	app_classes = classes;
	return 0;
}

static int start(const struct bench_case *c)
{
	char source[256];
	int code = add_class();

	if (code < 0)
		return code;
	event_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event_descriptor < 0)
		return nf_fail(errno, "no event descriptor: %s", strerror(errno));
	snprintf(source, sizeof(source), "return { apps = { event = { 'bench.event', ring = %s }, sink = { 'basic.sink' } }, "
		"links = { 'event.output -> sink.input' } }", c->second ? "true" : "false");
	return rig_graph(source);
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void sleep_us(uint64_t us)
{
	struct timespec time = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* The thread that sends events, and what it measures of the packet thread. */
struct sender {
	uint32_t events;
	clockid_t clock;                /* the packet thread's CPU time */
	double cpu, cpu_silent;
};

/* The packet thread's share of a processor since the two times were taken. */
static double share(const struct sender *sender, uint64_t cpu, uint64_t ns)
{
	return (double)(cpu_ns(sender->clock) - cpu) / (double)(clock_system_ns() - ns + 1);
}

static void *send_events(void *context)
{
	struct sender *sender = context;
	uint64_t cpu, ns;
	struct random random;

	random_init(&random, 1, "idle");
	/* At most a second: an engine that did not start has said why, and has nothing to be measured. */
	for (uint32_t i = 0; i < 1000 && engine_breaths(rig_engine()) == 0; i++)
		sleep_us(1000);
	cpu = cpu_ns(sender->clock);
	ns = clock_system_ns();
	sleep_us(sender->events > 16 ? SILENT_MS * 1000 : 1000);
	sender->cpu_silent = share(sender, cpu, ns);
	cpu = cpu_ns(sender->clock);
	ns = clock_system_ns();
	for (uint32_t i = 0; i < sender->events; i++) {
		sleep_us(PAUSE_LEAST_US + random_below(&random, PAUSE_MOST_US - PAUSE_LEAST_US));
		sent_ns[i] = clock_system_ns();
		__atomic_store_n(&sent, i + 1, __ATOMIC_RELEASE);
		eventfd_write(event_descriptor, 1);
	}
	for (uint32_t i = 0; i < 1000 && __atomic_load_n(&seen, __ATOMIC_ACQUIRE) < sender->events; i++)
		sleep_us(1000);
	sender->cpu = share(sender, cpu, ns);
	engine_stop(rig_engine());
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The latencies' median and 99th percentile, and what the sender measured. */
static void report(const struct sender *sender, struct bench_sample *sample)
{
	double median;

	qsort(latency_ns, seen, sizeof(*latency_ns), compare);
	median = (double)latency_ns[seen / 2];
	sample->packets = seen;
	sample->ns = (uint64_t)(median * seen);
	sample->cycles = (uint64_t)(median * seen * clock_hz / 1e9);
	sample->extra[0] = median;
	sample->extra[1] = (double)latency_ns[seen * 99 / 100];
	sample->extra[2] = sender->cpu;
	sample->extra[3] = sender->cpu_silent;
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	struct sender sender = { .events = sample->packets < EVENTS ? (uint32_t)sample->packets : EVENTS };
	eventfd_t value;
	pthread_t thread;
	int code;

	sent = seen = 0;
	eventfd_read(event_descriptor, &value);         /* an event that was seen before it was announced */
	code = rig_engine_new();
	if (code < 0)
		return code;
	engine_set_idle(rig_engine(), (enum engine_idle)c->argument);
	prctl(PR_SET_TIMERSLACK, 1);    /* as a worker's packet thread has it */
	pthread_getcpuclockid(pthread_self(), &sender.clock);
	code = pthread_create(&thread, NULL, send_events, &sender);
	if (code != 0)
		return nf_fail(code, "no second thread: %s", strerror(code));
	code = engine_run(rig_engine());
	pthread_join(thread, NULL);
	if (code < 0)
		return code;
	if (seen == 0)
		return nf_fail(EIO, "no event was seen");
	report(&sender, sample);
	return 0;
}

static const struct bench_case cases[] = {
	{ .name = "busy", .start = start, .run = run, .argument = ENGINE_BUSY, .most = EVENTS, .whole = true },
	{ .name = "adaptive", .start = start, .run = run, .argument = ENGINE_ADAPTIVE, .most = EVENTS, .whole = true },
	{ .name = "adaptive-ring", .start = start, .run = run, .argument = ENGINE_ADAPTIVE, .second = true,
		.most = EVENTS, .whole = true },
	{ .name = "wait", .start = start, .run = run, .argument = ENGINE_WAIT, .most = EVENTS, .whole = true },
	{ 0 }
};

const struct benchmark idle_benchmark = {
	.name = "idle", .cases = cases, .seconds = 1.0,
	.extras = (const char *const[]){ "p50_ns", "p99_ns", "cpu", "cpu_silent", NULL },
	.help = "The idle policies: how soon a packet is seen, and what waiting for it costs.",
};
