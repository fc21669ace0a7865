/* engine_probe -- probes of a running engine: the house-keeping thread brings and takes them, the packet thread serves them. */
#include "core/engine_state.h"

#include <sys/eventfd.h>
#include <time.h>

enum { BUSY_NS = 20000000 };            /* a thread that did not rest for so long is busy */

/* Point a probe at the link of a name. gives: false when there is none */
static bool find_link(const struct engine_wiring *wiring, const char *name, struct probe *probe)
{
	for (uint32_t i = 0; i < wiring->link_count; i++) {
		if (strcmp(wiring->graph->link[i].name, name) == 0) {
			probe_set_link(probe, wiring->link[i], wiring->app[wiring->graph->link[i].from]);
			return true;
		}
	}
	return false;
}

/* Packet thread, or the engine does not run. */
static void apply(struct engine *engine, struct engine_probe_change *change)
{
	if (change->add != NULL) {
		if (engine->probe_count == PROBE_MOST ||
			(change->add->before == NULL && !find_link(engine->wiring, change->link, change->add)))
			return;
		engine->tracing += change->add->before != NULL;
		engine->probe[engine->probe_count++] = change->add;
		change->done = change->add;
		return;
	}
	for (uint32_t i = 0; i < engine->probe_count; i++) {
		if (engine->probe[i]->number == change->remove) {
			change->done = engine->probe[i];
			engine->tracing -= change->done->before != NULL;
			engine->probe[i] = engine->probe[--engine->probe_count];
			return;
		}
	}
}

void engine_probe_apply(struct engine *engine)
{
	struct engine_probe_change *change = __atomic_exchange_n(&engine->probe_change, NULL, __ATOMIC_ACQUIRE);

	if (change == NULL)
		return;
	apply(engine, change);
	sem_post(&engine->probed);
}

/* Have the packet thread make a change between two breaths, and wait until it has. */
static void hand_over(struct engine *engine, struct engine_probe_change *change)
{
	enum engine_state state = engine_state(engine);

	if (state != ENGINE_RUNNING && state != ENGINE_DRAINING) {
		apply(engine, change);
		return;
	}
	__atomic_store_n(&engine->probe_change, change, __ATOMIC_RELEASE);
	eventfd_write(engine->wake_fd, 1);
	for (;;) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (sem_timedwait(&engine->probed, &until) == 0)
			return;
		/* It has ended meanwhile: whoever takes the change out makes it. */
		if (engine_state(engine) == ENGINE_ENDED &&
			__atomic_exchange_n(&engine->probe_change, NULL, __ATOMIC_ACQUIRE) != NULL) {
			apply(engine, change);
			return;
		}
	}
}

int engine_probe_add(struct engine *engine, struct probe *probe, const char *link)
{
	struct engine_probe_change change = { .add = probe, .link = link };

	hand_over(engine, &change);
	return change.done != NULL ? 0 : nf_fail(ENOENT, "there is no link '%s'", link);
}

struct probe *engine_probe_remove(struct engine *engine, uint32_t number)
{
	struct engine_probe_change change = { .remove = number };

	hand_over(engine, &change);
	return change.done;
}

/* Has the packet thread had nothing to do lately? */
static bool is_busy(const struct engine *engine)
{
	return clock_now() - engine->rested_ns > BUSY_NS;
}

void engine_probe_begin(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->probe_count && engine->tracing > 0; i++)
		if (engine->probe[i]->before != NULL)
			engine_trace_begin(engine, engine->probe[i], is_busy(engine));
}

void engine_probe_call(struct engine *engine, const struct app *app)
{
	for (uint32_t i = 0; i < engine->probe_count && engine->tracing > 0; i++)
		if (engine->probe[i]->before != NULL)
			engine_trace_before(engine->probe[i], app);
}

void engine_probe_sent(struct engine *engine, const struct app *app)
{
	bool busy = is_busy(engine);

	for (uint32_t i = 0; i < engine->probe_count; i++) {
		if (engine->probe[i]->before != NULL)
			engine_trace_after(engine->probe[i], app);
		else if (engine->probe[i]->from == app)
			probe_copy(engine->probe[i], busy);
	}
}

void engine_probe_rewire(struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;

	for (uint32_t i = 0; i < engine->probe_count; i++) {
		struct probe *probe = engine->probe[i];
		struct link *link = probe->link;
		uint32_t at = 0;

		/* Numbers of apps and links mean others now. */
		if (probe->before != NULL) {
			free(probe->before);
			probe->before = NULL;
			engine->tracing--;
			probe_lose_link(probe, PROBE_RELOADED);
		}
		if (link == NULL)
			continue;
		probe_copy(probe, is_busy(engine));
		while (at < wiring->link_count && wiring->link[at] != link)
			at++;
		if (at < wiring->link_count)
			probe_set_link(probe, link, wiring->app[wiring->graph->link[at].from]);
		else
			probe_lose_link(probe, PROBE_LINK_GONE);
	}
}

void engine_probe_fini(struct engine *engine)
{
	engine->tracing = 0;
	while (engine->probe_count > 0)
		probe_close(engine->probe[--engine->probe_count], PROBE_ENDED);
}
