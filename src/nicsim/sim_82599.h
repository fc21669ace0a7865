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

void sim_82599_steer(struct sim_card *card, struct sim_frame *frame);
void sim_82599_count_receive(struct sim_card *card, const struct sim_frame *frame);
void sim_82599_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length);
void sim_82599_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length);
void sim_82599_count_missed(struct sim_card *card, struct sim_queue *queue);
