/* sim_igb_steer -- which frames the 82576 and the i210 take, which queues get them, and what is counted.
 * source: 82576 datasheet 7.1.1 "Receive Queues Assignment", 7.1.2 "Packet Filtering", 7.10.3 "Packets Switching (VMDq)", 8.18
 * "Statistics Registers Descriptions" */
#include "nicsim/sim_igb.h"

enum { RCTL_SBP = 1 << 2, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_BAM = 1 << 15, RCTL_VFE = 1 << 18 };
enum { POOL_AUPE = 1 << 24, POOL_ROMPE = 1 << 25, POOL_BAM = 1 << 27, POOL_MPE = 1 << 28 };
enum { MODE_RSS = 2, MODE_POOLS = 3, MODE_POOLS_RSS = 5, POOLS = 8 };

static bool is_broadcast(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

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

	if (is_broadcast(f->data))
		return rctl & RCTL_BAM;
	if (f->data[0] & 1)
		return rctl & RCTL_MPE || has_address(card, f->data, &rah) ||
			sim_filter_multicast(card, f->data, MTA, sim_bits(rctl, 12, 2));
	return rctl & RCTL_UPE || has_address(card, f->data, &rah);
}

static bool passes(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t rctl = sim_get(card, RCTL);

	if (f->bad_crc || f->length > card->kind->longest(card))
		return rctl & RCTL_SBP;
	return passes_address(card, f) && (!f->has_vlan || !(rctl & RCTL_VFE) || sim_filter_vlan(card, f->vlan, VFTA));
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

static uint32_t vlan_pools(const struct sim_card *card, const struct sim_frame *f)
{
	if (!f->has_vlan)
		return pools_with(card, POOL_AUPE);
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t entry = sim_get(card, VLVF + 4 * i);

		if (entry >> 31 && (entry & 0xfff) == (f->vlan & 0xfffu))
			return sim_bits(entry, 12, 8);
	}
	return 0;
}

static uint32_t pools_of(const struct sim_card *card, const struct sim_frame *f)
{
	uint32_t vt = sim_get(card, VT_CTL), rah = 0, pools = 0;

	if (has_address(card, f->data, &rah))
		pools = sim_bits(rah, 18, 8);
	if (is_broadcast(f->data))
		pools |= pools_with(card, POOL_BAM);
	else if (f->data[0] & 1)
		pools |= pools_with(card, POOL_MPE) | (sim_filter_multicast(card, f->data, MTA, sim_bits(sim_get(card, RCTL), 12, 2)) ?
			pools_with(card, POOL_ROMPE) : 0);
	pools &= vlan_pools(card, f);
	if (pools == 0 && !(vt & 1 << 29))
		pools = 1u << sim_bits(vt, 7, 3);
	if (f->data[0] & 1 && !(vt & 1 << 30))
		pools &= ~pools + 1;
	return pools & sim_get(card, VFRE);
}

static uint32_t rss_entry(const struct sim_card *card, struct sim_frame *f)
{
	sim_parse_rss(f, (const uint8_t *)&card->value[RSSRK / 4], sim_get(card, MRQC) >> 16);
	return f->rss_type == 0 ? 0 : ((const uint8_t *)&card->value[RETA / 4])[f->rss_hash & 127];
}

void sim_igb_steer(struct sim_card *card, struct sim_frame *frame)
{
	uint32_t mode = sim_bits(sim_get(card, MRQC), 0, 3), pools, entry = 0;

	if (!passes(card, frame))
		return;
	if (mode == MODE_RSS)
		entry = rss_entry(card, frame) & 15;
	if (mode != MODE_POOLS && mode != MODE_POOLS_RSS) {
		frame->queue[0] = (uint16_t)(entry % card->kind->queues);
		frame->queue_count = 1;
		return;
	}
	/* Pool n has the queues n and n + 8. */
	if (mode == MODE_POOLS_RSS)
		entry = rss_entry(card, frame) & 1;
	pools = pools_of(card, frame);
	for (uint32_t i = 0; i < POOLS; i++)
		if (pools >> i & 1)
			frame->queue[frame->queue_count++] = (uint16_t)((i + 8 * entry) % card->kind->queues);
}

/* --- statistics ----------------------------------------------------------------------------------------------------------------- */

static uint32_t size_class(uint32_t length)
{
	static const uint32_t most[] = { 64, 127, 255, 511, 1023 };
	uint32_t i = 0;

	while (i < 5 && length > most[i])
		i++;
	return i;
}

void sim_igb_count_receive(struct sim_card *card, const struct sim_frame *f)
{
	uint32_t length = f->length + SIM_FCS;

	/* These count only while reception is on. */
	if (!card->kind->receives(card))
		return;
	sim_count(card, TPR, 1);
	sim_count64(card, TORL, TORH, length);
	if (f->bad_crc || f->length > card->kind->longest(card) || length < 64) {
		sim_count(card, f->bad_crc ? CRCERRS : length < 64 ? RUC : ROC, 1);
		return;
	}
	if (f->queue_count == 0)
		return;
	sim_count(card, PRC + 4 * size_class(length), 1);
	sim_count(card, GPRC, 1);
	sim_count64(card, GORCL, GORCH, length);
	sim_count(card, RPTHC, 1);
	sim_count64(card, HGORCL, HGORCH, length);
	if (is_broadcast(f->data))
		sim_count(card, BPRC, 1);
	else if (f->data[0] & 1)
		sim_count(card, MPRC, 1);
}

void sim_igb_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length)
{
	uint32_t bytes = length + SIM_FCS;

	sim_count(card, TPT, 1);
	sim_count(card, GPTC, 1);
	sim_count(card, HGPTC, 1);
	sim_count64(card, GOTCL, GOTCH, bytes);
	sim_count64(card, TOTL, TOTH, bytes);
	sim_count64(card, HGOTCL, HGOTCH, bytes);
	sim_count(card, PTC + 4 * size_class(bytes), 1);
	if (is_broadcast(data))
		sim_count(card, BPTC, 1);
	else if (data[0] & 1)
		sim_count(card, MPTC, 1);
}

void sim_igb_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length)
{
	uint32_t at = 256u * queue->number;

	if (queue->number >= 4)
		return;
	sim_count(card, (queue->is_transmit ? PQGPTC : PQGPRC) + at, 1);
	sim_count(card, (queue->is_transmit ? PQGOTC : PQGORC) + at, length);
}

/* Without Drop_En the packet buffer fills up and frames are missed; the queue's counter tells those that were dropped for it. */
void sim_igb_count_missed(struct sim_card *card, struct sim_queue *queue)
{
	if (queue->drops)
		sim_count(card, RQDPC + 64 * queue->number, 1);
	else
		sim_count(card, MPC, 1);
	sim_count(card, RNBC, !queue->drops);
}
