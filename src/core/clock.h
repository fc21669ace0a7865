#pragma once
/* clock -- the time, injected: real by default, virtual when a run must be repeatable.
 * The packet thread reads it once per breath; apps read what it read. */


/* The time of this breath in nanoseconds: real = CLOCK_MONOTONIC (counted by the TSC where it is invariant); virtual =
 * nanoseconds since 1970, as set by the engine. Both only go forward.
 *   cost: a load */
extern uint64_t clock_time_ns;
inline uint64_t clock_now(void)
{
	return clock_time_ns;
}

/* Nanoseconds from clock_now() to the wall clock (since 1970); 0 with a virtual clock. */
extern uint64_t clock_wall_offset_ns;
inline uint64_t clock_wall(void)
{
	return clock_time_ns + clock_wall_offset_ns;
}

extern bool clock_virtual;              /* time is set, not read */
extern bool clock_invariant;            /* the TSC ticks at one rate on all cores and in all states */
extern double clock_hz;                 /* ticks of clock_cycles() per second */

/* Find out whether the TSC is invariant and calibrate it against CLOCK_MONOTONIC (about 10 ms).
 * Without an invariant TSC the clock falls back to CLOCK_MONOTONIC and clock_hz is 1e9. */
void clock_init(void);

/* Read the real time into clock_time_ns; under a virtual clock that stays.
 *   gives: clock_cycles() at this moment
 *   cost:  about 10 ns with the TSC, 25 without */
uint64_t clock_update(void);

/* Once in a while (each second) correct the TSC's rate and the wall offset. Called by the engine's tick. */
void clock_adjust(void);

/* Make the clock virtual, or set a virtual clock: it goes forward to `time_ns`, never back. */
void clock_set(uint64_t time_ns);

/* Make the clock real again (tests). */
void clock_set_real(void);

/* A counter of the processor for costs: TSC ticks, or nanoseconds where there is no invariant TSC. */
uint64_t clock_cycles(void);

/* How many nanoseconds so many cycles take. */
uint64_t clock_cycles_ns(uint64_t cycles);

/* CLOCK_MONOTONIC read from the system in nanoseconds, for set-up code that has no breath. */
uint64_t clock_system_ns(void);
