/* ixgbe -- intel.ixgbe: the class, and the table of what ixgbe_*.c do. See ixgbe.h. */
#include "apps/intel/ixgbe.h"

#define REG(name, offset, stride, count, section, title) { #name, section, title, offset, stride, count },
#define FIELD(name, field, shift, bits) { #field, NULL, NULL, shift, bits, 0 },
static const struct intel_register registers[] = {
#include "apps/intel/ixgbe_registers.def"
	{ NULL, NULL, NULL, 0, 0, 0 }
};
#undef REG
#undef FIELD

static const char *const rss_names[] = { "ip", "ip+tcp", "ip+tcp+udp", NULL };

static const struct param params[] = {
	{ "pci", PARAM_PCI, offsetof(struct intel_port, pci), .required = true, .help = "the card; nf pci lists them" },
	{ "queue", PARAM_U32, offsetof(struct intel_port, queue), .max = INTEL_QUEUES - 1, .initial = 0,
		.help = "queue pair of this instance; several instances, also in several workers, share a card" },
	{ "rss", PARAM_ENUM, offsetof(struct intel_port, rss), .choices = rss_names, .initial = INTEL_RSS_TCP,
		.help = "fields that decide which queue in use a packet comes to" },
	{ "mtu", PARAM_U32, offsetof(struct intel_port, mtu), .min = 68, .max = 9710, .initial = 1500,
		.help = "longest packet behind the Ethernet header; longer frames are dropped" },
	{ "promiscuous", PARAM_BOOL, offsetof(struct intel_port, promiscuous), .initial = true,
		.help = "receive frames to all addresses, not only to the card's and to groups" },
	{ "mac", PARAM_MAC, offsetof(struct intel_port, mac), .optional = true, .present = offsetof(struct intel_port, has_mac),
		.help = "address of the card, instead of its own" },
	{ "vlan", PARAM_BOOL, offsetof(struct intel_port, vlan), .initial = false,
		.help = "take VLAN tags out of received frames, into the packet's metadata" },
	{ "receive_ring", PARAM_U32, offsetof(struct intel_port, receive_ring), .min = INTEL_RING_LEAST, .max = INTEL_RING_MOST,
		.initial = 1024, .help = "descriptors, a power of two" },
	{ "transmit_ring", PARAM_U32, offsetof(struct intel_port, transmit_ring), .min = INTEL_RING_LEAST, .max = INTEL_RING_MOST,
		.initial = 1024, .help = "descriptors, a power of two" },
	{ "wait_for_link", PARAM_DURATION, offsetof(struct intel_port, wait_ns), .initial = 0, .max = 60000000000ULL,
		.help = "wait at most this long for the link, when the app is started" },
	{ "flow_control", PARAM_BOOL, offsetof(struct intel_port, flow_control), .initial = false,
		.help = "obey and send pause frames" },
	{ "rate_limit", PARAM_RATE, offsetof(struct intel_port, rate_limit), .optional = true,
		.help = "bits per second that the queue sends at most, as the wire counts them" },
	{ 0 }
};

/* 7.2.3.2.4 "Advanced Transmit Data Descriptor": DTYP 0011b (bits 23:20), DCMD in bits 31:24: EOP, IFCS, RS, DEXT; PAYLEN from 46. */
static void bind(struct intel_port *port)
{
	port->receive.tail = (volatile uint32_t *)(volatile void *)(port->registers + IXGBE(RDT, port->queue));
	port->transmit.tail = (volatile uint32_t *)(volatile void *)(port->registers + IXGBE(TDT, port->queue));
	port->transmit.command = 3u << 20 | 1u << 24 | 1u << 25 | 1u << 29;
	port->transmit.command_last = 1u << 27;
	port->transmit.unit = 1 | 1ULL << 46;
}

/* 4.6.7: the receiver is switched on last, by the first queue of all: before that frames would find no descriptors. */
static int start(struct intel_port *port)
{
	int code = ixgbe_transmit_start(port);

	if (code == 0)
		code = ixgbe_receive_start(port);
	if (code < 0)
		return code;
	intel_refill(&port->receive, true);
	ixgbe_receive_spread(port, UINT32_MAX);
	return ixgbe_receive_enable(port);
}

/* Both are told to stop, even if the first one does not obey. */
static int stop(struct intel_port *port)
{
	int transmit, receive;

	if (intel_read(port->registers, IXGBE_STATUS) == UINT32_MAX)
		return 0;               /* a card that is gone touches nothing */
	transmit = ixgbe_transmit_stop(port);
	receive = ixgbe_receive_stop(port);
	return transmit < 0 ? transmit : receive;
}

static bool is_on(struct intel_port *port)
{
	return (intel_read(port->registers, IXGBE(RXDCTL, port->queue)) & IXGBE_RXDCTL_ENABLE) != 0 &&
		(intel_read(port->registers, IXGBE(TXDCTL, port->queue)) & IXGBE_TXDCTL_ENABLE) != 0;
}

static uint32_t head(struct intel_port *port)
{
	return intel_read(port->registers, IXGBE(TDH, port->queue));
}

const struct app_class intel_ixgbe_class = {
	.name = "intel.ixgbe",
	.help = "A port of an Intel 82599 (X520), X540, X550, X552 or X553: 10 Gb/s, driven without the kernel.\n"
		"The first instance that needs the card resets it and sets it up; each instance has one queue for each direction. What is "
		"no IP goes to queue 0. Needs root, a card without a driver of the kernel (nf pci unbind) or bound to vfio-pci "
		"(nf pci bind), and huge pages. See docs/drivers.md.",
	.size = sizeof(struct intel_port),
	.params = params,
	.inputs = (const char *const[]){ "input?", NULL },
	.outputs = (const char *const[]){ "output?", NULL },
	.counters = intel_counters,
	.reasons = intel_reasons,
	.dma = true,
	.check = intel_port_check,
	.resources = intel_port_resources,
	.open = intel_port_open,
	.quiesce = intel_port_quiesce,
	.close = intel_port_close,
	.holds = intel_port_holds,
	.prepare = intel_port_prepare,
	.commit = intel_port_commit,
	.abort = intel_port_retire,
	.stop = intel_port_stop,
	.retire = intel_port_retire,
	.link = intel_port_link,
	.pull = intel_port_pull,
	.push = intel_port_push,
	.tick = intel_port_tick,
	.held = intel_port_held,
	.posted = intel_port_posted,
	.sleep_limit = intel_port_sleep_limit,
};

const struct intel_driver ixgbe_driver = {
	.class = &intel_ixgbe_class, .queues = INTEL_QUEUES, .status = IXGBE_STATUS, .table = registers,
	.reset = ixgbe_reset, .setup = ixgbe_setup, .configure = ixgbe_configure, .bind = bind, .start = start, .stop = stop,
	.speed = ixgbe_link_speed, .is_on = is_on, .head = head, .count = ixgbe_stats_count, .spread = ixgbe_receive_spread,
};
