/* ixgbe_init -- 4.6.3 "Initialization Sequence", in its order. See ixgbe.h. */
#include "apps/intel/ixgbe.h"

enum {
	RESET_PAUSE_US = 10000,         /* 4.6.3.2: after a reset wait at least 10 ms */
	RESET_US = 1000000,             /* the datasheet gives no limit for these: nf's own */
	MASTER_US = 800000,             /* longer than any completion time-out of PCI Express (5.2.5.3.2) */
	EEPROM_US = 1000000,
	DMA_US = 1000000
};

/* X553: reading of the device's public register maps; the 82599 has it at 0x10010. */
static uint32_t eec(const struct intel_port *port)
{
	return port->kind == INTEL_X553 ? 0x15FF8 : IXGBE_EEC;
}

/* 4.6.3.1 "Interrupts During Initialization": mask all; nf polls, so they stay masked. */
static void mask_interrupts(struct intel_port *port)
{
	intel_write(port->registers, IXGBE_EIMC, 0x7FFFFFFF);
	intel_write(port->registers, IXGBE(EIMC_EX, 0), UINT32_MAX);
	intel_write(port->registers, IXGBE(EIMC_EX, 1), UINT32_MAX);
	intel_read(port->registers, IXGBE_EICR);        /* 8.2.3.5: reading clears what is pending */
}

/* 5.2.5.3.2 "Master Disable": no new requests; those under way end. */
static void disable_master(struct intel_port *port)
{
	intel_clear(port->registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	intel_set(port->registers, IXGBE_CTRL, IXGBE_CTRL_MASTER_DISABLE);
	/* A reset ends what did not end by itself; the datasheet wants two of them then. */
	if (!intel_wait(port->registers, IXGBE_STATUS, IXGBE_STATUS_MASTER_ENABLE, 0, MASTER_US))
		intel_set(port->registers, IXGBE_CTRL, IXGBE_CTRL_RST);
}

int ixgbe_reset(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	if (intel_read(registers, IXGBE_STATUS) == UINT32_MAX)
		return nf_fail(ENODEV, "card %s does not answer", port->pci);
	mask_interrupts(port);
	disable_master(port);
	/* 4.6.3.2 "Global Reset and General Configuration": software reset and link reset together. */
	intel_set(registers, IXGBE_CTRL, IXGBE_CTRL_RST | IXGBE_CTRL_LRST);
	intel_pause(RESET_PAUSE_US);
	if (!intel_wait(registers, IXGBE_CTRL, IXGBE_CTRL_RST, 0, RESET_US))
		return nf_fail(ETIMEDOUT, "card %s: its reset does not end", port->pci);
	/* 8.2.3.8.5, 8.2.3.9.2: both units are off then. A card that is not has not obeyed, and still reaches memory. */
	if (!intel_wait(registers, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN, 0, RESET_US) ||
		!intel_wait(registers, IXGBE_DMATXCTL, IXGBE_DMATXCTL_TE, 0, RESET_US))
		return nf_fail(EIO, "card %s does not obey a reset", port->pci);
	mask_interrupts(port);
	/* 4.6.3, step "wait for EEPROM auto read completion". */
	if (!intel_wait(registers, eec(port), IXGBE_EEC_AUTO_RD, IXGBE_EEC_AUTO_RD, EEPROM_US))
		return nf_fail(ETIMEDOUT, "card %s does not finish reading its EEPROM", port->pci);
	/* 4.6.3, step "wait for DMA initialization done". */
	if (!intel_wait(registers, IXGBE_RDRXCTL, IXGBE_RDRXCTL_DMAIDONE, IXGBE_RDRXCTL_DMAIDONE, DMA_US))
		return nf_fail(ETIMEDOUT, "card %s: its DMA unit does not get ready", port->pci);
	return 0;
}

/* 4.6.3, the steps after the reset. */
int ixgbe_setup(struct intel_port *port)
{
	int code;

	/* 8.2.3.1, CTRL_EXT: tell the firmware that a driver is there. 4.6.7: no snoop bypass is on while bit 16 is set. */
	intel_set(port->registers, IXGBE_CTRL_EXT, IXGBE_CTRL_EXT_DRV_LOAD | IXGBE_CTRL_EXT_NS_DIS);
	/* 4.6.4 "Initialization of PHY and link". */
	code = ixgbe_link_start(port);
	if (code < 0)
		return code;
	/* 4.6.5 "Initialization of Statistics". */
	ixgbe_stats_setup(port);
	/* 4.6.7 "Receive Initialization", but for queues, which come and go (4.6.7.1). */
	ixgbe_receive_setup(port);
	/* 4.6.8 "Transmit Initialization". */
	return ixgbe_transmit_setup(port);
}

void ixgbe_configure(struct intel_port *port)
{
	ixgbe_receive_configure(port);
	if (ixgbe_pool_join(port) < 0)
		log_warn("%s", nf_error());
	ixgbe_transmit_configure(port);
	ixgbe_link_flow_control(port);
}
