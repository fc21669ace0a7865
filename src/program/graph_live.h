#pragma once
/* graph_live -- the graph of a running instance, with its rates, as something that can be drawn. */
#include "core/core.h"

/* Is there an instance of this name, running or killed? */
bool graph_live_exists(const char *name);

/* Look at an instance twice, that far apart. gives: a graph for drawing alone; fails: NULL with nf_error() */
struct graph *graph_live(const char *name, uint64_t interval_ns);
