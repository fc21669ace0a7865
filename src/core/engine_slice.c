/* engine_slice -- long work on what the packet thread has, for the house-keeping thread: in slices, one between two breaths. */
#include "core/engine_state.h"

#include <sys/eventfd.h>
#include <time.h>

/* Processor time of this thread: what others took of it meanwhile is not in it. */
static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One slice, measured. gives: whether there is more to do */
static bool run(struct engine_slices *slices)
{
	uint64_t busy = thread_ns(), start = clock_cycles(), ns;
	bool more = slices->slice(slices->context);

	ns = clock_cycles_ns(clock_cycles() - start);
	busy = thread_ns() - busy;
	slices->count++;
	slices->total_ns += ns;
	slices->longest_ns = ns > slices->longest_ns ? ns : slices->longest_ns;
	slices->longest_busy_ns = busy > slices->longest_busy_ns ? busy : slices->longest_busy_ns;
	return more;
}

static void run_all(struct engine_slices *slices)
{
	while (run(slices))
		;
}

void engine_slice(struct engine *engine)
{
	struct engine_slices *slices = __atomic_exchange_n(&engine->slices, NULL, __ATOMIC_ACQUIRE);

	if (slices == NULL)
		return;
	if (run(slices))
		__atomic_store_n(&engine->slices, slices, __ATOMIC_RELEASE);
	else
		sem_post(&engine->sliced);
}

void engine_slices(struct engine *engine, struct engine_slices *slices)
{
	enum engine_state state = engine_state(engine);

	if (state != ENGINE_RUNNING && state != ENGINE_DRAINING) {
		run_all(slices);
		return;
	}
	__atomic_store_n(&engine->slices, slices, __ATOMIC_RELEASE);
	eventfd_write(engine->wake_fd, 1);
	for (;;) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (sem_timedwait(&engine->sliced, &until) == 0)
			return;
		/* It has ended meanwhile: whoever takes the rest out does it. */
		if (engine_state(engine) == ENGINE_ENDED && __atomic_exchange_n(&engine->slices, NULL, __ATOMIC_ACQUIRE) != NULL) {
			run_all(slices);
			return;
		}
	}
}
