/* sim_igb_steer -- which frames the gigabit cards take, and which queues get them. The 82576 and the i350 have pools.
 * source: 82576 datasheet 7.1.1 "Receive Queues Assignment", 7.1.2 "Packet Filtering", 7.10.3 "Packets Switching (VMDq) Model" */
#include "nicsim/sim_igb.h"

#include "nicsim/sim_pools.h"

enum { RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_BAM = 1 << 15, RCTL_VFE = 1 << 18 };
enum { POOL_LPE = 1 << 16, POOL_RSSE = 1 << 17, POOL_AUPE = 1 << 24, POOL_ROMPE = 1 << 25, POOL_ROPE = 1 << 26, POOL_BAM = 1 << 27,
	POOL_MPE = 1 << 28, STRIPS_VLAN = 1 << 30 };
enum { VT_DEFAULT_OFF = 1 << 29, VT_REPLICATES = 1 << 30 };
enum { MIRROR_POOLS = 1, MIRROR_UPLINK = 2, MIRROR_DOWNLINK = 4, MIRROR_VLANS = 8 };
enum { POOLS = 8, VLANS = 32, LONGEST = 1518 };

/* An exact address; gives its RAH. */
static bool has_address(const struct sim_card *card, const uint8_t *mac, uint32_t *rah)
{
	uint32_t entry;

	if (sim_filter_unicast(card, mac, RAL, 16, &entry)) {
		*rah = sim_get(card, RAH + 8 * entry);
		return true;
	}
	if (sim_filter_unicast(card, mac, RAL_HIGH, 8, &entry)) {
		*rah = sim_get(card, RAL_HIGH + 4 + 8 * entry);
		return true;
	}
	return false;
}

static bool passes_address(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t rctl = sim_get(card, RCTL), rah;

	if (sim_filter_is_broadcast(f->data))
		return rctl & RCTL_BAM;
	if (f->data[0] & 1)
		return rctl & RCTL_MPE || has_address(card, f->data, &rah) ||
			sim_filter_multicast(card, f->data, MTA, sim_bits(rctl, 12, 2));
	return rctl & RCTL_UPE || has_address(card, f->data, &rah);
}

/* --- pools ------------------------------------------------------------------------------------------------------------------ */

static uint32_t pools_with(const struct sim_card *card, uint32_t bit)
{
	uint32_t pools = 0;

	for (uint32_t i = 0; i < POOLS; i++)
		if (sim_get(card, VMOLR + 4 * i) & bit)
			pools |= 1u << i;
	return pools;
}

/* Does an entry of the pools' VLAN table name the frame's VLAN? */
static bool is_vlan_entry(const struct sim_card *card, const struct sim_frame *f, uint32_t i)
{
	uint32_t entry = sim_get(card, VLVF + 4 * i);

	return f->has_vlan && entry >> 31 && (entry & 0xfff) == (f->vlan & 0xfffu);
}

/* The step on VLAN groups: it is taken only when VLANs are filtered. */
static uint64_t vlan_pools(const struct sim_card *card, const struct sim_frame *f)
{
	if (!(sim_get(card, RCTL) & RCTL_VFE))
		return UINT64_MAX;
	if (!f->has_vlan)
		return pools_with(card, POOL_AUPE);
	for (uint32_t i = 0; i < VLANS; i++)
		if (is_vlan_entry(card, f, i))
			return sim_bits(sim_get(card, VLVF + 4 * i), 12, POOLS);
	return 0;
}

static uint64_t hashed_pools(const struct sim_card *card, const struct sim_frame *f)
{
	bool is_group = f->data[0] & 1;

	return sim_filter_multicast(card, f->data, is_group ? MTA : UTA, sim_bits(sim_get(card, RCTL), 12, 2)) ?
		pools_with(card, is_group ? POOL_ROMPE : POOL_ROPE) : 0;
}

static void read_mirror(const struct sim_card *card, const struct sim_frame *f, uint32_t i, struct sim_mirror *m)
{
	uint32_t rule = sim_get(card, VMRCTL + 4 * i), vlans = sim_get(card, VMRVLAN + 4 * i);

	*m = (struct sim_mirror){ .pools = rule & MIRROR_POOLS, .uplink = rule & MIRROR_UPLINK, .downlink = rule & MIRROR_DOWNLINK,
		.vlans = rule & MIRROR_VLANS, .sources = sim_bits(sim_get(card, VMRVM + 4 * i), 0, POOLS), .to = sim_bits(rule, 8, 3) };
	for (uint32_t v = 0; m->vlans && v < VLANS; v++)
		m->has_vlan |= vlans >> v & 1 && is_vlan_entry(card, f, v);
}

void sim_igb_pools(const struct sim_card *card, const struct sim_frame *f, struct sim_pools *p)
{
	uint32_t vt = sim_get(card, VT_CTL), rah = 0;

	*p = (struct sim_pools){ .hashed = hashed_pools(card, f), .promiscuous = pools_with(card, POOL_MPE),
		.broadcast = pools_with(card, POOL_BAM), .vlan = vlan_pools(card, f), .receives = sim_bits(sim_get(card, VFRE), 0, POOLS),
		.standard = vt & VT_DEFAULT_OFF ? 0 : 1u << sim_bits(vt, 7, 3), .passes = passes_address(card, f),
		.replicates = vt & VT_REPLICATES, .standard_unicast = true };
	if (has_address(card, f->data, &rah))
		p->address = sim_bits(rah, 18, POOLS);
	for (uint32_t i = 0; i < SIM_MIRRORS; i++)
		read_mirror(card, f, i, &p->mirror[i]);
}

/* The 82576 has a pool's bits in DTXSWC, the i350 in TXSWC: who checks addresses, tags, who gets its own frames; bit 31: loopback. */
void sim_igb_port(const struct sim_card *card, uint32_t queue, struct sim_port *port)
{
	uint32_t pool = queue % POOLS, all = sim_get(card, card->kind == &sim_i350_kind ? TXSWC : DTXSWC), bits = all >> pool;

	*port = (struct sim_port){ .pool = pool, .sends = sim_get(card, VFTE) >> pool & 1, .loops = all >> 31,
		.loops_back = bits >> 16 & 1, .checks_mac = bits & 1, .checks_vlan = bits >> 8 & 1,
		.tag = sim_get(card, VMVIR + 4 * pool) };
}

static uint32_t rss_entry(const struct sim_card *card, struct sim_frame *f)
{
	sim_parse_rss(f, (const uint8_t *)&card->value[RSSRK / 4], sim_get(card, MRQC) >> 16);
	return f->rss_type == 0 ? 0 : ((const uint8_t *)&card->value[RETA / 4])[f->rss_hash & 127];
}

static void add_queue(struct sim_frame *f, uint32_t queue)
{
	f->queue[f->queue_count++] = (uint16_t)queue;
}

/* Each pool has a limit of its own; pool n has the queue n and, with RSS, n + 8. source: 8.10.26 "VM Offload Register" */
void sim_igb_spread(struct sim_card *card, struct sim_frame *f, uint64_t pools)
{
	uint32_t second = sim_bits(sim_get(card, MRQC), 0, 3) == MRQC_POOLS_RSS ? rss_entry(card, f) & 1 : 0;

	for (uint32_t i = 0; i < POOLS; i++) {
		uint32_t vmolr = sim_get(card, VMOLR + 4 * i), limit = vmolr & POOL_LPE ? sim_bits(vmolr, 0, 14) : LONGEST + (f->has_vlan ? 4 : 0);

		if (pools >> i & 1 && f->length + SIM_FCS <= limit)
			add_queue(f, i + (vmolr & POOL_RSSE ? POOLS * second : 0));
	}
}

/* Without pools CTRL.VME decides, with them VMOLR, or DVMOLR of the i350; of replicated frames RPLOLR. source: 7.10.3.8 */
bool sim_igb_strips_vlan(const struct sim_queue *queue, const struct sim_frame *f)
{
	const struct sim_card *card = queue->card;

	if (!card->has_pools)
		return queue->strips_vlan;
	if (f->queue_count > 1)
		return sim_get(card, RPLOLR) & STRIPS_VLAN;
	return sim_get(card, card->kind == &sim_i350_kind ? DVMOLR + 64 * queue->number : VMOLR + 4 * (queue->number % POOLS)) & STRIPS_VLAN;
}

void sim_igb_steer(struct sim_card *card, struct sim_frame *f)
{
	uint32_t rctl = sim_get(card, RCTL);
	struct sim_pools pools;

	if (f->bad_crc || f->is_long) {
		if (rctl & RCTL_SBP)
			add_queue(f, 0);
		return;
	}
	if (f->has_vlan && rctl & RCTL_VFE && !sim_filter_vlan(card, f->vlan, VFTA))
		return;
	if (card->has_pools) {
		sim_igb_pools(card, f, &pools);
		sim_igb_spread(card, f, sim_pools_receive(&pools, f));
	} else if (passes_address(card, f)) {
		add_queue(f, sim_bits(sim_get(card, MRQC), 0, 3) == MRQC_RSS ? (rss_entry(card, f) & 15) % card->kind->queues : 0);
	}
}
