#pragma once
/* script_app -- the insides of an app written in Lua, shared by the script_*.c files. C only. */
#include "core/core.h"

#include <lauxlib.h>
#include <lua.h>
#include <setjmp.h>

enum {
	SCRIPT_MEMORY = 64 << 20,       /* default of `memory`: bytes that an instance may use */
	SCRIPT_BUDGET_NS = 1000000,     /* default of `budget`: time of one call */
	SCRIPT_SETUP_NS = 1000000000,   /* time that loading the module and `new` may take */
	SCRIPT_CAUSE = 512,             /* bytes of the message that explains a quarantine */
	SCRIPT_SLOT_BITS = 20,          /* of a handle: the number of the packet's slot */
	SCRIPT_SLOTS = 1 << 20,         /* most packets of one instance */
	SCRIPT_INPUT = 1, SCRIPT_OUTPUT = 0x10000       /* handles of links start here */
};

/* Where the instance keeps its functions on its Lua stack, and what else lies there. */
enum script_index { SCRIPT_SELF = 1, SCRIPT_HANDLER, SCRIPT_PUSH, SCRIPT_PULL, SCRIPT_TICK, SCRIPT_RELINK, SCRIPT_ENDED, SCRIPT_TOP };

/* A module's class, and what only an app in Lua has. */
struct script_class {
	struct app_class class;         /* first */
	uint64_t memory, budget_ns;
	uint32_t holds;
	const struct value *sources;
};

struct script_slot {
	struct packet *p;               /* NULL: free */
	uint64_t generation;            /* 32 bits; the upper part of the handle */
};

struct script {
	struct app app;                 /* first */
	lua_State *L;                   /* NULL: not prepared */
	struct script_memory *memory;
	struct script_slot *slot;
	uint32_t *spare;                /* numbers of free slots, the first spare_count of them */
	uint32_t slot_count, spare_count;
	uint32_t *waited, *grant;       /* per input: what this call may still take, what of it has room at the outputs */
	struct random random;
	uint64_t budget_ns;
	uint32_t entered;               /* calls, as long as they are the first ones */
	uint32_t holds;                 /* packets that it may keep between calls */
	int line[SCRIPT_TOP];           /* where its functions begin; 0: unknown */

	uint32_t late;                  /* packets that the present call handed over when it was over its budget */
	bool running;                   /* within a call of the packet thread */
	volatile bool busy;             /* a packet is being handed over: this must not be left halfway */
	volatile bool over, deep;       /* the watch found the present call over its budget, or at the end of the C stack */
	bool quarantined, lost;         /* lost: left by siglongjmp, its Lua state is never entered again */
	bool replaced;                  /* another instance has taken its place */
	bool is_unsafe;
	sigjmp_buf leave;               /* where the watch jumps to */
	struct script *next;            /* of all running ones, and whether it is one: script_watch */
	bool is_watched;
	struct job report;
	char cause[SCRIPT_CAUSE];       /* why it is quarantined */
	char stuck[256];                /* what the watch writes when it has to end the worker */
};

/* The class that a module's app belongs to. */
static inline const struct script_class *script_class_of(const struct app *app)
{
	return (const struct script_class *)app->class;
}

/* A call that is over its budget has just handed over a packet. Returns unless it does so again and again: then compiled code
 * does it, which looks at no hook, and the watch may never meet it outside of such a hand-over. */
void script_watch_late(struct script *s);

/* Around each change of who owns a packet: the watch does not leave the call in between. The fences keep the compiler from
 * moving the change out. */
static inline void script_app_busy(struct script *s)
{
	s->busy = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void script_app_done(struct script *s)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	s->busy = false;
	if (__builtin_expect(s->over, 0))
		script_watch_late(s);
}

/* script_packet -- the table of the packets that an instance has. Inline: as calls they cost half a nanosecond a hop. */

/* The slot of a handle; NULL when its packet is not there any more. */
static inline struct script_slot *script_packet_slot(const struct script *s, int64_t handle)
{
	uint64_t number = (uint64_t)handle & (SCRIPT_SLOTS - 1);
	struct script_slot *slot = &s->slot[number];

	if (__builtin_expect(number >= s->slot_count || slot->generation != (uint64_t)handle >> SCRIPT_SLOT_BITS || slot->p == NULL, 0))
		return NULL;
	return slot;
}

static inline struct packet *script_packet_of(const struct script *s, int64_t handle)
{
	const struct script_slot *slot = script_packet_slot(s, handle);

	return slot != NULL ? slot->p : NULL;
}

/* Put p into the table. gives: its handle; 0 when the table is full */
static inline double script_packet_take(struct script *s, struct packet *p)
{
	uint32_t number;

	if (s->spare_count == 0)
		return 0;
	number = s->spare[--s->spare_count];
	s->slot[number].p = p;
	return (double)(int64_t)(s->slot[number].generation << SCRIPT_SLOT_BITS | number);
}

/* Make a slot free; its handles end here. Generation 0 is left out, so that no handle is 0. */
static inline void script_packet_release(struct script *s, struct script_slot *slot)
{
	slot->p = NULL;
	slot->generation = (uint32_t)(slot->generation + 1);
	slot->generation += slot->generation == 0;
	s->spare[s->spare_count++] = (uint32_t)(slot - s->slot);
}

/* Take the packet of a handle out of the table; NULL when it is none. */
static inline struct packet *script_packet_give(struct script *s, int64_t handle)
{
	struct script_slot *slot = script_packet_slot(s, handle);
	struct packet *p;

	if (slot == NULL)
		return NULL;
	p = slot->p;
	script_packet_release(s, slot);
	return p;
}

/* Drop all packets of the table under a reason. */
void script_packet_drop_all(struct script *s, uint32_t reason);

/* script_memory -- a region of memory for one Lua state, with a limit; can be thrown away at once.
 *   fails: NULL */
struct script_memory *script_memory_new(size_t limit);
void script_memory_delete(struct script_memory *memory);
/* A lua_Alloc with a struct script_memory. */
void *script_memory_alloc(void *memory, void *block, size_t old, size_t size);

/* script_sandbox -- make an instance's Lua state: load its module, call `new`, leave functions and self on the stack.
 *   fails: -EINVAL, -ENOMEM with nf_error() */
int script_sandbox_open(struct script *s) __attribute__((warn_unused_result));

/* Where the app's own code is at a level of the stack or above: "every.lua:12"; "" when nowhere. */
void script_sandbox_place(lua_State *L, int level, char *text, size_t size);

/* script_param -- a table of parameters made from a module's description, laid out from `*size` on (which it raises).
 *   gives: the table; NULL when messages were added to errors */
const struct param *script_param_new(const struct value *params, const char *owner, uint32_t *size, struct arena *arena,
	struct errors *errors);
/* Push a table with the decoded parameters at base. May raise a Lua error (memory). */
void script_param_push(lua_State *L, const struct param *params, const void *base);

/* script_watch -- the part that calls use: the watch looks at this instance from now on; at nobody. */
void script_watch_enter(struct script *s);
void script_watch_leave(void);
/* The C stack of the watched call is full: leave it. Returns when there is no such call. */
void script_watch_overflow(const void *context);

/* script_stack -- catch the end of the C stack of this thread, with script_watch_overflow, where no watch_signal comes in
 * between; no longer. */
int script_stack_start(int watch_signal) __attribute__((warn_unused_result));
void script_stack_stop(void);

/* An instance runs from now on; no longer. Packet thread, or the engine does not run. */
void script_watch_add(struct script *s);
void script_watch_remove(struct script *s);

/* The functions of every class of an app in Lua. */
int script_app_prepare(struct app *app, const struct app *old);
void script_app_commit(struct app *app, struct app *old);
void script_app_abort(struct app *app);
void script_app_stop(struct app *app);
void script_app_retire(struct app *app);
void script_app_link(struct app *app);
void script_app_push(struct app *app);
void script_app_pull(struct app *app);
void script_app_tick(struct app *app);
uint32_t script_app_held(const struct app *app);
void script_app_holds(const struct app *app, uint32_t holds[PACKET_SIZES]);
