/* ixgbe_pool -- pools of queues: 4.6.11.3.3 "DCB-Off, VT-On", 7.10.3 "Packet Switching". See intel_pool.h.
 *
 * Address entries, VLAN entries and mirror rules belong to nobody beforehand: whoever needs one looks for one that has what he
 * wants, else for a free one, while he holds the card's semaphore. */
#include "apps/intel/ixgbe.h"

enum {
	MRQE_RSS = 1, MRQE_POOLS = 8, MRQE_POOLS_OF_4 = 10, MRQE_POOLS_OF_2 = 11,       /* 8.2.3.7, MRQC */
	POOLS_OF_2 = 1, POOLS_OF_4 = 2,                                                 /* 8.2.3.9, MTQC.NUM_TC_OR_Q */
	ADDRESSES = INTEL_POOLS + 1,    /* of 128: one for each pool, and the card's own */
	NOT_FOUND = -1
};

/* Queues that lie between a pool's first and that of the next. */
static uint32_t stride(const struct intel_port *port)
{
	return port->pool.queues == 4 ? 4 : 2;
}

uint32_t ixgbe_pool_number(const struct intel_port *port)
{
	return port->pool.wanted ? port->pool.number * stride(port) + port->queue : port->queue;
}

uint32_t ixgbe_pool_mrqe(const struct intel_port *port)
{
	if (!port->pool.wanted)
		return MRQE_RSS;
	return port->pool.queues == 1 ? MRQE_POOLS : port->pool.queues == 2 ? MRQE_POOLS_OF_2 : MRQE_POOLS_OF_4;
}

uint32_t ixgbe_pool_mtqc(const struct intel_port *port)
{
	if (!port->pool.wanted)
		return 0;
	return IXGBE_MTQC_VT_ENA | (uint32_t)(stride(port) == 4 ? POOLS_OF_4 : POOLS_OF_2) << IXGBE_MTQC_NUM_TC_OR_Q_AT;
}

static void set_bit(struct intel_port *port, uint32_t first_register, bool on)
{
	uint32_t at = first_register + port->pool.number / 32 * 4, bit = 1u << port->pool.number % 32;

	if (on)
		intel_set(port->registers, at, bit);
	else
		intel_clear(port->registers, at, bit);
}

void ixgbe_pool_setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	/* 7.10.3.3: copies for several pools; what is nobody's is dropped. */
	intel_write(registers, IXGBE_PFVTCTL, port->pool.wanted ? IXGBE_PFVTCTL_VT_ENA | IXGBE_PFVTCTL_RPL_EN | IXGBE_PFVTCTL_DIS_DEF_POOL : 0);
	if (!port->pool.wanted)
		return;
	for (uint32_t i = 0; i < 2; i++) {
		intel_write(registers, IXGBE(PFVFRE, i), 0);
		intel_write(registers, IXGBE(PFVFTE, i), 0);
	}
	for (uint32_t i = 0; i < INTEL_POOLS; i++) {
		intel_write(registers, IXGBE(PFVML2FLT, i), 0);
		intel_write(registers, IXGBE(PFVLVF, i), 0);
		intel_write(registers, IXGBE(PSRTYPE, i), 0);
	}
	for (uint32_t i = 0; i < 2 * INTEL_POOLS; i++)
		intel_write(registers, IXGBE(PFVLVFB, i), 0);
	for (uint32_t i = 0; i < 256; i++)
		intel_write(registers, IXGBE(MPSAR, i), 0);
	for (uint32_t i = 0; i < INTEL_MIRRORS; i++)
		intel_write(registers, IXGBE(PFMRCTL, i), 0);
	/* 7.10.3.4: no switch between pools: all that is sent leaves by the wire. */
	intel_clear(registers, IXGBE_PFDTXGSWC, IXGBE_PFDTXGSWC_LBE);
	/* 7.1.1.2, 7.10.3.3: VLANs choose pools; as they do so, all pass before. */
	for (uint32_t i = 0; i < 128; i++)
		intel_write(registers, IXGBE(VFTA, i), UINT32_MAX);
	intel_set(registers, IXGBE_VLNCTRL, IXGBE_VLNCTRL_VFE);
	/* 7.1.2.8.3: entries choose the queue within a pool, as many bits of them as its PSRTYPE says. */
	for (uint32_t i = 0; i < 32; i++)
		intel_write(registers, IXGBE(RETA, i), port->pool.queues == 4 ? 0x03020100 : port->pool.queues == 2 ? 0x01000100 : 0);
}

/* --- addresses: RAL, RAH, and MPSAR with the pools of each entry ---------------------------------------------------------------- */

/* The entry with the pool's address, or a free one for it. The card's own address is in entry 0. */
static int find_address(struct intel_port *port, uint32_t low, uint32_t high)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < ADDRESSES; i++) {
		uint32_t rah = intel_read(port->registers, IXGBE(RAH, i));

		if (!(rah & IXGBE_RAH_AV))
			free_one = free_one < 0 && i > 0 ? i : free_one;
		else if ((rah & IXGBE_RAH_RAH) == high && intel_read(port->registers, IXGBE(RAL, i)) == low)
			return i;
	}
	return free_one;
}

/* The pool's bit at all entries but `keep`; an entry that nobody has is free. */
static void leave_addresses(struct intel_port *port, int keep)
{
	volatile uint8_t *registers = port->registers;

	for (int i = 0; i < ADDRESSES; i++) {
		uint32_t half = port->pool.number / 32, bit = 1u << port->pool.number % 32, mine = intel_read(registers, IXGBE(MPSAR, 2 * i + (int)half));

		if (i == keep || !(mine & bit))
			continue;
		intel_write(registers, IXGBE(MPSAR, 2 * i + (int)half), mine & ~bit);
		if (i > 0 && (mine & ~bit) == 0 && intel_read(registers, IXGBE(MPSAR, 2 * i + 1 - (int)half)) == 0)
			intel_write(registers, IXGBE(RAH, i), 0);
	}
}

static int join_address(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t low = intel_mac_low(port->pool.mac), high = intel_mac_high(port->pool.mac);
	int entry = port->pool.has_mac ? find_address(port, low, high) : 0;

	if (entry < 0)
		return nf_fail(ENOSPC, "card %s has no address left for pool %u", port->pci, port->pool.number);
	set_bit(port, IXGBE(MPSAR, 2 * entry), true);
	if (port->pool.has_mac && !(intel_read(registers, IXGBE(RAH, entry)) & IXGBE_RAH_AV)) {
		intel_write(registers, IXGBE(RAL, entry), low);
		intel_write(registers, IXGBE(RAH, entry), high | IXGBE_RAH_AV);
	}
	leave_addresses(port, entry);
	return 0;
}

/* --- VLANs: PFVLVF, and PFVLVFB with the pools of each entry -------------------------------------------------------------------- */

/* Whether a mirror rule names entry i. */
static bool is_mirrored(struct intel_port *port, uint32_t i)
{
	uint32_t rules = 0;

	for (uint32_t rule = 0; rule < INTEL_MIRRORS; rule++)
		rules |= intel_read(port->registers, IXGBE(PFMRVLAN, rule + i / 32 * INTEL_MIRRORS));
	return rules >> i % 32 & 1;
}

static void read_vlans(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS])
{
	for (uint32_t i = 0; i < INTEL_POOL_VLANS; i++)
		table[i] = intel_read(port->registers, IXGBE(PFVLVF, i));
}

static void write_vlan(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS], uint32_t i, uint32_t entry)
{
	table[i] = entry;
	intel_write(port->registers, IXGBE(PFVLVF, i), entry);
}

/* Leave the entries of VLANs that the pool, which stays or goes, does not have. */
static void leave_vlans(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS], bool stays)
{
	volatile uint8_t *registers = port->registers;
	uint32_t half = port->pool.number / 32, bit = 1u << port->pool.number % 32;

	for (uint32_t i = 0; i < INTEL_POOL_VLANS; i++) {
		uint32_t entry = table[i], vlan = entry & IXGBE_PFVLVF_VLAN_ID, pools;

		if (!(entry & IXGBE_PFVLVF_VI_EN))
			continue;
		pools = intel_read(registers, IXGBE(PFVLVFB, 2 * i + half));
		if ((pools & bit) && !(stays && intel_pool_has_vlan(&port->pool, vlan)))
			intel_write(registers, IXGBE(PFVLVFB, 2 * i + half), pools &= ~bit);
		if (pools == 0 && intel_read(registers, IXGBE(PFVLVFB, 2 * i + 1 - half)) == 0 && !is_mirrored(port, i) &&
			!(stays && intel_pool_mirrors_vlan(&port->pool, vlan)))
			write_vlan(port, table, i, 0);
	}
}

/* The entry of a VLAN, which is made when there is none. fails: NOT_FOUND: all are taken */
static int find_vlan(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS], uint32_t vlan)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < INTEL_POOL_VLANS; i++) {
		uint32_t entry = table[i];

		if (entry == (vlan | IXGBE_PFVLVF_VI_EN))
			return i;
		if (!(entry & IXGBE_PFVLVF_VI_EN) && free_one < 0)
			free_one = i;
	}
	if (free_one >= 0)
		write_vlan(port, table, (uint32_t)free_one, vlan | IXGBE_PFVLVF_VI_EN);
	return free_one;
}

static int join_vlans(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS])
{
	const uint32_t *vlan = port->pool.vlan.items;

	leave_vlans(port, table, true);
	for (uint32_t i = 0; i < port->pool.vlan.count; i++) {
		int entry = find_vlan(port, table, vlan[i]);

		if (entry < 0)
			return nf_fail(ENOSPC, "card %s has no room for VLAN %u of pool %u", port->pci, vlan[i], port->pool.number);
		set_bit(port, IXGBE(PFVLVFB, 2 * entry), true);
	}
	return 0;
}

/* --- mirrors: 7.10.3.5; of registers 0 to 3 and 4 to 7 the first are the low halves --------------------------------------------- */

/* The rule of the pool, or a free one. */
static int find_rule(struct intel_port *port, bool free_too)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < INTEL_MIRRORS; i++) {
		uint32_t rule = intel_read(port->registers, IXGBE(PFMRCTL, i));

		if (rule != 0 && (rule & IXGBE_PFMRCTL_MP) >> IXGBE_PFMRCTL_MP_AT == port->pool.number)
			return i;
		if (rule == 0 && free_one < 0)
			free_one = i;
	}
	return free_too ? free_one : NOT_FOUND;
}

static void leave_mirror(struct intel_port *port)
{
	int rule = find_rule(port, false);

	if (rule < 0)
		return;
	intel_write(port->registers, IXGBE(PFMRCTL, rule), 0);
	intel_write(port->registers, IXGBE(PFMRVLAN, rule), 0);
	intel_write(port->registers, IXGBE(PFMRVLAN, rule + INTEL_MIRRORS), 0);
}

static int join_mirror(struct intel_port *port, uint32_t table[INTEL_POOL_VLANS])
{
	volatile uint8_t *registers = port->registers;
	const struct intel_mirror *mirror = &port->pool.mirror;
	uint64_t pools = intel_pool_mirrored(&port->pool), entries = 0;
	const uint32_t *vlan = mirror->vlan.items;
	int rule;

	if (!port->pool.has_mirror) {
		leave_mirror(port);
		return 0;
	}
	rule = find_rule(port, true);
	if (rule < 0)
		return nf_fail(ENOSPC, "card %s has no mirror left for pool %u", port->pci, port->pool.number);
	for (uint32_t i = 0; i < mirror->vlan.count; i++) {
		int entry = find_vlan(port, table, vlan[i]);

		if (entry < 0)
			return nf_fail(ENOSPC, "card %s has no room for mirrored VLAN %u", port->pci, vlan[i]);
		entries |= 1ULL << entry;
	}
	intel_write(registers, IXGBE(PFMRVLAN, rule), (uint32_t)entries);
	intel_write(registers, IXGBE(PFMRVLAN, rule + INTEL_MIRRORS), (uint32_t)(entries >> 32));
	intel_write(registers, IXGBE(PFMRVM, rule), (uint32_t)pools);
	intel_write(registers, IXGBE(PFMRVM, rule + INTEL_MIRRORS), (uint32_t)(pools >> 32));
	intel_write(registers, IXGBE(PFMRCTL, rule), port->pool.number << IXGBE_PFMRCTL_MP_AT | (pools != 0 ? IXGBE_PFMRCTL_VPME : 0) |
		(mirror->wire ? IXGBE_PFMRCTL_UPME : 0) | (entries != 0 ? IXGBE_PFMRCTL_VLME : 0));
	return 0;
}

/* --- a pool --------------------------------------------------------------------------------------------------------------------- */

/* 7.10.3.3, step "default pool": what no pool takes. */
static void set_default(struct intel_port *port, bool wanted)
{
	uint32_t control = intel_read(port->registers, IXGBE_PFVTCTL), pool = port->pool.number << IXGBE_PFVTCTL_DEF_PL_AT;
	bool has = !(control & IXGBE_PFVTCTL_DIS_DEF_POOL) && (control & IXGBE_PFVTCTL_DEF_PL) == pool;

	if (wanted && !has)
		intel_write(port->registers, IXGBE_PFVTCTL, (control & ~(IXGBE_PFVTCTL_DEF_PL | IXGBE_PFVTCTL_DIS_DEF_POOL)) | pool);
	else if (has && !wanted)
		intel_write(port->registers, IXGBE_PFVTCTL, control | IXGBE_PFVTCTL_DIS_DEF_POOL);
}

static int join(struct intel_port *port)
{
	uint32_t table[INTEL_POOL_VLANS];
	int code;

	read_vlans(port, table);
	code = join_vlans(port, table);
	if (code == 0)
		code = join_mirror(port, table);
	if (code == 0)
		code = join_address(port);
	if (code < 0)
		return code;
	intel_write(port->registers, IXGBE(PFVML2FLT, port->pool.number), IXGBE_PFVML2FLT_BAM | IXGBE_PFVML2FLT_MPE |
		(intel_pool_has_vlan(&port->pool, 0) ? IXGBE_PFVML2FLT_AUPE : 0));
	set_default(port, intel_port_is_promiscuous(port));
	set_bit(port, IXGBE_PFVFTE, true);
	return 0;
}

int ixgbe_pool_join(struct intel_port *port)
{
	int code;

	if (!port->pool.wanted)
		return 0;
	ixgbe_link_own_mac(port, true);
	code = join(port);
	ixgbe_link_own_mac(port, false);
	return code;
}

void ixgbe_pool_open(struct intel_port *port)
{
	if (!port->pool.wanted)
		return;
	ixgbe_link_own_mac(port, true);
	set_bit(port, IXGBE_PFVFRE, true);
	ixgbe_link_own_mac(port, false);
}

/* Whether queue i of the pool is on. */
static bool is_on(struct intel_port *port, uint32_t i)
{
	return intel_read(port->registers, IXGBE_RECEIVE(RXDCTL, port->pool.number * stride(port) + i)) & IXGBE_RXDCTL_ENABLE;
}

void ixgbe_pool_leave(struct intel_port *port)
{
	uint32_t table[INTEL_POOL_VLANS];

	for (uint32_t i = 0; port->pool.wanted && i < port->pool.queues; i++)
		if (i != port->queue && is_on(port, i))
			return;
	if (!port->pool.wanted)
		return;
	ixgbe_link_own_mac(port, true);
	set_bit(port, IXGBE_PFVFRE, false);
	set_default(port, false);
	leave_addresses(port, NOT_FOUND);
	leave_mirror(port);
	read_vlans(port, table);
	leave_vlans(port, table, false);
	ixgbe_link_own_mac(port, false);
}

/* 8.2.3.7, PSRTYPE.RQPL: how many bits of the redirection table's entry choose among the queues of this pool. */
void ixgbe_pool_spread(struct intel_port *port, uint32_t without)
{
	uint32_t first = port->pool.number * stride(port), count = 0, value;

	while (count < port->pool.queues && first + count != without && is_on(port, count))
		count++;
	value = (count >= 4 ? 2u : count >= 2 ? 1u : 0u) << IXGBE_PSRTYPE_RQPL_AT;
	if (port->pool.queues > 1 && intel_read(port->registers, IXGBE(PSRTYPE, port->pool.number)) != value)
		intel_write(port->registers, IXGBE(PSRTYPE, port->pool.number), value);
}
