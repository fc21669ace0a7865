/* intel_register -- see intel_register.h. */
#include "apps/intel/intel_register.h"

#include <time.h>

void (*intel_trace)(bool writes, uint32_t offset, uint32_t value);

void intel_pause(uint32_t us)
{
	uint64_t until = clock_system_ns() + (uint64_t)us * 1000;
	struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	/* A short wait is not slept: the packet thread may be the one that waits. */
	if (us >= 1000)
		nanosleep(&time, NULL);
	while (clock_system_ns() < until)
		;
}

bool intel_wait(volatile uint8_t *registers, uint32_t offset, uint32_t mask, uint32_t wanted, uint32_t limit_us)
{
	uint64_t until = clock_system_ns() + (uint64_t)limit_us * 1000;

	for (;;) {
		/* The last look comes after the time is over: a process that was not running meanwhile has waited for nothing. */
		bool last = clock_system_ns() >= until;

		if ((intel_read(registers, offset) & mask) == wanted)
			return true;
		if (last)
			return false;
		if (limit_us >= 1000)
			intel_pause(10);
	}
}
