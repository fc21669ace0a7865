/* bench -- `nf bench [NAME ...]`: the table of benchmarks. See bench.h. */
#include "program/bench/bench.h"
#include "program/bench/report.h"
#include "program/bench/turns.h"
#include "program/options.h"

static const double SECONDS = 0.2;      /* of one run */
enum { RUNS = 5, RUN_MOST = 60 };       /* runs of a case; seconds that a run may take */

/* The list ends with an empty line, so that adding a benchmark is a change of one line. */
#define BENCHMARKS(X) \
	X(basic) \
	X(classify) \
	X(conntrack) \
	X(filter) \
	X(hop) \
	X(idle) \
	X(interlink) \
	X(ip) \
	X(link) \
	X(memory) \
	X(nic) \
	X(nicsim) \
	X(pcap) \
	X(reload) \
	X(table) \
	X(tables) \
	X(workers) \
	X(xdp) \

#define DECLARE(name) extern const struct benchmark name##_benchmark;
BENCHMARKS(DECLARE)
#define LIST(name) &name##_benchmark,
static const struct benchmark *const table[] = { BENCHMARKS(LIST) NULL };

struct request {
	bool wanted[sizeof(table) / sizeof(*table)];
	uint64_t runs, run_ns;          /* 0: as the benchmark says */
	bool json;
};

/* Mark the benchmark of a name; false after a message. */
static bool want(const struct options *options, struct request *request, const char *name)
{
	const char *names[sizeof(table) / sizeof(*table)] = { NULL }, *nearest;

	for (uint32_t i = 0; table[i] != NULL; i++) {
		names[i] = table[i]->name;
		if (strcmp(name, names[i]) == 0)
			return request->wanted[i] = true;
	}
	nearest = error_nearest(name, names);
	if (nearest != NULL)
		options_wrong(options->program, "unknown benchmark '%s'; did you mean '%s'?", name, nearest);
	else
		options_wrong(options->program, "unknown benchmark '%s'; --list shows all", name);
	return false;
}

/* Read what the user asked for; false after a message. */
static bool read_request(const struct options *options, struct request *request)
{
	*request = (struct request){ .json = options_has(options, "--json") };
	if (!options_number(options, "--runs", 1, BENCH_RUNS, &request->runs) ||
		!options_duration(options, "--seconds", &request->run_ns))
		return false;
	if (request->run_ns > RUN_MOST * 1000000000ull) {
		options_wrong(options->program, "option '--seconds': a run takes at most %d seconds", RUN_MOST);
		return false;
	}
	for (int i = 0; i < options->count; i++)
		if (!want(options, request, options->argument[i]))
			return false;
	for (uint32_t i = 0; options->count == 0 && table[i] != NULL; i++)
		request->wanted[i] = true;
	return true;
}

/* Run one benchmark and print its figures. */
static int measure(const struct benchmark *benchmark, const struct request *request)
{
	struct bench_result *results = calloc(2 * BENCH_CASES, sizeof(*results));
	double seconds = benchmark->seconds > 0 ? benchmark->seconds : SECONDS;
	uint32_t count = 0, runs = benchmark->runs > 0 ? benchmark->runs : RUNS;
	int code = 0;

	if (request->run_ns > 0)
		seconds = (double)request->run_ns / 1e9;
	if (request->runs > 0)
		runs = (uint32_t)request->runs;
	if (results == NULL)
		return nf_fail(ENOMEM, "no memory for the results of %s", benchmark->name);
	if (benchmark->prepare != NULL)
		code = benchmark->prepare();
	if (code == BENCH_SKIP) {
		fprintf(stderr, "nf bench: %s left out: %s\n", benchmark->name, nf_error());
		free(results);
		return 0;
	}
	if (code >= 0) {
		code = turns_run(benchmark, runs, seconds, results, &count);
		if (benchmark->finish != NULL)
			benchmark->finish();
	}
	if (code >= 0 && benchmark->derive != NULL)
		count += benchmark->derive(results, count, results + count, BENCH_CASES);
	if (code >= 0 && request->json)
		code = report_json(benchmark, results, count);
	else if (code >= 0)
		report_text(benchmark, results, count);
	free(results);
	return code;
}

int program_bench(int argc, char **argv)
{
	struct options options;
	struct request request;
	int code = options_parse(&options, argc, argv), result = EXIT_DONE;

	if (code != OPTIONS_GO)
		return code;
	if (!read_request(&options, &request))
		return EXIT_USAGE;
	if (options_has(&options, "--list")) {
		for (uint32_t i = 0; table[i] != NULL; i++)
			printf("%-8s %s\n", table[i]->name, table[i]->help);
		return EXIT_DONE;
	}
	if (!request.json)
		report_head();
	for (uint32_t i = 0; table[i] != NULL; i++) {
		if (request.wanted[i] && measure(table[i], &request) < 0) {
			fprintf(stderr, "nf bench: %s: %s\n", table[i]->name, nf_error());
			result = EXIT_FAILED;
		}
	}
	return result;
}
