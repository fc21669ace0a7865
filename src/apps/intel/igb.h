#pragma once
/* igb -- what igb.c and igb_pool.c share: the registers of the 82576 and its successors besides gigabit.h's. */
#include "apps/intel/gigabit.h"

#define REG(name, offset, stride, count, section, title) IGB_##name = offset, IGB_##name##_STRIDE = stride,
#define FIELD(name, field, shift, bits)
enum {
#include "apps/intel/igb_registers.def"
};
#undef REG
#undef FIELD
#define REG(name, offset, stride, count, section, title)
#define FIELD(name, field, shift, bits) static const uint32_t __attribute__((unused)) IGB_##name##_##field = INTEL_MASK(shift, bits); \
	enum { IGB_##name##_##field##_AT = shift };
#include "apps/intel/igb_registers.def"
#undef REG
#undef FIELD
#define IGB(name, i) (IGB_##name + (uint32_t)(i) * IGB_##name##_STRIDE)

enum { IGB_POOLS = 8, IGB_POOL_VLANS = 32 };

/* igb_pool.c: pools of queues (parameter vmdq): the 82576 and the I350 have them. */
uint32_t igb_pool_number(const struct intel_port *port);
uint32_t igb_pool_mrqe(const struct intel_port *port);
/* No pool gets anything yet. */
void igb_pool_setup(struct intel_port *port);
/* Give the instance's pool what its parameters say, but not yet the right to receive; once more after they have changed. fails: -ENOSPC: the card's tables are full */
int igb_pool_join(struct intel_port *port);
/* Let the pool receive. needs: its queue is on */
void igb_pool_open(struct intel_port *port);
/* Take it away again, if no other queue of the pool is on. */
void igb_pool_leave(struct intel_port *port);
/* RSS within the pool. */
void igb_pool_spread(struct intel_port *port, uint32_t without);
