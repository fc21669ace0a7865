#pragma once
/* script -- Lua: states, the embedded sources, and apps written in Lua. */

struct script_source {                  /* an embedded file of lua/nf, a public header, or a page */
	const char *name;               /* "nf.packet", "core/packet.h", "program/metrics.html" */
	const char *text;
	uint32_t length;
};
extern const struct script_source script_sources[];     /* made by the build; name NULL at the end */

/* The embedded source of a name, or NULL. */
const struct script_source *script_source_find(const char *name);

/* A Lua module that an app of the configuration uses: its source and those of all that it requires. */
struct script_module {
	const char *name;               /* as in the configuration: "every" */
	const char *path;               /* the file, for messages */
	const struct value *value;      /* what the evaluating child said of it: class table, sources */
	struct app_class *class;        /* made from it */
	bool is_unsafe;                 /* `unsafe = true`: has ffi, isolation is not promised */
	struct script_module *next;
};

/* Make a class (and module) from the description that the evaluating child gives of a Lua module. All of it is plain data:
 *
 *   { path = "/etc/nf/every.lua",                      where the module is; "nf.apps.select" for an embedded one
 *     class = {                                        the fields of the table that the module returns, as they are:
 *       name =, help =,                                strings; the class gets the name used in the configuration
 *       inputs =, outputs =, counters =, reasons =,    lists of names, as in struct app_class; missing: none
 *       params = { n = { type = "u32", min =, max =, default =, required =, optional =, help =, choices =, item =, fields = } },
 *       holds =, expansion =,                          numbers
 *       memory =, budget =,                            of an instance: bytes (64 MiB) and time per call (1 ms)
 *       unsafe =,                                      boolean
 *       functions = { new = true, push = true }        those it has, of new link pull push tick; not in the module itself
 *     },
 *     sources = { { name = "every", path =, text = }, { name = "my.lib", path =, text = } } }
 *
 * The first source is the module itself, the others what it requires (not nf.packet, nf.link, nf.time, nf.random, which
 * every instance has), each under the name by which it is required. Memory comes from arena, which must outlive the class;
 * `value` must too.
 *   gives: 0; fails: -EINVAL with messages added to errors: "app module 'every': key 'holds': ..." */
int script_module_new(struct script_module **module, const char *name, const struct value *value, struct arena *arena,
	struct errors *errors);

/* A full Lua state: standard library, ffi with all public headers declared, every embedded module. For nf lua, tests, and
 * the evaluation of configurations. NULL when memory is short. */
struct lua_State;
struct lua_State *script_state_new(void);

/* The same with an allocator of the caller's own (lua_Alloc), which may refuse. */
struct lua_State *script_state_new_with(void *(*allocate)(void *context, void *block, size_t old, size_t size), void *context);

/* A lua_CFunction: a list of { name, text } of all that is embedded, in the order of the build. */
int script_source_push(struct lua_State *L);

/* Encode the Lua value at a stack index so that value_decode reads it.
 *   gives: 0 and malloc'ed bytes; fails: -EINVAL with nf_error() naming the path: a function, a cycle, too deep */
int script_value_encode(struct lua_State *L, int index, uint8_t **data, size_t *length);

/* Push a value onto a Lua stack. */
void script_value_push(struct lua_State *L, const struct value *value);

/* The module nf.value of full states: encode(x) gives the bytes that value_decode reads, decode(bytes) the value; both give
 * nil and what is wrong when that cannot be. A lua_CFunction. */
int script_value_open(struct lua_State *L);

/* Whether LuaJIT may make memory executable in this process; else new states interpret. */
extern bool script_compiles;

/* Why an app in Lua was put into quarantine, with file and line; NULL when it was not, or is no app in Lua. */
struct app;
const char *script_app_cause(const struct app *app);

/* The exit code of a worker that the watch had to end, because an `unsafe` app did not come back from a call of C; what is called
 * with the app's name before, within a signal handler (NULL: nothing). */
enum { SCRIPT_EXIT_STUCK = 98 };
extern void (*script_on_stuck)(const char *app);

/* Put an app in Lua into quarantine from outside, before its engine runs; nothing when it is none. */
void script_app_quarantine(struct app *app, const char *cause);

/* The watch over Lua apps' time, by a timer of the packet thread. Started by the engine when a graph has Lua apps. */
int script_watch_start(void) __attribute__((warn_unused_result));
void script_watch_stop(void);
/* The packet thread goes to sleep and wakes: the timer need not run meanwhile. */
void script_watch_pause(void);
void script_watch_resume(void);
