#pragma once
/* bare -- the yardstick of the benchmark basic: the same work as its graph, without an engine. */
#include "program/bench/bench.h"

int bare_start(const struct bench_case *c);

/* In bursts of c->argument packets. */
int bare_run(const struct bench_case *c, struct bench_sample *sample);
