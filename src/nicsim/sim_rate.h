#pragma once
/* sim_rate -- the rate scheduler: a transmit queue sends no faster than it was told to. */
#include "nicsim/sim.h"

/* RTTBCNRC of a queue was written, on a link of so many Mbit/s. */
void sim_rate_set(struct sim_queue *queue, uint32_t value, uint32_t link_mbps);

/* May it send now? */
bool sim_rate_allows(struct sim_queue *queue);

/* It sent so many bytes. */
void sim_rate_sent(struct sim_queue *queue, uint32_t bytes);
