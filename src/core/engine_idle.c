/* engine_idle -- what an engine does when a breath moved nothing. */
#include "core/engine_state.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	SPIN_NS = 2000,                 /* shorter than this a sleep costs more than it saves: two system calls */
	FIRST_SLEEP_NS = 4000,
	LONGEST_SLEEP_NS = 1000000,     /* adaptive: a commit or a stop is seen within a tick */
	LONGEST_WAIT_NS = 100000000     /* wait: statistics and heartbeat go on ten times a second */
};

/* When the first app has something to do by itself; CLOCK_NEVER. Inputs are not asked any more while links are drained, nor are
 * apps that only attend to the packets of others when those are over. */
static uint64_t earliest_wake(const struct engine *engine, bool over)
{
	uint64_t earliest = CLOCK_NEVER;

	for (uint32_t i = 0; i < engine->wiring->app_count; i++) {
		const struct app *app = engine->wiring->app[i];

		if (app->class->wake_at != NULL && (engine->state != ENGINE_DRAINING || app->class->pull == NULL) &&
			!(over && app->class->attends)) {
			uint64_t at = app->class->wake_at(app);

			if (at < earliest)
				earliest = at;
		}
	}
	return earliest;
}

/* The least sleep_limit of the apps. */
static uint64_t sleep_limit(const struct engine *engine)
{
	uint64_t least = CLOCK_NEVER;

	for (uint32_t i = 0; i < engine->wiring->app_count; i++) {
		const struct app *app = engine->wiring->app[i];

		if (app->class->sleep_limit != NULL && !app->ended) {
			uint64_t limit = app->class->sleep_limit(app);

			if (limit < least)
				least = limit;
		}
	}
	return least;
}

/* Does no link and no app hold anything? Inputs may have more. */
bool engine_is_quiet(const struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;

	for (uint32_t i = 0; i < wiring->app_count; i++)
		if (!wiring->app[i]->ended && wiring->app[i]->class->pull == NULL)
			return false;
	for (uint32_t i = 0; i < wiring->link_count; i++)
		if (link_waiting(wiring->link[i]) > 0)
			return false;
	return true;
}

bool engine_is_drained(const struct engine *engine)
{
	const struct engine_wiring *wiring = engine->wiring;

	for (uint32_t i = 0; i < wiring->pull_count; i++)
		if (wiring->pull[i]->class->inner && !wiring->pull[i]->ended)
			return false;
	return engine_is_quiet(engine);
}

/* Put an input's descriptor into the set, if it is not there yet. A regular file cannot be polled (EPERM): its app is looked
 * at by its sleep limit. */
static int arm_app(struct engine *engine, const struct app *app)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
	int fd = app->class->event_fd != NULL && !app->ended && !app->down ? app->class->event_fd(app) : -1;

	if (fd < 0 || epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST || errno == EPERM)
		return 0;
	return nf_fail(errno, "app '%s': its descriptor cannot be polled: %s", app->name, strerror(errno));
}

/* Have all inputs ended, too? */
static bool is_over(const struct engine *engine)
{
	for (uint32_t i = 0; i < engine->wiring->pull_count; i++)
		if (!engine->wiring->pull[i]->ended)
			return false;
	return engine_is_drained(engine);
}

int engine_arm(struct engine *engine)
{
	struct epoll_event event = { .events = EPOLLIN };

	/* A new set: as the supervisor has descriptors of the same devices, closing one does not take it out of a set. */
	if (engine->epoll_fd >= 0)
		close(engine->epoll_fd);
	engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (engine->epoll_fd < 0)
		return nf_fail(errno, "no epoll descriptor: %s", strerror(errno));
	event.data.fd = engine->wake_fd;
	epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, engine->wake_fd, &event);
	if (job_event_fd() >= 0) {
		event.data.fd = job_event_fd();
		epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, job_event_fd(), &event);
	}
	for (uint32_t i = 0; i < engine->wiring->pull_count; i++) {
		int code = arm_app(engine, engine->wiring->pull[i]);

		if (code < 0)
			return code;
	}
	engine->armed = true;
	return 0;
}

/* An input whose coming packets no descriptor and no deadline announces? */
static bool must_poll(const struct engine *engine)
{
	for (uint32_t i = 0; i < engine->wiring->pull_count; i++) {
		const struct app *app = engine->wiring->pull[i];

		if (!app->ended && app->class->wake_at == NULL &&
			(app->class->event_fd == NULL || app->class->event_fd(app) < 0))
			return true;
	}
	return false;
}

static void sleep_ns(struct engine *engine, uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	if (engine->wiring->has_scripts)
		script_watch_pause();
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	engine->sleeps++;
	if (engine->wiring->has_scripts)
		script_watch_resume();
}

/* Tell inputs whose senders must know that the engine is about to block, or is awake again.
 *   gives: false when it must not block: something has come meanwhile */
static bool tell_rest(const struct engine *engine, bool begins)
{
	bool quiet = true;

	for (uint32_t i = 0; i < engine->wiring->pull_count; i++) {
		struct app *app = engine->wiring->pull[i];

		if (app->class->rest != NULL && !app->ended && !app->class->rest(app, begins))
			quiet = false;
	}
	return quiet;
}

/* Block until a descriptor is readable or the time is over. Level-triggered: what came after the last look is still there,
 * so nothing is missed between looking and blocking. */
static void wait_ns(struct engine *engine, uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
	struct epoll_event event[16];
	bool broken = false;
	eventfd_t value;
	int count;

	if (!engine->armed && engine_arm(engine) < 0)
		broken = true;
	/* A device that was gone may be back with a new descriptor. */
	for (uint32_t i = 0; i < engine->wiring->pull_count; i++)
		if (arm_app(engine, engine->wiring->pull[i]) < 0)
			broken = true;
	if (!tell_rest(engine, true)) {
		tell_rest(engine, false);
		return;
	}
	if (engine->wiring->has_scripts)
		script_watch_pause();
	count = epoll_pwait2(engine->epoll_fd, event, 16, &time, NULL);
	if (count < 0 && errno == ENOSYS)
		count = epoll_wait(engine->epoll_fd, event, 16, (int)(ns / 1000000u) + 1);
	engine->sleeps++;
	tell_rest(engine, false);
	if (engine->wiring->has_scripts)
		script_watch_resume();
	for (int i = 0; i < count; i++) {
		broken = broken || (event[i].events & (EPOLLERR | EPOLLHUP)) != 0;
		if (event[i].data.fd >= 0 && eventfd_read(event[i].data.fd, &value) != 0)
			continue;       /* somebody else has read it: the wake-up has served */
	}
	/* A deleted device would wake us for ever: begin a new set without it, at most a thousand times a second. */
	if (broken) {
		sleep_ns(engine, LONGEST_SLEEP_NS);
		if (engine_arm(engine) < 0)
			engine->idle = ENGINE_ADAPTIVE;
	}
}

/* Everything has come to its end; gives whether the engine ends, too. A reload that is prepared brings another graph, and the worker
 * that feeds this one may have changed over already. */
static bool ends(struct engine *engine)
{
	if (engine_state(engine) != ENGINE_RUNNING)
		return true;
	__atomic_store_n(&engine->ends, true, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&engine->held, __ATOMIC_SEQ_CST))
		return true;
	__atomic_store_n(&engine->ends, false, __ATOMIC_SEQ_CST);
	sleep_ns(engine, LONGEST_SLEEP_NS);
	return false;
}

/* The virtual clock goes on to the next deadline. */
static bool advance(struct engine *engine, uint64_t wake, bool over)
{
	uint64_t to = wake < engine->end_ns ? wake : engine->end_ns;

	if (to != CLOCK_NEVER) {
		clock_set(to > clock_now() ? to : clock_now() + 1);
		return true;
	}
	if (over)
		return !ends(engine);
	/* An input from outside in a run on virtual time: its packets come when they come. */
	sleep_ns(engine, LONGEST_SLEEP_NS);
	clock_set(clock_now() + LONGEST_SLEEP_NS);
	return true;
}

/* Will nothing come to this app any more? Those before it have been asked, but for what a back link brings. */
static bool is_over_at(const struct engine_wiring *wiring, uint32_t number)
{
	const struct app *app = wiring->app[number];

	for (uint32_t i = 0; i < app->input_count; i++) {
		const struct link *link = app->input[i];

		if (link != NULL && (link_waiting(link) > 0 || link->back || !wiring->over[wiring->graph->link[link->number].from]))
			return false;
	}
	return app->ended;
}

/* Tell the apps that want to know it that all before them has ended. */
static void tell_over(const struct engine_wiring *wiring)
{
	for (uint32_t i = 0; i < wiring->app_count && wiring->has_overs; i++) {
		uint32_t number = wiring->graph->order[i];
		struct app *app = wiring->app[number];

		wiring->over[number] = is_over_at(wiring, number);
		if (wiring->over[number] && app->class->over != NULL)
			app->class->over(app);
	}
}

bool engine_rest(struct engine *engine)
{
	bool over = is_over(engine);
	uint64_t now, wake = earliest_wake(engine, over), ns;

	tell_over(engine->wiring);
	if (__atomic_load_n(&engine->pending, __ATOMIC_RELAXED) != NULL)
		return true;            /* a reload waits for other workers to end their links */
	if (clock_virtual)
		return advance(engine, wake, over);
	if (wake == CLOCK_NEVER && over)
		return !ends(engine);
	if (engine->idle == ENGINE_BUSY)
		return true;
	now = clock_now();
	ns = engine->idle == ENGINE_WAIT && !must_poll(engine) ? LONGEST_WAIT_NS : LONGEST_SLEEP_NS;
	if (engine->idle == ENGINE_ADAPTIVE || must_poll(engine)) {
		engine->idle_ns = engine->idle_ns == 0 ? FIRST_SLEEP_NS : engine->idle_ns + engine->idle_ns / 2;
		if (engine->idle_ns < ns)
			ns = engine->idle_ns;
		if (sleep_limit(engine) < ns)
			ns = sleep_limit(engine);
	}
	if (wake <= now)
		return true;
	if (wake - now < ns)
		ns = wake - now;
	if (engine->end_ns - now < ns)
		ns = engine->end_ns - now;
	if (ns < SPIN_NS)
		return true;
	if (engine->idle == ENGINE_WAIT)
		wait_ns(engine, ns);
	else
		sleep_ns(engine, ns);
	return true;
}
