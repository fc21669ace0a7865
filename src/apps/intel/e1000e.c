/* e1000e -- intel.e1000e: the 82574. Card and link are gigabit.c's; here are its one queue and the class. The sections are those
 * of the 82574's datasheet (317694).
 *
 * A queue has no ENABLE bit here: it runs while RCTL.EN and TCTL.EN are set. That the card no longer touches its memory is known
 * when master disable (5.2.1) has taken effect. */
#include "apps/intel/gigabit.h"

#define REG(name, offset, stride, count, section, title) E1000E_##name = offset,
#define FIELD(name, field, shift, bits)
enum {
#include "apps/intel/e1000e_registers.def"
};
#undef REG
#undef FIELD
#define REG(name, offset, stride, count, section, title)
#define FIELD(name, field, shift, bits) static const uint32_t __attribute__((unused)) E1000E_##name##_##field = INTEL_MASK(shift, bits); \
	enum { E1000E_##name##_##field##_AT = shift };
#include "apps/intel/e1000e_registers.def"
#undef REG
#undef FIELD

#define REG(name, offset, stride, count, section, title) { #name, section, title, offset, stride, count },
#define FIELD(name, field, shift, bits) { #field, NULL, NULL, shift, bits, 0 },
static const struct intel_register registers_table[] = {
#include "apps/intel/gigabit_registers.def"
#include "apps/intel/e1000e_registers.def"
	{ NULL, NULL, NULL, 0, 0, 0 }
};
#undef REG
#undef FIELD

enum {
	BUFFER_UNIT = 1024,
	PTHRESH = 31, HTHRESH = 1,      /* 10.2.6: fetch in good time; WTHRESH 1 with GRAN: write back each report at once */
	WTHRESH = 1
};

static const struct param params[] = {
	INTEL_PORT_PARAMS(9000),
	{ 0 }
};

/* 10.2.5, RCTL: buffers of 2,048 bytes are what BSIZE 00b says; longer ones are FLXBUF's. */
static void configure(struct intel_port *port)
{
	gigabit_configure(port, port->mtu > 2026 ? (10240 / BUFFER_UNIT) << GIGABIT_RCTL_FLXBUF_AT : 0);
}

/* 4.6 "Software Initialization Sequence", after the reset. */
static int setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	gigabit_link_start(port);
	gigabit_clear_counters(port);
	gigabit_filters(port);
	intel_write(registers, GIGABIT_MRQC, 0);
	configure(port);
	/* 7.1.5: extended descriptors. */
	intel_write(registers, GIGABIT_RFCTL, GIGABIT_RFCTL_EXSTEN);
	return 0;
}

/* The last thing that setup does. */
static bool is_set_up(struct intel_port *port)
{
	return (intel_read(port->registers, GIGABIT_RFCTL) & GIGABIT_RFCTL_EXSTEN) != 0;
}

/* 7.2.10.2 "TCP/IP Data Descriptor Format": DTYP 0001b (bits 23:20), DCMD in bits 31:24: EOP, IFCS, RS, DEXT. */
static void bind(struct intel_port *port)
{
	port->receive.tail = (volatile uint32_t *)(volatile void *)(port->registers + E1000E_RDT);
	port->transmit.tail = (volatile uint32_t *)(volatile void *)(port->registers + E1000E_TDT);
	port->receive.wrong = 3u << 29;         /* 7.1.5: TCPE, IPE */
	port->transmit.command = 1u << 20 | 1u << 24 | 1u << 25 | 1u << 29;
	port->transmit.command_last = 1u << 27;
	port->transmit.unit = 1;
	port->transmit.offloads |= INTEL_OFFLOAD_82574;
}

/* 4.6.5, 4.6.6: rings, then the units on. */
static int start(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint64_t receive = port->rings->iova + offsetof(struct intel_rings, receive);
	uint64_t transmit = port->rings->iova + offsetof(struct intel_rings, transmit);
	uint32_t thresholds = PTHRESH | HTHRESH << E1000E_TXDCTL_HTHRESH_AT | WTHRESH << E1000E_TXDCTL_WTHRESH_AT | E1000E_TXDCTL_GRAN;

	memset(port->rings->receive, 0, sizeof(port->rings->receive));
	memset(port->rings->transmit, 0, sizeof(port->rings->transmit));
	intel_clear(registers, GIGABIT_CTRL, GIGABIT_CTRL_MASTER_DISABLE);
	intel_write(registers, E1000E_RDBAL, (uint32_t)receive);
	intel_write(registers, E1000E_RDBAH, (uint32_t)(receive >> 32));
	intel_write(registers, E1000E_RDLEN, port->receive_ring * (uint32_t)sizeof(struct intel_descriptor));
	intel_write(registers, E1000E_RDH, 0);
	intel_write(registers, E1000E_RDT, 0);
	intel_write(registers, E1000E_TDBAL, (uint32_t)transmit);
	intel_write(registers, E1000E_TDBAH, (uint32_t)(transmit >> 32));
	intel_write(registers, E1000E_TDLEN, port->transmit_ring * (uint32_t)sizeof(struct intel_descriptor));
	intel_write(registers, E1000E_TDH, 0);
	intel_write(registers, E1000E_TDT, 0);
	/* 10.2.6: bit 22 is reserved and must be 1 (reading). */
	intel_write(registers, E1000E_TXDCTL, thresholds | E1000E_TXDCTL_BIT22);
	gigabit_transmit_on(port);
	/* 4.6.5: the receiver on, then the tail. */
	intel_set(registers, GIGABIT_RCTL, GIGABIT_RCTL_RXEN);
	intel_refill(&port->receive, true);
	return 0;
}

static int stop(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	if (intel_read(registers, GIGABIT_STATUS) == UINT32_MAX)
		return 0;
	intel_clear(registers, GIGABIT_TCTL, GIGABIT_TCTL_EN);
	intel_clear(registers, GIGABIT_RCTL, GIGABIT_RCTL_RXEN);
	if (gigabit_disable_master(port))
		return 0;
	return nf_fail(ETIMEDOUT, "card %s does not stop", port->pci);
}

static bool is_on(struct intel_port *port)
{
	return (intel_read(port->registers, GIGABIT_RCTL) & GIGABIT_RCTL_RXEN) != 0 &&
		(intel_read(port->registers, GIGABIT_TCTL) & GIGABIT_TCTL_EN) != 0;
}

static bool is_off(struct intel_port *port)
{
	return (intel_read(port->registers, GIGABIT_RCTL) & GIGABIT_RCTL_RXEN) == 0 &&
		(intel_read(port->registers, GIGABIT_TCTL) & GIGABIT_TCTL_EN) == 0;
}

static uint32_t head(struct intel_port *port)
{
	return intel_read(port->registers, E1000E_TDH);
}

/* One queue. */
static void spread(struct intel_port *port, uint32_t without)
{
	(void)port;
	(void)without;
}

const struct app_class intel_e1000e_class = {
	.name = "intel.e1000e",
	.help = "A port of an Intel 82574: 1 Gb/s, driven without the kernel.\n"
		"As intel.ixgbe, with one queue. See docs/drivers.md.",
	INTEL_PORT_CLASS,
};

const struct intel_driver e1000e_driver = {
	.class = &intel_e1000e_class, .status = GIGABIT_STATUS, .table = registers_table,
	.reset = gigabit_reset, .setup = setup, .is_set_up = is_set_up, .configure = configure, .bind = bind, .start = start, .stop = stop,
	.speed = gigabit_speed, .is_on = is_on, .is_off = is_off, .head = head, .count = gigabit_count, .spread = spread,
};
