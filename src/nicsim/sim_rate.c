/* sim_rate -- see sim_rate.h.
 * source: 82599 datasheet 7.7.2.3 "Rate Schedulers", 8.2.3.10.16 "Transmit Rate-Scheduler Config"; 82576 datasheet 7.2.7 "Transmit
 * Rate Limiting". RTTBCNRC: bit 31 switches it on; the rate factor, link speed by rate, has 10 bits before and 14 behind the point. */
#include "nicsim/sim_rate.h"

enum { POINT = 14, FACTOR_BITS = 24, RESERVED_BITS = 7, KIB = 1024 };

void sim_rate_set(struct sim_queue *queue, uint32_t value, uint32_t link_mbps)
{
	uint32_t factor = sim_bits(value, 0, FACTOR_BITS);

	queue->rate = value;
	queue->rate_factor = 0;
	if (!(value >> 31))
		return;
	if (factor >> POINT == 0 || sim_bits(value, FACTOR_BITS, RESERVED_BITS) != 0) {
		sim_judge(queue->card, SIM_RULE_RATE, "transmit queue %u: RTTBCNRC 0x%08x", queue->number, value);
		return;
	}
	queue->rate_factor = factor;
	queue->rate_link_mbps = link_mbps;
	queue->rate_next_ns = queue->card->sim->now_ns;
}

bool sim_rate_allows(struct sim_queue *queue)
{
	if (queue->rate_factor == 0 || queue->card->sim->now_ns >= queue->rate_next_ns)
		return true;
	queue->rate_waits = true;
	return false;
}

/* The time that so many bytes take at the queue's rate. */
static uint64_t duration_ns(const struct sim_queue *queue, uint64_t bytes)
{
	return (bytes * 8 * 1000 * queue->rate_factor >> POINT) / queue->rate_link_mbps;
}

/* While it was idle it may have saved up a window's worth. */
void sim_rate_sent(struct sim_queue *queue, uint32_t bytes)
{
	const struct sim_card *card = queue->card;
	uint64_t earliest;

	if (queue->rate_factor == 0)
		return;
	queue->card->counts.paced += queue->rate_waits;
	queue->rate_waits = false;
	earliest = card->sim->now_ns - duration_ns(queue, (uint64_t)card->kind->rate_window(card) * KIB);
	if (queue->rate_next_ns < earliest)
		queue->rate_next_ns = earliest;
	queue->rate_next_ns += duration_ns(queue, bytes + SIM_FCS);
}
