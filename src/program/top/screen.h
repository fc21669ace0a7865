#pragma once
/* screen -- nf top in a terminal: the tables of view.h, keys, and the hour that history.h remembers. */
#include "program/top/history.h"
#include "program/top/view.h"

/* Show the instance `name` until the user has enough; a reading each interval.
 *   gives: 0; fails: -errno with nf_error() and the terminal as it was */
int screen_run(const char *name, struct view *view, uint64_t interval_ns) __attribute__((warn_unused_result));
