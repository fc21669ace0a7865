/* filter -- what a decision about a packet costs. Expressions of 0 to 20 terms over a table of mixed frames: libpcap's bpf_filter
 * (bpf), our interpreter (run) and native code (native), called once for each frame; and the whole app in a graph (graph), whose
 * cost is what the same graph without it costs less. */
#include "program/bench/mixed.h"

#include "core/filter.h"
#include "lib/lib.h"

#include <pcap/pcap.h>

static const char *const terms[] = {
	"tcp port 80", "udp port 53", "net 10.0.0.0/24", "icmp", "ip6 host fd00::5", "tcp port 22", "src net 192.168.0.0/16", "arp",
	"udp portrange 5060-5080", "tcp[tcpflags] & tcp-syn != 0", "host 198.51.100.7", "icmp6", "ip[8] < 3", "dst port 25",
	"ip6 net 2001:db8::/32 and udp", "ip proto 47", "ether host 02:00:00:00:00:07", "udp port 123", "net 172.16.0.0/12 and tcp",
	"greater 1000"
};

static struct bpf_ops program;
static struct filter *filter;

/* The first n terms, joined by `or`. */
static void join(char *text, size_t size, uint32_t n)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? " or " : "", terms[i]);
}

static int start_match(const struct bench_case *c)
{
	char text[2048];
	int code;

	join(text, sizeof(text), c->argument);
	code = filter_compile(text, &program);
	if (code == 0)
		code = filter_new(&filter, &program, 1, true);
	if (code == 0 && filter->native == NULL && c->name[0] == 'n')
		code = nf_fail(ENOTSUP, "no native code on this processor");
	return code;
}

/* What the decisions are added up to: none of them may be left out. */
static volatile uint64_t matches;

#define RUN(name, call) \
	static int run_##name(const struct bench_case *c, struct bench_sample *sample) \
	{ \
		uint64_t done = 0, yes = 0; \
		\
		(void)c; \
		for (; done < sample->packets; done += MIXED_FRAMES) \
			for (uint32_t i = 0; i < MIXED_FRAMES; i++) \
				yes += (call) != 0; \
		matches += yes; \
		sample->packets = done; \
		return 0; \
	}

RUN(bpf, bpf_filter((const struct bpf_insn *)program.op, mixed_frame[i].data, mixed_frame[i].length, mixed_frame[i].length))
RUN(interpreted, bpf_run(&program, mixed_frame[i].data, mixed_frame[i].length))
RUN(native, filter->native(mixed_frame[i].data, mixed_frame[i].length))

static int start_hop(const struct bench_case *c)
{
	(void)c;
	return mixed_graph("apps.hop = { 'basic.join' } link('repeater -> hop -> sink')");
}

static int start_app(const struct bench_case *c)
{
	char between[3072], text[2048];

	join(text, sizeof(text), c->argument);
	snprintf(between, sizeof(between), "apps.filter = { 'filter.pcap', filter = '%s' }\n"
		"link('repeater -> filter.input') link('filter.output -> sink.a') %s", text,
		c->argument > 0 ? "link('filter.rejected -> sink.b')" : "");
	return mixed_graph(between);
}

#define MATCH(n) \
	{ .name = "bpf-" #n, .start = start_match, .run = run_bpf, .argument = n }, \
	{ .name = "run-" #n, .against = "bpf-" #n, .start = start_match, .run = run_interpreted, .argument = n }, \
	{ .name = "native-" #n, .against = "bpf-" #n, .start = start_match, .run = run_native, .argument = n }

static const struct bench_case cases[] = {
	MATCH(0), MATCH(1), MATCH(2), MATCH(5), MATCH(10), MATCH(20),
	{ .name = "graph", .start = mixed_without, .run = mixed_run },
	{ .name = "graph-hop", .start = start_hop, .run = mixed_run },
	{ .name = "graph-0", .start = start_app, .run = mixed_run, .argument = 0 },
	{ .name = "graph-1", .start = start_app, .run = mixed_run, .argument = 1 },
	{ .name = "graph-5", .start = start_app, .run = mixed_run, .argument = 5 },
	{ .name = "graph-20", .start = start_app, .run = mixed_run, .argument = 20 },
	{ 0 }
};

const struct benchmark filter_benchmark = {
	.name = "filter", .cases = cases, .prepare = mixed_open, .finish = mixed_close, .derive = mixed_derive,
	.help = "Filters of 0 to 20 terms over mixed frames: bpf_filter, interpreted and native; and filter.pcap in a graph (app-N).",
};
