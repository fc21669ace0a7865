#pragma once
/* result -- the runs of a case. */
#include "program/bench/bench.h"

/* Put the figures of a sample, per packet, into a result as its next run. */
void result_add(struct bench_result *result, const struct bench_sample *sample);

/* Add a run of which only the cost is known: ns and cycles per packet. */
void result_add_cost(struct bench_result *result, double ns, double cycles);

/* The median of up to BENCH_RUNS values; 0 without any. */
double result_median(const double *values, uint32_t n);
