#pragma once
/* sim_igb -- the names of the 82576's and the i210's registers, for the files that make up their models. */
#include "nicsim/sim.h"

#define IGB_QUEUES 16
#define REG(name, at, stride, count, first, access, reset) R_##name,
#define MORE(name, at, stride, count, first, access, reset)
enum sim_igb_register {
#include "nicsim/sim_igb.def"
	R_COUNT
};
#undef REG
#define REG(name, at, stride, count, first, access, reset) name = at,
enum {
#include "nicsim/sim_igb.def"
	RAL_HIGH = 0x54e0               /* of addresses 16 to 23 */
};
#undef REG
#undef MORE
#undef IGB_QUEUES

enum { IGB_MDIO = 32 };                 /* registers of the PHY */

void sim_igb_steer(struct sim_card *card, struct sim_frame *frame);
void sim_igb_count_receive(struct sim_card *card, const struct sim_frame *frame);
void sim_igb_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length);
void sim_igb_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length);
void sim_igb_count_missed(struct sim_card *card, struct sim_queue *queue);
