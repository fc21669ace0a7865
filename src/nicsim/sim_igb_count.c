/* sim_igb_count -- the statistics of the gigabit cards. source: 82576 datasheet 8.18 "Statistics Registers Descriptions" */
#include "nicsim/sim_igb.h"

void sim_igb_count_receive(struct sim_card *card, const struct sim_frame *f)
{
	uint32_t length = f->length + SIM_FCS;

	/* These count only while reception is on. */
	if (!card->kind->receives(card))
		return;
	sim_count(card, TPR, 1);
	sim_count64(card, TORL, TORH, length);
	if (f->bad_crc || f->is_long || length < 64) {
		sim_count(card, f->bad_crc ? CRCERRS : length < 64 ? RUC : ROC, 1);
		return;
	}
	if (f->queue_count == 0)
		return;
	sim_count_size(card, PRC, length);
	sim_count(card, GPRC, 1);
	sim_count64(card, GORCL, GORCH, length);
	sim_count(card, RPTHC, 1);
	sim_count64(card, HGORCL, HGORCH, length);
	if (sim_filter_is_broadcast(f->data))
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
	sim_count_size(card, PTC, bytes);
	if (sim_filter_is_broadcast(data))
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
	if (queue->drops || sim_get(card, QDE) >> queue->number & 1)
		sim_count(card, RQDPC + 64 * queue->number, 1);
	else
		sim_count(card, MPC, 1);
	sim_count(card, RNBC, !queue->drops);
}
