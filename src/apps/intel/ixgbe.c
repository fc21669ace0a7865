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

static const struct param params[] = {
	INTEL_PORT_PARAMS(9710),
	INTEL_PORT_QUEUE_PARAMS,
	INTEL_PORT_RATE_PARAMS,
	{ 0 }
};

/* 7.2.3.2.4 "Advanced Transmit Data Descriptor": DTYP 0011b (bits 23:20), DCMD in bits 31:24: EOP, IFCS, RS, DEXT; PAYLEN from 46. */
static void bind(struct intel_port *port)
{
	port->receive.tail = (volatile uint32_t *)(volatile void *)(port->registers + IXGBE_RECEIVE(RDT, port->number));
	port->transmit.tail = (volatile uint32_t *)(volatile void *)(port->registers + IXGBE(TDT, port->number));
	port->receive.wrong = 3u << 30;         /* 7.1.6: L4E, IPE */
	port->transmit.command = 3u << 20 | 1u << 24 | 1u << 25 | 1u << 29;
	port->transmit.command_last = 1u << 27;
	port->transmit.unit = 1 | 1ULL << 46;
}

/* 4.6.7: the receiver is switched on last, by the first queue of all: before that frames would find no descriptors. */
static int start(struct intel_port *port)
{
	int code = ixgbe_pool_join(port);

	if (code == 0)
		code = ixgbe_transmit_start(port);
	if (code == 0)
		code = ixgbe_receive_start(port);
	if (code < 0)
		return code;
	intel_refill(&port->receive, true);
	ixgbe_receive_spread(port, INTEL_NONE);
	ixgbe_pool_open(port);
	return ixgbe_receive_enable(port);
}

/* Both are told to stop, even if the first one does not obey. */
static int stop(struct intel_port *port)
{
	int transmit, receive;

	if (intel_read(port->registers, IXGBE_STATUS) == UINT32_MAX)
		return 0;               /* a card that is gone touches nothing */
	ixgbe_pool_leave(port);
	transmit = ixgbe_transmit_stop(port);
	receive = ixgbe_receive_stop(port);
	return transmit < 0 ? transmit : receive;
}

static bool is_on(struct intel_port *port)
{
	return (intel_read(port->registers, IXGBE_RECEIVE(RXDCTL, port->number)) & IXGBE_RXDCTL_ENABLE) != 0 &&
		(intel_read(port->registers, IXGBE(TXDCTL, port->number)) & IXGBE_TXDCTL_ENABLE) != 0;
}

static bool is_off(struct intel_port *port)
{
	return (intel_read(port->registers, IXGBE_RECEIVE(RXDCTL, port->number)) & IXGBE_RXDCTL_ENABLE) == 0 &&
		(intel_read(port->registers, IXGBE(TXDCTL, port->number)) & IXGBE_TXDCTL_ENABLE) == 0;
}

/* The last thing that setup does: see ixgbe_transmit_setup. */
static bool is_set_up(struct intel_port *port)
{
	return (intel_read(port->registers, IXGBE_DMATXCTL) & IXGBE_DMATXCTL_TE) != 0;
}

static uint32_t head(struct intel_port *port)
{
	return intel_read(port->registers, IXGBE(TDH, port->number));
}

const struct app_class intel_ixgbe_class = {
	.name = "intel.ixgbe",
	.help = "A port of an Intel 82599 (X520), X540, X550, X552 or X553: 10 Gb/s, driven without the kernel.\n"
		"The first instance that needs the card resets it and sets it up; each instance has one queue for each direction. What is "
		"no IP goes to queue 0. Needs root, a card without a driver of the kernel (nf pci unbind) or bound to vfio-pci "
		"(nf pci bind), and huge pages. See docs/drivers.md.",
	INTEL_PORT_CLASS,
};

const struct intel_driver ixgbe_driver = {
	.class = &intel_ixgbe_class, .status = IXGBE_STATUS, .table = registers,
	.rate_least = 10000000, .vlans = INTEL_POOL_VLANS, .number = ixgbe_pool_number,
	.reset = ixgbe_reset, .setup = ixgbe_setup, .is_set_up = is_set_up, .configure = ixgbe_configure, .bind = bind, .start = start, .stop = stop,
	.speed = ixgbe_link_speed, .is_on = is_on, .is_off = is_off, .head = head, .count = ixgbe_stats_count, .spread = ixgbe_receive_spread,
};
