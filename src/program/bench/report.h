#pragma once
/* report -- the figures of results, as text or as JSON. */
#include "program/bench/bench.h"

/* Print the head of the table that report_text prints. */
void report_head(void);

/* Print one line per result; ratios are of runs of the same turn. */
void report_text(const struct benchmark *benchmark, const struct bench_result *results, uint32_t count);

/* Print one object per result and line.
 *   fails: -ENOMEM with nf_error() */
int report_json(const struct benchmark *benchmark, const struct bench_result *results, uint32_t count)
	__attribute__((warn_unused_result));
