#pragma once
/* graph -- a checked configuration: which apps, which links, in which worker; plain, immutable, made before anything runs. */

struct graph_app {
	const char *name;
	const struct app_class *class;
	const struct value *params;             /* the app's table in the configuration */
	const char *const *input_names, *const *output_names;   /* its ports, NULL at the end: the class's, or for "*" those linked */
	struct app *checked;                    /* a decoded instance that never runs: for check, resources, holds, messages */
	uint64_t hash;                          /* of class name, parameters, the module's sources and the content of files that
	                                         * are only read (beyond 64 MiB: inode, size and time in place of content) */
};

struct graph_link {
	const char *name;                       /* "a.x -> b.y", canonical */
	uint32_t from, output;                  /* app number, index in its outputs */
	uint32_t to, input;                     /* app number, index in its inputs */
	bool back;                              /* closes a cycle */
};

struct graph_worker {
	const char *name;                       /* "w1", or its key in the configuration */
	int cpu;                                /* -1: anywhere */
	uint32_t app_count, link_count;
	struct graph_app *app;                  /* sorted by name */
	struct graph_link *link;                /* in the order of the configuration */
	uint32_t *order;                        /* app numbers in topological order, back links left out */
	uint32_t packets[PACKET_SIZES];         /* how many packets its segments need */
};

struct graph {
	uint32_t worker_count;
	struct graph_worker *worker;
	struct resources *resources;            /* all keys of all apps */
	struct script_module *modules;          /* the Lua modules that apps use; a list */
	const char *file, *folder;              /* the configuration, absolute; "" when made from a value */
	struct value *value;                    /* what the file returned, with the modules */
	struct arena arena;
};

/* What an evaluation may take: seconds, also of processor time, and bytes of Lua memory. 10 s and 1 GiB; tests set less. */
extern uint32_t graph_seconds;
extern uint64_t graph_bytes;

/* Evaluate a configuration file in a child process, limited in time and memory, and check everything.
 * `arguments` (NULL at the end) is what stood behind `--`: `...` and `arg` of the file.
 *   gives: a graph; NULL when there are messages in errors (all that could be found) */
struct graph *graph_load(const char *file, const char *const *arguments, struct errors *errors);

/* The same from a value that is already here (takes it, also on failure); file and folder may be "". For tests and for programs
 * that make their graph themselves. `value` is what the child sends: { config = ..., modules = ... }. */
struct graph *graph_from_value(struct value *value, const char *file, const char *folder, struct errors *errors);

/* The same from Lua source text (embedded graphs, benchmarks, tests): evaluated in a child, too. */
struct graph *graph_from_text(const char *source, const char *name, const char *const *arguments, struct errors *errors);

void graph_free(struct graph *graph);

/* The class of a Lua app that stands in no configuration: an embedded one ("lua.NAME"), or a module in `folder`. For help.
 *   gives: its module, in arena, and the value that it needs as long (to be freed); NULL when there is none of that name,
 *          or, with messages in errors, when it is a bad one */
struct script_module *graph_describe(const char *name, const char *folder, struct arena *arena, struct value **value,
	struct errors *errors);

/* What a change from one graph to another does, worker by worker. */
enum graph_verb { GRAPH_KEEP, GRAPH_RECONFIGURE, GRAPH_REPLACE, GRAPH_START, GRAPH_STOP,   /* apps */
	GRAPH_LINK_KEEP, GRAPH_LINK_ADD, GRAPH_LINK_REMOVE };

struct graph_action {
	enum graph_verb verb;
	const char *name;                       /* of the app or link */
	uint32_t old, new;                      /* numbers in the two workers; UINT32_MAX: none */
};

struct graph_diff {
	uint32_t count;
	struct graph_action *action;
};

/* The difference between two workers' graphs; old NULL: everything is started.
 * RECONFIGURE: same name and class, other parameters. REPLACE: same name, other class, or a changed Lua module. */
int graph_diff(struct graph_diff *diff, const struct graph_worker *old, const struct graph_worker *new) __attribute__((warn_unused_result));
void graph_diff_free(struct graph_diff *diff);

/* A graph of names alone, for drawing what runs: notes stand in place of the classes of apps, and behind the outputs of links.
 * A link "a.x -> b.y" whose apps are not in the worker is left out.
 *   gives: a graph that can be drawn and freed, nothing else; NULL when memory is short */
struct graph_sketch {
	uint32_t app_count, link_count;
	const char *const *app, *const *app_note, *const *link, *const *link_note;
};
struct graph *graph_sketch(const struct graph_sketch *workers, uint32_t count);

/* Draw: text for a terminal, or Graphviz's dot language. Gives a malloc'ed string, NULL when memory is short. */
char *graph_draw_text(const struct graph *graph);
char *graph_draw_dot(const struct graph *graph);
