#pragma once
/* graph_draw -- what the drawings of a graph share; used by graph_draw*.c only. */
#include "core/core.h"

/* A text that grows. */
struct graph_text {
	char *text;
	size_t length, size;
	bool failed;                    /* memory was short: text is NULL */
};
void graph_text_add(struct graph_text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The tree that a drawing follows: of the links that lead to an app one is drawn as a line, that from the app farthest from
 * the left; the others are drawn as references. All arrays have one element for each app, but for `next`. */
struct graph_tree {
	const struct graph_worker *worker;
	uint32_t *column;               /* how far from the left: the longest way to it */
	uint32_t *parent;               /* number of the link drawn as a line; UINT32_MAX: none */
	uint32_t *first, *next;         /* links that leave an app, by output: first[app], then next[link]; UINT32_MAX ends */
	uint32_t columns;
};
/* fails: false when memory is short; nothing is left behind */
bool graph_tree_make(struct graph_tree *tree, const struct graph_worker *worker);
void graph_tree_free(struct graph_tree *tree);
bool graph_tree_is_line(const struct graph_tree *tree, uint32_t link);

/* The same graph as a list for graphs that are too wide for a picture. */
void graph_draw_list(struct graph_text *t, const struct graph_tree *tree);

/* Labels of a link: its ports, where the app has more than one there; else "". */
const char *graph_output_label(const struct graph_worker *worker, const struct graph_link *link);
const char *graph_input_label(const struct graph_worker *worker, const struct graph_link *link);
