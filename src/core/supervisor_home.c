/* supervisor_home -- what comes home to workers that have ended: nobody takes it in any more, and nobody but the supervisor can count
 * it. Without that the memory of all workers would not balance in the statistics for as long as the others run. */
#include "core/supervisor_state.h"

enum { LOOK_MS = 100 };

/* Packets between workers of which worker `number` is the last that could have told. */
static uint64_t between(const struct supervisor *s, uint32_t number)
{
	uint64_t count = s->child[number].report.ledger.between + memory_home_to(number);

	for (uint32_t i = 0; i < INTERLINKS; i++) {
		const struct interlink *ring = interlink_table(i);

		if (ring != NULL && ring->to == number)
			count += interlink_count(ring);
	}
	return count;
}

/* Write it into the statistics of a worker that does not write there any more. */
static void publish(struct stats *stats, uint32_t number, uint64_t count)
{
	const struct stats_entry *entry = stats_entries(stats, number);
	uint32_t entries = stats_entry_count(stats, number);

	for (uint32_t i = 0; i < entries; i++) {
		if (entry[i].kind != STATS_ENGINE || strcmp(entry[i].name, "ledger.between") != 0)
			continue;
		stats_begin(stats, number)[i] = count;
		stats_end(stats, number);
	}
}

int supervisor_home(struct supervisor *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		if (!s->child[i].ended || s->child[i].pid > 0 || s->child[i].restart_ns != CLOCK_NEVER)
			continue;
		publish(s->result->stats, i, between(s, i));
		any = true;
	}
	return any ? LOOK_MS : -1;
}
