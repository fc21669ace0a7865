/* sim_igb_mode -- how the queues of a gigabit card are arranged, how fast each may send, and what of the cards is not modelled.
 * source: 82576 datasheet 7.1.1 "Receive Queues Assignment", 7.10 "Virtualization", 8.12 on transmit rate limiting */
#include "nicsim/sim_igb.h"

#include "nicsim/sim_rate.h"

enum { LINK_MBPS = 1000, VT_REPLICATES = 1 << 30, QAV = 1, ETQF_ON = 1 << 26 };

/* Pools are those of the 82576 and the i350, two queues a pool those of the 82576. source: 8.10.18 "Multiple Receive Queues Command" */
static void write_mrqc(struct sim_card *card, uint32_t old, uint32_t value)
{
	uint32_t mode = sim_bits(value, 0, 3);
	bool has = mode == MRQC_NONE || mode == MRQC_RSS || (mode == MRQC_POOLS && card->kind != &sim_i210_kind) ||
		(mode == MRQC_POOLS_RSS && card->kind == &sim_82576_kind);

	if (!has)
		sim_judge(card, SIM_RULE_QUEUE_MODE, "MRQC 0x%08x: mode %u is none of this card", value, mode);
	if (((old ^ value) & 7) != 0 && card->kind->receives(card))
		sim_judge(card, SIM_RULE_FILTER_LIVE, "MRQC from 0x%08x to 0x%08x", old, value);
	card->has_pools = has && (mode == MRQC_POOLS || mode == MRQC_POOLS_RSS);
}

/* The 82576 alone can limit rates. source: 82576 datasheet 7.2.7, 8.12.13 "Tx Descriptor Plane Queue Select" */
static void write_rate(struct sim_card *card, const struct sim_register *row, uint32_t value)
{
	struct sim_queue *queue = &card->transmit[sim_bits(sim_get(card, RTTDQSEL), 0, 4)];

	if (card->kind != &sim_82576_kind)
		sim_judge(card, SIM_RULE_UNSUPPORTED, "%s 0x%08x: the %s has no rate scheduler", row->name, value, card->kind->name);
	else if (row->id == R_RTTBCNRC)
		sim_rate_set(queue, value, LINK_MBPS);
	else
		sim_set(card, RTTBCNRC, queue->rate);
}

void sim_igb_mode_written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t old, uint32_t value)
{
	switch (row->id) {
	case R_MRQC:
		write_mrqc(card, old, value);
		break;
	case R_RTTDQSEL: case R_RTTBCNRC:
		write_rate(card, row, value);
		break;
	case R_ETQF:
		if (value & (ETQF_ON | 1u << 31))
			sim_judge(card, SIM_RULE_UNSUPPORTED, "ETQF[%u] 0x%08x is not modelled", n, value);
		break;
	case R_TQAVCTRL:
		if (value & QAV)
			sim_judge(card, SIM_RULE_UNSUPPORTED, "TQAVCTRL 0x%08x: credit based shaping is not modelled", value);
		break;
	case R_IMS: case R_EIMS:
		if (value != 0)
			sim_judge(card, SIM_RULE_INTERRUPTS, "%s 0x%08x", row->name, value);
		break;
	default:
		break;
	}
}

void sim_igb_mode_check(struct sim_card *card)
{
	for (uint32_t i = 0; card->has_pools && i < 4; i++) {
		uint32_t rule = sim_get(card, VMRCTL + 4 * i);

		if (rule & 15 && !(sim_get(card, VT_CTL) & VT_REPLICATES))
			sim_judge(card, SIM_RULE_MIRROR, "rule %u is 0x%x, VT_CTL.Rpl_En is not set", i, rule);
	}
}
