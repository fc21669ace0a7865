#pragma once
/* engine -- runs a worker's graph: breath after breath in one packet thread.
 *
 *      update the clock -> pull every input -> push every app once, in topological order -> tick each millisecond
 *
 * A new graph is prepared by the house-keeping thread (engine_plan), committed by the packet thread between two breaths, and
 * the old parts are retired by the house-keeping thread. */

enum engine_idle { ENGINE_BUSY, ENGINE_ADAPTIVE, ENGINE_WAIT };
extern const char *const engine_idle_names[];           /* "busy", "adaptive", "wait", NULL */

enum engine_state { ENGINE_NEW, ENGINE_RUNNING, ENGINE_DRAINING, ENGINE_ENDED };

struct engine;
struct engine_plan;

struct engine *engine_new(void);
void engine_free(struct engine *engine);                /* needs: not running; retires what there is */

void engine_set_idle(struct engine *engine, enum engine_idle idle);
void engine_set_duration(struct engine *engine, uint64_t ns);   /* drains after that time on its clock; 0: none */
/* Where to publish; NULL: nowhere. The entries are those of the worker `worker` of the stats file. */
void engine_set_stats(struct engine *engine, struct stats *stats, uint32_t worker);

/* Before the first run, when a worker of this number has died: go on from the totals of its last snapshot, and count what it had in
 * hand as dropped by the crash. */
void engine_restore(struct engine *engine);

/* Prepare the step from the present graph to `worker` (which must live as long as it runs). House-keeping thread.
 *   gives: 0 and a plan; fails: -errno with nf_error(), nothing changed, everything prepared was aborted */
int engine_plan(struct engine *engine, const struct graph_worker *worker, struct engine_plan **plan) __attribute__((warn_unused_result));
/* From here to engine_let_go, the preparation of a reload and its commit, the engine does not come to its end by itself, whatever
 * its graph comes to: the new one may have something to do. House-keeping thread.
 *   fails: -ECANCELED with nf_error(): it has ended, or is about to */
int engine_hold(struct engine *engine) __attribute__((warn_unused_result));
void engine_let_go(struct engine *engine);
/* Commit a plan: at once when the engine does not run, else the packet thread does it before its next breath and this call
 * returns afterwards, when the new apps have settled. Cannot fail. Then free what was replaced with engine_retire. */
void engine_commit(struct engine *engine, struct engine_plan *plan);
/* What the commit brings with it: the statistics of the new generation (the engine's worker number stays), more packets
 * (taken over; NULL: none). Before engine_commit. */
void engine_plan_carry(struct engine_plan *plan, struct stats *stats, struct memory_growth *growth);
/* What the commit did; between engine_commit and engine_retire. */
struct engine_receipt {
	uint64_t pause_ns;              /* for so long the packet thread was busy with it */
	uint64_t slice_ns;              /* the longest of the pauses that settling took afterwards; 0: none */
	uint32_t moved, dropped;        /* packets of links that went, now on other links; packets lost, for any reason */
};
struct engine_receipt engine_receipt(const struct engine_plan *plan);
void engine_retire(struct engine *engine, struct engine_plan *plan);
void engine_abort(struct engine *engine, struct engine_plan *plan);

/* Have the packet thread copy what passes on the link of a name into a probe, which is the engine's until it is removed.
 * House-keeping thread. fails: -ENOENT with nf_error(): no such link; the probe stays the caller's */
int engine_probe_add(struct engine *engine, struct probe *probe, const char *link) __attribute__((warn_unused_result));
/* Take a probe out again; gives it back to the caller, NULL when there is none of that number. */
struct probe *engine_probe_remove(struct engine *engine, uint32_t number);

/* Work on what the packet thread uses that takes longer than its packets may wait: `slice` does a part of it, bounded in time, and
 * gives false when all is done. It is called there, once after each breath; meanwhile the packet thread does not sleep. */
struct engine_slices {
	bool (*slice)(void *context);
	void *context;
	/* How it went: calls, the time that all of them and the longest one took, and the longest one's own processor time. */
	uint64_t count, total_ns, longest_ns, longest_busy_ns;
};
/* House-keeping thread. Returns when all is done; at once, in this thread, when the engine does not run. */
void engine_slices(struct engine *engine, struct engine_slices *slices);

/* Run in this thread until all inputs have ended and all links are empty, the duration is over, or engine_stop.
 * At the end links are drained, and apps are told to stop.
 *   gives: 0, or -errno with nf_error() */
int engine_run(struct engine *engine);

/* One breath, for tests and benchmarks. gives: packets that moved */
uint64_t engine_breathe(struct engine *engine);

/* Ask a running engine to drain and end; any thread, signal-safe. A second call ends it without draining. */
void engine_stop(struct engine *engine);

enum engine_state engine_state(const struct engine *engine);
uint64_t engine_breaths(const struct engine *engine);   /* total; the watchdog's heartbeat */

/* Apps and links by number and name, for tests and programs. */
uint32_t engine_app_count(const struct engine *engine);
struct app *engine_app(const struct engine *engine, uint32_t number);
struct app *engine_app_find(const struct engine *engine, const char *name);
uint32_t engine_link_count(const struct engine *engine);
struct link *engine_link(const struct engine *engine, uint32_t number);

/* ledger -- both equations at a breath boundary. Packet thread, or the engine does not run.
 *   memory: taken - returned = on_links + held + posted + between   (the right side is walked; of several workers only the sum
 *           holds)
 *   flow:   received + created = sent + consumed + dropped + on_links + held */
struct ledger {
	uint64_t taken, returned;       /* packet buffers of this worker */
	uint64_t on_links, held;        /* walked */
	uint64_t posted;                /* walked: empty, with devices that receive into them */
	uint64_t between;               /* walked: in the interlinks to this worker, on the way home from it or to it */
	uint64_t received, created, sent, consumed;
	uint64_t dropped;               /* all reasons of all apps, and full links */
	uint64_t lost_outside;          /* not in the equations: missed by cards and the kernel */
};
void engine_ledger(const struct engine *engine, struct ledger *ledger);
/* Add one worker's to a sum. */
void ledger_add(struct ledger *sum, const struct ledger *one);
/* Does each equation hold? */
bool ledger_memory_balances(const struct ledger *ledger);
bool ledger_flow_balances(const struct ledger *ledger);
/* True when both equations hold; else a sentence per broken equation in text. */
bool ledger_balances(const struct ledger *ledger, char *text, size_t size);
