/* sim_82599_steer -- which frames the 82599 takes, and which queues get them.
 * source: 82599 datasheet 7.1.1 "Packet Filtering", 7.1.2 "Rx Queues Assignment", 7.10.3 "Packet Switching" */
#include "nicsim/sim_82599.h"

#include "nicsim/sim_pools.h"

enum { FCTRL_SBP = 1 << 1, FCTRL_MPE = 1 << 8, FCTRL_UPE = 1 << 9, FCTRL_BAM = 1 << 10 };
enum { VLNCTRL_VFE = 1 << 30, MCSTCTRL_MFE = 1 << 2 };
enum { L2_AUPE = 1 << 24, L2_ROMPE = 1 << 25, L2_ROPE = 1 << 26, L2_BAM = 1 << 27, L2_MPE = 1 << 28 };
enum { VT_DEFAULT_OFF = 1 << 29, VT_REPLICATES = 1 << 30 };
enum { MIRROR_POOLS = 1, MIRROR_UPLINK = 2, MIRROR_DOWNLINK = 4, MIRROR_VLANS = 8 };
enum { POOLS = 64, ADDRESSES = 128 };

/* Do the address filters let it in? */
static bool passes_address(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t fctrl = sim_get(card, FCTRL), mcst = sim_get(card, MCSTCTRL), entry;

	if (sim_filter_is_broadcast(f->data))
		return fctrl & FCTRL_BAM;
	if (f->data[0] & 1)
		return fctrl & FCTRL_MPE || sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry) ||
			(mcst & MCSTCTRL_MFE && sim_filter_multicast(card, f->data, MTA, mcst));
	return fctrl & FCTRL_UPE || sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry);
}

static bool filters_vlans(const struct sim_card *card)
{
	return sim_get(card, VLNCTRL) & VLNCTRL_VFE;
}

/* --- pools --------------------------------------------------------------------------------------------------------------- */

/* Two registers that are one set of 64: of pools, or of VLANs. */
static uint64_t pair(const struct sim_card *card, uint32_t low, uint32_t high)
{
	return sim_get(card, low) | (uint64_t)sim_get(card, high) << 32;
}

/* Does an entry of the pools' VLAN table name the frame's VLAN? */
static bool is_vlan_entry(const struct sim_card *card, const struct sim_frame *f, uint32_t i)
{
	uint32_t entry = sim_get(card, PFVLVF + 4 * i);

	return f->has_vlan && entry >> 31 && (entry & 0xfff) == (f->vlan & 0xfffu);
}

/* Pools whose PFVML2FLT has a bit. */
static uint64_t pools_with(const struct sim_card *card, uint32_t bit)
{
	uint64_t pools = 0;

	for (uint32_t i = 0; i < POOLS; i++)
		if (sim_get(card, PFVML2FLT + 4 * i) & bit)
			pools |= 1ULL << i;
	return pools;
}

/* 7.10.3.3, the step on VLAN groups: it is taken only when VLANs are filtered. */
static uint64_t vlan_pools(const struct sim_card *card, const struct sim_frame *f)
{
	if (!filters_vlans(card))
		return UINT64_MAX;
	if (!f->has_vlan)
		return pools_with(card, L2_AUPE);
	for (uint32_t i = 0; i < POOLS; i++)
		if (is_vlan_entry(card, f, i))
			return pair(card, PFVLVFB + 8 * i, PFVLVFB + 8 * i + 4);
	return 0;
}

static uint64_t hashed_pools(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t mcst = sim_get(card, MCSTCTRL);
	bool is_group = f->data[0] & 1;

	if (is_group && !(mcst & MCSTCTRL_MFE))
		return 0;
	return sim_filter_multicast(card, f->data, is_group ? MTA : PFUTA, mcst) ? pools_with(card, is_group ? L2_ROMPE : L2_ROPE) : 0;
}

/* Rule i has its sets in the registers i and i + 4: entries and pools 0 to 31, then 32 to 63.
 * source: 8.2.3.27.14 to 16 "PF Mirror Rule Control", "PF Mirror Rule VLAN", "PF Mirror Rule Pool" */
static void read_mirror(const struct sim_card *card, const struct sim_frame *f, uint32_t i, struct sim_mirror *m)
{
	uint32_t rule = sim_get(card, PFMRCTL + 4 * i);
	uint64_t vlans = pair(card, PFMRVLAN + 4 * i, PFMRVLAN + 4 * (i + SIM_MIRRORS));

	*m = (struct sim_mirror){ .pools = rule & MIRROR_POOLS, .uplink = rule & MIRROR_UPLINK, .downlink = rule & MIRROR_DOWNLINK,
		.vlans = rule & MIRROR_VLANS, .sources = pair(card, PFMRVM + 4 * i, PFMRVM + 4 * (i + SIM_MIRRORS)),
		.to = sim_bits(rule, 8, 6) };
	for (uint32_t v = 0; m->vlans && v < POOLS; v++)
		m->has_vlan |= vlans >> v & 1 && is_vlan_entry(card, f, v);
}

void sim_82599_pools(const struct sim_card *card, const struct sim_frame *f, struct sim_pools *p)
{
	uint32_t vt = sim_get(card, PFVTCTL), entry;

	*p = (struct sim_pools){ .hashed = hashed_pools(card, f), .promiscuous = pools_with(card, L2_MPE),
		.broadcast = pools_with(card, L2_BAM), .vlan = vlan_pools(card, f), .receives = pair(card, PFVFRE, PFVFRE + 4),
		.standard = vt & VT_DEFAULT_OFF ? 0 : 1ULL << sim_bits(vt, 7, 6), .passes = passes_address(card, f),
		.replicates = vt & VT_REPLICATES };
	if (sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry))
		p->address = pair(card, MPSAR + 8 * entry, MPSAR + 8 * entry + 4);
	for (uint32_t i = 0; i < SIM_MIRRORS; i++)
		read_mirror(card, f, i, &p->mirror[i]);
}

/* Queues of a pool: 2, or 4 of 32 pools. */
static uint32_t queues_log(const struct sim_card *card)
{
	return sim_bits(sim_get(card, MRQC), 0, 4) == MRQC_POOLS_32_RSS ? 2 : 1;
}

/* 8.2.3.10.3 "DMA Tx Switch Control", 8.2.3.27.12 "PF VM VLAN Insert Register", 8.2.3.27.13 "PF VF Anti Spoof Control" */
void sim_82599_port(const struct sim_card *card, uint32_t queue, struct sim_port *port)
{
	uint32_t pool = queue >> queues_log(card), spoof = sim_get(card, PFVFSPOOF + 4 * (pool / 8)) >> pool % 8;

	*port = (struct sim_port){ .pool = pool, .sends = sim_get(card, PFVFTE + 4 * (pool / 32)) >> pool % 32 & 1,
		.loops = sim_get(card, PFDTXGSWC) & 1, .loops_back = sim_get(card, PFVMTXSW + 4 * (pool / 32)) >> pool % 32 & 1,
		.checks_mac = spoof & 1, .checks_vlan = spoof >> 8 & 1, .tag = sim_get(card, PFVMVIR + 4 * pool) };
}

/* --- RSS ------------------------------------------------------------------------------------------------------------------ */

static uint32_t rss_index(const struct sim_card *card, struct sim_frame *f)
{
	sim_parse_rss(f, (const uint8_t *)&card->value[RSSRK / 4], sim_get(card, MRQC) >> 16);
	if (f->rss_type == 0)
		return 0;
	return ((const uint8_t *)&card->value[RETA / 4])[f->rss_hash & 127] & 15;
}

static void add_queue(struct sim_frame *f, uint32_t queue)
{
	f->queue[f->queue_count++] = (uint16_t)queue;
}

/* Of a pool's queues RSS chooses one, with as many bits of the index as PSRTYPE.RQPL says. source: 8.2.3.7.4 */
void sim_82599_spread(struct sim_card *card, struct sim_frame *f, uint64_t pools)
{
	uint32_t log = queues_log(card), index = sim_bits(sim_get(card, MRQC), 0, 4) == MRQC_POOLS_64 ? 0 : rss_index(card, f);

	for (uint32_t i = 0; i < (uint32_t)SIM_QUEUES >> log; i++) {
		uint32_t bits = sim_bits(sim_get(card, PSRTYPE + 4 * i), 29, 3);

		if (pools >> i & 1)
			add_queue(f, (i << log) + sim_bits(index, 0, bits < log ? bits : log));
	}
}

static void steer_pools(struct sim_card *card, struct sim_frame *f)
{
	struct sim_pools pools;

	sim_82599_pools(card, f, &pools);
	sim_82599_spread(card, f, sim_pools_receive(&pools, f));
}

void sim_82599_steer(struct sim_card *card, struct sim_frame *f)
{
	if (f->bad_crc || f->is_long) {
		if (sim_get(card, FCTRL) & FCTRL_SBP && f->length <= SIM_FRAME - SIM_FCS)
			add_queue(f, 0);
		return;
	}
	if (f->has_vlan && filters_vlans(card) && !sim_filter_vlan(card, f->vlan, VFTA))
		return;
	if (card->has_pools)
		steer_pools(card, f);
	else if (passes_address(card, f))
		add_queue(f, sim_bits(sim_get(card, MRQC), 0, 4) == MRQC_RSS ? rss_index(card, f) : 0);
}
