/* ixgbe_link -- 4.6.4 "Initialization of PHY and Link", 10.5.4 "Software and Firmware Synchronization". See ixgbe.h. */
#include "apps/intel/ixgbe.h"

enum {
	SEMAPHORE_US = 100000,          /* 10.5.4: a holder that keeps it longer than this is taken for dead */
	SYNC_MAC_CSR = 1 << 3,          /* SW_FW_SYNC: SW_MAC_CSR_SM, */
	SYNC_FIRMWARE = 5               /* and the firmware's bit for the same thing, so many further up */
};

/* X553: reading of the device's public register maps. */
static uint32_t swsm(const struct intel_port *port)
{
	return port->kind == INTEL_X553 ? 0x15F70 : IXGBE_SWSM;
}

static uint32_t sync_register(const struct intel_port *port)
{
	return port->kind == INTEL_X553 ? 0x15F78 : IXGBE_SW_FW_SYNC;
}

/* 10.5.4: between the ports of a card (SMBI: a read that gives 0 has taken it), then against the firmware (SWESMBI). One that is
 * never given back belonged to somebody who is dead: go on. */
static void lock(struct intel_port *port)
{
	intel_wait(port->registers, swsm(port), IXGBE_SWSM_SMBI, 0, SEMAPHORE_US);
	for (uint32_t i = 0; i < SEMAPHORE_US / 50; i++) {
		intel_set(port->registers, swsm(port), IXGBE_SWSM_SWESMBI);
		if (intel_read(port->registers, swsm(port)) & IXGBE_SWSM_SWESMBI)
			return;
		intel_pause(50);
	}
}

static void unlock(struct intel_port *port)
{
	intel_clear(port->registers, swsm(port), IXGBE_SWSM_SMBI | IXGBE_SWSM_SWESMBI);
}

void ixgbe_link_own_mac(struct intel_port *port, bool take)
{
	uint64_t until = clock_system_ns() + SEMAPHORE_US * 1000ULL;
	bool busy;

	do {
		uint32_t value;

		lock(port);
		value = intel_read(port->registers, sync_register(port));
		busy = take && (value & (SYNC_MAC_CSR | SYNC_MAC_CSR << SYNC_FIRMWARE)) != 0 && clock_system_ns() < until;
		if (!busy)
			intel_write(port->registers, sync_register(port), take ? value | SYNC_MAC_CSR : value & ~(uint32_t)SYNC_MAC_CSR);
		unlock(port);
		if (busy)
			intel_pause(1000);
	} while (busy);
}

/* 4.6.4.2: the kind of link (AUTOC.LMS) is what the EEPROM says; begin to negotiate it. Copper (X540 and later) is in the hands of
 * firmware, which has begun by itself. */
int ixgbe_link_start(struct intel_port *port)
{
	if (port->kind == INTEL_82599) {
		ixgbe_link_own_mac(port, true);
		intel_set(port->registers, IXGBE_AUTOC, IXGBE_AUTOC_RESTART_AN);
		ixgbe_link_own_mac(port, false);
	}
	ixgbe_link_flow_control(port);
	return 0;
}

uint32_t ixgbe_link_speed(struct intel_port *port)
{
	/* X550 and later, reading: bit 27 makes 10 Gb/s 2.5, and 100 Mb/s 5 Gb/s. */
	static const uint32_t mbps[2][4] = { { 10, 100, 1000, 10000 }, { 10, 5000, 1000, 2500 } };
	uint32_t links = intel_read(port->registers, IXGBE_LINKS);

	if (links == UINT32_MAX || !(links & IXGBE_LINKS_LINK_UP))
		return 0;
	return mbps[port->kind >= INTEL_X550 ? links >> 27 & 1 : 0][links >> IXGBE_LINKS_LINK_SPEED_AT & 3];
}

/* 3.7.7.3 "Flow control": link pauses in both directions, or none. */
void ixgbe_link_flow_control(struct intel_port *port)
{
	enum { HIGH = 0x60000, LOW = 0x40000, PAUSE = 0xFFFF };         /* bytes of 512 KiB; quanta of 512 bit times */
	uint32_t mflcn = intel_read(port->registers, IXGBE_MFLCN) & ~(IXGBE_MFLCN_RPFCE | IXGBE_MFLCN_RFCE);

	intel_write(port->registers, IXGBE_MFLCN, mflcn | (port->flow_control ? IXGBE_MFLCN_RFCE : 0));
	intel_write(port->registers, IXGBE(FCTTV, 0), port->flow_control ? PAUSE | (uint32_t)PAUSE << 16 : 0);
	intel_write(port->registers, IXGBE(FCRTL, 0), port->flow_control ? LOW | IXGBE_FCRTL_XONE : 0);
	intel_write(port->registers, IXGBE(FCRTH, 0), port->flow_control ? HIGH | IXGBE_FCRTH_FCEN : 0);
	intel_write(port->registers, IXGBE_FCRTV, port->flow_control ? PAUSE / 2 : 0);
	intel_write(port->registers, IXGBE_FCCFG, port->flow_control ? 1u << IXGBE_FCCFG_TFCE_AT : 0);
}
