#pragma once
/* reading -- one look at an instance of nf: all numbers of all its workers, and what programs make of them. */
#include "core/core.h"

struct reading_worker {
	uint32_t count;                 /* entries */
	struct stats_entry *entry;      /* what each value is: a copy, as a worker may write to the file */
	uint64_t *value;                /* count values, and a zero behind them */
	uint64_t snapshot_ns;           /* when, CLOCK_MONOTONIC of the worker */
	bool torn;                      /* the worker died in the middle of a snapshot */
	enum engine_state state;
};

struct reading {
	char name[INSTANCE_NAME + 1];
	uint64_t time_ns;               /* when, wall clock */
	bool runs;                      /* its supervisor lives; else these are the last numbers of one that was killed */
	struct stats *stats;
	struct stats_header header;     /* a copy, too */
	uint32_t workers;
	struct reading_worker worker[MEMORY_WORKERS];
};

/* Look at the instance of a name.
 *   gives: 0; give it back with reading_fini
 *   fails: -ENOENT: there is none; others: -errno; with nf_error() */
int reading_init(struct reading *reading, const char *name) __attribute__((warn_unused_result));
void reading_fini(struct reading *reading);

/* The place of an entry in a worker; that of the zero behind the values when there is none. */
uint32_t reading_find(const struct reading_worker *worker, enum stats_kind kind, uint32_t owner_number, const char *name);

/* Is entry i the first of an app, or of a link? */
bool reading_is_first(const struct reading_worker *worker, uint32_t i, enum stats_kind kind);

/* How far entry i of a worker went on from `before` to `now`, per second; 0 when nothing can be said. */
double reading_rate(const struct reading *before, const struct reading *now, uint32_t worker, uint32_t i);

/* Packets that all apps together brought in or made, per second. */
double reading_packet_rate(const struct reading *before, const struct reading *now);

/* The ledger of a worker, as its engine published it. */
void reading_ledger(const struct reading *reading, uint32_t worker, struct ledger *ledger);

/* The histogram of breaths: the duration below which `share` of them lie. */
uint64_t reading_breath(const struct reading *reading, uint32_t worker, double share);
