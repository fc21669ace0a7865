/* gigabit -- see gigabit.h. */
#include "apps/intel/gigabit.h"

enum {
	RESET_PAUSE_US = 10000,         /* 4.2.1.6: at least 1 ms until registers may be accessed again */
	RESET_US = 1000000, EEPROM_US = 100000, MASTER_US = 100000,    /* nf's own limits */
	SEMAPHORE_US = 100000, MDIC_US = 10000,
	MDIC_WRITE = 1, PHY_CONTROL = 0, PHY_RENEGOTIATE = 0x1200,      /* IEEE 802.3 22.2.4.1: auto-negotiation, begin anew */
	COLLISION_THRESHOLD = 15, COLLISION_DISTANCE = 64       /* 8.12, TCTL: the values for full duplex */
};

/* The key of the hash: see ixgbe_receive.c. */
static const uint32_t KEY = 0x5A6D5A6D;

static void mask_interrupts(struct intel_port *port)
{
	intel_write(port->registers, GIGABIT_IMC, UINT32_MAX);
	intel_read(port->registers, GIGABIT_ICR);
}

bool gigabit_disable_master(struct intel_port *port)
{
	intel_set(port->registers, GIGABIT_CTRL, GIGABIT_CTRL_MASTER_DISABLE);
	return intel_wait(port->registers, GIGABIT_STATUS, GIGABIT_STATUS_MASTER_ENABLE, 0, MASTER_US);
}

int gigabit_reset(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	if (intel_read(registers, GIGABIT_STATUS) == UINT32_MAX)
		return nf_fail(ENODEV, "card %s does not answer", port->pci);
	mask_interrupts(port);
	intel_clear(registers, GIGABIT_RCTL, GIGABIT_RCTL_RXEN);
	intel_clear(registers, GIGABIT_TCTL, GIGABIT_TCTL_EN);
	gigabit_disable_master(port);           /* a reset ends what did not end by itself */
	intel_set(registers, GIGABIT_CTRL, GIGABIT_CTRL_RST);
	intel_pause(RESET_PAUSE_US);
	if (!intel_wait(registers, GIGABIT_CTRL, GIGABIT_CTRL_RST, 0, RESET_US))
		return nf_fail(ETIMEDOUT, "card %s: its reset does not end", port->pci);
	/* 8.10, 8.12: both units are off then. A card that is not has not obeyed, and still reaches memory. */
	if (!intel_wait(registers, GIGABIT_RCTL, GIGABIT_RCTL_RXEN, 0, RESET_US) ||
		!intel_wait(registers, GIGABIT_TCTL, GIGABIT_TCTL_EN, 0, RESET_US))
		return nf_fail(EIO, "card %s does not obey a reset", port->pci);
	mask_interrupts(port);
	/* A card without a valid EEPROM may never say that it has read it; it works with the values that it has. QEMU's 82576 is one. */
	if (!intel_wait(registers, GIGABIT_EEC, GIGABIT_EEC_AUTO_RD, GIGABIT_EEC_AUTO_RD, EEPROM_US))
		log_debug("card %s has not read an EEPROM", port->pci);
	intel_clear(registers, GIGABIT_CTRL, GIGABIT_CTRL_MASTER_DISABLE);
	intel_set(registers, GIGABIT_CTRL_EXT, GIGABIT_CTRL_EXT_DRV_LOAD);
	return 0;
}

/* 4.6.12 "Software and Firmware Synchronization": SMBI (a read of 0 has taken it), SWESMBI. Whoever keeps it too long is dead. */
static void lock(struct intel_port *port)
{
	intel_wait(port->registers, GIGABIT_SWSM, GIGABIT_SWSM_SMBI, 0, SEMAPHORE_US);
	for (uint32_t i = 0; i < SEMAPHORE_US / 50; i++) {
		intel_set(port->registers, GIGABIT_SWSM, GIGABIT_SWSM_SWESMBI);
		if (intel_read(port->registers, GIGABIT_SWSM) & GIGABIT_SWSM_SWESMBI)
			return;
		intel_pause(50);
	}
}

/* The firmware's bits lie 16 further up. The 82574 has the two semaphores alone. */
void gigabit_own(struct intel_port *port, uint32_t number, bool take)
{
	uint32_t bit = 1u << number;
	uint64_t until = clock_system_ns() + SEMAPHORE_US * 1000ULL;
	bool busy;

	do {
		uint32_t value;

		lock(port);
		value = port->kind == INTEL_82574 ? 0 : intel_read(port->registers, GIGABIT_SW_FW_SYNC);
		busy = take && (value & (bit | bit << 16)) != 0 && clock_system_ns() < until;
		if (!busy && port->kind != INTEL_82574)
			intel_write(port->registers, GIGABIT_SW_FW_SYNC, take ? value | bit : value & ~bit);
		intel_clear(port->registers, GIGABIT_SWSM, GIGABIT_SWSM_SMBI | GIGABIT_SWSM_SWESMBI);
		if (busy)
			intel_pause(1000);
	} while (busy);
}

/* The PHY's bit in SW_FW_SYNC: SW_PHY0_SM to SW_PHY3_SM. */
static void own_phy(struct intel_port *port, bool take)
{
	static const uint32_t bit_of[4] = { 1, 2, 5, 6 };

	gigabit_own(port, bit_of[(intel_read(port->registers, GIGABIT_STATUS) & GIGABIT_STATUS_LAN_ID) >> GIGABIT_STATUS_LAN_ID_AT], take);
}

/* 8.2, MDIC: write a register of the PHY. Its address is 1 for 82576 and 82574; later ones have it in MDICNFG (reading). */
static void write_phy(struct intel_port *port, uint32_t number, uint32_t value)
{
	uint32_t address = port->kind == INTEL_82576 || port->kind == INTEL_82574 ? 1 : 0;

	intel_write(port->registers, GIGABIT_MDIC, value | number << GIGABIT_MDIC_REGADD_AT | address << GIGABIT_MDIC_PHYADD_AT |
		MDIC_WRITE << GIGABIT_MDIC_OP_AT);
	if (!intel_wait(port->registers, GIGABIT_MDIC, GIGABIT_MDIC_READY, GIGABIT_MDIC_READY, MDIC_US))
		log_debug("card %s: its PHY does not answer", port->pci);
}

void gigabit_link_start(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	/* 4.5.7.1: the MAC follows what the PHY has negotiated. */
	intel_write(registers, GIGABIT_CTRL, (intel_read(registers, GIGABIT_CTRL) & ~(GIGABIT_CTRL_FRCSPD | GIGABIT_CTRL_FRCDPLX)) |
		GIGABIT_CTRL_SLU | GIGABIT_CTRL_FD);
	own_phy(port, true);
	write_phy(port, PHY_CONTROL, PHY_RENEGOTIATE);
	own_phy(port, false);
}

uint32_t gigabit_speed(struct intel_port *port)
{
	static const uint32_t mbps[4] = { 10, 100, 1000, 1000 };
	uint32_t status = intel_read(port->registers, GIGABIT_STATUS);

	if (status == UINT32_MAX || !(status & GIGABIT_STATUS_LU))
		return 0;
	return mbps[(status & GIGABIT_STATUS_SPEED) >> GIGABIT_STATUS_SPEED_AT];
}

void gigabit_filters(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	for (uint32_t i = 1; i < 16; i++) {
		intel_write(registers, GIGABIT(RAL, i), 0);
		intel_write(registers, GIGABIT(RAH, i), 0);
	}
	for (uint32_t i = 0; i < 128; i++) {
		intel_write(registers, GIGABIT(MTA, i), 0);
		intel_write(registers, GIGABIT(VFTA, i), 0);
	}
	for (uint32_t i = 0; i < 10; i++)
		intel_write(registers, GIGABIT(RSSRK, i), KEY);
	/* 8.10, RXCSUM: checksums are verified; PCSD: descriptors tell the hash. */
	intel_write(registers, GIGABIT_RXCSUM, GIGABIT_RXCSUM_IPOFLD | GIGABIT_RXCSUM_TUOFLD | GIGABIT_RXCSUM_PCSD);
}

/* 3.5.5 "Flow control": pauses in both directions, or none; thresholds in bytes of the packet buffer. And tags: taken out or not. */
static void set_control(struct intel_port *port)
{
	enum { LOW = 0x2000, HIGH = 0x4000, TYPE = 0x8808, PAUSE = 0xFFFF };
	uint32_t both = GIGABIT_CTRL_RFCE | GIGABIT_CTRL_TFCE, ctrl = intel_read(port->registers, GIGABIT_CTRL);

	intel_write(port->registers, GIGABIT_FCAL, 0x00C28001);         /* 01:80:C2:00:00:01, IEEE 802.3 annex 31B */
	intel_write(port->registers, GIGABIT_FCAH, 0x0100);
	intel_write(port->registers, GIGABIT_FCT, TYPE);
	intel_write(port->registers, GIGABIT_FCTTV, port->flow_control ? PAUSE : 0);
	intel_write(port->registers, GIGABIT_FCRTL, port->flow_control ? LOW | GIGABIT_FCRTL_XONE : 0);
	intel_write(port->registers, GIGABIT_FCRTH, port->flow_control ? HIGH : 0);
	ctrl &= ~(both | GIGABIT_CTRL_VME);
	intel_write(port->registers, GIGABIT_CTRL, ctrl | (port->flow_control ? both : 0) | (port->vlan ? GIGABIT_CTRL_VME : 0));
}

void gigabit_configure(struct intel_port *port, uint32_t more)
{
	volatile uint8_t *registers = port->registers;
	uint32_t rctl = GIGABIT_RCTL_BAM | GIGABIT_RCTL_SECRC | GIGABIT_RCTL_LPE | GIGABIT_RCTL_MPE | more |
		(intel_port_is_promiscuous(port) ? GIGABIT_RCTL_UPE : 0);

	if (port->has_mac) {
		intel_write(registers, GIGABIT(RAL, 0), intel_mac_low(port->mac));
		intel_write(registers, GIGABIT(RAH, 0), (intel_read(registers, GIGABIT(RAH, 0)) & GIGABIT_RAH_POOLSEL) |
			intel_mac_high(port->mac) | GIGABIT_RAH_AV);
	}
	intel_write(registers, GIGABIT_RCTL, rctl | (intel_read(registers, GIGABIT_RCTL) & GIGABIT_RCTL_RXEN));
	set_control(port);
}

uint32_t gigabit_mrqc(const struct intel_port *port)
{
	uint32_t value = GIGABIT_MRQC_IP4 | GIGABIT_MRQC_IP6;

	if (port->rss >= INTEL_RSS_TCP)
		value |= GIGABIT_MRQC_TCP4 | GIGABIT_MRQC_TCP6;
	if (port->rss >= INTEL_RSS_TCP_UDP)
		value |= GIGABIT_MRQC_UDP4 | GIGABIT_MRQC_UDP6;
	return value;
}

void gigabit_transmit_on(struct intel_port *port)
{
	intel_write(port->registers, GIGABIT_TCTL, GIGABIT_TCTL_EN | GIGABIT_TCTL_PSP |
		COLLISION_THRESHOLD << GIGABIT_TCTL_CT_AT | COLLISION_DISTANCE << GIGABIT_TCTL_COLD_AT);
}

void gigabit_clear_counters(struct intel_port *port)
{
	static const uint32_t counters[] = { GIGABIT_MPC, GIGABIT_CRCERRS, GIGABIT_RLEC, GIGABIT_RUC, GIGABIT_RFC, GIGABIT_ROC, GIGABIT_RJC };

	for (uint32_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		intel_read(port->registers, counters[i]);
}

void gigabit_count(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint64_t *counter = port->app.counter;

	counter[INTEL_MISSED] += intel_read(registers, GIGABIT_MPC);
	counter[INTEL_CRC_ERRORS] += intel_read(registers, GIGABIT_CRCERRS);
	counter[INTEL_LENGTH_ERRORS] += (uint64_t)intel_read(registers, GIGABIT_RLEC) + intel_read(registers, GIGABIT_RUC) +
		intel_read(registers, GIGABIT_RFC) + intel_read(registers, GIGABIT_ROC) + intel_read(registers, GIGABIT_RJC);
}
