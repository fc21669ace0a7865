/* engine_ledger -- where every packet is: both equations, and the snapshot for the statistics. */
#include "core/engine_state.h"

enum { LEDGER_NS = 100000000 };

static void add_app(struct ledger *ledger, const struct app *app)
{
	uint32_t reasons = app->reason_count + APP_REASONS;

	ledger->received += app->received;
	ledger->created += app->created;
	ledger->sent += app->sent;
	ledger->consumed += app->consumed;
	ledger->lost_outside += app->lost_outside;
	for (uint32_t i = 0; i < reasons; i++)
		ledger->dropped += app->reason[i];
}

void engine_retire_flow(struct engine *engine, const struct app *app, const struct link *link)
{
	if (app != NULL)
		add_app(&engine->retired, app);
	if (link != NULL)
		engine->retired.dropped += link->dropped;
}

void engine_ledger(const struct engine *engine, struct ledger *ledger)
{
	const struct engine_wiring *wiring = engine->wiring;

	*ledger = engine->retired;
	ledger->on_links = ledger->held = ledger->posted = ledger->taken = ledger->returned = 0;
	ledger->between = memory_home_own() + memory_home_incoming();
	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		ledger->taken += packet_pool[size].taken;
		ledger->returned += packet_pool[size].returned;
	}
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		const struct app *app = wiring->app[i];

		add_app(ledger, app);
		if (app->class->held != NULL)
			*(app->class->inner ? &ledger->between : &ledger->held) += app->class->held(app);
		if (app->class->posted != NULL)
			ledger->posted += app->class->posted(app);
	}
	for (uint32_t i = 0; i < wiring->link_count; i++) {
		const struct link *link = wiring->link[i];

		ledger->dropped += link->dropped;
		for (uint32_t j = 0; j < link_waiting(link); j++) {
			packet_debug_check(link_peek(link, j));
			ledger->on_links++;
		}
	}
}

void ledger_add(struct ledger *sum, const struct ledger *one)
{
	uint64_t *to = &sum->taken;
	const uint64_t *from = &one->taken;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

bool ledger_memory_balances(const struct ledger *l)
{
	return l->taken - l->returned == l->on_links + l->held + l->posted + l->between;
}

bool ledger_flow_balances(const struct ledger *l)
{
	return l->received + l->created == l->sent + l->consumed + l->dropped + l->on_links + l->held;
}

bool ledger_balances(const struct ledger *l, char *text, size_t size)
{
	bool memory = ledger_memory_balances(l), flow = ledger_flow_balances(l);
	size_t length = 0;

	if (size > 0)
		text[0] = '\0';
	if (!memory) {
		char posted[64] = "", between[64] = "";

		if (l->posted > 0)
			snprintf(posted, sizeof(posted), " + %llu posted to devices", (unsigned long long)l->posted);
		if (l->between > 0)
			snprintf(between, sizeof(between), " + %llu between workers", (unsigned long long)l->between);
		length = (size_t)snprintf(text, size, "memory: %llu packets are in use, but %llu on links + %llu held by apps%s%s were "
			"found. ", (unsigned long long)(l->taken - l->returned), (unsigned long long)l->on_links,
			(unsigned long long)l->held, posted, between);
	}
	if (!flow && length < size)
		snprintf(text + length, size - length, "flow: %llu received + %llu created, but %llu sent + %llu consumed + %llu "
			"dropped + %llu on links + %llu held.", (unsigned long long)l->received, (unsigned long long)l->created,
			(unsigned long long)l->sent, (unsigned long long)l->consumed, (unsigned long long)l->dropped,
			(unsigned long long)l->on_links, (unsigned long long)l->held);
	return memory && flow;
}

/* `held` is as old as the ledger. */
static uint64_t *publish_app(uint64_t *value, const struct app *app, uint32_t held)
{
	uint32_t counters = app_name_count(app->class->counters), reasons = app->reason_count + APP_REASONS;
	uint64_t dropped = 0;

	for (uint32_t i = 0; i < reasons; i++)
		dropped += app->reason[i];
	/* In the order of stats_app_names. */
	*value++ = app->received;
	*value++ = app->created;
	*value++ = app->sent;
	*value++ = app->consumed;
	*value++ = dropped;
	*value++ = app->lost_outside;
	*value++ = app->cycles;
	*value++ = app->packets;
	*value++ = app->calls;
	*value++ = held;
	*value++ = app->down;
	for (uint32_t i = 0; i < counters; i++)
		*value++ = app->counter[i];
	for (uint32_t i = 0; i < reasons; i++)
		*value++ = app->reason[i];
	return value;
}

void engine_publish(struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;
	const struct ledger *l = &engine->published;
	uint64_t *value, *first;

	if (clock_now() >= engine->next_ledger_ns) {
		engine_ledger(engine, &engine->published);
		for (uint32_t i = 0; i < wiring->app_count; i++)
			if (wiring->app[i]->class->held != NULL)
				wiring->held[i] = wiring->app[i]->class->held(wiring->app[i]);
		engine->next_ledger_ns = clock_now() + LEDGER_NS;
	}
	value = first = stats_begin(engine->stats, engine->worker);
	for (uint32_t i = 0; i < wiring->app_count; i++)
		value = publish_app(value, wiring->app[i], wiring->held[i]);
	for (uint32_t i = 0; i < wiring->link_count; i++) {
		const struct link *link = wiring->link[i];

		*value++ = link->sent;
		*value++ = link->received;
		*value++ = link->bytes;
		*value++ = link->dropped;
		*value++ = engine_residence(wiring->link[i])->p50_ns;
		*value++ = engine_residence(wiring->link[i])->p99_ns;
	}
	/* In the order of stats_engine_names. */
	*value++ = engine->breaths;
	*value++ = engine->sleeps;
	*value++ = l->taken;
	*value++ = l->returned;
	*value++ = l->on_links;
	*value++ = l->held;
	*value++ = l->received;
	*value++ = l->created;
	*value++ = l->sent;
	*value++ = l->consumed;
	*value++ = l->dropped;
	*value++ = l->lost_outside;
	*value++ = l->between;
	/* What only the engine knows, for the successor of a worker that dies. */
	*value++ = engine->retired.received;
	*value++ = engine->retired.created;
	*value++ = engine->retired.sent;
	*value++ = engine->retired.consumed;
	*value++ = engine->retired.dropped;
	*value++ = engine->retired.lost_outside;
	*value++ = l->posted;
	memcpy(value, engine->breath_ns, sizeof(engine->breath_ns));
	value += STATS_BUCKETS;
	nf_assert((uint32_t)(value - first) == stats_block(engine->stats, engine->worker)->count,
		"the statistics have %u numbers, their file %u", (uint32_t)(value - first),
		stats_block(engine->stats, engine->worker)->count);
	stats_block(engine->stats, engine->worker)->state = (uint32_t)engine->state;
	stats_end(engine->stats, engine->worker);
}
