/* hop -- what one more app that only forwards costs: chains of 1 to 10 of them between a source and a sink. The cost of a hop is
 * the slope of the line through the chains' costs (least squares), found for each turn. */
#include "program/bench/result.h"
#include "program/bench/rig.h"

/* The chain; %s: the forwarding app, %u: how many. */
static const char graph[] =
	"local class, count = '%s', %u\n"
	"local apps, links, last = { source = { 'basic.source', sizes = 60 }, sink = { 'basic.sink' } }, {}, 'source'\n"
	"for i = 1, count do\n"
	"  local name = ('hop%%02d'):format(i)\n"
	"  apps[name] = { class }\n"
	"  links[i] = last .. '.output -> ' .. name .. '.input'\n"
	"  last = name\n"
	"end\n"
	"links[count + 1] = last .. '.output -> sink.input'\n"
	"return { apps = apps, links = links }\n";

static int start_chain(const char *class, uint32_t hops)
{
	char source[sizeof(graph) + 64];

	snprintf(source, sizeof(source), graph, class, hops);
	return rig_graph(source);
}

static int start_c(const struct bench_case *c)
{
	return start_chain("basic.join", c->argument);
}

static int start_lua(const struct bench_case *c)
{
	return start_chain("lua.forward", c->argument);
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	return rig_breathe("sink", &sample->packets);
}

static const struct bench_case cases[] = {
	{ .name = "c-1", .start = start_c, .run = run, .argument = 1 },
	{ .name = "c-4", .start = start_c, .run = run, .argument = 4 },
	{ .name = "c-7", .start = start_c, .run = run, .argument = 7 },
	{ .name = "c-10", .start = start_c, .run = run, .argument = 10 },
	{ .name = "lua-1", .start = start_lua, .run = run, .argument = 1 },
	{ .name = "lua-4", .start = start_lua, .run = run, .argument = 4 },
	{ .name = "lua-7", .start = start_lua, .run = run, .argument = 7 },
	{ .name = "lua-10", .start = start_lua, .run = run, .argument = 10 },
	{ 0 }
};

/* The slope of the line through (x, y): least squares. */
static double slope(const double *x, const double *y, uint32_t n)
{
	double x_sum = 0, y_sum = 0, xx = 0, xy = 0;

	for (uint32_t i = 0; i < n; i++) {
		x_sum += x[i];
		y_sum += y[i];
		xx += x[i] * x[i];
		xy += x[i] * y[i];
	}
	return (n * xy - x_sum * y_sum) / (n * xx - x_sum * x_sum);
}

/* The cost of a hop in the chains whose names begin with `prefix`. */
static void derive_hop(const char *prefix, const struct bench_result *results, uint32_t count, struct bench_result *derived)
{
	*derived = (struct bench_result){ 0 };
	snprintf(derived->name, sizeof(derived->name), "%sper-hop", prefix);
	for (uint32_t run_number = 0; run_number < results[0].runs; run_number++) {
		double hops[BENCH_CASES], ns[BENCH_CASES], cycles[BENCH_CASES];
		uint32_t n = 0;

		for (uint32_t i = 0; i < count; i++) {
			if (strncmp(results[i].name, prefix, strlen(prefix)) != 0)
				continue;
			hops[n] = cases[i].argument;
			ns[n] = results[i].ns[run_number];
			cycles[n++] = results[i].cycles[run_number];
		}
		result_add_cost(derived, slope(hops, ns, n), slope(hops, cycles, n));
	}
}

static uint32_t derive(const struct bench_result *results, uint32_t count, struct bench_result *derived, uint32_t room)
{
	static const char *const prefixes[] = { "c-", "lua-" };
	uint32_t n = sizeof(prefixes) / sizeof(*prefixes);

	nf_assert(n <= room, "no room for %u results", n);
	for (uint32_t i = 0; i < n; i++)
		derive_hop(prefixes[i], results, count, &derived[i]);
	return n;
}

const struct benchmark hop_benchmark = {
	.name = "hop", .cases = cases, .derive = derive,
	.help = "One more app that only forwards: chains of 1 to 10, and the slope between them (-per-hop).",
};
