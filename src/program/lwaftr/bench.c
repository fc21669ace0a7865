/* bench -- `nf lwaftr bench`: how fast an lwAFTR is: captures out of memory, through the whole graph, into nothing. */
#include "apps/lwaftr/ready.h"
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/plan.h"
#include "program/lwaftr/session.h"

#include <time.h>

enum { BREATHS = 64, SECONDS_MOST = 3600, SLICES = 4096 };      /* a slice: so many breaths, a fraction of a millisecond */
static const uint64_t SECOND_NS = 1000000000, WARM_UP_NS = 300000000;

/* What came out, so far or in a second. */
struct figures {
	double encapsulated, decapsulated;      /* packets */
	double bits6, bits4;                    /* of the frames */
	double seconds;
	double cycles;
	double cpu;                     /* seconds of the processor that this thread had: fewer on a machine with others */
	double slice;                   /* ns per packet of the median slice: what had no processor for a while is not in it */
};

struct bench {
	const char *program;
	bool json;
	const struct engine *engine;
	const struct app *sink4, *sink6;
	uint32_t count;
	struct figures second[SECONDS_MOST];
	uint32_t slices;                /* of this second; the last SLICES of them are kept */
	double slice[SLICES];           /* ns per packet */
};

static double cpu_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct figures look(const struct bench *bench)
{
	const struct link *v4 = bench->sink4->input[0], *v6 = bench->sink6->input[0];

	return (struct figures){ .encapsulated = (double)v6->sent, .decapsulated = (double)v4->sent, .bits6 = (double)v6->bytes * 8,
		.bits4 = (double)v4->bytes * 8, .seconds = (double)clock_system_ns() / 1e9, .cycles = (double)clock_cycles(),
		.cpu = cpu_seconds() };
}

/* What came between two looks, per second. */
static struct figures rate(const struct figures *before, const struct figures *now)
{
	double seconds = now->seconds - before->seconds;

	return (struct figures){ .encapsulated = (now->encapsulated - before->encapsulated) / seconds, .seconds = seconds,
		.decapsulated = (now->decapsulated - before->decapsulated) / seconds, .bits6 = (now->bits6 - before->bits6) / seconds,
		.bits4 = (now->bits4 - before->bits4) / seconds, .cycles = (now->cycles - before->cycles) / seconds,
		.cpu = (now->cpu - before->cpu) / seconds };
}

static double sum(const struct figures *f)
{
	return f->encapsulated + f->decapsulated;
}

static void print(const struct bench *bench, const char *what, const struct figures *f)
{
	double packets = sum(f), ns = packets > 0 ? 1e9 / packets : 0, cycles = packets > 0 ? f->cycles / packets : 0;
	double cpu_ns = ns * f->cpu;

	if (bench->json)
		printf("{\"second\":\"%s\",\"mpps\":%.3f,\"decapsulated_mpps\":%.3f,\"encapsulated_mpps\":%.3f,\"gbps\":%.3f,"
			"\"decapsulated_gbps\":%.3f,\"encapsulated_gbps\":%.3f,\"ns\":%.2f,\"cycles\":%.1f,\"cpu_ns\":%.2f,\"slice_ns\":%.2f}\n", what, packets / 1e6,
			f->decapsulated / 1e6, f->encapsulated / 1e6, (f->bits4 + f->bits6) / 1e9, f->bits4 / 1e9, f->bits6 / 1e9, ns, cycles, cpu_ns, f->slice);
	else
		printf("%-7s %8.3f %8.3f %8.3f %9.3f %8.3f %8.3f %8.2f %8.1f %8.2f %8.2f\n", what, packets / 1e6, f->decapsulated / 1e6, f->encapsulated / 1e6,
			(f->bits4 + f->bits6) / 1e9, f->bits4 / 1e9, f->bits6 / 1e9, ns, cycles, cpu_ns, f->slice);
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	double one = sum(a), two = sum(b);

	return one < two ? -1 : one > two;
}

static int compare_slices(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return one < two ? -1 : one > two;
}

static double median_slice(struct bench *bench)
{
	uint32_t n = bench->slices < SLICES ? bench->slices : SLICES;

	qsort(bench->slice, n, sizeof(bench->slice[0]), compare_slices);
	return n > 0 ? bench->slice[n / 2] : 0;
}

/* Breathe for some time; the clock is looked at now and then. */
static void breathe(struct bench *bench, struct session *session, uint64_t ns)
{
	uint64_t end = clock_system_ns() + ns;

	bench->slices = 0;
	do {
		uint64_t packets = bench->sink4->input[0]->sent + bench->sink6->input[0]->sent, begin = clock_cycles();

		for (uint32_t i = 0; i < BREATHS; i++)
			engine_breathe(session->engine);
		begin = clock_cycles() - begin;
		packets = bench->sink4->input[0]->sent + bench->sink6->input[0]->sent - packets;
		if (packets > 0)
			bench->slice[bench->slices++ % SLICES] = (double)clock_cycles_ns(begin) / (double)packets;
	} while (clock_system_ns() < end);
}

static void measure(struct bench *bench, struct session *session, uint64_t duration_ns)
{
	char number[16];

	breathe(bench, session, WARM_UP_NS);
	while (duration_ns > 0 && bench->count < SECONDS_MOST) {
		uint64_t ns = duration_ns < SECOND_NS ? duration_ns : SECOND_NS;
		struct figures before = look(bench), now;

		breathe(bench, session, ns);
		now = look(bench);
		bench->second[bench->count] = rate(&before, &now);
		bench->second[bench->count].slice = median_slice(bench);
		snprintf(number, sizeof(number), "%u", bench->count + 1);
		print(bench, number, &bench->second[bench->count++]);
		duration_ns -= ns;
	}
	qsort(bench->second, bench->count, sizeof(bench->second[0]), compare);
	print(bench, "median", &bench->second[bench->count / 2]);
}

/* What the graph dropped: figures of a bench that drops mean something else than they seem to. */
static void print_drops(const struct session *session)
{
	for (uint32_t i = 0; i < engine_app_count(session->engine); i++) {
		const struct app *app = engine_app(session->engine, i);

		for (uint32_t r = 0; r < app->reason_count; r++)
			if (app->reason[r] > 0)
				fprintf(stderr, "dropped by %s: %s %llu\n", app->name, app->class->reasons[r], (unsigned long long)app->reason[r]);
	}
}

/* The whole graph between two captures and two sinks. */
static char *make_source(const struct options *options, const struct lwaftr_config *config, char *const *paths)
{
	struct plan_ends ends = { .in4 = "v4_in.output", .in6 = "v6_in.output", .out4 = "v4_out.input", .out6 = "v6_out.input" };
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	char *apps = NULL, *source;
	size_t size;
	FILE *out;

	if (!plan_options(options, &ends) || !lwaftr_config_select(config, NULL, -1, &instance, &queue)) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		return NULL;
	}
	out = open_memstream(&apps, &size);
	if (out == NULL)
		return NULL;
	fputs("    v4_in = { \"pcap.replay\", loop = 0, file = ", out);
	plan_quote(out, paths[1]);
	fputs(" },\n    v6_in = { \"pcap.replay\", loop = 0, file = ", out);
	plan_quote(out, paths[2]);
	fputs(" },\n    v4_out = { \"basic.sink\" },\n    v6_out = { \"basic.sink\" },\n", out);
	fclose(out);
	ends.apps = apps;
	source = plan_graph(config, instance, queue, paths[0], &ends);
	free(apps);
	return source;
}

/* Whether there is a packet in either capture. */
static bool has_packets(const struct session *session)
{
	engine_breathe(session->engine);
	return engine_app_find(session->engine, "v4_in")->received + engine_app_find(session->engine, "v6_in")->received > 0;
}

static void print_head(const struct bench *bench, uint64_t begin_ns)
{
	if (bench->json)
		printf("{\"second\":\"load\",\"seconds\":%.3f}\n", (double)(clock_system_ns() - begin_ns) / 1e9);
	else
		printf("loaded in %.3f s; Mpps and Gb/s (frames without FCS): all, decapsulated, encapsulated; per packet\n"
			"%-7s %8s %8s %8s %9s %8s %8s %8s %8s %8s %8s\n", (double)(clock_system_ns() - begin_ns) / 1e9, "second", "Mpps", "decap", "encap",
			"Gb/s", "decap", "encap", "ns", "cycles", "cpu ns", "slice ns");
}

static int run(const struct options *options, const char *source, uint64_t duration_ns, uint64_t begin_ns)
{
	static struct bench bench;
	struct session session;
	int code;

	bench = (struct bench){ .program = options->program->name, .json = options_has(options, "--json") };
	if (session_start(&session, bench.program, source) < 0)
		return EXIT_FAILED;
	bench.sink4 = engine_app_find(session.engine, "v4_out");
	bench.sink6 = engine_app_find(session.engine, "v6_out");
	if (has_packets(&session)) {
		print_head(&bench, begin_ns);
		measure(&bench, &session, duration_ns);
		print_drops(&session);
	} else {
		fprintf(stderr, "nf %s: both captures are empty\n", bench.program);
	}
	code = session_stop(&session);
	session_free(&session);
	return code < 0 || bench.count == 0 ? EXIT_FAILED : EXIT_DONE;
}

int program_lwaftr_bench(int argc, char **argv)
{
	uint64_t duration_ns = 5 * SECOND_NS, begin_ns = clock_system_ns();
	struct lwaftr_config config;
	struct options options;
	char *paths[3], *source = NULL;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_duration(&options, "--duration", &duration_ns))
		return EXIT_USAGE;
	if (duration_ns == 0 || duration_ns > SECONDS_MOST * SECOND_NS)
		return options_wrong(options.program, "option '--duration': at most an hour, and more than nothing");
	if (!lwaftr_read_ahead(options.program, options.argument[0], &config))
		return EXIT_FAILED;
	for (int i = 0; i < 3; i++)
		paths[i] = realpath(options.argument[i], NULL);
	if (paths[1] != NULL && paths[2] != NULL)
		source = make_source(&options, &config, paths);
	else
		fprintf(stderr, "nf %s: %s: %s\n", options.program->name, options.argument[paths[1] == NULL ? 1 : 2], strerror(errno));
	if (source != NULL)
		lwaftr_ready_put(paths[0], &config, NULL, 0);
	lwaftr_config_fini(&config);
	code = source != NULL ? run(&options, source, duration_ns, begin_ns) : EXIT_FAILED;
	lwaftr_ready_clear();
	for (int i = 0; i < 3; i++)
		free(paths[i]);
	free(source);
	return code;
}
