/* sim_82599_count -- the statistics of the 82599. source: 82599 datasheet 8.2.3.23 "Statistic Registers" */
#include "nicsim/sim_82599.h"

void sim_82599_count_receive(struct sim_card *card, const struct sim_frame *f)
{
	uint32_t length = f->length + SIM_FCS;

	sim_count(card, TPR, 1);
	sim_count64(card, TORL, TORH, length);
	if (f->bad_crc) {
		sim_count(card, CRCERRS, 1);
		return;
	}
	if (f->is_long || length < 64) {
		sim_count(card, f->is_long ? ROC : RUC, 1);
		return;
	}
	/* MAC counters run even while reception is off; the filter's do not. */
	sim_count_size(card, PRC, length);
	sim_count(card, GPRC, 1);
	sim_count64(card, GORCL, GORCH, length);
	if (sim_filter_is_broadcast(f->data))
		sim_count(card, BPRC, 1);
	else if (f->data[0] & 1)
		sim_count(card, MPRC, 1);
	sim_count(card, RXNFGPC, 1);
	sim_count64(card, RXNFGBCL, RXNFGBCH, length);
	if (f->queue_count == 0)
		return;
	sim_count(card, RXDGPC, 1);
	sim_count64(card, RXDGBCL, RXDGBCH, length);
}

/* The queues' counters, of which there are 16: RQSMR and TQSM say which one a queue uses. */
static uint32_t counter_of(const struct sim_card *card, uint32_t map, uint32_t queue)
{
	return sim_get(card, map + (queue & ~3u)) >> queue % 4 * 8 & 15;
}

void sim_82599_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length)
{
	uint32_t n = counter_of(card, queue->is_transmit ? TQSM : RQSMR, queue->number);

	if (queue->is_transmit) {
		sim_count(card, QPTC + 4 * n, 1);
		sim_count64(card, QBTC + 8 * n, QBTC + 8 * n + 4, length);
	} else {
		sim_count(card, QPRC + 64 * n, 1);
		sim_count64(card, QBRC_L + 64 * n, QBRC_H + 64 * n, length);
	}
}

void sim_82599_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length)
{
	uint32_t bytes = length + SIM_FCS;

	sim_count(card, TPT, 1);
	sim_count(card, GPTC, 1);
	sim_count64(card, GOTCL, GOTCH, bytes);
	sim_count_size(card, PTC, bytes);
	sim_count(card, TXDGPC, 1);
	sim_count64(card, TXDGBCL, TXDGBCH, length);
	if (sim_filter_is_broadcast(data))
		sim_count(card, BPTC, 1);
	else if (data[0] & 1)
		sim_count(card, MPTC, 1);
}

/* A queue without a descriptor: with DROP_EN the queue's counter, else the packet buffer fills up and misses frames. */
void sim_82599_count_missed(struct sim_card *card, struct sim_queue *queue)
{
	uint32_t n = counter_of(card, RQSMR, queue->number);

	if (queue->drops || queue->pool_drops)
		sim_count(card, QPRDC + 64 * n, 1);
	else
		sim_count(card, RXMPC, 1);
}
