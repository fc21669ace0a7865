#pragma once
/* sim_82599 -- the names of the 82599's registers, for the files that make up its model. */
#include "nicsim/sim.h"

#define REG(name, at, stride, count, first, access, reset) R_##name,
#define MORE(name, at, stride, count, first, access, reset)
enum sim_82599_register {
#include "nicsim/sim_82599.def"
	R_COUNT
};
#undef REG
#define REG(name, at, stride, count, first, access, reset) name = at,
enum {
#include "nicsim/sim_82599.def"
	RDBAL_HIGH = 0xd000             /* of queues 64 to 127 */
};
#undef REG
#undef MORE

enum { MRQC_RSS = 1, MRQC_POOLS_64 = 8, MRQC_POOLS_32_RSS = 10, MRQC_POOLS_64_RSS = 11 };       /* MRQE */

void sim_82599_steer(struct sim_card *card, struct sim_frame *frame);
void sim_82599_count_receive(struct sim_card *card, const struct sim_frame *frame);
void sim_82599_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length);
void sim_82599_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length);
void sim_82599_count_missed(struct sim_card *card, struct sim_queue *queue);
void sim_82599_pools(const struct sim_card *card, const struct sim_frame *frame, struct sim_pools *pools);
void sim_82599_port(const struct sim_card *card, uint32_t queue, struct sim_port *port);
void sim_82599_spread(struct sim_card *card, struct sim_frame *frame, uint64_t pools);

/* Registers that arrange queues were written. */
void sim_82599_mode_written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t old, uint32_t value);
/* Reception is switched on, or, not `receives`, a transmit queue is enabled: does what they say fit together? */
void sim_82599_mode_check(struct sim_card *card, bool receives);
