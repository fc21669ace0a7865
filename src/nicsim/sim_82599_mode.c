/* sim_82599_mode -- how the queues of an 82599 are arranged, how fast each may send, and what of the card is not modelled.
 * source: 82599 datasheet 7.1.2 "Rx Queues Assignment", 7.2.1.2 "Tx Queues Assignment", 4.6.10 and 4.6.11 on virtualization */
#include "nicsim/sim_82599.h"

#include "nicsim/sim_rate.h"

enum { MODE_MASK = 15, MTQC_DCB = 1, MTQC_POOLS = 2, MTQC_64 = 1 << 2, MTQC_32 = 2 << 2, RTTDCS_ARBDIS = 1 << 6 };
enum { QDE_ENABLE = 1, QDE_WRITE = 1 << 16, QDE_READ = 1 << 17 };
enum { LINK_MBPS = 10000 };

static uint32_t receive_mode(const struct sim_card *card)
{
	return sim_get(card, MRQC) & MODE_MASK;
}

/* Is it one that has pools, without DCB? */
static bool is_pool_mode(uint32_t mode)
{
	return mode == MRQC_POOLS_64 || mode == MRQC_POOLS_32_RSS || mode == MRQC_POOLS_64_RSS;
}

static void note_pools(struct sim_card *card)
{
	card->has_pools = sim_get(card, PFVTCTL) & 1 && is_pool_mode(receive_mode(card));
}

/* source: 8.2.3.7.12 "Multiple Receive Queues Command Register" */
static void write_mrqc(struct sim_card *card, uint32_t old, uint32_t value)
{
	uint32_t mode = value & MODE_MASK;

	if ((old ^ value) & MODE_MASK && sim_get(card, RXCTRL) & 1)
		sim_judge(card, SIM_RULE_FILTER_LIVE, "MRQC from 0x%08x to 0x%08x", old, value);
	if (mode == 6 || mode == 7 || mode == 9 || mode > 13)
		sim_judge(card, SIM_RULE_QUEUE_MODE, "MRQC 0x%08x: MRQE %u is reserved", value, mode);
	else if (mode > MRQC_RSS && !is_pool_mode(mode))
		sim_judge(card, SIM_RULE_UNSUPPORTED, "MRQC 0x%08x: traffic classes are not modelled", value);
	note_pools(card);
}

/* source: 7.2.1.2.1, 8.2.3.9.15 "Multiple Transmit Queues Command Register" */
static void write_mtqc(struct sim_card *card, uint32_t old, uint32_t value)
{
	if (old != value && !sim_register_is_polled(card, RTTDCS) && !(sim_get(card, RTTDCS) & RTTDCS_ARBDIS))
		sim_judge(card, SIM_RULE_ARBITER, "MTQC from 0x%08x to 0x%08x", old, value);
	if (value & MTQC_DCB)
		sim_judge(card, SIM_RULE_UNSUPPORTED, "MTQC 0x%08x: traffic classes are not modelled", value);
}

/* Quick drop of a queue, behind an index. source: 8.2.3.27.6 "PF PF Queue Drop Enable Register" */
static void write_drop(struct sim_card *card, uint32_t value)
{
	struct sim_queue *queue = &card->receive[sim_bits(value, 8, 7)];

	if (value & QDE_WRITE)
		queue->pool_drops = value & QDE_ENABLE;
	sim_set(card, PFQDE, (value & ~(uint32_t)(QDE_WRITE | QDE_READ | QDE_ENABLE)) | (queue->pool_drops ? QDE_ENABLE : 0));
}

/* Parameters of the transmit queue that RTTDQSEL names. source: 8.2.3.10.4, 8.2.3.10.5, 8.2.3.10.16 */
static void write_indexed(struct sim_card *card, uint16_t id, uint32_t value)
{
	struct sim_queue *queue = &card->transmit[sim_bits(sim_get(card, RTTDQSEL), 0, 7)];

	if (id == R_RTTDT1C) {
		queue->credits = value;
	} else if (id == R_RTTBCNRC) {
		sim_rate_set(queue, value, LINK_MBPS);
	} else {
		sim_set(card, RTTDT1C, queue->credits);
		sim_set(card, RTTBCNRC, queue->rate);
	}
}

/* What a driver switches on in vain. */
static void check_supported(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t value)
{
	bool asks = ((row->id == R_ETQF || row->id == R_FTQF || row->id == R_SYNQF) && value >> 31) ||
		(row->id == R_RSCCTL && value & 1) || (row->id == R_FDIRCTRL && value & 3);

	if (asks)
		sim_judge(card, SIM_RULE_UNSUPPORTED, "%s[%u] 0x%08x is not modelled", row->name, n, value);
	if (row->id == R_EIMS && value != 0)
		sim_judge(card, SIM_RULE_INTERRUPTS, "EIMS 0x%08x", value);
}

void sim_82599_mode_written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t old, uint32_t value)
{
	check_supported(card, row, n, value);
	switch (row->id) {
	case R_MRQC:
		write_mrqc(card, old, value);
		break;
	case R_MTQC:
		write_mtqc(card, old, value);
		break;
	case R_PFVTCTL:
		note_pools(card);
		break;
	case R_PFQDE:
		write_drop(card, value);
		break;
	case R_RTTDQSEL: case R_RTTDT1C: case R_RTTBCNRC:
		write_indexed(card, row->id, value);
		break;
	default:
		break;
	}
}

void sim_82599_mode_check(struct sim_card *card, bool receives)
{
	uint32_t mode = receive_mode(card), mtqc = sim_get(card, MTQC) & MODE_MASK, vt = sim_get(card, PFVTCTL) & 1;
	uint32_t expected = !is_pool_mode(mode) ? 0 : mode == MRQC_POOLS_32_RSS ? MTQC_POOLS | MTQC_32 : MTQC_POOLS | MTQC_64;

	/* 8.2.3.27.1 "PF Virtual Control Register": VT_Ena is the same as MTQC's. */
	if (vt != mtqc / MTQC_POOLS % 2 || (receives && mtqc != expected))
		sim_judge(card, SIM_RULE_QUEUE_MODE, "MRQC.MRQE %u, MTQC 0x%x, PFVTCTL.VT_Ena %u", mode, mtqc, vt);
	for (uint32_t i = 0; card->has_pools && i < 4; i++) {
		uint32_t rule = sim_get(card, PFMRCTL + 4 * i), to = sim_bits(rule, 8, 6);

		if (rule & 15 && !(sim_get(card, PFVTCTL) >> 30 & 1))
			sim_judge(card, SIM_RULE_MIRROR, "rule %u is 0x%x, PFVTCTL.Rpl_En is not set", i, rule);
		if (rule & 15 && receives && to >= (mode == MRQC_POOLS_32_RSS ? 32 : 64))
			sim_judge(card, SIM_RULE_MIRROR, "rule %u is 0x%x: there is no pool %u", i, rule, to);
	}
}
