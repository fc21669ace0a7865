#pragma once
/* stats -- how `nf stats` shows a reading. `before` is an earlier one, for rates; the same one when there is no other. */
#include "program/reading.h"

/* Print as text, or as one JSON object on a line; all workers, or only number `worker` (UINT32_MAX: all). */
void stats_print_text(const struct reading *before, const struct reading *now, uint32_t worker);
void stats_print_json(const struct reading *before, const struct reading *now, uint32_t worker);

/* The JSON object as malloc'ed text; NULL when a name is no UTF-8, or memory is short. */
char *stats_json(const struct reading *before, const struct reading *now, uint32_t worker);

/* "new", "running", "draining", "ended", by enum engine_state. */
extern const char *const stats_state_names[];
