/* script_watch -- the watch over the time that apps written in Lua take. See script.h.
 *
 * One periodic timer sends a signal to the packet thread while there are such apps. (A timer on the thread's own CPU time only
 * fires on the kernel's scheduler ticks, and setting a timer for each call costs two system calls.) The handler reads the
 * thread's CPU time. When it meets a call again that it has seen begin more than the budget ago, what it may do depends on
 * where the program counter is:
 *
 *   in no loaded object     code that LuaJIT compiled: no hook is looked at there. Leave the call with siglongjmp. Whatever the
 *                           Lua state was doing, nobody enters it again. No packet is halfway: that happens in C only.
 *   in nf's own binary      the interpreter, or LuaJIT's library (string.find), or one of nf's calls. Set a hook that raises an
 *                           error at each instruction, so that a pcall does not swallow it, and look again: the interpreter
 *                           gets there at once, and what returns to compiled code is met there. After PATIENCE budgets it must
 *                           be a library call that takes too long: leave it too, unless a packet is being handed over.
 *                           A loop that does little else ends after LATE more of them.
 *   in another library      the C library, the unwinder: may hold locks. Set the hook and look again.
 *
 * After STUCK budgets without a way out the worker ends, with a message that names the app. That takes a foreign function which
 * never returns, so an `unsafe` module: from those, calls of C are not left, since nobody knows what they hold. The full C
 * stack (script_stack) does not let anybody look again: the call is left at once, from the C library too, since all that LuaJIT
 * calls there are functions on strings and memory, which hold no lock; but not from the unwinder. */
#include "core/script_app.h"

#include <link.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PATIENCE = 20, STUCK = 100, LATE = 100, RANGES = 256, WATCH_SIGNAL = SIGVTALRM };
/* The first calls of an app meet memory that nobody has touched, and LuaJIT compiles what they do: they may take longer. */
enum { WARM_CALLS = 1000, WARM_NS = 20000000 };
/* A virtual machine that stood still for some milliseconds finds them in the time of whoever ran: what a call has used between two
 * ticks counts as one tick at most, and it is ended at ten times its budget: a healthy app that is dropped does more harm than a sick
 * one that holds up ten milliseconds, once. (A processor that waits for another one, which does not run, to take note of a changed
 * mapping spends that time, too.) */
enum { PERIOD_MOST_NS = 1000000, TOLERANCE = 10 };
static uint64_t period_ns;

/* The executable parts of all loaded objects; those of the binary itself come first. */
static struct range {
	uintptr_t start, stop;
	bool is_unwinder;               /* libgcc, which holds a lock while it looks for the frames of compiled code */
} range[RANGES];
static uint32_t range_count, own_count;

static timer_t timer;
static bool has_timer, is_ticking, is_paused;

/* All running instances: the least budget gives the period. */
static struct script *running;

/* What the packet thread tells the handler, and what the handler remembers. All of it belongs to that one thread. */
static struct script *volatile watched;
static volatile uint64_t calls;
static uint64_t seen_call, seen_cpu_ns, used_ns;

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* For dl_iterate_phdr, which begins with the binary itself. */
static int add_ranges(struct dl_phdr_info *info, size_t size, void *full)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		if (range_count == RANGES) {
			*(bool *)full = true;
			return 1;
		}
		range[range_count].start = info->dlpi_addr + part->p_vaddr;
		range[range_count].stop = info->dlpi_addr + part->p_vaddr + part->p_memsz;
		range[range_count].is_unwinder = strstr(info->dlpi_name, "libgcc_s") != NULL;
		range_count++;
	}
	if (own_count == 0)
		own_count = range_count;
	return 0;
}

enum place { IN_COMPILED, IN_BINARY, IN_LIBRARY, IN_UNWINDER };

static enum place place_of(uintptr_t pc)
{
	for (uint32_t i = 0; i < range_count; i++)
		if (pc >= range[i].start && pc < range[i].stop)
			return i < own_count ? IN_BINARY : range[i].is_unwinder ? IN_UNWINDER : IN_LIBRARY;
	return IN_COMPILED;
}

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#else
#error "where does this processor keep the program counter?"
#endif
}

/* What the present call may take beyond its budget. */
static uint64_t warm_ns(const struct script *s)
{
	return s->entered <= WARM_CALLS ? WARM_NS : 0;
}

/* Raises an error at each instruction until the call is left. The first time, keep the place. */
static void hook(lua_State *L, lua_Debug *at)
{
	struct script *s = watched;
	char place[128];

	(void)at;
	if (s == NULL)
		return;
	if (s->cause[0] == '\0') {
		script_sandbox_place(L, 0, place, sizeof(place));
		snprintf(s->cause, sizeof(s->cause), "%s: the call takes longer than its budget of %llu us", place,
			(unsigned long long)(s->budget_ns / 1000));
	}
	lua_pushnil(L);
	lua_error(L);
}

static __attribute__((noreturn)) void leave(struct script *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WATCH_SIGNAL);
	sigaddset(&set, SIGSEGV);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	siglongjmp(s->leave, 1);
}

void (*script_on_stuck)(const char *app);

/* End the worker with the message of this app. */
static __attribute__((noreturn)) void give_up(const struct script *s)
{
	if (script_on_stuck != NULL)
		script_on_stuck(s->app.name);
	if (write(STDERR_FILENO, s->stuck, strlen(s->stuck)) < 0)
		_exit(SCRIPT_EXIT_STUCK);
	_exit(SCRIPT_EXIT_STUCK);
}

/* The present call has used too much time. */
static void act(struct script *s, enum place place, uint64_t used)
{
	s->over = true;
	if (place == IN_COMPILED)
		leave(s);
	if (place == IN_BINARY && !s->busy && !s->is_unsafe && used > PATIENCE * s->budget_ns)
		leave(s);
	if (used > STUCK * s->budget_ns)
		give_up(s);
	/* Off and on again: when the signal came while LuaJIT changed its dispatch table, that makes it do so once more. */
	lua_sethook(s->L, NULL, 0, 0);
	lua_sethook(s->L, hook, LUA_MASKCOUNT, 1);
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
	struct script *s = watched;
	int saved = errno;
	uint64_t now, step;

	(void)signal;
	(void)info;
	if (s == NULL)
		return;
	now = cpu_ns();
	step = now - seen_cpu_ns;
	seen_cpu_ns = now;
	if (seen_call != calls) {
		seen_call = calls;
		used_ns = 0;
		step = 0;
	}
	used_ns += step < period_ns ? step : period_ns;
	if (used_ns > TOLERANCE * s->budget_ns + warm_ns(s))
		act(s, place_of(program_counter(context)), used_ns - warm_ns(s));
	errno = saved;
}

void script_watch_late(struct script *s)
{
	if (s == watched && ++s->late > LATE)
		leave(s);
}

void script_watch_overflow(const void *context)
{
	struct script *s = watched;

	if (s == NULL)
		return;
	s->deep = true;
	if (place_of(program_counter(context)) == IN_UNWINDER || s->busy || s->is_unsafe)
		give_up(s);
	leave(s);
}

void script_watch_enter(struct script *s)
{
	calls++;
	s->entered += s->entered <= WARM_CALLS;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	watched = s;
}

void script_watch_leave(void)
{
	watched = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Make the timer tick at half the least budget, or not at all. */
static void set_timer(void)
{
	uint64_t period = PERIOD_MOST_NS;
	struct itimerspec when = { 0 };

	for (const struct script *s = running; s != NULL; s = s->next)
		if (s->budget_ns / 2 < period)
			period = s->budget_ns / 2;
	if (is_paused || running == NULL)
		period = 0;
	if (!has_timer || (period == 0 && !is_ticking))
		return;
	is_ticking = period != 0;
	period_ns = period;
	when.it_interval = (struct timespec){ .tv_sec = (time_t)(period / 1000000000), .tv_nsec = (long)(period % 1000000000) };
	when.it_value = when.it_interval;
	nf_assert(timer_settime(timer, 0, &when, NULL) == 0, "the watch's timer: %s", strerror(errno));
}

void script_watch_add(struct script *s)
{
	s->next = running;
	s->is_watched = true;
	running = s;
	set_timer();
}

void script_watch_remove(struct script *s)
{
	struct script **at = &running;

	if (!s->is_watched)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->is_watched = false;
	set_timer();
}

int script_watch_start(void)
{
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WATCH_SIGNAL };
	bool full = false;
	int code;

	if (has_timer)
		return 0;
	range_count = own_count = 0;
	dl_iterate_phdr(add_ranges, &full);
	if (full)
		return nf_fail(EOVERFLOW, "too many libraries are loaded for the watch over Lua apps");
	sigemptyset(&action.sa_mask);
	event._sigev_un._tid = gettid();
	code = script_stack_start(WATCH_SIGNAL);
	if (code < 0)
		return code;
	if (sigaction(WATCH_SIGNAL, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0) {
		code = nf_fail(errno, "no timer for the watch over Lua apps: %s", strerror(errno));
		script_stack_stop();
		return code;
	}
	has_timer = true;
	is_paused = false;
	set_timer();
	return 0;
}

void script_watch_stop(void)
{
	if (!has_timer)
		return;
	timer_delete(timer);
	script_stack_stop();
	has_timer = is_ticking = false;
}

void script_watch_pause(void)
{
	if (is_paused)
		return;
	is_paused = true;
	set_timer();
}

void script_watch_resume(void)
{
	if (!is_paused)
		return;
	is_paused = false;
	set_timer();
}
