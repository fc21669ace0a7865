/* engine_restore -- the successor of a worker that died goes on counting where the last snapshot stopped. What the dead one had in
 * hand then is dropped under the reason "crash"; so the equation of the flow holds from the first breath. */
#include "core/engine_state.h"

static void restore_app(struct app *app, const uint64_t **value)
{
	uint32_t counters = app_name_count(app->class->counters), reasons = app->reason_count + APP_REASONS;
	const uint64_t *v = *value;

	/* In the order of stats_app_names; 4, what was dropped, is the sum of the reasons, 9 and 10 are no totals. */
	app->received += v[0];
	app->created += v[1];
	app->sent += v[2];
	app->consumed += v[3];
	app->lost_outside += v[5];
	app->cycles += v[6];
	app->packets += v[7];
	app->calls += v[8];
	v += app_name_count(stats_app_names);
	for (uint32_t i = 0; i < counters; i++, v++)
		if (!app_is_gauge(app->class, i))
			app->counter[i] += *v;
	for (uint32_t i = 0; i < reasons; i++)
		app->reason[i] += *v++;
	*value = v;
}

/* A link goes on empty: what waited is lost to the app behind it. */
static void restore_link(struct engine *engine, uint32_t number, const uint64_t **value)
{
	struct link *link = engine->wiring->link[number];
	struct app *to = engine->wiring->app[engine->wiring->graph->link[number].to];
	uint64_t sent = (*value)[0], received = (*value)[1], waiting = sent - received <= LINK_SLOTS ? sent - received : 0;

	link->sent = link->received = link->base = sent;
	link->bytes = link->base_bytes = (*value)[2];
	link->dropped = (*value)[3];
	to->reason[app_reason(to, APP_REASON_CRASH)] += waiting;
	*value += app_name_count(stats_link_names);
}

/* What the apps held is what is missing in the flow, whatever the counting of held packets was when it was made last. A snapshot
 * that was cut off may have more going out than coming in: then so much came in that it does not say. */
static void restore_held(struct engine *engine)
{
	struct app *holder = engine->wiring->app[0];
	struct ledger l;
	uint64_t in, out;

	for (uint32_t i = 0; i < engine->wiring->app_count; i++)
		if (engine->wiring->app[i]->class->held != NULL && !engine->wiring->app[i]->class->inner)
			holder = engine->wiring->app[i];
	engine_ledger(engine, &l);
	in = l.received + l.created;
	out = l.sent + l.consumed + l.dropped + l.on_links + l.held;
	if (in > out)
		holder->reason[app_reason(holder, APP_REASON_CRASH)] += in - out;
	else
		holder->received += out - in;
}

/* Buffers that were taken in the dead worker's time count as returned, but for those that others still have. */
static void restore_memory(uint64_t taken)
{
	uint64_t back = taken > memory_away() ? taken - memory_away() : 0;

	packet_pool[PACKET_STANDARD].taken += back;
	packet_pool[PACKET_STANDARD].returned += back;
}

void engine_restore(struct engine *engine)
{
	struct engine_wiring *wiring = engine->wiring;
	uint32_t count = stats_entry_count(engine->stats, engine->worker);
	uint64_t *values = calloc(count + 1, sizeof(*values));
	const uint64_t *value = values;

	if (values == NULL || wiring->app_count == 0 || stats_block(engine->stats, engine->worker)->sequence == 0) {
		free(values);
		return;
	}
	if (stats_read(engine->stats, engine->worker, values, NULL) < 0)
		log_debug("%s", nf_error());
	for (uint32_t i = 0; i < wiring->app_count; i++)
		restore_app(wiring->app[i], &value);
	for (uint32_t i = 0; i < wiring->link_count; i++)
		restore_link(engine, i, &value);
	engine->breaths += value[0];
	engine->sleeps += value[1];
	restore_memory(value[2]);
	/* In the order of stats_engine_names, from retired.received. */
	engine->retired = (struct ledger){ .received = value[13], .created = value[14], .sent = value[15], .consumed = value[16],
		.dropped = value[17], .lost_outside = value[18] };
	for (uint32_t i = 0; i < STATS_BUCKETS; i++)
		engine->breath_ns[i] += value[20 + i];
	restore_held(engine);
	free(values);
}
