/* ip -- what the apps of an interface cost packets that need nothing of them: chains of CHAIN of each, against the same source and
 * sink without them (the cost of one: -per-app). And what a datagram costs that is cut and made whole again. */
#include "program/bench/result.h"
#include "program/bench/rig.h"

enum { CHAIN = 4 };

/* The graph; its values: IP version, how many apps, bytes of a frame, ports, app.
 * Ports: the way through an app, and, of one with two sides, the other way, which is linked to itself. */
static const char graph[] =
	"local version, count = %u, %u\n"
	"local ip = version == 4 and { ipv4 = { dst_count = 1000 }, udp = {} } or { ipv6 = { dst_count = 1000 }, udp = {} }\n"
	"ip[1], ip.sizes = 'basic.source', %u\n"
	"local apps, links, last = { source = ip, sink = { 'basic.sink' } }, {}, 'source.output'\n"
	"local input, output, idle = %s\n"
	"for i = 1, count do\n"
	"  local name = 'app' .. i\n"
	"  apps[name] = %s\n"
	"  links[#links + 1] = last .. ' -> ' .. name .. '.' .. input\n"
	"  last = name .. '.' .. output\n"
	"  if idle then links[#links + 1] = name .. '.' .. idle[1] .. ' -> ' .. name .. '.' .. idle[2] end\n"
	"end\n"
	"links[#links + 1] = last .. ' -> sink.input'\n"
	"return { apps = apps, links = links }\n";

#define NEXT_HOP "mac = '02:00:00:00:00:01', next_hop_mac = '02:00:00:00:00:02', announce = false }"
#define INWARD "'wire', 'inside', { 'wire', 'inside' }"
#define OUTWARD "'inside', 'wire', { 'inside', 'wire' }"
#define THROUGH "'input', 'output'"

/* Name, ports, app, IP version, apps, bytes of a frame. */
#define CHAINS(X) \
	X("none-4", THROUGH, "nil", 4, 0, 60) \
	X("none-6", THROUGH, "nil", 6, 0, 64) \
	X("reassemble4", THROUGH, "{ 'ip.reassemble4' }", 4, CHAIN, 60) \
	X("reassemble6", THROUGH, "{ 'ip.reassemble6' }", 6, CHAIN, 64) \
	X("fragment4", THROUGH, "{ 'ip.fragment4' }", 4, CHAIN, 60) \
	X("fragment6", THROUGH, "{ 'ip.fragment6' }", 6, CHAIN, 64) \
	X("echo4-in", INWARD, "{ 'ip.echo4', ip = '192.0.2.1' }", 4, CHAIN, 60) \
	X("echo4-out", OUTWARD, "{ 'ip.echo4', ip = '192.0.2.1' }", 4, CHAIN, 60) \
	X("echo6-in", INWARD, "{ 'ip.echo6', ip = '2001:db8::1' }", 6, CHAIN, 64) \
	X("echo6-out", OUTWARD, "{ 'ip.echo6', ip = '2001:db8::1' }", 6, CHAIN, 64) \
	X("arp-in", INWARD, "{ 'ip.arp', ip = '192.0.2.1', " NEXT_HOP, 4, CHAIN, 60) \
	X("arp-out", OUTWARD, "{ 'ip.arp', ip = '192.0.2.1', " NEXT_HOP, 4, CHAIN, 60) \
	X("ndp-in", INWARD, "{ 'ip.ndp', ip = '2001:db8::1', " NEXT_HOP, 6, CHAIN, 64) \
	X("ndp-out", OUTWARD, "{ 'ip.ndp', ip = '2001:db8::1', " NEXT_HOP, 6, CHAIN, 64) \
	X("vlan", THROUGH, "{ i % 2 == 1 and 'vlan.tag' or 'vlan.untag', vlan = 5 }", 4, CHAIN, 60) \
	X("cut-6", THROUGH, "i == 1 and { 'ip.fragment6', mtu = 1280 } or { 'ip.reassemble6' }", 6, 2, 1514)

static const struct chain {
	const char *name, *ports, *app;
	uint32_t version, count, bytes;
} chains[] = {
#define ROW(name, ports, app, version, count, bytes) { name, ports, app, version, count, bytes },
	CHAINS(ROW)
#undef ROW
};

enum { CHAIN_COUNT = sizeof(chains) / sizeof(*chains) };

static const struct chain *chain_of(const char *name)
{
	for (uint32_t i = 0; i < CHAIN_COUNT; i++)
		if (strcmp(chains[i].name, name) == 0)
			return &chains[i];
	nf_bug(__FILE__, __LINE__, "no chain '%s'", name);
}

static int start(const struct bench_case *c)
{
	const struct chain *chain = chain_of(c->name);
	char source[sizeof(graph) + 512];

	snprintf(source, sizeof(source), graph, chain->version, chain->count, chain->bytes, chain->ports, chain->app);
	return rig_graph(source);
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	return rig_breathe("sink", &sample->packets);
}

static const struct bench_case cases[] = {
#define ROW(name_, ports, app, version, count, bytes) { .name = name_, .start = start, .run = run },
	CHAINS(ROW)
#undef ROW
	{ 0 }
};

/* What one app costs: what the chain costs more than source and sink alone, divided by its length. */
static void derive_app(const struct bench_result *with, const struct bench_result *without, struct bench_result *derived)
{
	*derived = (struct bench_result){ 0 };
	snprintf(derived->name, sizeof(derived->name), "%.50s-per-app", with->name);
	for (uint32_t i = 0; i < with->runs; i++)
		result_add_cost(derived, (with->ns[i] - without->ns[i]) / CHAIN, (with->cycles[i] - without->cycles[i]) / CHAIN);
}

static uint32_t derive(const struct bench_result *results, uint32_t count, struct bench_result *derived, uint32_t room)
{
	uint32_t n = 0;

	/* The first two cases are those without a chain. */
	for (uint32_t i = 0; i < count; i++) {
		const struct chain *chain = chain_of(results[i].name);

		nf_assert(n < room, "no room for %u results", n + 1);
		if (chain->count == CHAIN)
			derive_app(&results[i], &results[chain->version == 4 ? 0 : 1], &derived[n++]);
	}
	return n;
}

const struct benchmark ip_benchmark = {
	.name = "ip", .cases = cases, .derive = derive,
	.help = "Chains of the apps of an interface and packets that need nothing of them, the cost of one (-per-app); cut and joined.",
};
