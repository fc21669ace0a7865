/* graph_draw_dot -- a graph in Graphviz's dot language. See graph.h. */
#include "core/graph_draw.h"

/* One worker: a cluster when there are several. Names hold only letters, digits, _ and -. */
static void add_worker(struct graph_text *t, const struct graph *graph, uint32_t number)
{
	const struct graph_worker *worker = &graph->worker[number];
	bool cluster = graph->worker_count > 1;

	if (cluster)
		graph_text_add(t, "\tsubgraph cluster_%u {\n\tlabel=\"%s\";\n", number, worker->name);
	for (uint32_t i = 0; i < worker->app_count; i++) {
		const struct graph_app *app = &worker->app[i];

		graph_text_add(t, "\t\"%s:%s\" [label=\"%s\\n%s\"];\n", worker->name, app->name, app->name, app->class->name);
	}
	for (uint32_t i = 0; i < worker->link_count; i++) {
		const struct graph_link *link = &worker->link[i];

		graph_text_add(t, "\t\"%s:%s\" -> \"%s:%s\" [taillabel=\"%s\", headlabel=\"%s\"%s];\n", worker->name,
			worker->app[link->from].name, worker->name, worker->app[link->to].name, graph_output_label(worker, link),
			graph_input_label(worker, link), link->back ? ", style=dashed, constraint=false" : "");
	}
	if (cluster)
		graph_text_add(t, "\t}\n");
}

char *graph_draw_dot(const struct graph *graph)
{
	struct graph_text t = { 0 };

	graph_text_add(&t, "digraph nf {\n\trankdir=LR;\n\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
		"\tedge [fontname=\"sans-serif\", fontsize=10];\n");
	for (uint32_t w = 0; w < graph->worker_count; w++)
		add_worker(&t, graph, w);
	graph_text_add(&t, "}\n");
	if (t.failed) {
		free(t.text);
		return NULL;
	}
	return t.text;
}
