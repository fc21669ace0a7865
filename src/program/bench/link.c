/* link -- what sending and receiving costs, per packet sent and received: one at a time, in bursts, moved. */
#include "program/bench/rig.h"

static struct link *from, *to;
static struct packet *packets[BURST];

static int start(const struct bench_case *c)
{
	int code = rig_memory((const uint32_t[PACKET_SIZES]){ [PACKET_STANDARD] = BURST });

	(void)c;
	if (code < 0)
		return code;
	from = aligned_alloc(64, sizeof(*from));
	to = aligned_alloc(64, sizeof(*to));
	if (from == NULL || to == NULL)
		return nf_fail(ENOMEM, "no memory for two links");
	*from = (struct link){ .name = "from" };
	*to = (struct link){ .name = "to" };
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = rig_packet(60);
	return 0;
}

/* The steps are calls, as an app's push is: nothing is carried over in registers from one burst to the next. */
static __attribute__((noinline)) void send_singly(struct link *l)
{
	for (uint32_t i = 0; i < BURST; i++)
		link_send(l, packets[i]);
}

static __attribute__((noinline)) void receive_singly(struct link *l)
{
	for (uint32_t i = 0; i < BURST; i++)
		packets[i] = link_receive(l);
}

static __attribute__((noinline)) void send_burst(struct link *l)
{
	link_send_burst(l, packets, BURST);
}

static __attribute__((noinline)) void receive_burst(struct link *l)
{
	link_receive_burst(l, packets, BURST);
}

static __attribute__((noinline)) void move(struct link *a, struct link *b)
{
	link_move(a, b, BURST);
}

static int run_singly(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t done = 0;

	(void)c;
	for (; done < sample->packets; done += BURST) {
		send_singly(from);
		receive_singly(from);
	}
	sample->packets = done;
	return 0;
}

static int run_burst(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t done = 0;

	(void)c;
	for (; done < sample->packets; done += BURST) {
		send_burst(from);
		receive_burst(from);
	}
	sample->packets = done;
	return 0;
}

/* A move is a receive and a send. */
static int run_move(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t done = 0;

	(void)c;
	if (link_waiting(from) == 0)
		send_burst(from);
	for (; done < sample->packets; done += 2 * BURST) {
		move(from, to);
		move(to, from);
	}
	sample->packets = done;
	return 0;
}

static const struct bench_case cases[] = {
	{ .name = "single", .start = start, .run = run_singly },
	{ .name = "burst", .against = "single", .start = start, .run = run_burst },
	{ .name = "move", .against = "single", .start = start, .run = run_move },
	{ 0 }
};

const struct benchmark link_benchmark = {
	.name = "link", .help = "Send and receive on a link: one by one, in bursts, moved from link to link.", .cases = cases,
};
