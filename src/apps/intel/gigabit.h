#pragma once
/* gigabit -- what intel.igb and intel.e1000e share: reset, PHY and link, filters, the transmitter's and the receiver's common half,
 * counters. Queues are each one's own. Sections are those of the 82576's datasheet (320961). */
#include "apps/intel/intel_port.h"

#define REG(name, offset, stride, count, section, title) GIGABIT_##name = offset, GIGABIT_##name##_STRIDE = stride,
#define FIELD(name, field, shift, bits)
enum {
#include "apps/intel/gigabit_registers.def"
};
#undef REG
#undef FIELD
#define REG(name, offset, stride, count, section, title)
#define FIELD(name, field, shift, bits) static const uint32_t __attribute__((unused)) GIGABIT_##name##_##field = INTEL_MASK(shift, bits); \
	enum { GIGABIT_##name##_##field##_AT = shift };
#include "apps/intel/gigabit_registers.def"
#undef REG
#undef FIELD

/* The place of register `name` number i. */
#define GIGABIT(name, i) (GIGABIT_##name + (uint32_t)(i) * GIGABIT_##name##_STRIDE)

/* 4.2.1.6, 4.5.3: bring a card of unknown state to rest. fails: -errno with nf_error() */
int gigabit_reset(struct intel_port *port);
/* No new requests to memory, those under way end. fails: false: they do not */
bool gigabit_disable_master(struct intel_port *port);
/* A resource that this driver shares with others, by its bit in SW_FW_SYNC (4.6.12): take it, or give it back. */
enum { GIGABIT_SYNC_MAC = 3 };
void gigabit_own(struct intel_port *port, uint32_t bit, bool take);
/* 4.5.7: begin to negotiate. */
void gigabit_link_start(struct intel_port *port);
uint32_t gigabit_speed(struct intel_port *port);
/* 4.5.9: addresses and tables of filters. */
void gigabit_filters(struct intel_port *port);
/* Promiscuous or not, own address, flow control. `more`: bits of RCTL besides. */
void gigabit_configure(struct intel_port *port, uint32_t more);
/* The hash's fields, for MRQC. */
uint32_t gigabit_mrqc(const struct intel_port *port);
/* 4.5.10: the transmitter on. */
void gigabit_transmit_on(struct intel_port *port);
/* 4.5.8: statistics begin at 0. */
void gigabit_clear_counters(struct intel_port *port);
/* Add the counters, which a read clears. */
void gigabit_count(struct intel_port *port);
