/* engine_residence -- how long packets stay on a link, by sampling: of a burst in a breath whose calls are timed anyway, the last
 * packet sent to each link is marked, until its receiver's call that took it has returned. A packet that stays longer than its
 * breath is looked for at the end of the following ones. */
#include "core/engine_state.h"

enum {
	TURNS = 100,                    /* each tick, the percentiles of one link in so many are made */
	HALVE = 64                      /* turns after which what was counted counts half */
};

struct engine_residence *engine_residence(struct link *link)
{
	return &((struct engine_link *)link)->residence;
}

/* The marked packet was taken, at the latest now. */
static void take(struct engine *engine, struct engine_residence *residence, uint64_t now)
{
	residence->bucket[stats_bucket(clock_cycles_ns(now - residence->cycles))]++;
	residence->is_marked = false;
	engine->marked--;
}

void engine_residence_called(struct engine *engine, const struct app *app, uint64_t now)
{
	for (uint32_t i = 0; i < app->input_count; i++) {
		struct link *link = app->input[i];

		if (link != NULL && engine_residence(link)->is_marked && link->received > engine_residence(link)->total)
			take(engine, engine_residence(link), now);
	}
	for (uint32_t i = 0; i < app->output_count; i++) {
		struct link *link = app->output[i];

		if (link == NULL || engine_residence(link)->is_marked || link_waiting(link) == 0)
			continue;
		engine_residence(link)->is_marked = true;
		engine_residence(link)->total = link->sent - 1;
		engine_residence(link)->cycles = now;
		engine->marked++;
	}
}

void engine_residence_look(struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;
	uint64_t now = clock_cycles();

	for (uint32_t i = 0; i < wiring->link_count; i++) {
		struct engine_residence *residence = engine_residence(wiring->link[i]);

		if (residence->is_marked && wiring->link[i]->received > residence->total)
			take(engine, residence, now);
	}
}

void engine_residence_leaves(struct engine *engine, struct link *link)
{
	if (engine_residence(link)->is_marked)
		engine->marked--;
	engine_residence(link)->is_marked = false;
}

void engine_residence_tick(struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;

	for (uint32_t i = engine->turn++ % TURNS; i < wiring->link_count; i += TURNS) {
		struct engine_residence *residence = engine_residence(wiring->link[i]);

		residence->p50_ns = stats_percentile(residence->bucket, 0.5);
		residence->p99_ns = stats_percentile(residence->bucket, 0.99);
		if (++residence->turns % HALVE == 0)
			for (uint32_t j = 0; j < STATS_BUCKETS; j++)
				residence->bucket[j] /= 2;
	}
}
