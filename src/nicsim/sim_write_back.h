#pragma once
/* sim_write_back -- receive descriptors that are done, on their way to memory: a card writes them back in bursts.
 * source: 82599 datasheet 7.1.10 "Receive Descriptor Write Back" */
#include "nicsim/sim.h"

/* The descriptor at the queue's head is done: `low` and `high` are what it holds then. A legacy one keeps its lower half.
 *   needs: d stays where it is until sim_write_back_flush */
void sim_write_back_add(struct sim_queue *queue, uint64_t *d, uint64_t low, uint64_t high);

/* Write what waits, in the order in which it came, and show the heads: before anything else is looked at. */
void sim_write_back_flush(void);
