#pragma once
/* sim_igb -- the names of the registers of the 82576, the i350 and the i210, for the files that make up their models. */
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
enum { MRQC_NONE, MRQC_RSS = 2, MRQC_POOLS = 3, MRQC_POOLS_RSS = 5 };

void sim_igb_steer(struct sim_card *card, struct sim_frame *frame);
void sim_igb_count_receive(struct sim_card *card, const struct sim_frame *frame);
void sim_igb_count_transmit(struct sim_card *card, const uint8_t *data, uint32_t length);
void sim_igb_count_queue(struct sim_card *card, const struct sim_queue *queue, uint32_t length);
void sim_igb_count_missed(struct sim_card *card, struct sim_queue *queue);
void sim_igb_pools(const struct sim_card *card, const struct sim_frame *frame, struct sim_pools *pools);
void sim_igb_port(const struct sim_card *card, uint32_t queue, struct sim_port *port);
void sim_igb_spread(struct sim_card *card, struct sim_frame *frame, uint64_t pools);
bool sim_igb_strips_vlan(const struct sim_queue *queue, const struct sim_frame *frame);

/* Registers that arrange queues were written. */
void sim_igb_mode_written(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t old, uint32_t value);
/* Reception is switched on: does what they say fit together? */
void sim_igb_mode_check(struct sim_card *card);
