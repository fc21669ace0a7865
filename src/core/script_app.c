/* script_app -- an instance of an app written in Lua: its life, its calls, its quarantine. See script.h.
 *
 *                  prepare                        an error, too much time, packets kept
 *      (checked) ----------> runs: calls into Lua ----------------------------------> quarantined: drops what arrives
 *
 * There is no way back: a quarantined instance stays so until a reload replaces it. After siglongjmp (lost) its Lua state is
 * never entered again, not even to close it. */
#include "core/script_app.h"
#include "core/script_packet.h"

/* Packets of one call beside those that the app may keep: a burst from each of a few inputs and some copies. */
enum { CALL_PACKETS = 4 * BURST };

static struct script *script_of(struct app *app)
{
	return (struct script *)app;
}

/* Tell why, outside of the packet thread. */
static void report(struct job *job)
{
	const struct script *s = (const struct script *)((const char *)job - offsetof(struct script, report));

	log_error("app '%s' is quarantined: %s; what arrives there is dropped from now on", s->app.name, s->cause);
}

/* Stop running an app: drop what it has, and from now on what arrives. s->cause says why. */
static void quarantine(struct script *s)
{
	s->quarantined = true;
	s->app.ended = true;
	script_packet_drop_all(s, app_reason(&s->app, APP_REASON_QUARANTINED));
	job_submit(&s->report);
}

void script_app_quarantine(struct app *app, const char *cause)
{
	struct script *s = script_of(app);

	if (app->class->module == NULL || s->quarantined)
		return;
	snprintf(s->cause, sizeof(s->cause), "%s", cause);
	quarantine(s);
}

static const char *const function_name[SCRIPT_TOP] = { [SCRIPT_PUSH] = "push", [SCRIPT_PULL] = "pull", [SCRIPT_TICK] = "tick",
	[SCRIPT_RELINK] = "link" };

/* Note why, unless the error handler or the watch did already. After siglongjmp the line cannot be asked for any more, so it is
 * the function's first one. */
static void explain(struct script *s, enum script_index function, const char *what)
{
	if (s->cause[0] == '\0')
		snprintf(s->cause, sizeof(s->cause), "%s:%d: in %s: %s", s->app.class->module->path, s->line[function],
			function_name[function], what);
}

/* The call itself. Nothing that must survive siglongjmp lives in a register here. gives: a status of lua_pcall, or -1 when the
 * watch left the call */
static __attribute__((noinline)) int enter(struct script *s, enum script_index function)
{
	int status = -1;

	if (sigsetjmp(s->leave, 0) == 0) {
		script_watch_enter(s);
		lua_pushvalue(s->L, function);
		lua_pushvalue(s->L, SCRIPT_SELF);
		status = lua_pcall(s->L, 1, 0, SCRIPT_HANDLER);
		script_watch_leave();
		return status;
	}
	script_watch_leave();
	s->lost = true;
	return -1;
}

/* Call one of the app's functions with self. gives: false when that has put the app into quarantine */
static bool call(struct script *s, enum script_index function)
{
	char text[128];
	int status;

	s->over = s->deep = false;
	s->late = 0;
	s->running = true;
	status = enter(s, function);
	s->running = false;
	if (s->over) {
		snprintf(text, sizeof(text), "longer than its budget of %llu us", (unsigned long long)(s->budget_ns / 1000));
		explain(s, function, text);
	} else if (s->deep) {
		explain(s, function, "calls nested too deep: the C stack is full");
	} else if (status == LUA_ERRMEM) {
		s->cause[0] = '\0';
		snprintf(text, sizeof(text), "not enough memory: more than its %llu MiB",
			(unsigned long long)(script_class_of(&s->app)->memory >> 20));
		explain(s, function, text);
	} else if (status != 0) {
		explain(s, function, "stack overflow, or an error in the handling of an error");
	} else if (s->slot_count - s->spare_count > s->holds) {
		uint32_t kept = s->slot_count - s->spare_count;

		snprintf(text, sizeof(text), "%u packet%s neither passed on nor freed; it may keep %u (`holds`)", kept,
			kept == 1 ? " was" : "s were", s->holds);
		explain(s, function, text);
	} else {
		return true;
	}
	if (!s->lost)
		lua_settop(s->L, SCRIPT_TOP - 1);
	quarantine(s);
	return false;
}

/* Drop all that waits on the inputs. */
static void drop_arrivals(struct script *s)
{
	uint32_t reason = app_reason(&s->app, APP_REASON_QUARANTINED);
	struct packet *burst[BURST];

	for (uint32_t i = 0; i < s->app.input_count; i++) {
		uint32_t n;

		if (s->app.input[i] == NULL)
			continue;
		for (uint32_t left = link_waiting(s->app.input[i]); left > 0; left -= n) {
			n = link_receive_burst(s->app.input[i], burst, left < BURST ? left : BURST);
			app_drop_burst(&s->app, reason, burst, n);
		}
	}
}

void script_app_push(struct app *app)
{
	struct script *s = script_of(app);

	if (s->quarantined) {
		drop_arrivals(s);
		return;
	}
	for (uint32_t i = 0; i < app->input_count; i++) {
		s->waited[i] = app->input[i] != NULL ? link_waiting(app->input[i]) : 0;
		s->grant[i] = 0;
	}
	if (call(s, SCRIPT_PUSH) && app->class->pull == NULL)
		app->ended = s->spare_count == s->slot_count;
}

/* Whether the app has set self.ended: with rawget, since a metatable could raise an error outside of any protection. */
static bool says_ended(struct script *s)
{
	bool ended;

	lua_pushvalue(s->L, SCRIPT_ENDED);
	lua_rawget(s->L, SCRIPT_SELF);
	ended = lua_toboolean(s->L, -1) != 0;
	lua_pop(s->L, 1);
	return ended;
}

void script_app_pull(struct app *app)
{
	struct script *s = script_of(app);

	if (!s->quarantined && call(s, SCRIPT_PULL))
		app->ended = says_ended(s) && s->spare_count == s->slot_count;
}

void script_app_tick(struct app *app)
{
	struct script *s = script_of(app);

	if (!s->quarantined && call(s, SCRIPT_TICK) && app->class->pull == NULL)
		app->ended = s->spare_count == s->slot_count;
}

/* self.input and self.output are made anew, then the app's own `link` is called: both in Lua, see nf.sandbox. */
void script_app_link(struct app *app)
{
	struct script *s = script_of(app);

	if (s->L != NULL && !s->quarantined)
		call(s, SCRIPT_RELINK);
}

const char *script_app_cause(const struct app *app)
{
	const struct script *s = (const struct script *)app;

	return app->class->module != NULL && s->quarantined ? s->cause : NULL;
}

uint32_t script_app_held(const struct app *app)
{
	const struct script *s = (const struct script *)app;
	uint32_t held = 0;

	for (uint32_t i = 0; i < s->slot_count; i++)
		held += s->slot[i].p != NULL;
	return held;
}

void script_app_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = script_class_of(app)->holds;
}

int script_app_prepare(struct app *app, const struct app *old)
{
	struct script *s = script_of(app);
	const struct script_class *class = script_class_of(app);
	int code;

	(void)old;              /* a changed app starts anew: its state belongs to code that may have changed */
	s->budget_ns = class->budget_ns;
	s->holds = class->holds;
	s->is_unsafe = app->class->module->is_unsafe;
	s->report.run = report;
	s->slot_count = s->spare_count = class->holds + CALL_PACKETS;
	s->slot = app_alloc(app, s->slot_count * sizeof(*s->slot));
	s->spare = app_alloc(app, s->slot_count * sizeof(*s->spare));
	for (uint32_t i = 0; i < s->slot_count; i++) {
		s->slot[i].generation = 1;
		s->spare[i] = s->slot_count - 1 - i;
	}
	s->waited = app_alloc(app, (app->input_count + 1) * sizeof(*s->waited));
	s->grant = app_alloc(app, (app->input_count + 1) * sizeof(*s->grant));
	snprintf(s->stuck, sizeof(s->stuck), "nf: error: app '%s' cannot be left: a call of C does not come back within 100 times its budget, "
		"or fills the stack; the worker ends\n", app->name);
	random_init(&s->random, random_seed, app->name);
	code = script_sandbox_open(s);
	if (code < 0)
		script_app_abort(app);
	return code;
}

void script_app_commit(struct app *app, struct app *old)
{
	if (old != NULL)
		script_of(old)->replaced = true;
	script_watch_add(script_of(app));
}

void script_app_stop(struct app *app)
{
	struct script *s = script_of(app);

	script_watch_remove(s);
	script_packet_drop_all(s, app_reason(app, s->replaced ? APP_REASON_RELOAD : APP_REASON_STOP));
}

/* Free everything that prepare made; the tables of packets go with the instance. */
void script_app_abort(struct app *app)
{
	struct script *s = script_of(app);

	if (s->L != NULL && !s->lost)
		lua_close(s->L);
	s->L = NULL;
	script_memory_delete(s->memory);
	s->memory = NULL;
}

void script_app_retire(struct app *app)
{
	struct script *s = script_of(app);

	script_watch_remove(s);         /* an engine that never ran is freed without stop */
	if (!job_is_idle(&s->report))
		job_wait(&s->report);
	script_app_abort(app);
}

int32_t script_app_count(struct script *s, int64_t counter, int64_t n)
{
	if (n < 0 || (uint64_t)counter >= app_name_count(s->app.class->counters))
		return SCRIPT_RANGE;
	s->app.counter[counter] += (uint64_t)n;
	return 0;
}

double script_app_now(struct script *s)
{
	(void)s;
	return (double)clock_now() * 1e-9;
}

double script_app_wall(struct script *s)
{
	(void)s;
	return (double)clock_wall() * 1e-9;
}

double script_app_random(struct script *s)
{
	return (double)(random_u64(&s->random) >> 11) * 0x1p-53;
}

double script_app_below(struct script *s, int64_t limit)
{
	if (limit < 1 || limit > UINT32_MAX)
		return SCRIPT_RANGE;
	return random_below(&s->random, (uint32_t)limit);
}

int32_t script_app_print(struct script *s, const char *text)
{
	if (s->running)
		return SCRIPT_OUTSIDE;
	log_info("app '%s': %s", s->app.name, text);
	return 0;
}
