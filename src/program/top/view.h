#pragma once
/* view -- what nf top shows of a measure: a table of apps, links, drops and counters, or workers, sorted and as wide as the
 * terminal. Screen and text show the same lines. */
#include "program/measure.h"

enum view_kind { VIEW_APPS, VIEW_LINKS, VIEW_DROPS, VIEW_WORKERS, VIEW_KINDS };
extern const char *const view_names[];          /* "apps", ..., NULL */

enum { VIEW_NARROW = 40, VIEW_WIDE = 512 };     /* characters that a line has at least; at most */

struct view {
	enum view_kind kind;
	uint32_t sort[VIEW_KINDS];      /* per kind: the column, from 1; 0: in the order of the configuration */
	bool reverse[VIEW_KINDS];       /* the least first; names: Z first */
};

/* Columns of the present kind, and the title of one, from 1. */
uint32_t view_columns(const struct view *view);
const char *view_title(const struct view *view, uint32_t column);

/* Sort by the next column (step 1) or the one before (-1), round and round. */
void view_sort_next(struct view *view, int step);
/* Sort by the column of that title, in letters of any size; gives false when there is none. */
bool view_sort_by(struct view *view, const char *title);

/* Rows, and their text: titles first, then a line per row, each at most `width` characters, without blanks at its end.
 *   gives: malloc'ed lines with NULL at the end, *count of them; view_free
 *   fails: NULL when memory is short */
char **view_lines(const struct view *view, const struct measure *measure, uint32_t width, uint32_t *count);
void view_free(char **lines);

/* "worker 1 running  14.9 M packets/s  core 83 %  breath 2 us, 99 % 5 us, max 12 us": half of the breaths took less than the first.
 *   gives: text */
const char *view_worker(const struct measure_worker *worker, char *text, size_t size);
