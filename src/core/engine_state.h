#pragma once
/* engine_state -- the inside of an engine, for the engine_*.c files alone. */
#include "core/core.h"

#include <semaphore.h>

/* One call of a breath: an app's push, with what decides whether it is needed. */
struct engine_step {
	struct app *app;
	struct link **input;
	uint32_t input_count;
	bool always;                    /* called without waiting packets, too: the class has wake_at */
};

/* How long packets stay on a link, in samples; lies behind the link. */
struct engine_residence {
	uint64_t total, cycles;                 /* the marked packet's number, and when it was sent */
	bool is_marked;
	uint32_t turns;
	uint64_t p50_ns, p99_ns;                /* of bucket[], a tenth of a second old at most */
	uint64_t bucket[STATS_BUCKETS];         /* what was counted some seconds ago counts half */
};

/* A link of an engine. */
struct engine_link {
	struct link link;
	struct engine_residence residence;
};

/* Everything that depends on the graph; a reload makes a new one and swaps the pointer. */
struct engine_wiring {
	const struct graph_worker *graph;       /* NULL: the empty graph of a new engine */
	uint32_t app_count, link_count;
	struct app **app;                       /* by number */
	struct link **link;                     /* by number */
	struct link ***input, ***output;        /* per app: its new arrays of links, owned */
	uint32_t step_count, pull_count, tick_count;
	struct engine_step *step;               /* in the order of the calls: topological, then what back links carry */
	bool *returns;                          /* per app: it is called twice in a breath */
	struct app **pull, **tick;
	uint32_t *held;                         /* per app: packets held when the ledger was taken last */
	bool *over;                             /* per app: nothing will come to it any more; used while idle */
	bool has_overs;                         /* an app wants to know */
	bool has_scripts;
};

/* A probe that comes or goes. */
struct engine_probe_change {
	struct probe *add;                      /* NULL: one goes */
	const char *link;
	uint32_t remove;                        /* its number */
	struct probe *done;                     /* what was added or removed; NULL: nothing */
};

struct engine {
	struct engine_wiring *wiring;
	enum engine_idle idle;
	uint64_t duration_ns, end_ns;           /* end_ns: CLOCK_NEVER without a duration */
	int state;                              /* enum engine_state */
	volatile int stops;                     /* how often engine_stop was called */
	struct engine_plan *pending;            /* to be committed before the next breath; atomic */
	bool held, ends;                        /* a reload is prepared; the packet thread has seen that all is over: atomic */
	sem_t committed;
	struct engine_probe_change *probe_change;       /* to be made before the next breath; atomic */
	sem_t probed;
	struct engine_slices *slices;           /* one of them is to be run before the next breath; atomic */
	sem_t sliced;
	uint32_t probe_count, tracing;          /* all of them; those that are traces */
	struct probe *probe[PROBE_MOST];
	int wake_fd;                            /* wakes an engine that waits */
	int epoll_fd;
	bool armed;                             /* epoll_fd has the descriptors of the present wiring */
	uint64_t breaths, sleeps;
	uint64_t breath_ns[STATS_BUCKETS];      /* histogram of breaths that moved something */
	uint64_t breath_start;                  /* clock_cycles() when the last breath began */
	uint64_t breath_moved;                  /* what it moved */
	uint64_t next_tick_ns, next_ledger_ns, next_adjust_ns;
	uint32_t marked;                        /* links with a marked packet */
	uint32_t turn;                          /* ticks, for engine_residence_tick */
	uint64_t rested_ns;                     /* clock_now() when the last rest had ended */
	uint64_t idle_ns;                       /* the last sleep of the adaptive policy */
	struct ledger retired;                  /* flow totals of apps and links that are gone */
	struct ledger published;                /* the ledger of the last statistics */
	struct stats *stats;
	struct stats_block *block;              /* of the statistics; NULL: none */
	uint32_t worker;
};

/* Wiring that is prepared, and after the commit the old one. */
struct engine_plan {
	struct engine_wiring *wiring;           /* before the commit: the new one; afterwards: the old one */
	struct graph_diff diff;
	bool *fresh;                            /* per new app: made by this plan */
	struct app **predecessor;               /* per new app: the old instance that it replaces or continues, or NULL */
	bool *continues;                        /* per new app: same class as its predecessor, takes over state and totals */
	bool *leaves;                           /* per old app: not in the new graph */
	bool *link_leaves;                      /* per old link */
	bool *link_fresh;                       /* per new link */
	uint64_t until_ns;                      /* clock_system_ns() at which it is committed though other workers still send */
	struct engine_receipt receipt;
	struct stats *stats;                    /* NULL: as before */
	struct memory_growth *growth;           /* NULL: none */
};

/* engine.c */
uint64_t engine_push(struct engine *engine);            /* let every app move on what waits, once, outside of a breath: how many */

/* engine_wiring.c */
void *engine_zeroed(uint64_t count, size_t bytes);      /* never of size 0 */
struct engine_wiring *engine_wiring_new(const struct graph_worker *graph);      /* empty arrays; NULL: no memory */
int engine_wiring_connect(struct engine_wiring *wiring);        /* the arrays of links of each app; -ENOMEM */
void engine_wiring_schedule(struct engine_wiring *wiring);      /* who is pulled, pushed, ticked, in which order */
void engine_wiring_free(struct engine_wiring *wiring);          /* with apps and links */
void engine_wiring_free_arrays(struct engine_wiring *wiring);   /* without */

/* engine_plan.c */
void engine_plan_free(struct engine_plan *plan);

/* engine_commit.c */
void engine_commit_pending(struct engine *engine);

/* engine_slice.c */
void engine_slice(struct engine *engine);               /* run the slice that is due */

/* engine_probe.c */
void engine_probe_apply(struct engine *engine);         /* make the change that waits */
void engine_probe_begin(struct engine *engine);         /* a breath begins */
void engine_probe_call(struct engine *engine, const struct app *app);   /* an app is about to be called */
void engine_probe_sent(struct engine *engine, const struct app *app);   /* an app has been called: serve the probes behind it */
void engine_probe_rewire(struct engine *engine);        /* the wiring has changed */
void engine_probe_fini(struct engine *engine);

/* engine_trace.c */
void engine_trace_begin(struct engine *engine, struct probe *probe, bool busy);
void engine_trace_before(struct probe *probe, const struct app *app);
void engine_trace_after(struct probe *probe, const struct app *app);

/* engine_residence.c */
struct engine_residence *engine_residence(struct link *link);
void engine_residence_called(struct engine *engine, const struct app *app, uint64_t now);       /* a timed call has returned */
void engine_residence_look(struct engine *engine);      /* at a breath's end, while packets are marked */
void engine_residence_leaves(struct engine *engine, struct link *link);         /* the link goes */
void engine_residence_tick(struct engine *engine);

/* engine_idle.c: nothing moved. Sleep as the policy says, or advance a virtual clock.
 *   gives: false when nothing will ever move again: all inputs have ended, all links are empty */
bool engine_rest(struct engine *engine);
bool engine_is_drained(const struct engine *engine);
bool engine_is_quiet(const struct engine *engine);       /* drained, but for what other workers may still send */
int engine_arm(struct engine *engine);          /* put the descriptors of the present wiring into epoll */

/* engine_ledger.c */
/* Keep the totals of an app or link that is not in the graph any more (either may be NULL). */
void engine_retire_flow(struct engine *engine, const struct app *app, const struct link *link);
void engine_publish(struct engine *engine);     /* a snapshot of everything; the ledger every 100 ms or when forced */
