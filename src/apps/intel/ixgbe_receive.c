/* ixgbe_receive -- 4.6.7 "Receive Initialization", 7.1.2.8 "Receive-Side Scaling". See ixgbe.h. */
#include "apps/intel/ixgbe.h"

enum {
	STOP_PAUSE_US = 100,            /* 4.6.7.1.2: wait so long after ENABLE has cleared, before memory is given back */
	SECURITY_US = 100000,
	RETA_ENTRIES = 128, ERETA = 0xEE80, ERETA_COUNT = 96,   /* X550 and later, reading: entries 128..511 */
	BSIZE_UNIT = 1024, BSIZE_HEADER_256 = 4, DESCTYPE_ADVANCED = 1
};

/* The key of the hash: with these repeated 16 bits both directions of a connection have one hash, and go to one queue. Any key is
 * allowed (7.1.2.8.1). */
static const uint32_t KEY = 0x5A6D5A6D;

/* The hash's fields for each choice of the parameter rss. */
static uint32_t mrqc(const struct intel_port *port)
{
	uint32_t value = ixgbe_pool_mrqe(port) | IXGBE_MRQC_IP4 | IXGBE_MRQC_IP6;

	if (port->rss >= INTEL_RSS_TCP)
		value |= IXGBE_MRQC_TCP4 | IXGBE_MRQC_TCP6;
	if (port->rss >= INTEL_RSS_TCP_UDP)
		value |= IXGBE_MRQC_UDP4 | IXGBE_MRQC_UDP6;
	return value;
}

static uint32_t fctrl(const struct intel_port *port)
{
	/* With pools it is they who choose. */
	return IXGBE_FCTRL_BAM | IXGBE_FCTRL_MPE | (port->pool.wanted || port->promiscuous ? IXGBE_FCTRL_UPE : 0);
}

/* 4.6.7, first steps: addresses and tables of filters. What the EEPROM said is in RAL(0) and RAH(0). */
static void set_filters(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	for (uint32_t i = 1; i < 128; i++) {
		intel_write(registers, IXGBE(RAH, i), 0);
		intel_write(registers, IXGBE(RAL, i), 0);
	}
	for (uint32_t i = 0; i < 128; i++) {
		intel_write(registers, IXGBE(MTA, i), 0);
		intel_write(registers, IXGBE(VFTA, i), 0);
		intel_write(registers, IXGBE(FTQF, i), 0);
	}
	for (uint32_t i = 0; i < 8; i++)
		intel_write(registers, IXGBE(ETQF, i), 0);
	intel_write(registers, IXGBE_SYNQF, 0);
	intel_write(registers, IXGBE_VLNCTRL, 0x8100);          /* no filter; tags are of this type */
	intel_write(registers, IXGBE_MCSTCTRL, 0);
	for (uint32_t i = 0; i < 10; i++)
		intel_write(registers, IXGBE(RSSRK, i), KEY);
}

void ixgbe_receive_setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	set_filters(port);
	/* 7.1.11: checksums are always verified; PCSD: descriptors tell the hash, not a fragment's checksum. */
	intel_write(registers, IXGBE_RXCSUM, IXGBE_RXCSUM_PCSD);
	/* 8.2.3.8: the FCS is stripped in both places, or in none. RSC (7.11) stays off, its constant bits as the datasheet has them. */
	intel_write(registers, IXGBE_RDRXCTL, (intel_read(registers, IXGBE_RDRXCTL) & ~IXGBE_RDRXCTL_RSCFRSTSIZE) |
		IXGBE_RDRXCTL_CRCSTRIP | IXGBE_RDRXCTL_RSCACKC | IXGBE_RDRXCTL_FCOE_WRFIX);
	intel_write(registers, IXGBE_HLREG0, (intel_read(registers, IXGBE_HLREG0) & ~IXGBE_HLREG0_LPBK) | IXGBE_HLREG0_RXCRCSTRP |
		IXGBE_HLREG0_TXCRCEN | IXGBE_HLREG0_TXPADEN | IXGBE_HLREG0_JUMBOEN);
	/* RXPBSIZE: one packet buffer of 512 KiB is what a reset leaves (8.2.3.8). */
	for (uint32_t i = 0; i < RETA_ENTRIES / 4; i++)
		intel_write(registers, IXGBE(RETA, i), 0);
	ixgbe_pool_setup(port);
	ixgbe_receive_configure(port);
}

/* 8.2.3.8, RXDCTL.VME: whether tags are taken out; it may change while the queue runs. */
static void set_strip(struct intel_port *port)
{
	uint32_t at = IXGBE_RECEIVE(RXDCTL, port->number), value = intel_read(port->registers, at);

	if (port->vlan != ((value & IXGBE_RXDCTL_VME) != 0))
		intel_write(port->registers, at, value ^ IXGBE_RXDCTL_VME);
}

void ixgbe_receive_configure(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	bool on = (intel_read(registers, IXGBE_RXCTRL) & IXGBE_RXCTRL_RXEN) != 0;

	if (port->has_mac) {
		intel_write(registers, IXGBE(RAL, 0), intel_mac_low(port->mac));
		intel_write(registers, IXGBE(RAH, 0), intel_mac_high(port->mac) | IXGBE_RAH_AV);
	}
	/* 8.2.3.22: the length counts the FCS, and a tag more passes. Whole frames fit into the buffers: see STANDARD_MTU. */
	intel_write(registers, IXGBE_MAXFRS, (port->mtu + 22) << IXGBE_MAXFRS_MFS_AT);
	intel_write(registers, IXGBE_MRQC, mrqc(port));
	set_strip(port);
	if (intel_read(registers, IXGBE_FCTRL) == fctrl(port))
		return;
	/* 8.2.3.7, FCTRL: the receiver is off while it changes. */
	if (on)
		intel_clear(registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	intel_write(registers, IXGBE_FCTRL, fctrl(port));
	if (on)
		intel_set(registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
}

/* 4.6.7, last steps: halt the receive path, let it run empty, switch the receiver on. */
int ixgbe_receive_enable(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	if (intel_read(registers, IXGBE_RXCTRL) & IXGBE_RXCTRL_RXEN)
		return 0;
	intel_set(registers, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);
	if (!intel_wait(registers, IXGBE_SECRXSTAT, IXGBE_SECRXSTAT_SECRX_RDY, IXGBE_SECRXSTAT_SECRX_RDY, SECURITY_US))
		return nf_fail(ETIMEDOUT, "card %s: its receive path does not run empty", port->pci);
	intel_set(registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	intel_clear(registers, IXGBE_SECRXCTRL, IXGBE_SECRXCTRL_RX_DIS);
	return 0;
}

/* 4.6.7, the steps per queue; 4.6.7.1.1 "Dynamic Enabling". The tail is written later, with the first packets. */
int ixgbe_receive_start(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t q = port->number;
	uint64_t iova = port->rings->iova + offsetof(struct intel_rings, receive);

	memset(port->rings->receive, 0, sizeof(port->rings->receive));
	intel_write(registers, IXGBE_RECEIVE(RDBAL, q), (uint32_t)iova);
	intel_write(registers, IXGBE_RECEIVE(RDBAH, q), (uint32_t)(iova >> 32));
	intel_write(registers, IXGBE_RECEIVE(RDLEN, q), port->receive_ring * (uint32_t)sizeof(struct intel_descriptor));
	/* 8.2.3.8: advanced descriptors, one buffer; a queue without descriptors drops what is for it and holds up no other. */
	intel_write(registers, IXGBE_RECEIVE(SRRCTL, q), port->receive.room / BSIZE_UNIT | BSIZE_HEADER_256 << IXGBE_SRRCTL_BSIZEHEADER_AT |
		DESCTYPE_ADVANCED << IXGBE_SRRCTL_DESCTYPE_AT | IXGBE_SRRCTL_DROP_EN);
	intel_clear(registers, IXGBE_RECEIVE(RSCCTL, q), IXGBE_RSCCTL_RSCEN);
	/* 4.6.7: bit 12 of DCA_RXCTRL is to be cleared, whatever its reset value is. */
	intel_clear(registers, IXGBE_RECEIVE(DCA_RXCTRL, q), IXGBE_DCA_RXCTRL_BIT12);
	intel_write(registers, IXGBE_RECEIVE(RDH, q), 0);
	intel_write(registers, IXGBE_RECEIVE(RDT, q), 0);
	intel_write(registers, IXGBE_RECEIVE(RXDCTL, q), IXGBE_RXDCTL_ENABLE | (port->vlan ? IXGBE_RXDCTL_VME : 0));
	/* The tail must not move before it reads as set. */
	if (intel_wait(registers, IXGBE_RECEIVE(RXDCTL, q), IXGBE_RXDCTL_ENABLE, IXGBE_RXDCTL_ENABLE, intel_port_start_us(port)))
		return 0;
	return nf_fail(ETIMEDOUT, "receive queue %u of card %s does not start", q, port->pci);
}

/* 4.6.7.1.2 "Dynamic Disabling": the bit clears when the card no longer touches ring and buffers. */
int ixgbe_receive_stop(struct intel_port *port)
{
	uint32_t at = IXGBE_RECEIVE(RXDCTL, port->number);

	intel_clear(port->registers, at, IXGBE_RXDCTL_ENABLE);
	if (!intel_wait(port->registers, at, IXGBE_RXDCTL_ENABLE, 0, INTEL_STOP_US))
		return nf_fail(ETIMEDOUT, "receive queue %u of card %s does not stop", port->number, port->pci);
	intel_pause(STOP_PAUSE_US);
	return 0;
}

/* 7.1.2.8: queues that are on get equal shares of the table. It is always written as a whole, from its beginning: when the shares of
 * all queues stand there, and the last entries, it is as it should be. */
void ixgbe_receive_spread(struct intel_port *port, uint32_t without)
{
	volatile uint8_t *registers = port->registers;
	uint32_t queue[INTEL_QUEUES], count = 0, last = RETA_ENTRIES / 4 - 1;
	bool right;

	if (port->pool.wanted) {
		ixgbe_pool_spread(port, without);
		return;
	}
	for (uint32_t q = 0; q < INTEL_QUEUES; q++)
		if (q != without && (intel_read(registers, IXGBE_RECEIVE(RXDCTL, q)) & IXGBE_RXDCTL_ENABLE))
			queue[count++] = q;
	if (count == 0 || (without == INTEL_NONE_BY_LOWEST && queue[0] != port->number))
		return;
	right = intel_read(registers, IXGBE(RETA, last)) == intel_port_entries(queue, count, 4 * last);
	for (uint32_t i = 0; right && i < INTEL_QUEUES / 4; i++)
		right = intel_read(registers, IXGBE(RETA, i)) == intel_port_entries(queue, count, 4 * i);
	if (right)
		return;
	for (uint32_t i = 0; port->kind >= INTEL_X550 && i < ERETA_COUNT; i++)
		intel_write(registers, ERETA + 4 * i, intel_port_entries(queue, count, RETA_ENTRIES + 4 * i));
	for (uint32_t i = 0; i <= last; i++)
		intel_write(registers, IXGBE(RETA, i), intel_port_entries(queue, count, 4 * i));
}
