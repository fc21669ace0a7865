#pragma once
/* rig -- what the cases of several benchmarks set up. */
#include "program/bench/bench.h"

/* Give this process packet memory as worker 0: at least so many packets of each size.
 *   fails: -errno with nf_error() */
int rig_memory(const uint32_t packets[PACKET_SIZES]) __attribute__((warn_unused_result));

/* Take a packet of `length` bytes that count up from 0; NULL when there is none. */
struct packet *rig_packet(uint32_t length);

/* Make this process run a graph, given as the Lua source of a configuration, and give it the packet memory that it asks for.
 * Once per process.
 *   fails: -errno with nf_error() */
int rig_graph(const char *source) __attribute__((warn_unused_result));

/* A new engine for the graph; the one there was is ended.
 *   fails: -errno with nf_error() */
int rig_engine_new(void) __attribute__((warn_unused_result));

/* End the engine as a clean stop does: links are drained, files written. fails: -errno with nf_error() */
int rig_engine_end(void) __attribute__((warn_unused_result));

/* The engine of the graph. */
struct engine *rig_engine(void);

/* Breathe until app `sink` has consumed or sent *packets more; then *packets is how many it did.
 *   fails: -EPIPE with nf_error(): for a whole second nothing reached it */
int rig_breathe(const char *sink, uint64_t *packets) __attribute__((warn_unused_result));
