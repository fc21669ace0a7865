#pragma once
/* bench -- what a benchmark is: a table of cases. Each case lives in a process of its own, so that none inherits another's
 * memory, timers or Lua states; the cases of one benchmark take turns, so that what disturbs the machine disturbs all of
 * them. */
#include "program/program.h"

enum {
	BENCH_EXTRAS = 4,               /* further figures that a benchmark may report, at most */
	BENCH_RUNS = 1000,              /* runs of a case, at most */
	BENCH_CASES = 64,               /* cases of a benchmark, at most */
	BENCH_SKIP = 1                  /* it cannot run here */
};

/* One run of a case. */
struct bench_sample {
	uint64_t packets;               /* wanted, then moved */
	uint64_t ns, cycles;            /* measured around the run, unless the run sets them */
	uint64_t elapsed_ns;            /* measured around the run, always */
	double extra[BENCH_EXTRAS];     /* in the order of benchmark->extras */
};

struct bench_case {
	const char *name;
	/* The case that this one is compared with; with '-' at the end the best of those that begin so. NULL: none. */
	const char *against;
	uint32_t argument, second;      /* for the case: a size, a burst, a number of apps */
	/* Set up, in the case's process, before the first run. Fails: -errno with nf_error(). NULL: nothing to set up. */
	int (*start)(const struct bench_case *c);
	/* Move at least sample->packets packets and say how many there were. The process's memory is as the last run left it.
	 *   fails: -errno with nf_error() */
	int (*run)(const struct bench_case *c, struct bench_sample *sample);
	uint64_t most;                  /* packets per run, at most; 0: no limit */
	bool whole;                     /* a run is one piece: it starts threads or files, or has figures of its own */
};

/* The runs of a case, per packet. */
struct bench_result {
	char name[64];
	const char *against;
	uint32_t runs;
	double mpps[BENCH_RUNS], ns[BENCH_RUNS], cycles[BENCH_RUNS], extra[BENCH_EXTRAS][BENCH_RUNS];
};

struct benchmark {
	const char *name, *help;
	const struct bench_case *cases;         /* name NULL at the end */
	const char *const *extras;              /* names of further figures, NULL at the end; NULL: none */
	double seconds;                         /* of one run, unless --seconds says otherwise; 0: the usual */
	uint32_t runs;                          /* of a case, unless --runs says otherwise; 0: the usual */
	/* Before the first case starts: files that the cases share; NULL: nothing. gives: 0, or BENCH_SKIP with the reason in nf_error() */
	int (*prepare)(void);
	void (*finish)(void);                   /* undoes prepare */
	/* Results that follow from those of the cases: fills at most `room` and gives how many. NULL: none. */
	uint32_t (*derive)(const struct bench_result *results, uint32_t count, struct bench_result *derived, uint32_t room);
};
