/* sim_write_back -- see sim_write_back.h. One by one, while a driver polls the line that they share, each descriptor would have to get
 * that line back from the driver's processor. */
#include "nicsim/sim_write_back.h"

enum {
	MOST = 256,
	POLL_MOST = 32                  /* a driver's usual burst: it works on this one while the next is made */
};

static struct done { struct sim_queue *queue; uint64_t *d, low, high; } done[MOST];
static uint32_t count;

void sim_write_back_add(struct sim_queue *queue, uint64_t *d, uint64_t low, uint64_t high)
{
	done[count++] = (struct done){ queue, d, low, high };
	/* Where each access is trapped, what a driver sees at once is what has happened in a round: so a tail too far is seen to be one. */
	if (count == (queue->card->sim->mode == SIM_POLL ? POLL_MOST : MOST))
		sim_write_back_flush();
}

void sim_write_back_flush(void)
{
	for (uint32_t i = 0; i < count; i++) {
		struct sim_queue *queue = done[i].queue;

		/* The half with DD comes last. */
		if (!queue->is_legacy)
			__atomic_store_n(&done[i].d[0], done[i].low, __ATOMIC_RELAXED);
		__atomic_store_n(&done[i].d[1], done[i].high, __ATOMIC_RELEASE);
		if (i + 1 == count || done[i + 1].queue != queue)
			sim_set(queue->card, queue->at + SIM_HEAD, queue->head);
	}
	count = 0;
}
