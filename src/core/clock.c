/* clock -- see clock.h. */
#include "core/core.h"

#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

extern inline uint64_t clock_now(void);
extern inline uint64_t clock_wall(void);

uint64_t clock_time_ns;
uint64_t clock_wall_offset_ns;
bool clock_virtual;
bool clock_invariant;
double clock_hz = 1e9;

/* The line that turns ticks into nanoseconds: ns = base_ns + (ticks - base_ticks) * scale / 2^32. */
static uint64_t base_ns, base_ticks, scale = 1ULL << 32;
static uint64_t calibration_ns, calibration_ticks;      /* the first pair that was read: the longer, the more exact */

static uint64_t system_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_system_ns(void)
{
	return system_ns(CLOCK_MONOTONIC);
}

uint64_t clock_cycles(void)
{
#if defined(__x86_64__)
	if (__builtin_expect(clock_invariant, 1))
		return __rdtsc();
#endif
	return clock_system_ns();
}

/* CPUID 8000_0007h EDX bit 8: the TSC runs at a constant rate in all ACPI states (Intel SDM 18.17.1, AMD APM 13.2.1). */
static bool tsc_is_invariant(void)
{
#if defined(__x86_64__)
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & (1u << 8)) != 0;
#else
	return false;
#endif
}

/* Read both clocks as one: the pair with the shortest distance between two TSC reads of several tries. */
static void read_pair(uint64_t *ns, uint64_t *ticks)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = clock_cycles(), now = clock_system_ns(), after = clock_cycles();

		if (after - before < best) {
			best = after - before;
			*ns = now;
			*ticks = before + (after - before) / 2;
		}
	}
}

static uint64_t from_ticks(uint64_t ticks)
{
	return base_ns + (uint64_t)(((unsigned __int128)(ticks - base_ticks) * scale) >> 32);
}

void clock_init(void)
{
	clock_invariant = tsc_is_invariant();
	clock_wall_offset_ns = system_ns(CLOCK_REALTIME) - clock_system_ns();
	if (clock_invariant) {
		struct timespec pause = { .tv_nsec = 10000000 };
		uint64_t ns = 0, ticks = 0;

		read_pair(&calibration_ns, &calibration_ticks);
		nanosleep(&pause, NULL);
		read_pair(&ns, &ticks);
		clock_hz = (double)(ticks - calibration_ticks) * 1e9 / (double)(ns - calibration_ns);
		scale = (uint64_t)(1e9 / clock_hz * 4294967296.0);
		base_ns = ns;
		base_ticks = ticks;
	}
	clock_update();
}

uint64_t clock_update(void)
{
	uint64_t cycles = clock_cycles(), now;

	if (clock_virtual)
		return cycles;
	now = clock_invariant ? from_ticks(cycles) : cycles;
	if (now > clock_time_ns)
		clock_time_ns = now;
	return cycles;
}

uint64_t clock_cycles_ns(uint64_t cycles)
{
	return clock_invariant ? (uint64_t)(((unsigned __int128)cycles * scale) >> 32) : cycles;
}

void clock_adjust(void)
{
	uint64_t ns = 0, ticks = 0;

	if (clock_virtual)
		return;
	clock_wall_offset_ns = system_ns(CLOCK_REALTIME) - clock_system_ns();
	if (!clock_invariant)
		return;
	read_pair(&ns, &ticks);
	clock_hz = (double)(ticks - calibration_ticks) * 1e9 / (double)(ns - calibration_ns);
	scale = (uint64_t)(1e9 / clock_hz * 4294967296.0);
	base_ns = ns;
	base_ticks = ticks;
}

void clock_set(uint64_t time_ns)
{
	if (!clock_virtual) {
		clock_virtual = true;
		clock_time_ns = 0;
		clock_wall_offset_ns = 0;
	}
	if (time_ns > clock_time_ns)
		clock_time_ns = time_ns;
}

void clock_set_real(void)
{
	clock_virtual = false;
	clock_time_ns = 0;
	clock_init();
}
