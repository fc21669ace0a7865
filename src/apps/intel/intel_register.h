#pragma once
/* intel_register -- how a register is read and written, and the tables that name them. All but doorbells goes through here.
 *
 * A table is a file *_registers.def: rows REG and FIELD, from which come the constants of the driver (INTEL_REGISTERS in its
 * header) and the rows that `nf regs` prints. */
#include "core/core.h"

struct intel_register {
	const char *name, *section, *title;     /* section NULL: a field of the register above */
	uint32_t offset, stride, count;         /* of a field: shift, bits */
};

/* The constants of a table: PREFIX_NAME the offset, PREFIX_NAME_FIELD the mask, PREFIX_NAME_FIELD_AT the shift. */
#define INTEL_MASK(shift, bits) ((bits) >= 32 ? UINT32_MAX : ((1u << (bits)) - 1) << (shift))

/* Those who want to see every access: tests. NULL: nobody. */
extern void (*intel_trace)(bool writes, uint32_t offset, uint32_t value);

static inline uint32_t intel_read(volatile uint8_t *registers, uint32_t offset)
{
	uint32_t value = *(volatile uint32_t *)(volatile void *)(registers + offset);

	if (__builtin_expect(intel_trace != NULL, 0))
		intel_trace(false, offset, value);
	return value;
}

static inline void intel_write(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
	if (__builtin_expect(intel_trace != NULL, 0))
		intel_trace(true, offset, value);
	*(volatile uint32_t *)(volatile void *)(registers + offset) = value;
}

static inline void intel_set(volatile uint8_t *registers, uint32_t offset, uint32_t bits)
{
	intel_write(registers, offset, intel_read(registers, offset) | bits);
}

static inline void intel_clear(volatile uint8_t *registers, uint32_t offset, uint32_t bits)
{
	intel_write(registers, offset, intel_read(registers, offset) & ~bits);
}

/* The first four bytes of an address, and the other two, as RAL and RAH have them. */
static inline uint32_t intel_mac_low(const uint8_t mac[6])
{
	return (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
}

static inline uint32_t intel_mac_high(const uint8_t mac[6])
{
	return (uint32_t)mac[4] | (uint32_t)mac[5] << 8;
}

/* Wait until the bits of the mask are as wanted, at most so long. gives: false when they are not */
bool intel_wait(volatile uint8_t *registers, uint32_t offset, uint32_t mask, uint32_t wanted, uint32_t limit_us);

/* Pause at least so long; set-up only. */
void intel_pause(uint32_t us);

/* What was written to memory before is there for the card when it sees a later doorbell. */
static inline void intel_write_barrier(void)
{
#if defined(__aarch64__)
	__asm__ volatile ("dmb oshst" : : : "memory");
#elif defined(__x86_64__)
	__asm__ volatile ("" : : : "memory");
#else
	__sync_synchronize();
#endif
}

/* What is read later is read after what was read before: a descriptor after its DD bit. */
static inline void intel_read_barrier(void)
{
#if defined(__aarch64__)
	__asm__ volatile ("dmb oshld" : : : "memory");
#elif defined(__x86_64__)
	__asm__ volatile ("" : : : "memory");
#else
	__sync_synchronize();
#endif
}
