/* graph_tree -- the tree of lines that a drawing of a graph follows. See graph_draw.h. */
#include "core/graph_draw.h"

/* Branches within branches; what is behind more begins a tree of its own, so that a list stays readable and finite. */
enum { DEEPEST = 40 };

static void sort_outputs(struct graph_tree *tree)
{
	const struct graph_worker *worker = tree->worker;

	for (uint32_t i = 0; i < worker->app_count; i++)
		tree->first[i] = UINT32_MAX;
	/* Put each link before those with a higher output: lists are short. */
	for (uint32_t i = 0; i < worker->link_count; i++) {
		uint32_t *at = &tree->first[worker->link[i].from];

		while (*at != UINT32_MAX && worker->link[*at].output < worker->link[i].output)
			at = &tree->next[*at];
		tree->next[i] = *at;
		*at = i;
	}
}

bool graph_tree_make(struct graph_tree *tree, const struct graph_worker *worker)
{
	size_t apps = worker->app_count + 1;
	uint32_t *depth;

	*tree = (struct graph_tree){ .worker = worker };
	tree->column = calloc(4 * apps + worker->link_count, sizeof(*tree->column));
	if (tree->column == NULL)
		return false;
	tree->parent = tree->column + apps;
	tree->first = tree->parent + apps;
	depth = tree->first + apps;
	tree->next = depth + apps;
	sort_outputs(tree);
	for (uint32_t i = 0; i < worker->app_count; i++)
		tree->parent[i] = UINT32_MAX;
	for (uint32_t i = 0; i < worker->app_count; i++) {
		uint32_t app = worker->order[i], column = tree->column[app];

		if (column + 1 > tree->columns)
			tree->columns = column + 1;
		for (uint32_t l = tree->first[app]; l != UINT32_MAX; l = tree->next[l]) {
			const struct graph_link *link = &worker->link[l];
			uint32_t deeper = depth[app] + (tree->next[tree->first[app]] != UINT32_MAX);

			if (deeper > DEEPEST || link->back || (tree->parent[link->to] != UINT32_MAX && tree->column[link->to] > column))
				continue;
			tree->parent[link->to] = l;
			tree->column[link->to] = column + 1;
			depth[link->to] = deeper;
		}
	}
	return true;
}

void graph_tree_free(struct graph_tree *tree)
{
	free(tree->column);
	*tree = (struct graph_tree){ 0 };
}

bool graph_tree_is_line(const struct graph_tree *tree, uint32_t link)
{
	return tree->parent[tree->worker->link[link].to] == link;
}

const char *graph_output_label(const struct graph_worker *worker, const struct graph_link *link)
{
	const struct graph_app *app = &worker->app[link->from];

	return app->output_names[0] != NULL && app->output_names[1] != NULL ? app->output_names[link->output] : "";
}

const char *graph_input_label(const struct graph_worker *worker, const struct graph_link *link)
{
	const struct graph_app *app = &worker->app[link->to];

	return app->input_names[0] != NULL && app->input_names[1] != NULL ? app->input_names[link->input] : "";
}
