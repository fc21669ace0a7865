/* graph_draw_list -- a graph as an indented list, for those too wide for a picture:
 *
 *     source  basic.source
 *     tee  basic.tee
 *     ├─ a ─▶ left  basic.sink
 *     └─ b ─▶ right  basic.sink
 *
 * An app with one output stands above the one it leads to. See graph_draw.h. */
#include "core/graph_draw.h"

static bool has_next(const struct graph_tree *tree, uint32_t link)
{
	return tree->next[link] != UINT32_MAX;
}

static void list_app(struct graph_text *t, const struct graph_tree *tree, uint32_t app, const char *indent);

/* What a link leads to: the app and all behind it, or a reference. */
static void list_link(struct graph_text *t, const struct graph_tree *tree, uint32_t number, const char *indent)
{
	const struct graph_worker *worker = tree->worker;
	const struct graph_link *link = &worker->link[number];
	const char *input = graph_input_label(worker, link);

	if (!graph_tree_is_line(tree, number))
		graph_text_add(t, "%s.%s%s\n", worker->app[link->to].name, worker->app[link->to].input_names[link->input],
			link->back ? " (back)" : "");
	else if (*input != '\0')
		graph_text_add(t, "(%s) ", input);
	if (graph_tree_is_line(tree, number))
		list_app(t, tree, link->to, indent);
}

/* The line of an app, which stands behind what is there of it, and all that it leads to below. A chain of single links is
 * followed in a loop: chains may be long. */
static void list_app(struct graph_text *t, const struct graph_tree *tree, uint32_t app, const char *indent)
{
	const struct graph_worker *worker = tree->worker;
	uint32_t link;

	for (;;) {
		graph_text_add(t, "%s  %s\n", worker->app[app].name, worker->app[app].class->name);
		link = tree->first[app];
		if (link == UINT32_MAX || has_next(tree, link) || !graph_tree_is_line(tree, link))
			break;
		app = worker->link[link].to;
		graph_text_add(t, "%s", indent);
		if (graph_input_label(worker, &worker->link[link])[0] != '\0')
			graph_text_add(t, "(%s) ", graph_input_label(worker, &worker->link[link]));
	}
	for (; link != UINT32_MAX && !t->failed; link = tree->next[link]) {
		const char *output = graph_output_label(worker, &worker->link[link]);
		char *deeper = NULL;

		graph_text_add(t, "%s%s", indent, has_next(tree, link) ? "├─" : "└─");
		graph_text_add(t, *output != '\0' ? " %s ─▶ " : "%s─▶ ", output);
		if (asprintf(&deeper, "%s%s   ", indent, has_next(tree, link) ? "│" : " ") < 0) {
			t->failed = true;
			return;
		}
		list_link(t, tree, link, deeper);
		free(deeper);
	}
}

void graph_draw_list(struct graph_text *t, const struct graph_tree *tree)
{
	for (uint32_t i = 0; i < tree->worker->app_count && !t->failed; i++)
		if (tree->parent[tree->worker->order[i]] == UINT32_MAX)
			list_app(t, tree, tree->worker->order[i], "");
}
