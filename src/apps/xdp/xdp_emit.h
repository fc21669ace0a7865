#pragma once
/* xdp_emit -- the XDP program of an interface: what a filter accepts goes to the socket of its queue, all else to the kernel. */
#include "core/core.h"
#include "lib/lib.h"

struct bpf_insn;

/* Write the program. filter: NULL: every frame. map: descriptor of the XSKMAP, whose keys are queues.
 *   gives: the number of instructions in *program, which is malloc'ed
 *   fails: -EINVAL, -ENOMEM with nf_error(): the filter is too long to be jumped over */
int xdp_emit(const struct bpf_ops *filter, int map, struct bpf_insn **program) __attribute__((warn_unused_result));
