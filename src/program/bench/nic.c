/* nic -- the data path of intel.ixgbe alone: the "card" is a loop in this process that completes descriptors and copies nothing.
 * What that loop costs is not counted: time is taken around the driver's calls, burst by burst, and the clock's own cost is taken off. */
#include "apps/intel/intel_port.h"
#include "program/bench/nic.h"
#include "program/bench/rig.h"

#include <stdlib.h>

enum { REGISTERS = 0x80000, WRITTEN_BACK = 3 /* DD, EOP */, CALIBRATIONS = 1000 };

static struct intel_port *in, *out;     /* the ports that receive and send */
static struct link wire;                /* from the one to the other */
static uint64_t clock_cost;             /* cycles between two readings of the clock, nothing between them */
static uint64_t spent;                  /* cycles in the driver, in this run */

static void set_address(struct packet *p, void *context)
{
	(void)context;
	p->iova = (uintptr_t)p;
}

/* A port whose card is memory. */
static struct intel_port *make_port(uint32_t ring, uint32_t length)
{
	const struct app_class *class = app_class_find("intel.ixgbe");
	struct errors errors = { 0 };
	char source[256];
	struct intel_port *port;
	struct graph *graph;

	snprintf(source, sizeof(source), "return { apps = { p = { 'intel.ixgbe', pci = '0000:00:00.0', receive_ring = %u, transmit_ring = %u, "
		"mtu = %u }, s = { 'basic.sink' } }, links = { 'p -> s' } }", ring, ring, length > 1514 ? 9000 : 1500);
	graph = graph_from_text(source, "bench", NULL, &errors);
	if (graph == NULL)
		return NULL;
	port = (struct intel_port *)app_new(class, "p", graph->worker[0].app[0].params, "", class->inputs, class->outputs, &errors);
	if (port == NULL)
		return NULL;
	port->driver = &ixgbe_driver;
	port->registers = aligned_alloc(4096, REGISTERS);
	port->rings = aligned_alloc(MEMORY_PAGE, MEMORY_PAGE);
	if (port->registers == NULL || port->rings == NULL)
		return NULL;
	memset((void *)(uintptr_t)port->registers, 0, REGISTERS);
	memset(port->rings, 0, sizeof(*port->rings));
	if (intel_port_bind(port) < 0)
		return NULL;
	port->runs = true;
	port->mbps = 10000;
	return port;
}

static int start(const struct bench_case *c)
{
	uint32_t ring = c->second / 100000, length = c->second % 100000;
	const uint32_t packets[PACKET_SIZES] = { [PACKET_STANDARD] = 4 * ring + 4 * BURST, [PACKET_JUMBO] = length > 2000 ? 4 * ring : 0 };
	int code = rig_memory(packets);

	if (code < 0)
		return code;
	memory_walk(set_address, NULL);
	in = make_port(ring, length);
	out = make_port(ring, length);
	if (in == NULL || out == NULL)
		return nf_fail(ENOMEM, "no memory for two ports");
	in->app.output[0] = &wire;
	out->app.input[0] = &wire;
	intel_refill(&in->receive, true);
	clock_cost = UINT64_MAX;
	for (uint32_t i = 0; i < CALIBRATIONS; i++) {
		uint64_t before = clock_cycles(), cost = clock_cycles() - before;

		clock_cost = cost < clock_cost ? cost : clock_cost;
	}
	return 0;
}

/* The card: n frames have arrived. It writes the oldest descriptors that it has back. */
static void arrive(uint32_t n, uint32_t length)
{
	struct intel_receive *r = &in->receive;

	in->pull_at = 0;                /* time has passed */
	for (uint32_t i = 0; i < n; i++) {
		volatile struct intel_descriptor *d = &r->ring[(r->next + i) & r->mask];

		d->low = 0;
		d->high = WRITTEN_BACK | (uint64_t)length << 32;
	}
}

/* The card: all that it has is sent. It reports where a report is asked for. */
static void depart(void)
{
	struct intel_transmit *t = &out->transmit;

	for (uint32_t i = t->clean; i != t->next; i++) {
		volatile struct intel_descriptor *d = &t->ring[i & t->mask];

		if (d->high & t->command_last)
			d->high = 1ULL << 32;
	}
}

static __attribute__((noinline)) void drive_receive(void)
{
	intel_port_pull(&in->app);
}

static __attribute__((noinline)) void drive_transmit(void)
{
	intel_port_push(&out->app);
}

/* Its name is what tests/instructions.lua counts. */
static __attribute__((noinline)) void drive_forward(void)
{
	intel_port_pull(&in->app);
	intel_port_push(&out->app);
}

static void timed(void (*drive)(void))
{
	uint64_t before = clock_cycles(), cost;

	drive();
	cost = clock_cycles() - before;
	spent += cost > clock_cost ? cost - clock_cost : 0;
}

/* The time on a clock of constant rate that the cycles took. */
static void finish(struct bench_sample *sample, uint64_t done, uint64_t begun_ns, uint64_t begun)
{
	uint64_t cycles = clock_cycles() - begun, ns = clock_system_ns() - begun_ns;

	sample->packets = done;
	sample->cycles = spent;
	sample->ns = (uint64_t)((double)spent * (double)ns / (double)(cycles > 0 ? cycles : 1));
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t begun_ns = clock_system_ns(), begun = clock_cycles(), done = 0;
	uint32_t burst = c->argument, length = c->second % 100000;
	bool receives = strncmp(c->name, "transmit", 8) != 0, sends = strncmp(c->name, "receive", 7) != 0;

	spent = 0;
	for (; done < sample->packets; done += burst) {
		arrive(burst, length);
		depart();
		if (receives && sends) {
			timed(drive_forward);
			continue;
		}
		/* What is not measured is done all the same: packets go round. */
		if (receives) {
			timed(drive_receive);
			drive_transmit();
		} else {
			drive_receive();
			timed(drive_transmit);
		}
	}
	finish(sample, done, begun_ns, begun);
	return 0;
}

int nic_forward(uint32_t burst, uint32_t bursts)
{
	const struct bench_case c = { .second = 1024 * 100000 + 60 };
	int code = start(&c);

	for (uint32_t i = 0; code == 0 && i < bursts; i++) {
		arrive(burst, 60);
		depart();
		drive_forward();
	}
	return code < 0 ? code : (int)out->app.sent;
}

#define CASE(title, burst, ring, length) { .name = title, .start = start, .run = run, .argument = burst, .second = (ring) * 100000 + (length) }

static const struct bench_case cases[] = {
	CASE("receive-1", 1, 1024, 60),
	CASE("receive-32", 32, 1024, 60),
	CASE("receive-64", 64, 1024, 60),
	CASE("transmit-1", 1, 1024, 60),
	CASE("transmit-32", 32, 1024, 60),
	CASE("transmit-64", 64, 1024, 60),
	CASE("forward-1", 1, 1024, 60),
	CASE("forward-8", 8, 1024, 60),
	CASE("forward-32", 32, 1024, 60),
	CASE("forward-64", 64, 1024, 60),
	CASE("forward-32-ring-128", 32, 128, 60),
	CASE("forward-32-ring-512", 32, 512, 60),
	CASE("forward-32-ring-4096", 32, 4096, 60),
	CASE("forward-32-1514", 32, 1024, 1514),
	CASE("forward-32-9014", 32, 1024, 9014),
	{ 0 }
};

const struct benchmark nic_benchmark = {
	.name = "nic", .cases = cases,
	.help = "The data path of intel.ixgbe, receive, transmit and both (forward), by burst, ring and frame size; the card only completes.",
};
