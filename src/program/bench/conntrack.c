/* conntrack -- what filter.conntrack costs per packet of flows that it knows, in random order and both directions by turns. The app
 * is called as the engine calls it; making packets and taking them off its outputs is not measured. */
#include "program/bench/rig.h"
#include "lib/lib.h"

enum {
	BATCH = LINK_SLOTS,             /* packets that are made before the app is called: more than the first-level cache holds */
	FRAME = 60, FRAME_IPV6 = 80,
	INSIDE = 0, OUTSIDE = 1,
	EVICTED = 3                     /* the app's counter */
};
enum kind { KIND_TCP, KIND_UDP, KIND_SYN };

static struct app *app;
static struct link links[4];
static struct packet *packets[BATCH];
static struct random generator;
static uint32_t flows;
static enum kind kind;
static bool is_ipv6;
static uint32_t syn;                    /* flows that were opened by SYNs alone */

/* A frame without its flow: TCP with the numbers of an open connection. */
static void write_template(uint8_t *data)
{
	uint32_t network = is_ipv6 ? IPV6_HEADER : IPV4_HEADER, length = (is_ipv6 ? FRAME_IPV6 : FRAME) - ETHERNET_HEADER;
	uint8_t *ip = data + ETHERNET_HEADER, *transport = ip + network;

	memset(data, 0, ETHERNET_HEADER + length);
	bytes_write16(data + 12, is_ipv6 ? ETHERNET_IPV6 : ETHERNET_IPV4);
	ip[0] = is_ipv6 ? 0x60 : 0x45;
	bytes_write16(ip + (is_ipv6 ? 4 : 2), (uint16_t)(is_ipv6 ? length - network : length));
	ip[is_ipv6 ? 6 : 9] = kind == KIND_UDP ? IP_UDP : IP_TCP;
	if (kind == KIND_UDP)
		bytes_write16(transport + 4, (uint16_t)(length - network));
	else
		transport[12] = TCP_HEADER / 4 << 4;
}

/* The ends of flow `number`, as a packet of a side has them. */
static void write_ends(uint8_t *data, uint32_t number, uint32_t side)
{
	uint8_t *ip = data + ETHERNET_HEADER, *address = ip + (is_ipv6 ? 8 : 12), *transport = ip + (is_ipv6 ? IPV6_HEADER : IPV4_HEADER);
	uint32_t bytes = is_ipv6 ? 16 : 4, in = side == INSIDE ? 0 : bytes, out = bytes - in;

	memset(address, 0, 2 * bytes);
	bytes_write32(address + in + bytes - 4, 0x0a000000 + number / 50000);
	bytes_write32(address + out + bytes - 4, 0xc0000201);
	bytes_write16(transport + (side == INSIDE ? 0 : 2), (uint16_t)(1024 + number % 50000));
	bytes_write16(transport + (side == INSIDE ? 2 : 0), 443);
}

static void write_tcp(uint8_t *data, uint8_t flags, uint32_t sequence, uint32_t acknowledgment)
{
	uint8_t *transport = data + ETHERNET_HEADER + (is_ipv6 ? IPV6_HEADER : IPV4_HEADER);

	bytes_write32(transport + 4, sequence);
	bytes_write32(transport + 8, acknowledgment);
	transport[13] = flags;
	bytes_write16(transport + 14, 0xffff);
}

/* Take back what came out. gives: packets */
static uint32_t collect(void)
{
	uint32_t n = link_receive_burst(&links[2], packets, BATCH);

	return n + link_receive_burst(&links[3], packets + n, BATCH - n);
}

/* Send so many of the packets into a side, and have the app pass them on. */
static void pass(uint32_t first, uint32_t n, uint32_t side)
{
	link_send_burst(&links[side], packets + first, n);
	while (link_waiting(&links[INSIDE]) + link_waiting(&links[OUTSIDE]) > 0)
		app->class->push(app);
}

/* Open all flows with the packets that it takes; fails when one of them did not pass. */
static int open_flows(void)
{
	static const struct { uint32_t side; uint8_t flags; uint32_t sequence, acknowledgment; } step[] = {
		{ INSIDE, TCP_SYN, 1000, 0 }, { OUTSIDE, TCP_SYN | TCP_ACK, 5000, 1001 }, { INSIDE, TCP_ACK, 1001, 5001 }
	};
	uint32_t steps = kind == KIND_TCP ? 3 : 2;

	for (uint32_t first = 0; first < flows; first += BATCH) {
		uint32_t n = flows - first < BATCH ? flows - first : BATCH;

		for (uint32_t s = 0; s < steps; s++) {
			for (uint32_t i = 0; i < n; i++) {
				write_ends(packets[i]->data, first + i, step[s].side);
				if (kind == KIND_TCP)
					write_tcp(packets[i]->data, step[s].flags, step[s].sequence, step[s].acknowledgment);
			}
			pass(0, n, step[s].side);
			if (collect() != n)
				return nf_fail(EINVAL, "a packet of a flow that is opened was dropped");
		}
	}
	return 0;
}

/* The next packets: of flows by chance, or SYNs of flows that there never were. */
static void write_batch(uint32_t side)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		write_ends(packets[i]->data, kind == KIND_SYN ? syn++ : random_below(&generator, flows), side);
		if (kind == KIND_SYN)
			write_tcp(packets[i]->data, TCP_SYN, syn, 0);
		else if (kind == KIND_TCP)
			write_tcp(packets[i]->data, TCP_ACK, side == INSIDE ? 1001 : 5001, side == INSIDE ? 5001 : 1001);
	}
}

/* SYNs until half-open flows have to go for others. */
static void flood(void)
{
	while (app->counter[EVICTED] == 0) {
		write_batch(INSIDE);
		pass(0, BATCH, INSIDE);
		collect();
	}
}

static int start(const struct bench_case *c)
{
	const uint32_t wanted[PACKET_SIZES] = { [PACKET_STANDARD] = BATCH };
	struct value_entry flow_count = { { VALUE_STRING, 5, { .string = "flows" } }, { VALUE_NUMBER, 0, { .number = 1 << 20 } } };
	const struct value params = { VALUE_TABLE, 1, { .entry = &flow_count } };
	struct errors errors = { 0 };
	int code = rig_memory(wanted);

	flows = c->argument;
	if (flows < 1 << 20)
		flow_count.value.number = flows < 65536 ? 2048 : 65536;
	random_init(&generator, 1, "conntrack");
	app = app_new(app_class_find("filter.conntrack"), "conntrack", &params, "", NULL, NULL, &errors);
	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	if (code == 0)
		code = app->class->prepare(app, NULL);
	if (code < 0)
		return code;
	app->class->commit(app, NULL);
	for (uint32_t i = 0; i < BATCH; i++) {
		packets[i] = rig_packet(is_ipv6 ? FRAME_IPV6 : FRAME);
		write_template(packets[i]->data);
	}
	for (uint32_t i = 0; i < 2; i++) {
		app->input[i] = &links[i];
		app->output[i] = &links[2 + i];
	}
	if (kind != KIND_SYN)
		return open_flows();
	flood();
	return 0;
}

static int start_tcp(const struct bench_case *c)
{
	kind = KIND_TCP;
	is_ipv6 = c->second == 6;
	return start(c);
}

static int start_udp(const struct bench_case *c)
{
	kind = KIND_UDP;
	return start(c);
}

static int start_syn(const struct bench_case *c)
{
	kind = KIND_SYN;
	return start(c);
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t wanted = sample->packets, cycles = 0, done = 0;

	(void)c;
	for (uint32_t turn = 0; done < wanted; turn++) {
		uint32_t side = kind == KIND_SYN ? INSIDE : turn % 2;
		uint64_t begin;

		write_batch(side);
		clock_update();
		begin = clock_cycles();
		pass(0, BATCH, side);
		cycles += clock_cycles() - begin;
		app->class->tick(app);
		if (collect() != BATCH)
			return nf_fail(EINVAL, "a packet of a known flow was dropped");
		done += BATCH;
	}
	sample->packets = done;
	sample->cycles = cycles;
	sample->ns = clock_cycles_ns(cycles);
	return 0;
}

static const struct bench_case cases[] = {
	{ .name = "tcp-1m", .start = start_tcp, .run = run, .argument = 1 << 20 },
	{ .name = "tcp-64k", .start = start_tcp, .run = run, .argument = 65536 },
	{ .name = "tcp-1k", .start = start_tcp, .run = run, .argument = 1000 },
	{ .name = "udp-1m", .start = start_udp, .run = run, .argument = 1 << 20 },
	{ .name = "tcp6-1m", .start = start_tcp, .run = run, .argument = 1 << 20, .second = 6 },
	{ .name = "syn-flood-1m", .start = start_syn, .run = run, .argument = 1 << 20 },
	{ 0 }
};

const struct benchmark conntrack_benchmark = {
	.name = "conntrack", .cases = cases,
	.help = "filter.conntrack with 1,000 to 1,048,576 flows, packets in random order; a flood of SYNs that displace each other.",
};
