#pragma once
/* rig -- what the cases of several benchmarks set up. */
#include "program/bench/bench.h"

/* Give this process packet memory as worker 0: `standard` and `jumbo` packets at least (0: none of that size).
 *   fails: -errno with nf_error() */
int rig_memory(uint32_t standard, uint32_t jumbo) __attribute__((warn_unused_result));

/* Take a packet of `length` bytes that count up from 0; NULL when there is none. */
struct packet *rig_packet(uint32_t length);
