/* igb -- intel.igb: the 82576, I350, I210 and I211. Card and link are gigabit.c's; here are queues, RSS and the class. The sections
 * are those of the 82576's datasheet (320961). */
#include "apps/intel/igb.h"

#define REG(name, offset, stride, count, section, title) { #name, section, title, offset, stride, count },
#define FIELD(name, field, shift, bits) { #field, NULL, NULL, shift, bits, 0 },
static const struct intel_register registers_table[] = {
#include "apps/intel/gigabit_registers.def"
#include "apps/intel/igb_registers.def"
	{ NULL, NULL, NULL, 0, 0, 0 }
};
#undef REG
#undef FIELD

enum {
	STOP_PAUSE_US = 100,
	BSIZE_UNIT = 1024, BSIZE_HEADER_256 = 4, DESCTYPE_ADVANCED = 1,
	/* 7.2.2: fetch in good time, write back each report at once; the values that 8.10 and 8.12 recommend. */
	RECEIVE_PTHRESH = 8, RECEIVE_HTHRESH = 8, TRANSMIT_PTHRESH = 8, TRANSMIT_HTHRESH = 1
};

static const struct param params[] = {
	INTEL_PORT_PARAMS(9500),
	INTEL_PORT_QUEUE_PARAMS,
	INTEL_PORT_RATE_PARAMS,
	{ 0 }
};

static uint32_t queue_count(const struct intel_port *port)
{
	return port->kind == INTEL_82576 ? 16 : port->kind == INTEL_I350 ? 8 : port->kind == INTEL_I210 ? 4 : 2;
}

/* 8.16: the 82576 has a rate scheduler for each queue; the window (RTTBCNRM) is that for long frames. A queue
 * that stops leaves no limit behind. */
static void limit_rate(struct intel_port *port, uint32_t factor)
{
	enum { WINDOW = 0x14 };

	if (port->rate_limit.per_second <= 0 && !port->limited)
		return;
	/* Which queue is meant stands in a register that all instances share. */
	gigabit_own(port, GIGABIT_SYNC_MAC, true);
	intel_write(port->registers, IGB_RTTDQSEL, port->number);
	intel_write(port->registers, IGB_RTTBCNRM, WINDOW);
	intel_write(port->registers, IGB_RTTBCNRC, factor);
	gigabit_own(port, GIGABIT_SYNC_MAC, false);
	port->limited = factor != 0;
}

static void configure(struct intel_port *port)
{
	/* 8.10, RLPML: the length counts the FCS; a tag more passes. */
	intel_write(port->registers, IGB_RLPML, port->mtu + 22);
	intel_write(port->registers, GIGABIT_MRQC, igb_pool_mrqe(port) | gigabit_mrqc(port));
	/* With pools it is they who choose. */
	gigabit_configure(port, port->pool.wanted ? GIGABIT_RCTL_UPE | GIGABIT_RCTL_VFE : 0);
}

/* While the card runs: what is the pool's, too. */
static void reconfigure(struct intel_port *port)
{
	configure(port);
	limit_rate(port, intel_port_rate_factor(port));
	if (igb_pool_join(port) < 0)
		log_warn("%s", nf_error());
}

/* 4.5 "Initialization sequence", after the reset. */
static int setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	intel_write(registers, IGB_EIMC, UINT32_MAX);
	/* Queue 0 may be on after a reset; its ring is nobody's. */
	for (uint32_t q = 0; q < queue_count(port); q++) {
		intel_clear(registers, IGB(RXDCTL, q), IGB_RXDCTL_ENABLE);
		intel_clear(registers, IGB(TXDCTL, q), IGB_TXDCTL_ENABLE);
	}
	gigabit_link_start(port);
	gigabit_clear_counters(port);
	gigabit_filters(port);
	for (uint32_t i = 0; i < 32; i++)
		intel_write(registers, GIGABIT(RETA, i), 0);
	igb_pool_setup(port);
	configure(port);
	gigabit_transmit_on(port);
	return 0;
}

/* 7.2.2.3 "Advanced Transmit Data Descriptor": as the 82599's. */
static void bind(struct intel_port *port)
{
	port->receive.tail = (volatile uint32_t *)(volatile void *)(port->registers + IGB(RDT, port->number));
	port->transmit.tail = (volatile uint32_t *)(volatile void *)(port->registers + IGB(TDT, port->number));
	port->receive.wrong = 3u << 29;         /* 7.1.5: L4E, IPE */
	port->transmit.command = 3u << 20 | 1u << 24 | 1u << 25 | 1u << 29;
	port->transmit.command_last = 1u << 27;
	port->transmit.unit = 1 | 1ULL << 46;
}

/* 4.5.9 "Receive Initialization", the steps per queue. */
static int start_receive(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t q = port->number;
	uint64_t iova = port->rings->iova + offsetof(struct intel_rings, receive);

	memset(port->rings->receive, 0, sizeof(port->rings->receive));
	intel_write(registers, IGB(RDBAL, q), (uint32_t)iova);
	intel_write(registers, IGB(RDBAH, q), (uint32_t)(iova >> 32));
	intel_write(registers, IGB(RDLEN, q), port->receive_ring * (uint32_t)sizeof(struct intel_descriptor));
	intel_write(registers, IGB(SRRCTL, q), port->receive.room / BSIZE_UNIT | BSIZE_HEADER_256 << IGB_SRRCTL_BSIZEHEADER_AT |
		DESCTYPE_ADVANCED << IGB_SRRCTL_DESCTYPE_AT | IGB_SRRCTL_DROP_EN);
	intel_write(registers, IGB(RDH, q), 0);
	intel_write(registers, IGB(RDT, q), 0);
	intel_write(registers, IGB(RXDCTL, q), RECEIVE_PTHRESH | RECEIVE_HTHRESH << IGB_RXDCTL_HTHRESH_AT | IGB_RXDCTL_ENABLE);
	/* The tail must not move before it reads as set. */
	if (intel_wait(registers, IGB(RXDCTL, q), IGB_RXDCTL_ENABLE, IGB_RXDCTL_ENABLE, intel_port_start_us(port)))
		return 0;
	return nf_fail(ETIMEDOUT, "receive queue %u of card %s does not start", q, port->pci);
}

/* 4.5.10 "Transmit Initialization", the steps per queue. */
static int start_transmit(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t q = port->number;
	uint64_t iova = port->rings->iova + offsetof(struct intel_rings, transmit);

	memset(port->rings->transmit, 0, sizeof(port->rings->transmit));
	intel_write(registers, IGB(TDBAL, q), (uint32_t)iova);
	intel_write(registers, IGB(TDBAH, q), (uint32_t)(iova >> 32));
	intel_write(registers, IGB(TDLEN, q), port->transmit_ring * (uint32_t)sizeof(struct intel_descriptor));
	intel_write(registers, IGB(TDWBAL, q), 0);
	intel_write(registers, IGB(TDWBAH, q), 0);
	intel_write(registers, IGB(TDH, q), 0);
	intel_write(registers, IGB(TDT, q), 0);
	limit_rate(port, intel_port_rate_factor(port));
	intel_write(registers, IGB(TXDCTL, q), TRANSMIT_PTHRESH | TRANSMIT_HTHRESH << IGB_TXDCTL_HTHRESH_AT | IGB_TXDCTL_ENABLE);
	if (intel_wait(registers, IGB(TXDCTL, q), IGB_TXDCTL_ENABLE, IGB_TXDCTL_ENABLE, intel_port_start_us(port)))
		return 0;
	return nf_fail(ETIMEDOUT, "transmit queue %u of card %s does not start", q, port->pci);
}

/* 7.1.1.7 "RSS": queues that are on get equal shares of the table, whose entries hold a queue in their low bits. It is always
 * written as a whole, from its beginning: when the shares of all queues stand there, and the last entries, it is right. */
static void spread(struct intel_port *port, uint32_t without)
{
	volatile uint8_t *registers = port->registers;
	uint32_t queue[INTEL_QUEUES], count = 0;
	bool right;

	if (port->pool.wanted) {
		igb_pool_spread(port, without);
		return;
	}
	for (uint32_t q = 0; q < queue_count(port); q++)
		if (q != without && (intel_read(registers, IGB(RXDCTL, q)) & IGB_RXDCTL_ENABLE))
			queue[count++] = q;
	if (count == 0 || (without == INTEL_NONE_BY_LOWEST && queue[0] != port->number))
		return;
	right = intel_read(registers, GIGABIT(RETA, 31)) == intel_port_entries(queue, count, 124);
	for (uint32_t i = 0; right && i < INTEL_QUEUES / 4; i++)
		right = intel_read(registers, GIGABIT(RETA, i)) == intel_port_entries(queue, count, 4 * i);
	for (uint32_t i = 0; !right && i < 32; i++)
		intel_write(registers, GIGABIT(RETA, i), intel_port_entries(queue, count, 4 * i));
}

/* The receiver is switched on last, by the first queue of all. */
static int start(struct intel_port *port)
{
	int code = igb_pool_join(port);

	if (code == 0)
		code = start_transmit(port);
	if (code == 0)
		code = start_receive(port);
	if (code < 0)
		return code;
	intel_refill(&port->receive, true);
	spread(port, INTEL_NONE);
	igb_pool_open(port);
	intel_set(port->registers, GIGABIT_RCTL, GIGABIT_RCTL_RXEN);
	return 0;
}

/* 4.5.9.1, 4.5.10.1 "Dynamic Queue Disabling". */
static int stop(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t receive = IGB(RXDCTL, port->number), transmit = IGB(TXDCTL, port->number);

	if (intel_read(registers, GIGABIT_STATUS) == UINT32_MAX)
		return 0;
	igb_pool_leave(port);
	intel_clear(registers, transmit, IGB_TXDCTL_ENABLE);
	intel_clear(registers, receive, IGB_RXDCTL_ENABLE);
	limit_rate(port, 0);
	if (!intel_wait(registers, transmit, IGB_TXDCTL_ENABLE, 0, INTEL_STOP_US) ||
		!intel_wait(registers, receive, IGB_RXDCTL_ENABLE, 0, INTEL_STOP_US))
		return nf_fail(ETIMEDOUT, "queue %u of card %s does not stop", port->number, port->pci);
	intel_pause(STOP_PAUSE_US);
	return 0;
}

static bool is_on(struct intel_port *port)
{
	return (intel_read(port->registers, IGB(RXDCTL, port->number)) & IGB_RXDCTL_ENABLE) != 0 &&
		(intel_read(port->registers, IGB(TXDCTL, port->number)) & IGB_TXDCTL_ENABLE) != 0;
}

static bool is_off(struct intel_port *port)
{
	return (intel_read(port->registers, IGB(RXDCTL, port->number)) & IGB_RXDCTL_ENABLE) == 0 &&
		(intel_read(port->registers, IGB(TXDCTL, port->number)) & IGB_TXDCTL_ENABLE) == 0;
}

/* The last thing that setup does. */
static bool is_set_up(struct intel_port *port)
{
	return (intel_read(port->registers, GIGABIT_TCTL) & GIGABIT_TCTL_EN) != 0;
}

static uint32_t head(struct intel_port *port)
{
	return intel_read(port->registers, IGB(TDH, port->number));
}

/* 8.18, RQDPC: a read clears it on the 82576 and I350; the I210 wants a write as well (reading). */
static void count(struct intel_port *port)
{
	uint32_t dropped = intel_read(port->registers, IGB(RQDPC, port->number));

	if (port->kind >= INTEL_I210)
		intel_write(port->registers, IGB(RQDPC, port->number), 0);
	port->app.counter[INTEL_NO_DESCRIPTOR] += dropped;
	gigabit_count(port);
}

const struct app_class intel_igb_class = {
	.name = "intel.igb",
	.help = "A port of an Intel 82576, I350, I210 or I211: 1 Gb/s, driven without the kernel.\n"
		"As intel.ixgbe; the I350 has eight queues, the I210 four, the I211 two; these three cannot limit a rate, and the last two have "
		"no pools. See docs/drivers.md.",
	INTEL_PORT_CLASS,
};

const struct intel_driver igb_driver = {
	.class = &intel_igb_class, .status = GIGABIT_STATUS, .table = registers_table,
	.rate_least = 1000000, .vlans = IGB_POOL_VLANS, .number = igb_pool_number,
	.reset = gigabit_reset, .setup = setup, .is_set_up = is_set_up, .configure = reconfigure, .bind = bind, .start = start, .stop = stop,
	.speed = gigabit_speed, .is_on = is_on, .is_off = is_off, .head = head, .count = count, .spread = spread,
};
