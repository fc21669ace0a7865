/* run -- `nf run FILE`: check a configuration, run its graph, tell how it ended. */
#include "program/metrics.h"
#include "program/options.h"
#include "program/program.h"
#include "program/run.h"

#include "core/worker.h"

#include "core/sandbox.h"
#include "core/supervisor.h"

#include <libgen.h>
#include <unistd.h>

static const char *const clock_names[] = { "real", "virtual", NULL };

/* What the user asked for; gives OPTIONS_GO or an exit code. */
static int read_options(const struct options *options, struct supervisor_options *run)
{
	uint64_t cpu = 0, seed = 0, duration = 0;
	uint32_t idle = ENGINE_ADAPTIVE, clock = 0;

	if (!options_number(options, "--cpu", 0, (uint64_t)sysconf(_SC_NPROCESSORS_CONF) - 1, &cpu) ||
		!options_number(options, "--seed", 0, UINT64_MAX, &seed) || !options_duration(options, "--duration", &duration) ||
		!options_choice(options, "--idle", engine_idle_names, &idle) ||
		!options_choice(options, "--clock", clock_names, &clock))
		return EXIT_USAGE;
	run->worker.cpu = options_has(options, "--cpu") ? (int)cpu : -1;
	run->worker.idle = (enum engine_idle)idle;
	run->worker.duration_ns = duration;
	run->worker.virtual_clock = clock == 1;
	run->single_process = options_has(options, "--single-process");
	run->worker.sandbox = !run->single_process && !options_has(options, "--no-sandbox");
	run->worker.compiles = options_has(options, "--compile");
	run->watch = options_has(options, "--watch");
	run->arguments = (const char *const *)options->rest;
	/* A virtual run is repeatable, so its seed is fixed unless given; a real one takes a new seed each time. */
	random_seed = 1;
	if (options_has(options, "--seed"))
		random_seed = seed;
	else if (clock == 0 && getentropy(&random_seed, sizeof(random_seed)) != 0)
		random_seed = clock_system_ns();
	return OPTIONS_GO;
}

/* Who workers are; tell when nobody shuts them in. fails: -errno after a message */
static int choose_user(const struct options *options, struct supervisor_options *run)
{
	int code = 0;

	if (options_has(options, "--no-sandbox"))
		fprintf(stderr, "nf %s: WARNING: no sandbox: whoever takes over a worker by a packet can do all that this user can do\n",
			options->program->name);
	if (run->worker.sandbox)
		code = sandbox_user_find(options_value(options, "--user"), &run->user);
	else if (options_has(options, "--user"))
		code = nf_fail(EINVAL, "--user needs the sandbox");
	if (code < 0)
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
	return code;
}

/* "router.lua" runs under the name "router". */
static void default_name(const char *file, char *name, size_t size)
{
	char *copy = strdup(file), *dot;

	snprintf(name, size, "%s", copy != NULL ? basename(copy) : "nf");
	free(copy);
	dot = strrchr(name, '.');
	if (dot != NULL && dot != name)
		*dot = '\0';
	instance_name(name);
}

static bool is_of_app(const struct stats_entry *entry)
{
	return entry->kind != STATS_LINK && entry->kind != STATS_ENGINE;
}

static void print_reasons(struct stats *stats, uint32_t worker, const uint64_t *value, uint32_t first, uint32_t number)
{
	const struct stats_entry *entry = stats_entries(stats, worker);
	uint32_t count = stats_entry_count(stats, worker);
	const char *comma = " ";

	for (uint32_t i = first; i < count && is_of_app(&entry[i]) && entry[i].owner_number == number; i++) {
		if (entry[i].kind == STATS_APP || value[i] == 0)
			continue;
		printf("%s %s %llu", comma, entry[i].name, (unsigned long long)value[i]);
		comma = ",";
	}
	printf("\n");
}

/* A line per app: what it brought in and what became of it. */
static void print_worker(struct stats *stats, uint32_t worker, int width)
{
	uint32_t count = stats_entry_count(stats, worker), fields = app_name_count(stats_app_names);
	const struct stats_entry *entry = stats_entries(stats, worker);
	uint64_t *value = calloc(count, sizeof(*value));

	if (value == NULL || stats_read(stats, worker, value, NULL) < 0) {
		free(value);
		return;
	}
	for (uint32_t i = 0; i < count && is_of_app(&entry[i]); i++) {
		if (entry[i].kind != STATS_APP || strcmp(entry[i].name, stats_app_names[0]) != 0)
			continue;
		/* received, created, sent, consumed, dropped, ..., packets: the order of stats_app_names */
		printf("  %-*s %12llu %12llu %12llu %12llu %12llu", width, entry[i].owner, (unsigned long long)value[i + 7],
			(unsigned long long)(value[i] + value[i + 1]), (unsigned long long)value[i + 2],
			(unsigned long long)value[i + 3], (unsigned long long)value[i + 4]);
		print_reasons(stats, worker, value, i + fields, entry[i].owner_number);
	}
	free(value);
}

static int name_width(struct stats *stats)
{
	size_t width = 6;

	for (uint32_t w = 0; w < stats_worker_count(stats); w++) {
		const struct stats_entry *entry = stats_entries(stats, w);

		for (uint32_t i = 0; i < stats_entry_count(stats, w); i++)
			if (entry[i].kind == STATS_APP && strlen(entry[i].owner) > width)
				width = strlen(entry[i].owner);
	}
	return (int)width;
}

/* How it ended: what each app did, and the ledger. */
static void print_result(const struct supervisor_result *result)
{
	const struct ledger *l = &result->ledger;
	int width = name_width(result->stats);

	printf("  %-*s %12s %12s %12s %12s %12s  %s\n", width, "app", "packets", "in", "out", "consumed", "dropped", "counters");
	for (uint32_t i = 0; i < stats_worker_count(result->stats); i++) {
		if (stats_worker_count(result->stats) > 1)
			printf("worker %u\n", i + 1);
		print_worker(result->stats, i, width);
	}
	printf("ledger: %llu received + %llu created = %llu sent + %llu consumed + %llu dropped + %llu queued: %s\n",
		(unsigned long long)l->received, (unsigned long long)l->created, (unsigned long long)l->sent,
		(unsigned long long)l->consumed, (unsigned long long)l->dropped, (unsigned long long)(l->on_links + l->held),
		result->balanced ? "it balances" : "IT DOES NOT BALANCE");
	if (result->crashes > 0)
		printf("workers that died and were started again: %u; what they had in hand is counted as crash\n", result->crashes);
	if (l->lost_outside > 0)
		printf("lost outside of nf (by the kernel or a card): %llu\n", (unsigned long long)l->lost_outside);
	if (!result->balanced)
		printf("%s\n", result->unbalanced);
}

/* Serve its statistics when that is asked for. gives: OPTIONS_GO, or an exit code after a message */
static int start_metrics(const struct options *options, const char *name, struct metrics **metrics)
{
	const char *address = options_value(options, "--metrics");
	int code;

	*metrics = NULL;
	if (address == NULL)
		return OPTIONS_GO;
	code = metrics_start(metrics, address, name);
	if (code == -EINVAL)
		return options_wrong(options->program, "option '--metrics': %s", nf_error());
	if (code < 0) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		return EXIT_FAILED;
	}
	if (!options_has(options, "--quiet"))
		printf("metrics: %s\n", metrics_url(*metrics));
	fflush(stdout);
	return OPTIONS_GO;
}

/* Run a checked graph to its end and tell about it. */
static int run_to_end(const struct options *options, const struct supervisor_options *run, struct graph *graph)
{
	const char *program = options->program->name;
	struct supervisor_result result = { 0 };
	struct metrics *metrics;
	int code = start_metrics(options, run->name, &metrics);

	if (code != OPTIONS_GO) {
		graph_free(graph);
		return code;
	}
	code = supervisor_run(graph, run, &result);
	metrics_stop(metrics);
	if (code < 0) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		code = EXIT_FAILED;
	} else {
		if (!options_has(options, "--quiet"))
			print_result(&result);
		code = result.balanced && result.failed == 0 ? EXIT_DONE : EXIT_FAILED;
		if (result.failed > 0)
			fprintf(stderr, "nf %s: app '%s'%s failed: what was written is not complete\n", program, result.failed_app,
				result.failed > 1 ? " and others" : "");
		if (!result.balanced && options_has(options, "--quiet"))
			fprintf(stderr, "nf %s: %s\n", program, result.unbalanced);
	}
	stats_close(result.stats);
	return code;
}

int run_graph(const struct options *options, const char *file, struct graph *(*make)(void *context, struct errors *errors), void *context)
{
	struct supervisor_options run = { .make = make, .context = context };
	struct errors errors = { 0 };
	struct graph *graph;
	char name[INSTANCE_NAME + 1], path[INSTANCE_PATH];
	int code = read_options(options, &run);

	if (code != OPTIONS_GO)
		return code;
	default_name(file, name, sizeof(name));
	run.name = options_has(options, "--name") ? options_value(options, "--name") : name;
	if (instance_path(path, run.name, "") == -EINVAL)
		return options_wrong(options->program, "%s", nf_error());
	if (choose_user(options, &run) < 0)
		return EXIT_FAILED;
	graph = make != NULL ? make(context, &errors) : graph_load(file, (const char *const *)options->rest, &errors);
	if (graph == NULL) {
		for (uint32_t i = 0; i < errors.count; i++)
			fprintf(stderr, "nf %s: %s\n", options->program->name, errors.text[i]);
		errors_fini(&errors);
		return EXIT_FAILED;
	}
	return run_to_end(options, &run, graph);
}

int program_run(int argc, char **argv)
{
	struct options options;
	int code = options_parse(&options, argc, argv);

	return code != OPTIONS_GO ? code : run_graph(&options, options.argument[0], NULL, NULL);
}
