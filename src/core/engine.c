/* engine -- the breath loop. See engine.h. */
#include "core/engine_state.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_NS = 1000000, LEDGER_NS = 100000000, ADJUST_NS = 1000000000, DRAIN_NS = 1000000000,
	QUIET_NS = 50000000             /* workers that send to each other in a circle do not wait for each other's end for ever */
};

const char *const engine_idle_names[] = { "busy", "adaptive", "wait", NULL };

struct engine *engine_new(void)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->wiring = calloc(1, sizeof(*engine->wiring));
	engine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	engine->idle = ENGINE_ADAPTIVE;
	engine->end_ns = CLOCK_NEVER;
	sem_init(&engine->committed, 0, 0);
	sem_init(&engine->probed, 0, 0);
	sem_init(&engine->sliced, 0, 0);
	if (engine->wiring == NULL || engine->wake_fd < 0 || engine->epoll_fd < 0) {
		engine_free(engine);
		return NULL;
	}
	return engine;
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	engine_probe_fini(engine);
	engine_wiring_free(engine->wiring);
	if (engine->wake_fd >= 0)
		close(engine->wake_fd);
	if (engine->epoll_fd >= 0)
		close(engine->epoll_fd);
	sem_destroy(&engine->committed);
	sem_destroy(&engine->probed);
	sem_destroy(&engine->sliced);
	free(engine);
}

void engine_set_idle(struct engine *engine, enum engine_idle idle)
{
	engine->idle = idle;
}

void engine_set_duration(struct engine *engine, uint64_t ns)
{
	engine->duration_ns = ns;
}

void engine_set_stats(struct engine *engine, struct stats *stats, uint32_t worker)
{
	engine->stats = stats;
	engine->worker = worker;
	engine->block = stats != NULL ? stats_block(stats, worker) : NULL;
	if (engine->block != NULL)
		__atomic_store_n(&engine->block->state, (uint32_t)engine->state, __ATOMIC_RELAXED);
}

enum engine_state engine_state(const struct engine *engine)
{
	return (enum engine_state)__atomic_load_n(&engine->state, __ATOMIC_RELAXED);
}

static void set_state(struct engine *engine, enum engine_state state)
{
	__atomic_store_n(&engine->state, (int)state, __ATOMIC_RELAXED);
	if (engine->block != NULL)
		__atomic_store_n(&engine->block->state, (uint32_t)state, __ATOMIC_RELAXED);
}

uint64_t engine_breaths(const struct engine *engine)
{
	return __atomic_load_n(&engine->breaths, __ATOMIC_RELAXED);
}

uint32_t engine_app_count(const struct engine *engine)
{
	return engine->wiring->app_count;
}

struct app *engine_app(const struct engine *engine, uint32_t number)
{
	return number < engine->wiring->app_count ? engine->wiring->app[number] : NULL;
}

struct app *engine_app_find(const struct engine *engine, const char *name)
{
	for (uint32_t i = 0; i < engine->wiring->app_count; i++)
		if (strcmp(engine->wiring->app[i]->name, name) == 0)
			return engine->wiring->app[i];
	return NULL;
}

uint32_t engine_link_count(const struct engine *engine)
{
	return engine->wiring->link_count;
}

struct link *engine_link(const struct engine *engine, uint32_t number)
{
	return number < engine->wiring->link_count ? engine->wiring->link[number] : NULL;
}

void engine_stop(struct engine *engine)
{
	engine->stops++;
	eventfd_write(engine->wake_fd, 1);
}

/* The cost of a breath's calls. Reading the counter takes about 10 ns, as long as an app has for some packets: when breaths are
 * full, only one in COST_EVERY is measured and stands for all of them. */
enum { COST_EVERY = 16, SAMPLE_EVERY = 256 };
struct cost {
	uint64_t cycles;                /* when the last call returned */
	uint64_t weight;                /* breaths that this one stands for; 0: it is not measured */
	bool samples;                   /* how long packets stay on links is looked at, too */
};

static struct cost cost_begin(const struct engine *engine, uint64_t cycles)
{
	if (engine->breath_moved < BURST)
		return (struct cost){ cycles, 1, true };
	return (struct cost){ cycles, engine->breaths % COST_EVERY == 0 ? COST_EVERY : 0, engine->breaths % SAMPLE_EVERY == 0 };
}

/* Charge an app with a call that handled so many packets. */
static inline void charge(struct engine *engine, struct app *app, struct cost *cost, uint64_t packets)
{
	app->packets += packets;
	app->calls++;
	if (cost->weight > 0) {
		uint64_t now = clock_cycles();

		app->cycles += (now - cost->cycles) * cost->weight;
		cost->cycles = now;
		if (cost->samples)
			engine_residence_called(engine, app, now);
	}
}

/* Let every input bring in packets (when links are drained, only those from other workers); gives how many
 * came. This and push are compiled twice: without probes nothing asks for them. */
static inline __attribute__((always_inline)) uint64_t pull(struct engine *engine, struct cost *cost, const bool probed)
{
	struct engine_wiring *wiring = engine->wiring;
	uint64_t moved = 0;

	for (uint32_t i = 0; i < wiring->pull_count; i++) {
		struct app *app = wiring->pull[i];
		uint64_t before = app->received + app->created;

		if (app->ended || (engine->state == ENGINE_DRAINING && !app->class->inner))
			continue;
		if (PACKET_DEBUG)
			packet_debug_hold(app->name);
		if (probed)
			engine_probe_call(engine, app);
		app->class->pull(app);
		before = app->received + app->created - before;
		charge(engine, app, cost, before);
		if (probed)
			engine_probe_sent(engine, app);
		moved += before;
	}
	return moved;
}

static uint64_t received(const struct engine_step *step)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < step->input_count; i++)
		if (step->input[i] != NULL)
			total += step->input[i]->received;
	return total;
}

static bool has_waiting(const struct engine_step *step)
{
	for (uint32_t i = 0; i < step->input_count; i++)
		if (step->input[i] != NULL && link_waiting(step->input[i]) > 0)
			return true;
	return false;
}

/* Let every app with waiting packets move them on, once, in topological order; gives how many were taken. */
static inline __attribute__((always_inline)) uint64_t push(struct engine *engine, struct cost *cost, const bool probed)
{
	struct engine_wiring *wiring = engine->wiring;
	uint64_t moved = 0;

	for (uint32_t i = 0; i < wiring->step_count; i++) {
		struct engine_step *step = &wiring->step[i];
		struct app *app = step->app;
		uint64_t before, sent;

		if (!step->always && !has_waiting(step))
			continue;
		before = received(step);
		sent = app->output_count > 0 && app->output[0] != NULL ? app->output[0]->sent : 0;
		if (PACKET_DEBUG)
			packet_debug_hold(app->name);
		if (probed)
			engine_probe_call(engine, app);
		app->class->push(app);
		before = received(step) - before;
		charge(engine, app, cost, before);
		if (probed)
			engine_probe_sent(engine, app);
		moved += before;
		/* An app that releases what it held (delay, shaper) moves packets without taking any. */
		if (step->always && app->output_count > 0 && app->output[0] != NULL)
			moved += app->output[0]->sent - sent;
	}
	return moved;
}

/* A breath's calls. */
static uint64_t move(struct engine *engine, struct cost *cost)
{
	uint64_t moved = pull(engine, cost, false);

	return moved + push(engine, cost, false);
}

static __attribute__((noinline)) uint64_t move_probed(struct engine *engine, struct cost *cost)
{
	uint64_t moved;

	engine_probe_begin(engine);
	moved = pull(engine, cost, true);
	return moved + push(engine, cost, true);
}

uint64_t engine_push(struct engine *engine)
{
	struct cost cost = { .weight = 0 };

	return push(engine, &cost, false);
}

/* House-keeping of the packet thread, each millisecond. */
static void tick(struct engine *engine)
{
	struct engine_wiring *wiring = engine->wiring;
	uint64_t now = clock_now();

	engine->next_tick_ns = now + TICK_NS;
	for (uint32_t i = 0; i < wiring->tick_count; i++) {
		if (PACKET_DEBUG)
			packet_debug_hold(wiring->tick[i]->name);
		if (engine->probe_count > 0)
			engine_probe_call(engine, wiring->tick[i]);
		wiring->tick[i]->class->tick(wiring->tick[i]);
		if (engine->probe_count > 0)
			engine_probe_sent(engine, wiring->tick[i]);
	}
	if (now >= engine->next_adjust_ns) {
		clock_adjust();
		engine->next_adjust_ns = now + ADJUST_NS;
	}
	engine_residence_tick(engine);
	if (engine->stats != NULL)
		engine_publish(engine);
}

uint64_t engine_breathe(struct engine *engine)
{
	uint64_t start, moved;
	struct cost cost;

	if (__atomic_load_n(&engine->pending, __ATOMIC_ACQUIRE) != NULL)
		engine_commit_pending(engine);
	if (__atomic_load_n(&engine->probe_change, __ATOMIC_ACQUIRE) != NULL)
		engine_probe_apply(engine);
	start = clock_update();
	if (engine->breath_moved == 0)
		engine->rested_ns = clock_now();
	/* A breath that moved something lasted until now: no sleep follows it. */
	if (engine->breath_moved > 0)
		engine->breath_ns[stats_bucket(clock_cycles_ns(start - engine->breath_start))]++;
	cost = cost_begin(engine, start);
	moved = engine->probe_count > 0 ? move_probed(engine, &cost) : move(engine, &cost);
	moved += memory_home();
	/* Behind the packets: the pause between two breaths is that of one slice. Nobody sleeps while there are more. */
	if (__atomic_load_n(&engine->slices, __ATOMIC_ACQUIRE) != NULL) {
		engine_slice(engine);
		moved++;
	}
	engine->breath_start = start;
	engine->breath_moved = moved;
	if (engine->marked > 0)
		engine_residence_look(engine);
	__atomic_store_n(&engine->breaths, engine->breaths + 1, __ATOMIC_RELAXED);
	if (engine->block != NULL)
		__atomic_store_n(&engine->block->breaths, engine->breaths, __ATOMIC_RELAXED);
	if (clock_now() >= engine->next_tick_ns)
		tick(engine);
	return moved;
}

/* No pulls from outside any more: push until all links are empty and no app behind an input holds anything, at most DRAIN_NS. What still
 * waits then (a slow outside, a long delay) is dropped by `finish` under the reason "stop". */
static void drain(struct engine *engine)
{
	uint64_t start = clock_system_ns(), last = start;

	set_state(engine, ENGINE_DRAINING);
	engine->end_ns = clock_now() + DRAIN_NS;
	while (engine->stops < 2 && clock_now() < engine->end_ns && clock_system_ns() - start < 2 * DRAIN_NS) {
		if (engine_breathe(engine) > 0)
			last = clock_system_ns();
		else if (engine_is_drained(engine) || (engine_is_quiet(engine) && clock_system_ns() - last > QUIET_NS) ||
			!engine_rest(engine))
			break;
	}
}

/* The apps' last call in this thread, upstream first; then what is left on the links is dropped by its receiver. */
static void finish(struct engine *engine)
{
	struct engine_wiring *wiring = engine->wiring;

	for (uint32_t i = 0; i < wiring->app_count; i++) {
		struct app *app = wiring->app[wiring->graph->order[i]];

		if (PACKET_DEBUG)
			packet_debug_hold(app->name);
		if (app->class->stop != NULL)
			app->class->stop(app);
	}
	for (uint32_t i = 0; i < wiring->link_count; i++) {
		struct app *to = wiring->app[wiring->graph->link[i].to];

		while (link_waiting(wiring->link[i]) > 0)
			app_drop(to, app_reason(to, APP_REASON_STOP), link_receive(wiring->link[i]));
	}
	memory_home();
	engine->next_ledger_ns = 0;
	set_state(engine, ENGINE_ENDED);
	if (engine->stats != NULL)
		engine_publish(engine);
}

int engine_run(struct engine *engine)
{
	/* Only who waits for descriptors: each frame of a socket that is in an epoll set costs the kernel 100 ns more. */
	int code = engine->idle == ENGINE_WAIT ? engine_arm(engine) : 0;

	if (code < 0)
		return code;
	/* Always: a reload may bring the first Lua app. Without one no timer runs. */
	code = script_watch_start();
	if (code < 0)
		return code;
	clock_update();
	engine->next_tick_ns = 0;
	engine->end_ns = CLOCK_NEVER;
	set_state(engine, ENGINE_RUNNING);
	while (engine->stops == 0) {
		uint64_t moved = engine_breathe(engine);

		/* The duration counts from the first breath; a virtual clock starts with the first packet. */
		if (engine->duration_ns > 0 && engine->end_ns == CLOCK_NEVER && (!clock_virtual || clock_now() > 0))
			engine->end_ns = clock_now() + engine->duration_ns;
		if (clock_now() >= engine->end_ns)
			break;
		if (moved == 0) {
			if (!engine_rest(engine))
				break;
		} else {
			engine->idle_ns = 0;
		}
	}
	drain(engine);
	finish(engine);
	script_watch_stop();
	return 0;
}
