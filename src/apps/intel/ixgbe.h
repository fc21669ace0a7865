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

/* ixgbe_init.c */
int ixgbe_reset(struct intel_port *port);
int ixgbe_setup(struct intel_port *port);
void ixgbe_configure(struct intel_port *port);

/* ixgbe_link.c */
int ixgbe_link_start(struct intel_port *port);
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
void ixgbe_stats_setup(struct intel_port *port);
void ixgbe_stats_count(struct intel_port *port);
