/* basic -- source -> tee -> two sinks: what a graph costs that does nothing but make, copy and free packets. The bare loop of
 * bare.c does the same work without an engine; its best burst is what the graph is compared with. */
#include "program/bench/bare.h"
#include "program/bench/rig.h"

enum { MANY = 100000 };                 /* packets that a repeater holds: more than the caches do */

/* The graph; %s: what the packets come from (its output feeds the tee), links before that. */
static const char graph[] =
	"local apps = { tee = { 'basic.tee' }, one = { 'basic.sink' }, two = { 'basic.sink' } }\n"
	"local links = { 'tee.a -> one.input', 'tee.b -> two.input' }\n"
	"%s\n"
	"return { apps = apps, links = links }\n";

static int start_graph(const char *rest)
{
	char source[1024];

	snprintf(source, sizeof(source), graph, rest);
	return rig_graph(source);
}

static int start(const struct bench_case *c)
{
	char rest[128];

	snprintf(rest, sizeof(rest), "apps.source = { 'basic.source', sizes = %u } links[3] = 'source.output -> tee.input'",
		c->argument);
	return start_graph(rest);
}

static int start_imix(const struct bench_case *c)
{
	(void)c;
	return start_graph("apps.source = { 'basic.source', sizes = 'imix' } links[3] = 'source.output -> tee.input'");
}

/* The packets pass an app in Lua before the tee. */
static int start_lua(const struct bench_case *c)
{
	(void)c;
	return start_graph("apps.source, apps.forward = { 'basic.source', sizes = 60 }, { 'lua.forward' }\n"
		"links[3] = 'source.output -> forward -> tee.input'");
}

/* The packets are copies of many that a repeater holds: each is fetched from memory. */
static int start_many(const struct bench_case *c)
{
	char rest[256];

	snprintf(rest, sizeof(rest), "apps.source = { 'basic.source', sizes = %u, number = %u }\n"
		"apps.repeater = { 'basic.repeater', number = %u }\n"
		"links[3], links[4] = 'source.output -> repeater.input', 'repeater.output -> tee.input'", c->argument, MANY, MANY);
	return start_graph(rest);
}

/* Each packet counts once, as in the bare loop: those that one of the two sinks gets. */
static int run(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	return rig_breathe("one", &sample->packets);
}

static const struct bench_case cases[] = {
	{ .name = "bare-32", .start = bare_start, .run = bare_run, .argument = 32 },
	{ .name = "bare-64", .start = bare_start, .run = bare_run, .argument = 64 },
	{ .name = "bare-128", .start = bare_start, .run = bare_run, .argument = 128 },
	{ .name = "bare-256", .start = bare_start, .run = bare_run, .argument = 256 },
	{ .name = "bare-512", .start = bare_start, .run = bare_run, .argument = 512 },
	{ .name = "c", .against = "bare-", .start = start, .run = run, .argument = 60 },
	{ .name = "c-1514", .against = "c", .start = start, .run = run, .argument = 1514 },
	{ .name = "c-imix", .against = "c", .start = start_imix, .run = run },
	{ .name = "c-many", .against = "c", .start = start_many, .run = run, .argument = 60 },
	{ .name = "c-many-1514", .against = "c-1514", .start = start_many, .run = run, .argument = 1514 },
	{ .name = "lua", .against = "c", .start = start_lua, .run = run },
	{ 0 }
};

const struct benchmark basic_benchmark = {
	.name = "basic", .cases = cases,
	.help = "A source, a tee and two sinks, against the same work in a bare loop without an engine (bare-BURST).",
};
