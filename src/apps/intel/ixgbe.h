#pragma once
/* ixgbe -- the 82599 and its successors X540, X550, X552, X553. The sections in the comments are those of the 82599's datasheet
 * (331520); what is done differently for the others says so. */
#include "apps/intel/intel_port.h"

#define REG(name, offset, stride, count, section, title) IXGBE_##name = offset, IXGBE_##name##_STRIDE = stride,
#define FIELD(name, field, shift, bits)
enum {
#include "apps/intel/ixgbe_registers.def"
};
#undef REG
#undef FIELD
#define REG(name, offset, stride, count, section, title)
#define FIELD(name, field, shift, bits) static const uint32_t __attribute__((unused)) IXGBE_##name##_##field = INTEL_MASK(shift, bits); \
	enum { IXGBE_##name##_##field##_AT = shift };
#include "apps/intel/ixgbe_registers.def"
#undef REG
#undef FIELD

/* The place of register `name` number i. */
#define IXGBE(name, i) (IXGBE_##name + (uint32_t)(i) * IXGBE_##name##_STRIDE)
/* The same for a register of receive queue q: those of queues 64 to 127 lie elsewhere (8.2.3.8). */
#define IXGBE_RECEIVE(name, q) (IXGBE(name, q) + ((uint32_t)(q) < 64 ? 0 : 0xD000 - 0x2000))

/* ixgbe_pool.c: pools of queues (parameter vmdq). */
uint32_t ixgbe_pool_number(const struct intel_port *port);
uint32_t ixgbe_pool_mrqe(const struct intel_port *port);
uint32_t ixgbe_pool_mtqc(const struct intel_port *port);
/* 4.6.11.3.3: no pool gets anything yet. */
void ixgbe_pool_setup(struct intel_port *port);
/* Give the instance's pool what its parameters say, but not yet the right to receive; once more after they have changed. fails: -ENOSPC: the card's tables are full */
int ixgbe_pool_join(struct intel_port *port);
/* Let the pool receive. needs: its queue is on */
void ixgbe_pool_open(struct intel_port *port);
/* Take it away again, if no other queue of the pool is on. */
void ixgbe_pool_leave(struct intel_port *port);
/* RSS within the pool. */
void ixgbe_pool_spread(struct intel_port *port, uint32_t without);

/* ixgbe_init.c */
int ixgbe_reset(struct intel_port *port);
int ixgbe_setup(struct intel_port *port);
void ixgbe_configure(struct intel_port *port);

/* ixgbe_link.c */
int ixgbe_link_start(struct intel_port *port);
/* Take what several drivers share of the MAC for us, or give it back. */
void ixgbe_link_own_mac(struct intel_port *port, bool take);
uint32_t ixgbe_link_speed(struct intel_port *port);
void ixgbe_link_flow_control(struct intel_port *port);

/* ixgbe_receive.c, ixgbe_transmit.c */
void ixgbe_receive_setup(struct intel_port *port);
void ixgbe_receive_configure(struct intel_port *port);
int ixgbe_receive_enable(struct intel_port *port);
int ixgbe_receive_start(struct intel_port *port);
int ixgbe_receive_stop(struct intel_port *port);
void ixgbe_receive_spread(struct intel_port *port, uint32_t without);
int ixgbe_transmit_setup(struct intel_port *port);
void ixgbe_transmit_configure(struct intel_port *port);
int ixgbe_transmit_start(struct intel_port *port);
int ixgbe_transmit_stop(struct intel_port *port);

/* ixgbe_stats.c */
/* The counter of the instance's queue. */
uint32_t ixgbe_stats_counter(const struct intel_port *port);
void ixgbe_stats_setup(struct intel_port *port);
void ixgbe_stats_count(struct intel_port *port);
