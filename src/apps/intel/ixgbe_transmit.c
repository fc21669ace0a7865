/* ixgbe_transmit -- 4.6.8 "Transmit Initialization". See ixgbe.h. */
#include "apps/intel/ixgbe.h"

enum {
	MAX_BYTES = 0xFFF,              /* 4.6.11.3.4: without DCB: requests of any size, */
	BUFFER_KIB = 0xA0,              /* and one packet buffer of 160 KiB */
	/* 7.2.3.4.1: fetch descriptors in good time and in bursts; write back each report at once. */
	PTHRESH = 36, HTHRESH = 8, WTHRESH = 0,
	RTTBCNRM = 0x04980, MMW_SMALL = 0x4, MMW_JUMBO = 0x14   /* 8.2.3.10, reading: memory window of the rate scheduler */
};

int ixgbe_transmit_setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	/* 4.6.8: MTQC changes only while the arbiter is off. 0: no pools, one traffic class. */
	intel_set(registers, IXGBE_RTTDCS, IXGBE_RTTDCS_ARBDIS);
	intel_write(registers, IXGBE_MTQC, ixgbe_pool_mtqc(port));
	for (uint32_t i = 0; i < 8; i++) {
		intel_write(registers, IXGBE(TXPBSIZE, i), i == 0 ? BUFFER_KIB << 10 : 0);
		intel_write(registers, IXGBE(TXPBTHRESH, i), i == 0 ? BUFFER_KIB : 0);
	}
	intel_write(registers, IXGBE_DTXMXSZRQ, MAX_BYTES);
	intel_clear(registers, IXGBE_RTTDCS, IXGBE_RTTDCS_ARBDIS);
	/* 4.6.8: the DMA unit is on before any queue is. FCS and padding are set with the receiver's half of HLREG0. */
	intel_set(registers, IXGBE_DMATXCTL, IXGBE_DMATXCTL_TE);
	return 0;
}

/* 7.7.2.2 "Rate Limit". Which queue is meant stands in a register that all instances share. A queue that stops leaves no limit behind. */
static void limit_rate(struct intel_port *port, uint32_t factor)
{
	volatile uint8_t *registers = port->registers;

	if (port->rate_limit.per_second <= 0 && !port->limited)
		return;
	ixgbe_link_own_mac(port, true);
	intel_write(registers, RTTBCNRM, port->mtu > 1500 ? MMW_JUMBO : MMW_SMALL);
	intel_write(registers, IXGBE_RTTDQSEL, port->number);
	intel_write(registers, IXGBE_RTTBCNRC, factor);
	ixgbe_link_own_mac(port, false);
	port->limited = factor != 0;
}

void ixgbe_transmit_configure(struct intel_port *port)
{
	limit_rate(port, intel_port_rate_factor(port));
}

int ixgbe_transmit_start(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t q = port->number;
	uint64_t iova = port->rings->iova + offsetof(struct intel_rings, transmit);

	memset(port->rings->transmit, 0, sizeof(port->rings->transmit));
	intel_write(registers, IXGBE(TDBAL, q), (uint32_t)iova);
	intel_write(registers, IXGBE(TDBAH, q), (uint32_t)(iova >> 32));
	intel_write(registers, IXGBE(TDLEN, q), port->transmit_ring * (uint32_t)sizeof(struct intel_descriptor));
	/* 7.2.3.5.2: no head write-back; reports are the DD bits of the descriptors that ask for one. */
	intel_write(registers, IXGBE(TDWBAL, q), 0);
	intel_write(registers, IXGBE(TDWBAH, q), 0);
	intel_write(registers, IXGBE(TDH, q), 0);
	intel_write(registers, IXGBE(TDT, q), 0);
	ixgbe_transmit_configure(port);
	intel_write(registers, IXGBE(TXDCTL, q), PTHRESH | HTHRESH << IXGBE_TXDCTL_HTHRESH_AT | WTHRESH << IXGBE_TXDCTL_WTHRESH_AT |
		IXGBE_TXDCTL_ENABLE);
	if (intel_wait(registers, IXGBE(TXDCTL, q), IXGBE_TXDCTL_ENABLE, IXGBE_TXDCTL_ENABLE, intel_port_start_us(port)))
		return 0;
	return nf_fail(ETIMEDOUT, "transmit queue %u of card %s does not start", q, port->pci);
}

/* 4.6.8.1.2 "Dynamic Disabling": what the ring still holds is not sent. */
int ixgbe_transmit_stop(struct intel_port *port)
{
	uint32_t at = IXGBE(TXDCTL, port->number);

	intel_clear(port->registers, at, IXGBE_TXDCTL_ENABLE);
	limit_rate(port, 0);
	if (intel_wait(port->registers, at, IXGBE_TXDCTL_ENABLE, 0, INTEL_STOP_US))
		return 0;
	return nf_fail(ETIMEDOUT, "transmit queue %u of card %s does not stop", port->number, port->pci);
}
