/* engine_commit -- the second phase of a change: take it over between two breaths, then free what was replaced. */
#include "core/engine_state.h"

#include <sys/eventfd.h>
#include <time.h>

enum {
	OTHERS_NS = 1000000000,         /* a worker that has not ended its links by then has died, or waits for us */
	RUN_OUT_PASSES = 10000          /* half a million packets; a few milliseconds if an app held so many */
};

/* Where do the packets of a link that goes belong now: the new link of the same output, else of the same input. */
static struct link *heir(const struct engine_plan *plan, const struct engine_wiring *old, uint32_t number)
{
	const struct graph_worker *new_graph = plan->wiring->graph;
	const struct graph_link *gone = &old->graph->link[number];
	const char *from = old->graph->app[gone->from].name, *output = old->graph->app[gone->from].output_names[gone->output];
	const char *to = old->graph->app[gone->to].name, *input = old->graph->app[gone->to].input_names[gone->input];
	struct link *second = NULL;

	for (uint32_t i = 0; i < new_graph->link_count; i++) {
		const struct graph_link *l = &new_graph->link[i];

		if (strcmp(new_graph->app[l->from].name, from) == 0 &&
			strcmp(new_graph->app[l->from].output_names[l->output], output) == 0)
			return plan->wiring->link[i];
		if (strcmp(new_graph->app[l->to].name, to) == 0 &&
			strcmp(new_graph->app[l->to].input_names[l->input], input) == 0)
			second = plan->wiring->link[i];
	}
	return second;
}

/* The packets of links that go move on, in order, or are dropped by the app that would have received them. */
static void move_packets(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = engine->wiring;

	for (uint32_t i = 0; i < old->link_count; i++) {
		struct link *gone = old->link[i], *to;
		struct app *receiver;

		if (!plan->link_leaves[i] || link_waiting(gone) == 0)
			continue;
		to = heir(plan, old, i);
		if (to != NULL)
			plan->receipt.moved += link_move(gone, to, LINK_SLOTS);
		receiver = old->app[old->graph->link[i].to];
		while (link_waiting(gone) > 0)
			app_drop(receiver, app_reason(receiver, APP_REASON_RELOAD), link_receive(gone));
	}
}

/* Hand a kept app over to the new graph, whose strings outlive the old one's. */
static void adopt(struct app *app, const struct graph_app *spec, uint32_t number)
{
	app->class = spec->class;
	app->name = spec->name;
	app->input_name = spec->input_names;
	app->output_name = spec->output_names;
	app->number = number;
	if (spec->checked != NULL)
		app->folder = spec->checked->folder;
}

static void set_links(struct engine_wiring *wiring, uint32_t i)
{
	const struct graph_app *spec = &wiring->graph->app[i];
	struct app *app = wiring->app[i];

	app->input = wiring->input[i];
	app->output = wiring->output[i];
	app->input_count = app_name_count(spec->input_names);
	app->output_count = app_name_count(spec->output_names);
}

/* A reconfigured app goes on counting where its predecessor stopped; the totals of one that is replaced stay in the sums. */
static void carry_totals(struct engine *engine, struct engine_plan *plan, uint32_t i)
{
	struct app *app = plan->wiring->app[i], *old = plan->predecessor[i];
	uint32_t counters = app_name_count(app->class->counters), reasons = app->reason_count + APP_REASONS;

	if (!plan->continues[i]) {
		engine_retire_flow(engine, old, NULL);
		return;
	}
	app->received += old->received;
	app->created += old->created;
	app->sent += old->sent;
	app->consumed += old->consumed;
	app->lost_outside += old->lost_outside;
	app->cycles += old->cycles;
	app->packets += old->packets;
	app->calls += old->calls;
	for (uint32_t j = 0; j < counters; j++)
		if (!app_is_gauge(app->class, j))
			app->counter[j] += old->counter[j];
	for (uint32_t j = 0; j < reasons; j++)
		app->reason[j] += old->reason[j];
}

static uint64_t dropped_by(struct app *const *app, uint32_t count)
{
	uint64_t dropped = 0;

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < app[i]->reason_count + APP_REASONS; j++)
			dropped += app[i]->reason[j];
	return dropped;
}

/* What was dropped since `before`: by the old instances, and by new ones that could not take over everything. */
static uint32_t dropped_since(const struct engine_plan *plan, const struct engine_wiring *old, uint64_t before)
{
	uint64_t dropped = dropped_by(old->app, old->app_count);

	for (uint32_t i = 0; i < plan->wiring->app_count; i++)
		if (plan->fresh[i])
			dropped += dropped_by(&plan->wiring->app[i], 1);
	return (uint32_t)(dropped - before);
}

/* Apps that leave, and have no successor to take over what they hold, send it on. */
static void flush(const struct engine_plan *plan, const struct engine_wiring *old)
{
	for (uint32_t i = 0; i < plan->wiring->app_count; i++) {
		struct app *app = plan->predecessor[i];

		if (app != NULL && !plan->continues[i] && app->class->flush != NULL)
			app->class->flush(app);
	}
	for (uint32_t i = 0; i < old->app_count; i++)
		if (plan->leaves[i] && old->app[i]->class->flush != NULL)
			old->app[i]->class->flush(old->app[i]);
}

/* Does a link that goes hold packets that belong to no link of the new graph? */
static bool has_stranded(const struct engine_plan *plan, const struct engine_wiring *old)
{
	for (uint32_t i = 0; i < old->link_count; i++)
		if (plan->link_leaves[i] && link_waiting(old->link[i]) > 0 && heir(plan, old, i) == NULL)
			return true;
	return false;
}

/* The old graph goes to its end without a pull: what is on its way to apps that leave gets there, as far as there is room. */
static void run_out(struct engine *engine, const struct engine_plan *plan)
{
	flush(plan, engine->wiring);
	for (uint32_t i = 0; i < RUN_OUT_PASSES && has_stranded(plan, engine->wiring) && engine_push(engine) > 0; i++)
		flush(plan, engine->wiring);
}

/* Packet thread, between two breaths; or before the first. */
static void commit(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = engine->wiring, *wiring = plan->wiring;
	uint64_t start = clock_cycles(), dropped;

	/* What apps drop meanwhile they would have dropped without the reload. */
	run_out(engine, plan);
	dropped = dropped_by(old->app, old->app_count);
	if (plan->growth != NULL)
		memory_growth_commit(plan->growth);
	if (plan->stats != NULL)
		engine_set_stats(engine, plan->stats, engine->worker);
	for (uint32_t i = 0; i < wiring->link_count; i++) {
		wiring->link[i]->name = wiring->graph->link[i].name;
		wiring->link[i]->number = i;
		wiring->link[i]->back = wiring->graph->link[i].back;
	}
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		struct app *app = wiring->app[i], *before = plan->predecessor[i];

		if (!plan->fresh[i]) {
			adopt(app, &wiring->graph->app[i], i);
			set_links(wiring, i);
			continue;
		}
		set_links(wiring, i);
		if (app->class->commit != NULL)
			app->class->commit(app, plan->continues[i] ? before : NULL);
	}
	move_packets(engine, plan);
	/* The old instances' last call; they still have their old links, whose packets have moved on. */
	for (uint32_t i = 0; i < wiring->app_count; i++)
		if (plan->predecessor[i] != NULL && plan->predecessor[i]->class->stop != NULL)
			plan->predecessor[i]->class->stop(plan->predecessor[i]);
	for (uint32_t i = 0; i < old->app_count; i++)
		if (plan->leaves[i] && old->app[i]->class->stop != NULL)
			old->app[i]->class->stop(old->app[i]);
	plan->receipt.dropped = dropped_since(plan, old, dropped);
	for (uint32_t i = 0; i < wiring->app_count; i++)
		if (plan->predecessor[i] != NULL)
			carry_totals(engine, plan, i);
	for (uint32_t i = 0; i < old->app_count; i++)
		if (plan->leaves[i])
			engine_retire_flow(engine, old->app[i], NULL);
	for (uint32_t i = 0; i < old->link_count; i++)
		if (plan->link_leaves[i]) {
			engine_retire_flow(engine, NULL, old->link[i]);
			engine_residence_leaves(engine, old->link[i]);
		}
	engine->wiring = wiring;
	plan->wiring = old;
	for (uint32_t i = 0; i < wiring->app_count; i++)
		if (wiring->app[i]->class->link != NULL)
			wiring->app[i]->class->link(wiring->app[i]);
	if (engine->probe_count > 0)
		engine_probe_rewire(engine);
	/* The first snapshot of the new generation begins with a ledger of its own. It is made at once: who dies before its next tick
	 * has a successor that goes on from there. */
	engine->next_ledger_ns = 0;
	if (plan->stats != NULL)
		engine_publish(engine);
	plan->receipt.pause_ns = clock_cycles_ns(clock_cycles() - start);
}

void engine_plan_carry(struct engine_plan *plan, struct stats *stats, struct memory_growth *growth)
{
	plan->stats = stats;
	plan->growth = growth;
}

struct engine_receipt engine_receipt(const struct engine_plan *plan)
{
	return plan->receipt;
}

/* An app that brings in what another worker sends, and that worker has not ended the link yet. */
static bool is_sent_to(const struct app *app)
{
	return app != NULL && app->class->inner && !app->ended;
}

/* Links from other workers go: each ends at the commit of the worker that sends into it. Or what is on its way to an app that
 * leaves finds no room, as another worker does not take it. Until then all goes on as before. */
static bool waits_for_others(const struct engine *engine, const struct engine_plan *plan)
{
	bool waits = has_stranded(plan, engine->wiring);

	for (uint32_t i = 0; i < engine->wiring->app_count; i++)
		waits = waits || (plan->leaves[i] && is_sent_to(engine->wiring->app[i]));
	for (uint32_t i = 0; i < plan->wiring->app_count; i++)
		waits = waits || is_sent_to(plan->predecessor[i]);
	return waits && clock_system_ns() < plan->until_ns;
}

void engine_commit_pending(struct engine *engine)
{
	struct engine_plan *plan = __atomic_load_n(&engine->pending, __ATOMIC_ACQUIRE);

	if (plan == NULL || waits_for_others(engine, plan))
		return;
	plan = __atomic_exchange_n(&engine->pending, NULL, __ATOMIC_ACQUIRE);

	if (plan == NULL)
		return;         /* the engine was about to end, and the other thread has done it */
	commit(engine, plan);
	engine->armed = false;
	if (engine->wiring->has_scripts && script_watch_start() < 0)
		log_error("%s", nf_error());
	sem_post(&engine->committed);
}

/* Let the apps that a commit brought do what it had no time for. */
static void settle(struct engine *engine, struct engine_plan *plan)
{
	for (uint32_t i = 0; i < engine->wiring->app_count; i++) {
		struct app *app = engine->wiring->app[i];
		uint64_t ns;

		if (!plan->fresh[i] || app->class->settle == NULL)
			continue;
		ns = app->class->settle(app, engine);
		plan->receipt.slice_ns = ns > plan->receipt.slice_ns ? ns : plan->receipt.slice_ns;
	}
}

/* Have it committed, and wait for that. */
static void commit_and_wait(struct engine *engine, struct engine_plan *plan)
{
	enum engine_state state = engine_state(engine);

	if (state != ENGINE_RUNNING && state != ENGINE_DRAINING) {
		commit(engine, plan);
		return;
	}
	plan->until_ns = clock_system_ns() + OTHERS_NS;
	__atomic_store_n(&engine->pending, plan, __ATOMIC_RELEASE);
	eventfd_write(engine->wake_fd, 1);
	for (;;) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (sem_timedwait(&engine->committed, &until) == 0)
			return;
		/* It has ended meanwhile, and nobody looks any more: whoever takes the plan out commits it. */
		if (engine_state(engine) == ENGINE_ENDED && __atomic_exchange_n(&engine->pending, NULL, __ATOMIC_ACQUIRE) != NULL) {
			commit(engine, plan);
			return;
		}
	}
}

/* Each side writes its flag and then looks at the other's, so that one of the two sees the other at least. */
int engine_hold(struct engine *engine)
{
	enum engine_state state;

	__atomic_store_n(&engine->held, true, __ATOMIC_SEQ_CST);
	state = engine_state(engine);
	if (!__atomic_load_n(&engine->ends, __ATOMIC_SEQ_CST) && (state == ENGINE_NEW || state == ENGINE_RUNNING))
		return 0;
	engine_let_go(engine);
	return nf_fail(ECANCELED, "the graph has ended");
}

void engine_let_go(struct engine *engine)
{
	__atomic_store_n(&engine->held, false, __ATOMIC_SEQ_CST);
}

void engine_commit(struct engine *engine, struct engine_plan *plan)
{
	commit_and_wait(engine, plan);
	settle(engine, plan);
}

/* Free one app that is not in the graph any more. */
static void retire_app(struct app *app)
{
	if (app->class->retire != NULL)
		app->class->retire(app);
	app_delete(app);
}

void engine_retire(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = plan->wiring;

	for (uint32_t i = 0; i < engine->wiring->app_count; i++)
		if (plan->predecessor[i] != NULL)
			retire_app(plan->predecessor[i]);
	for (uint32_t i = 0; i < old->app_count; i++)
		if (plan->leaves[i])
			retire_app(old->app[i]);
	for (uint32_t i = 0; i < old->link_count; i++)
		if (plan->link_leaves[i])
			free(old->link[i]);
	engine_wiring_free_arrays(old);
	engine_plan_free(plan);
}
