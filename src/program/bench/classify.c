/* classify -- 10 classes over mixed frames, the first match wins: libpcap's bpf_filter class after class (bpf), our interpreter (run),
 * one native function of all classes (native), and filter.classify in a graph with an output for each class. */
#include "program/bench/mixed.h"

#include "core/filter.h"
#include "lib/lib.h"

#include <pcap/pcap.h>

static const char *const classes[] = {
	"udp port 53", "tcp port 80", "icmp or icmp6", "tcp port 443", "arp", "udp portrange 5060-5080", "net 10.0.0.0/24 and tcp",
	"ip6 net 2001:db8::/32", "src net 192.168.0.0/16", "tcp[tcpflags] & tcp-syn != 0"
};
enum { CLASSES = sizeof(classes) / sizeof(*classes) };

static struct bpf_ops program[CLASSES];
static struct filter *filter;

static int start_match(const struct bench_case *c)
{
	int code = 0;

	for (uint32_t i = 0; i < CLASSES && code == 0; i++)
		code = filter_compile(classes[i], &program[i]);
	if (code == 0)
		code = filter_new(&filter, program, CLASSES, true);
	if (code == 0 && filter->native == NULL && c->name[0] == 'n')
		code = nf_fail(ENOTSUP, "no native code on this processor");
	return code;
}

static uint32_t classify_with_libpcap(const struct mixed_frame *frame)
{
	for (uint32_t i = 0; i < CLASSES; i++)
		if (bpf_filter((const struct bpf_insn *)program[i].op, frame->data, frame->length, frame->length) != 0)
			return i + 1;
	return 0;
}

/* What the numbers are added up to: none of them may be left out. */
static volatile uint64_t total;

#define RUN(name, call) \
	static int run_##name(const struct bench_case *c, struct bench_sample *sample) \
	{ \
		uint64_t done = 0, sum = 0; \
		\
		(void)c; \
		for (; done < sample->packets; done += MIXED_FRAMES) \
			for (uint32_t i = 0; i < MIXED_FRAMES; i++) \
				sum += (call); \
		total += sum; \
		sample->packets = done; \
		return 0; \
	}

RUN(bpf, classify_with_libpcap(&mixed_frame[i]))
RUN(interpreted, filter_run(filter, mixed_frame[i].data, mixed_frame[i].length))
RUN(native, filter->native(mixed_frame[i].data, mixed_frame[i].length))

static int start_app(const struct bench_case *c)
{
	char between[4096];
	size_t used = 0, size = sizeof(between);

	(void)c;
	used += (size_t)snprintf(between, size, "apps.classify = { 'filter.classify', classes = {\n");
	for (uint32_t i = 0; i < CLASSES; i++)
		used += (size_t)snprintf(between + used, size - used, "{ name = 'c%u', filter = '%s' },\n", i, classes[i]);
	used += (size_t)snprintf(between + used, size - used, "} }\nlink('repeater -> classify.input') link('classify.default -> sink.d')\n");
	for (uint32_t i = 0; i < CLASSES; i++)
		used += (size_t)snprintf(between + used, size - used, "link('classify.c%u -> sink.c%u')\n", i, i);
	return mixed_graph(between);
}

static const struct bench_case cases[] = {
	{ .name = "bpf", .start = start_match, .run = run_bpf },
	{ .name = "run", .against = "bpf", .start = start_match, .run = run_interpreted },
	{ .name = "native", .against = "bpf", .start = start_match, .run = run_native },
	{ .name = "graph", .start = mixed_without, .run = mixed_run },
	{ .name = "graph-10", .start = start_app, .run = mixed_run },
	{ 0 }
};

const struct benchmark classify_benchmark = {
	.name = "classify", .cases = cases, .prepare = mixed_open, .finish = mixed_close, .derive = mixed_derive,
	.help = "Ten classes over mixed frames: bpf_filter one by one, interpreted, native; and filter.classify in a graph (app-10).",
};
