/* reload -- how long the packet thread is busy with a change of its graph: chains of 10, 100 and 1,000 apps under packets, of
 * which one is reconfigured. A "packet" of this benchmark is a reload; its time is the pause, not the preparation. */
#include "program/bench/rig.h"

enum { BREATHS = 8 };                   /* between two reloads: packets are on the links */

/* The chain; %u: how many apps, and the parameter of the one in the middle. */
static const char source_text[] =
	"local count, n = %u, %u\n"
	"local apps, links, last = { source = { 'basic.source', sizes = 60 }, sink = { 'basic.sink' } }, {}, 'source'\n"
	"for i = 1, count - 2 do\n"
	"  local name = ('hop%%04d'):format(i)\n"
	"  local changes = i == math.floor(count / 2)\n"
	"  apps[name] = changes and { 'basic.sample', n = n } or { 'basic.join' }\n"
	"  links[i] = last .. '.output -> ' .. name .. '.input'\n"
	"  last = name\n"
	"end\n"
	"links[count - 1] = last .. '.output -> sink.input'\n"
	"return { apps = apps, links = links }\n";

static struct graph *graphs[2];         /* they differ in one parameter */
static uint32_t present;                /* which of them runs */

static struct graph *load(uint32_t apps, uint32_t n)
{
	char text[sizeof(source_text) + 32];
	struct errors errors = { 0 };
	struct graph *graph;

	snprintf(text, sizeof(text), source_text, apps, n);
	graph = graph_from_text(text, "bench", NULL, &errors);
	if (graph == NULL)
		nf_fail(EINVAL, "%s", errors.count > 0 ? errors.text[0] : "a graph without a reason");
	errors_fini(&errors);
	return graph;
}

static int start(const struct bench_case *c)
{
	char text[sizeof(source_text) + 32];

	graphs[0] = load(c->argument, 1);
	graphs[1] = load(c->argument, 2);
	if (graphs[0] == NULL || graphs[1] == NULL)
		return -EINVAL;
	snprintf(text, sizeof(text), source_text, c->argument, 2);
	present = 1;
	return rig_graph(text);
}

/* Change to the other graph, with packets on the links; adds the pause. */
static int change(struct bench_sample *sample)
{
	struct engine_plan *plan;
	uint64_t pause_ns;
	int code;

	for (int i = 0; i < BREATHS; i++)
		engine_breathe(rig_engine());
	present = 1 - present;
	code = engine_plan(rig_engine(), &graphs[present]->worker[0], &plan);
	if (code < 0)
		return code;
	engine_commit(rig_engine(), plan);
	pause_ns = engine_receipt(plan).pause_ns;
	engine_retire(rig_engine(), plan);
	sample->ns += pause_ns;
	sample->cycles += (uint64_t)((double)pause_ns * clock_hz / 1e9);
	return 0;
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t wanted = sample->packets, start_ns = clock_system_ns();
	int code = 0;

	(void)c;
	sample->ns = sample->cycles = 0;
	for (sample->packets = 0; code == 0 && sample->packets < wanted; sample->packets++)
		code = change(sample);
	if (sample->packets > 0)
		sample->extra[0] = (double)(clock_system_ns() - start_ns) / (double)sample->packets;
	return code;
}

static const struct bench_case cases[] = {
	{ .name = "10-apps", .start = start, .run = run, .argument = 10, .most = 2000, .whole = true },
	{ .name = "100-apps", .start = start, .run = run, .argument = 100, .most = 500, .whole = true },
	{ .name = "1000-apps", .start = start, .run = run, .argument = 1000, .most = 50, .whole = true },
	{ 0 }
};

static const char *const extras[] = { "whole_ns", NULL };

const struct benchmark reload_benchmark = {
	.name = "reload", .cases = cases, .extras = extras,
	.help = "Change one app of 10, 100, 1,000 under packets: the pause; whole_ns has preparing and retiring, too.",
};
