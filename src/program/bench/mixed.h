#pragma once
/* mixed -- a table of mixed frames, as filters see them: IPv4 and IPv6, TCP, UDP, ICMP, ARP, tags; the same in each run. */
#include "program/bench/bench.h"

enum { MIXED_FRAMES = 1024, MIXED_BYTES = 128 };

struct mixed_frame {
	uint32_t length;
	uint8_t data[MIXED_BYTES];
};

extern struct mixed_frame mixed_frame[MIXED_FRAMES];

/* Fill the table. */
void mixed_init(void);

/* Fill the table and write it as a capture into memory, which `mixed_path` names in this process and its children.
 *   fails: -errno with nf_error(); undo: mixed_close */
int mixed_open(void) __attribute__((warn_unused_result));
void mixed_close(void);
extern char mixed_path[64];

/* Make this process run a graph in which an app `repeater` sends the frames again and again, and an app `sink` swallows packets.
 *   between: Lua that makes what is between them: adds to `apps`, calls link(TEXT)
 *   fails: -errno with nf_error() */
int mixed_graph(const char *between) __attribute__((warn_unused_result));

/* A case of the name "graph": nothing between. The run of all cases whose names begin with "graph". */
int mixed_without(const struct bench_case *c);
int mixed_run(const struct bench_case *c, struct bench_sample *sample);

/* For benchmark->derive: what each case "graph-X" costs more than "graph", as "app-X". */
uint32_t mixed_derive(const struct bench_result *results, uint32_t count, struct bench_result *derived, uint32_t room);
