#pragma once
/* measure -- what two readings of an instance say about the time between them: rates, costs, shares, percentiles.
 * Names point into the later reading, which must live as long. */
#include "program/reading.h"

/* Rates are per second. What did not exist in the earlier reading, or began again, has the rate 0. */
struct measure_app {
	const char *name;
	uint32_t worker;                /* number, from 0 */
	uint32_t entry;                 /* its first entry in that worker */
	double packets, bits;           /* handled; bits of the frames on its inputs, or on its outputs when it has none */
	double cycles, ns;              /* per packet; 0 without packets */
	double share;                   /* of its core, 0..1 */
	double drops;
	double total, dropped, held;    /* packets so far, drops so far, packets held now */
	double lost;                    /* lost outside of nf so far */
	const char *reason;             /* for which it drops most at present; NULL: it does not drop */
	bool down;
};

struct measure_link {
	const char *name;
	uint32_t worker;
	double packets, bits, drops;
	double waiting;                 /* packets on it now, of LINK_SLOTS */
	double p50, p99;                /* how long packets stay on it, nanoseconds, sampled */
	double total, bytes, dropped;   /* so far */
};

/* A counter of an app, a reason for which it drops, or what a full link dropped. */
struct measure_count {
	const char *name;               /* of the app or link */
	uint32_t worker;
	const char *what;               /* "too-long" */
	const char *kind;               /* "dropped", "counter" */
	double rate, total;
};

struct measure_worker {
	const char *name;               /* its state: "running" */
	uint32_t worker;
	double pid;                     /* 0: not running */
	double packets, drops;          /* brought in or made; dropped by apps and links */
	double share;                   /* of its core that its apps took */
	double breaths, sleeps;
	double p50, p99, most;          /* of the breaths that moved packets, nanoseconds */
	double queued;                  /* packets on links and held */
	bool torn;                      /* it died while it published */
	bool balanced;                  /* its ledger: memory only when it is alone, as packets go from worker to worker */
};

struct measure {
	double seconds;                 /* between the readings */
	uint32_t app_count, link_count, count_count, worker_count;
	struct measure_app *app;
	struct measure_link *link;
	struct measure_count *count;    /* those that are not 0 */
	struct measure_worker *worker;
};

/* Compare two readings; `before` may be of another generation, or `now` itself.
 *   gives: 0; give it back with measure_fini
 *   fails: -ENOMEM with nf_error() */
int measure_init(struct measure *measure, const struct reading *before, const struct reading *now) __attribute__((warn_unused_result));
void measure_fini(struct measure *measure);

/* The apps that a link "a.x -> b.y" joins. In "a.x -> w2:b.y" the second is the app w2:b.y: the end of a link between workers.
 *   gives: false when the name is none of a link, or a name is longer than its room */
bool measure_link_apps(const char *link, char from[STATS_OWNER], char to[STATS_OWNER]);
