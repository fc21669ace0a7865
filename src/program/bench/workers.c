/* workers -- several worker processes as `nf run` starts them: two graphs on two processors against one on one, and what a link
 * between two workers carries. A run starts and ends the workers; the time counts from a worker's first breath. */
#include "program/bench/rig.h"

#include "core/sandbox.h"
#include "core/worker.h"

#include "core/supervisor.h"

#include <unistd.h>

enum { SHORTEST_NS = 20000000, LONGEST_NS = 500000000, PACKET_NS = 20 };

/* The graphs; %s: the workers and links. */
static const char frame[] =
	"local function source() return { 'basic.source', sizes = 60 } end\n"
	"local sink = { 'basic.sink' }\n"
	"local function own(cpu) return { cpu = cpu, apps = { source = source(), sink = sink }, links = { 'source -> sink' } } end\n"
	"local function pair(cpu, links) return { cpu = cpu, apps = { source = source(), sink = sink }, links = links } end\n"
	"return { workers = { %s } }\n";

static const char *const bodies[] = {
	"own(0)",
	"own(0), own(1)",
	"{ cpu = 0, apps = { source = source() }, links = { 'source.output -> w2:sink.input' } }, { cpu = 1, apps = { sink = sink } }",
	"pair(0, { 'source.output -> w2:sink.input' }), pair(1, { 'source.output -> w1:sink.input' })",
};
enum { ONE, TWO, ONE_WAY, BOTH_WAYS };

/* What the sinks of all workers got. */
static uint64_t arrived(struct stats *stats)
{
	uint64_t sum = 0;

	for (uint32_t w = 0; w < stats_worker_count(stats); w++) {
		uint64_t *value = calloc(stats_entry_count(stats, w), sizeof(*value));

		if (value != NULL && stats_read(stats, w, value, NULL) == 0)
			sum += stats_value(stats, w, value, "sink", "consumed");
		free(value);
	}
	return sum;
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t ns = sample->packets < LONGEST_NS / PACKET_NS ? sample->packets * PACKET_NS : LONGEST_NS;
	struct supervisor_options options = { .worker = { .idle = ENGINE_BUSY, .cpu = -1 } };
	struct supervisor_result result;
	struct errors errors = { 0 };
	struct graph *graph;
	char text[2048], name[INSTANCE_NAME];
	int code;

	snprintf(text, sizeof(text), frame, bodies[c->argument]);
	snprintf(name, sizeof(name), "bench-%d", getpid());
	options.name = name;
	options.worker.duration_ns = ns < SHORTEST_NS ? SHORTEST_NS : ns;
	graph = graph_from_text(text, "bench", NULL, &errors);
	if (graph == NULL)
		return nf_fail(EINVAL, "%s", errors.count > 0 ? errors.text[0] : "a graph without a reason");
	for (uint32_t i = memory_segment_count; i-- > 0;)
		memory_segment_remove((uint16_t)i);
	code = supervisor_run(graph, &options, &result);
	if (code == 0)
		sample->packets = arrived(result.stats);
	stats_close(result.stats);
	sample->ns = options.worker.duration_ns;
	sample->cycles = (uint64_t)((double)sample->ns * clock_hz / 1e9);
	return code == 0 && sample->packets == 0 ? nf_fail(EPIPE, "no packet has arrived") : code;
}

static const struct bench_case workers_cases[] = {
	{ .name = "one", .run = run, .argument = ONE, .whole = true },
	{ .name = "two", .against = "one", .run = run, .argument = TWO, .whole = true },
	{ 0 }
};

const struct benchmark workers_benchmark = {
	.name = "workers", .cases = workers_cases,
	.help = "A graph on one processor, and one on each of two: what the second adds.",
};

static const struct bench_case interlink_cases[] = {
	{ .name = "one-way", .run = run, .argument = ONE_WAY, .whole = true },
	{ .name = "both-ways", .against = "one-way", .run = run, .argument = BOTH_WAYS, .whole = true },
	{ 0 }
};

const struct benchmark interlink_benchmark = {
	.name = "interlink", .cases = interlink_cases,
	.help = "Packets from worker to worker on two processors, one way and both ways.",
};
