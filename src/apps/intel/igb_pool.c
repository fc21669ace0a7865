/* igb_pool -- pools of queues of the 82576 and the I350: 7.10.3 "Packet Switching (VMDq)", 8.14 "Virtualization Register
 * Descriptions". See intel_pool.h, and ixgbe_pool.c, which does the same with the 82599's registers. */
#include "apps/intel/igb.h"

enum {
	MRQE_RSS = 2, MRQE_POOLS = 3, MRQE_POOLS_RSS = 5,       /* 8.10, MRQC */
	ADDRESSES = IGB_POOLS + 1,      /* one for each pool, and the card's own */
	SECOND_QUEUE = 8,               /* from a pool's first queue to its second */
	SECOND_ENTRY = 9,               /* an entry of the redirection table for the second: bit 0 or bit 3 says so (reading), so both do */
	NOT_FOUND = -1
};

uint32_t igb_pool_number(const struct intel_port *port)
{
	return port->pool.wanted ? port->pool.number + SECOND_QUEUE * port->queue : port->queue;
}

uint32_t igb_pool_mrqe(const struct intel_port *port)
{
	return !port->pool.wanted ? MRQE_RSS : port->pool.queues == 1 ? MRQE_POOLS : MRQE_POOLS_RSS;
}

static bool has_pools(const struct intel_port *port)
{
	return port->kind == INTEL_82576 || port->kind == INTEL_I350;
}

static uint32_t pool_bit(const struct intel_port *port)
{
	return 1u << port->pool.number;
}

void igb_pool_setup(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;

	if (!has_pools(port))
		return;
	/* 8.14, VT_CTL: copies for several pools; what is nobody's is dropped. */
	intel_write(registers, IGB_VT_CTL, port->pool.wanted ? IGB_VT_CTL_RPL_EN | IGB_VT_CTL_DIS_DEF_POOL : 0);
	if (!port->pool.wanted)
		return;
	intel_clear(registers, IGB_VFRE, IGB_VFRE_POOLS);
	intel_clear(registers, IGB_VFTE, IGB_VFTE_POOLS);
	for (uint32_t i = 0; i < IGB_POOL_VLANS; i++)
		intel_write(registers, IGB(VLVF, i), 0);
	for (uint32_t i = 0; i < INTEL_MIRRORS; i++) {
		intel_write(registers, IGB(VMRCTL, i), 0);
		intel_write(registers, IGB(VMRVLAN, i), 0);
	}
	intel_clear(registers, GIGABIT(RAH, 0), GIGABIT_RAH_POOLSEL);
	/* 7.10.3.6: no switch between pools: all that is sent leaves by the wire. */
	if (port->kind == INTEL_82576)
		intel_clear(registers, IGB_DTXSWC, IGB_DTXSWC_LOOPBACK_EN);
	/* VLANs choose pools; as they do so, all pass before. */
	for (uint32_t i = 0; i < 128; i++)
		intel_write(registers, GIGABIT(VFTA, i), UINT32_MAX);
	for (uint32_t i = 0; i < 32; i++)
		intel_write(registers, GIGABIT(RETA, i), port->pool.queues > 1 ? (uint32_t)SECOND_ENTRY << 8 | (uint32_t)SECOND_ENTRY << 24 : 0);
}

/* --- addresses: RAL, and RAH with the pools ------------------------------------------------------------------------------------- */

/* The entry with the pool's address, or a free one for it. The card's own address is in entry 0. */
static int find_address(struct intel_port *port, uint32_t low, uint32_t high)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < ADDRESSES; i++) {
		uint32_t rah = intel_read(port->registers, GIGABIT(RAH, i));

		if (!(rah & GIGABIT_RAH_AV))
			free_one = free_one < 0 && i > 0 ? i : free_one;
		else if ((rah & GIGABIT_RAH_RAH) == high && intel_read(port->registers, GIGABIT(RAL, i)) == low)
			return i;
	}
	return free_one;
}

/* The pool's bit at all entries but `keep`; an entry that nobody has is free. */
static void leave_addresses(struct intel_port *port, int keep)
{
	uint32_t bit = pool_bit(port) << GIGABIT_RAH_POOLSEL_AT;

	for (int i = 0; i < ADDRESSES; i++) {
		uint32_t rah = intel_read(port->registers, GIGABIT(RAH, i));

		if (i != keep && (rah & bit))
			intel_write(port->registers, GIGABIT(RAH, i), i > 0 && (rah & GIGABIT_RAH_POOLSEL) == bit ? 0 : rah & ~bit);
	}
}

static int join_address(struct intel_port *port)
{
	uint32_t low = intel_mac_low(port->pool.mac), high = intel_mac_high(port->pool.mac);
	int entry = port->pool.has_mac ? find_address(port, low, high) : 0;

	if (entry < 0)
		return nf_fail(ENOSPC, "card %s has no address left for pool %u", port->pci, port->pool.number);
	if (entry > 0 && !(intel_read(port->registers, GIGABIT(RAH, entry)) & GIGABIT_RAH_AV)) {
		intel_write(port->registers, GIGABIT(RAL, entry), low);
		intel_write(port->registers, GIGABIT(RAH, entry), high | GIGABIT_RAH_AV | pool_bit(port) << GIGABIT_RAH_POOLSEL_AT);
	} else {
		intel_set(port->registers, GIGABIT(RAH, entry), pool_bit(port) << GIGABIT_RAH_POOLSEL_AT);
	}
	leave_addresses(port, entry);
	return 0;
}

/* --- VLANs: VLVF, with the pools of each entry ---------------------------------------------------------------------------------- */

/* Whether a mirror rule names entry i. */
static bool is_mirrored(struct intel_port *port, uint32_t i)
{
	uint32_t rules = 0;

	for (uint32_t rule = 0; rule < INTEL_MIRRORS; rule++)
		rules |= intel_read(port->registers, IGB(VMRVLAN, rule));
	return rules >> i & 1;
}

static void read_vlans(struct intel_port *port, uint32_t table[IGB_POOL_VLANS])
{
	for (uint32_t i = 0; i < IGB_POOL_VLANS; i++)
		table[i] = intel_read(port->registers, IGB(VLVF, i));
}

static void write_vlan(struct intel_port *port, uint32_t table[IGB_POOL_VLANS], uint32_t i, uint32_t entry)
{
	table[i] = entry;
	intel_write(port->registers, IGB(VLVF, i), entry);
}

/* Leave the entries of VLANs that the pool, which stays or goes, does not have. */
static void leave_vlans(struct intel_port *port, uint32_t table[IGB_POOL_VLANS], bool stays)
{
	uint32_t bit = pool_bit(port) << IGB_VLVF_POOLSEL_AT;

	for (uint32_t i = 0; i < IGB_POOL_VLANS; i++) {
		uint32_t entry = table[i], vlan = entry & IGB_VLVF_VLAN_ID, left = entry;

		if (!(entry & IGB_VLVF_VI_EN))
			continue;
		if (!(stays && intel_pool_has_vlan(&port->pool, vlan)))
			left &= ~bit;
		if ((left & IGB_VLVF_POOLSEL) == 0 && !is_mirrored(port, i) && !(stays && intel_pool_mirrors_vlan(&port->pool, vlan)))
			left = 0;
		if (left != entry)
			write_vlan(port, table, i, left);
	}
}

/* The entry of a VLAN, which is made when there is none. fails: NOT_FOUND: all are taken */
static int find_vlan(struct intel_port *port, uint32_t table[IGB_POOL_VLANS], uint32_t vlan)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < IGB_POOL_VLANS; i++) {
		uint32_t entry = table[i];

		if ((entry & (IGB_VLVF_VI_EN | IGB_VLVF_VLAN_ID)) == (vlan | IGB_VLVF_VI_EN))
			return i;
		if (!(entry & IGB_VLVF_VI_EN) && free_one < 0)
			free_one = i;
	}
	if (free_one >= 0)
		write_vlan(port, table, (uint32_t)free_one, vlan | IGB_VLVF_VI_EN);
	return free_one;
}

static int join_vlans(struct intel_port *port, uint32_t table[IGB_POOL_VLANS])
{
	const uint32_t *vlan = port->pool.vlan.items;

	leave_vlans(port, table, true);
	for (uint32_t i = 0; i < port->pool.vlan.count; i++) {
		int entry = find_vlan(port, table, vlan[i]);

		if (entry < 0)
			return nf_fail(ENOSPC, "card %s has no room for VLAN %u of pool %u", port->pci, vlan[i], port->pool.number);
		intel_set(port->registers, IGB(VLVF, entry), pool_bit(port) << IGB_VLVF_POOLSEL_AT);
	}
	return 0;
}

/* --- mirrors -------------------------------------------------------------------------------------------------------------------- */

/* The rule of the pool, or a free one. */
static int find_rule(struct intel_port *port, bool free_too)
{
	int free_one = NOT_FOUND;

	for (int i = 0; i < INTEL_MIRRORS; i++) {
		uint32_t rule = intel_read(port->registers, IGB(VMRCTL, i));

		if (rule != 0 && (rule & IGB_VMRCTL_MP) >> IGB_VMRCTL_MP_AT == port->pool.number)
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
	intel_write(port->registers, IGB(VMRCTL, rule), 0);
	intel_write(port->registers, IGB(VMRVLAN, rule), 0);
}

static int join_mirror(struct intel_port *port, uint32_t table[IGB_POOL_VLANS])
{
	const struct intel_mirror *mirror = &port->pool.mirror;
	uint32_t pools = (uint32_t)intel_pool_mirrored(&port->pool) & ((1u << IGB_POOLS) - 1), entries = 0;
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
		entries |= 1u << entry;
	}
	intel_write(port->registers, IGB(VMRVLAN, rule), entries);
	intel_write(port->registers, IGB(VMRVM, rule), pools);
	intel_write(port->registers, IGB(VMRCTL, rule), port->pool.number << IGB_VMRCTL_MP_AT | (pools != 0 ? IGB_VMRCTL_VPME : 0) |
		(mirror->wire ? IGB_VMRCTL_UPME : 0) | (entries != 0 ? IGB_VMRCTL_VLME : 0));
	return 0;
}

/* --- a pool --------------------------------------------------------------------------------------------------------------------- */

/* The default pool: what no pool takes. */
static void set_default(struct intel_port *port, bool wanted)
{
	uint32_t control = intel_read(port->registers, IGB_VT_CTL), pool = port->pool.number << IGB_VT_CTL_DEF_PL_AT;
	bool has = !(control & IGB_VT_CTL_DIS_DEF_POOL) && (control & IGB_VT_CTL_DEF_PL) == pool;

	if (wanted && !has)
		intel_write(port->registers, IGB_VT_CTL, (control & ~(IGB_VT_CTL_DEF_PL | IGB_VT_CTL_DIS_DEF_POOL)) | pool);
	else if (has && !wanted)
		intel_write(port->registers, IGB_VT_CTL, control | IGB_VT_CTL_DIS_DEF_POOL);
}

/* 8.14, VMOLR: what the pool takes, how long, and what is taken off. Tags of copies that go to several pools are RPLOLR's, and on the
 * I350 all that is taken off stands in DVMOLR (reading). */
static void set_offload(struct intel_port *port)
{
	volatile uint8_t *registers = port->registers;
	uint32_t strip = port->vlan ? IGB_VMOLR_STRVLAN : 0, at = IGB(VMOLR, port->pool.number);

	intel_write(registers, at, (port->mtu + 22) | IGB_VMOLR_LPE | IGB_VMOLR_BAM | IGB_VMOLR_MPE | IGB_VMOLR_STRCRC | strip |
		(intel_read(registers, at) & IGB_VMOLR_RSSE) | (intel_pool_has_vlan(&port->pool, 0) ? IGB_VMOLR_AUPE : 0));
	intel_write(registers, IGB_RPLOLR, IGB_RPLOLR_STRCRC | (port->vlan ? IGB_RPLOLR_STRVLAN : 0));
	if (port->kind == INTEL_I350)
		intel_write(registers, IGB(DVMOLR, port->pool.number), IGB_DVMOLR_STRCRC | (port->vlan ? IGB_DVMOLR_STRVLAN : 0));
}

static int join(struct intel_port *port)
{
	uint32_t table[IGB_POOL_VLANS];
	int code;

	read_vlans(port, table);
	code = join_vlans(port, table);
	if (code == 0)
		code = join_mirror(port, table);
	if (code == 0)
		code = join_address(port);
	if (code < 0)
		return code;
	set_offload(port);
	set_default(port, intel_port_is_promiscuous(port));
	intel_set(port->registers, IGB_VFTE, pool_bit(port));
	return 0;
}

int igb_pool_join(struct intel_port *port)
{
	int code;

	if (!port->pool.wanted)
		return 0;
	gigabit_own(port, GIGABIT_SYNC_MAC, true);
	code = join(port);
	gigabit_own(port, GIGABIT_SYNC_MAC, false);
	return code;
}

void igb_pool_open(struct intel_port *port)
{
	if (!port->pool.wanted)
		return;
	gigabit_own(port, GIGABIT_SYNC_MAC, true);
	intel_set(port->registers, IGB_VFRE, pool_bit(port));
	gigabit_own(port, GIGABIT_SYNC_MAC, false);
}

/* Whether queue i of the pool is on. */
static bool is_on(struct intel_port *port, uint32_t i)
{
	return intel_read(port->registers, IGB(RXDCTL, port->pool.number + SECOND_QUEUE * i)) & IGB_RXDCTL_ENABLE;
}

void igb_pool_leave(struct intel_port *port)
{
	uint32_t table[IGB_POOL_VLANS];

	for (uint32_t i = 0; port->pool.wanted && i < port->pool.queues; i++)
		if (i != port->queue && is_on(port, i))
			return;
	if (!port->pool.wanted)
		return;
	gigabit_own(port, GIGABIT_SYNC_MAC, true);
	intel_clear(port->registers, IGB_VFRE, pool_bit(port));
	set_default(port, false);
	leave_addresses(port, NOT_FOUND);
	leave_mirror(port);
	read_vlans(port, table);
	leave_vlans(port, table, false);
	gigabit_own(port, GIGABIT_SYNC_MAC, false);
}

/* 8.14, VMOLR.RSSE: whether the hash chooses between the queues of this pool. */
void igb_pool_spread(struct intel_port *port, uint32_t without)
{
	uint32_t at = IGB(VMOLR, port->pool.number), count = 0, value;

	if (port->pool.queues == 1)
		return;
	while (count < port->pool.queues && port->pool.number + SECOND_QUEUE * count != without && is_on(port, count))
		count++;
	value = intel_read(port->registers, at);
	if ((count > 1) != ((value & IGB_VMOLR_RSSE) != 0))
		intel_write(port->registers, at, value ^ IGB_VMOLR_RSSE);
}
