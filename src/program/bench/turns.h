#pragma once
/* turns -- runs the cases of a benchmark, each in its own process, in turns. */
#include "program/bench/bench.h"

/* Start all cases, warm each up, run each `runs` times for about `seconds`, in turns.
 *   gives: 0, *count results in the order of the cases
 *   fails: -errno with nf_error(): a case could not be set up, failed or died; no process is left behind */
int turns_run(const struct benchmark *benchmark, uint32_t runs, double seconds, struct bench_result *results,
	uint32_t *count) __attribute__((warn_unused_result));
