#pragma once
/* run -- what `nf run` does, for all programs that run a graph. */
#include "program/options.h"

/* Run the graph of a file with all options of `nf run`, until it ends, and print what it did.
 * make: makes the graph, at the start and for a reload without a file (messages go to errors, then it gives NULL); NULL: `file` is a
 * configuration of nf. Without --name, the instance has the name of `file`.
 *   needs: the program has all options of `nf run`
 *   gives: the exit code */
int run_graph(const struct options *options, const char *file, struct graph *(*make)(void *context, struct errors *errors), void *context);
