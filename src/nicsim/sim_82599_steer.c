/* sim_82599_steer -- which frames the 82599 takes, and which queues get them.
 * source: 82599 datasheet 7.1.1 "Packet Filtering", 7.1.2 "Rx Queues Assignment", 7.10.3 "Packet Switching" */
#include "nicsim/sim_82599.h"

enum { FCTRL_SBP = 1 << 1, FCTRL_MPE = 1 << 8, FCTRL_UPE = 1 << 9, FCTRL_BAM = 1 << 10 };
enum { VLNCTRL_VFE = 1 << 30 };
enum { L2_AUPE = 1 << 24, L2_ROMPE = 1 << 25, L2_ROPE = 1 << 26, L2_BAM = 1 << 27, L2_MPE = 1 << 28 };
enum { POOLS = 64, ADDRESSES = 128 };

static bool is_broadcast(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

/* Do the address filters let it in? */
static bool passes_address(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t fctrl = sim_get(card, FCTRL), mcst = sim_get(card, MCSTCTRL), entry;

	if (is_broadcast(f->data))
		return fctrl & FCTRL_BAM;
	if (f->data[0] & 1)
		return fctrl & FCTRL_MPE || sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry) ||
			(mcst & 4 && sim_filter_multicast(card, f->data, MTA, mcst));
	return fctrl & FCTRL_UPE || sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry);
}

static bool passes(const struct sim_card *card, const struct sim_frame *f)
{
	if (f->bad_crc || f->length > sim_82599_kind.longest(card))
		return sim_get(card, FCTRL) & FCTRL_SBP && f->length <= SIM_FRAME - SIM_FCS;
	if (!passes_address(card, f))
		return false;
	return !f->has_vlan || !(sim_get(card, VLNCTRL) & VLNCTRL_VFE) || sim_filter_vlan(card, f->vlan, VFTA);
}

/* --- pools --------------------------------------------------------------------------------------------------------------- */

/* The pools of a VLAN; all of them when no entry names it. */
static uint64_t vlan_pools(const struct sim_card *card, const struct sim_frame *f)
{
	if (!f->has_vlan)
		return UINT64_MAX;
	for (uint32_t i = 0; i < POOLS; i++) {
		uint32_t entry = sim_get(card, PFVLVF + 4 * i);

		if (entry >> 31 && (entry & 0xfff) == (f->vlan & 0xfffu))
			return sim_get(card, PFVLVFB + 8 * i) | (uint64_t)sim_get(card, PFVLVFB + 8 * i + 4) << 32;
	}
	return 0;
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

static uint64_t address_pools(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t entry, mcst = sim_get(card, MCSTCTRL);
	uint64_t pools = 0;

	if (sim_filter_unicast(card, f->data, RAL, ADDRESSES, &entry))
		pools = sim_get(card, MPSAR + 8 * entry) | (uint64_t)sim_get(card, MPSAR + 8 * entry + 4) << 32;
	if (is_broadcast(f->data))
		pools |= pools_with(card, L2_BAM);
	else if (f->data[0] & 1)
		pools |= pools_with(card, L2_MPE) |
			(mcst & 4 && sim_filter_multicast(card, f->data, MTA, mcst) ? pools_with(card, L2_ROMPE) : 0);
	return pools;
}

/* Frames mirrored to other pools: PFMRCTL with VPME (of pools), VLME (of VLANs), UPME (all from the wire). source: 7.10.3.8 */
static uint64_t mirrored(const struct sim_card *card, const struct sim_frame *f, uint64_t pools)
{
	uint64_t more = 0;

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t rule = sim_get(card, PFMRCTL + 4 * i);
		uint64_t sources = sim_get(card, PFMRVM + 8 * i) | (uint64_t)sim_get(card, PFMRVM + 8 * i + 4) << 32;
		uint64_t vlans = sim_get(card, PFMRVLAN + 8 * i) | (uint64_t)sim_get(card, PFMRVLAN + 8 * i + 4) << 32;
		bool hit = (rule & 1 && pools & sources) || rule & 2;

		for (uint32_t v = 0; rule & 8 && f->has_vlan && v < POOLS; v++)
			hit |= vlans >> v & 1 && sim_get(card, PFVLVF + 4 * v) >> 31 && (sim_get(card, PFVLVF + 4 * v) & 0xfff) == (f->vlan & 0xfffu);
		if (hit)
			more |= 1ULL << sim_bits(rule, 8, 6);
	}
	return more;
}

static uint64_t pools_of(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t vt = sim_get(card, PFVTCTL);
	uint64_t allowed = vlan_pools(card, f), pools = address_pools(card, f) & allowed;
	bool group = f->data[0] & 1;

	/* Untagged frames go only where AUPE lets them. */
	if (!f->has_vlan)
		pools &= pools_with(card, L2_AUPE);
	if (pools == 0 && !(vt & 1u << 29) && passes_address(card, f))
		pools = 1ULL << sim_bits(vt, 7, 6);
	/* Without replication only one of them gets a group's frame. */
	if (group && !(vt & 1u << 30) && pools != 0)
		pools &= ~pools + 1;
	pools |= mirrored(card, f, pools);
	return pools & (sim_get(card, PFVFRE) | (uint64_t)sim_get(card, PFVFRE + 4) << 32);
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

/* Queues of pools: 2 or 4 each, of which RSS may choose one. */
static void steer_pools(struct sim_card *card, struct sim_frame *f, uint32_t each, bool rss)
{
	uint64_t pools = pools_of(card, f);
	uint32_t index = rss ? rss_index(card, f) : 0;

	for (uint32_t i = 0; i < POOLS; i++)
		if (pools >> i & 1 && i * each < SIM_QUEUES)
			add_queue(f, i * each + (index & (each - 1)));
}

void sim_82599_steer(struct sim_card *card, struct sim_frame *frame)
{
	uint32_t mode = sim_get(card, MRQC) & 15;

	if (!passes(card, frame) && !(mode >= 8 && sim_get(card, PFVTCTL) & 1 && !frame->bad_crc && pools_of(card, frame) != 0))
		return;
	switch (mode) {
	case 1: case 4: case 5:
		add_queue(frame, rss_index(card, frame));
		break;
	case 8:
		steer_pools(card, frame, 2, false);
		break;
	case 10:
		steer_pools(card, frame, 4, true);
		break;
	case 11:
		steer_pools(card, frame, 2, true);
		break;
	default:
		add_queue(frame, 0);
		break;
	}
}
