/* graph_sketch -- a graph made of names alone, for drawings of what runs. See graph.h. */
#include "core/graph_build.h"

/* One side of a link, "app.port" of `length` bytes; the end of a link between workers is an app "w2:app.port" without a port. gives: the number of the app, UINT32_MAX when it is none of the worker */
static uint32_t find_end(const struct graph_worker *worker, const char *end, size_t length, const char **port)
{
	const char *dot = memchr(end, ':', length) != NULL ? end + length : memrchr(end, '.', length);

	for (uint32_t i = 0; dot != NULL && i < worker->app_count; i++) {
		const char *name = worker->app[i].name;

		*port = dot < end + length ? dot + 1 : "";
		if (strlen(name) == (size_t)(dot - end) && memcmp(name, end, strlen(name)) == 0)
			return i;
	}
	return UINT32_MAX;
}

/* Add a port to a list that has room for it; gives its place. */
static uint32_t add_port(const char *const *names, const char *name)
{
	const char **list = (const char **)(uintptr_t)names;
	uint32_t n = 0;

	while (list[n] != NULL)
		n++;
	list[n] = name;
	return n;
}

/* Room for the ports of an app: as many as there are links with it. */
static const char *const *port_room(struct arena *arena, uint32_t links)
{
	return arena_alloc(arena, (links + 1) * sizeof(const char *));
}

static void add_link(struct graph_worker *worker, const char *name, const char *note, uint32_t *const count[2], struct arena *arena)
{
	const char *arrow = strstr(name, " -> "), *output = NULL, *input = NULL;
	uint32_t from = UINT32_MAX, to = UINT32_MAX;
	struct graph_link *link = &worker->link[worker->link_count];
	char label[128];

	if (arrow != NULL) {
		from = find_end(worker, name, (size_t)(arrow - name), &output);
		to = find_end(worker, arrow + 4, strlen(arrow + 4), &input);
	}
	if (from == UINT32_MAX || to == UINT32_MAX)
		return;
	if (count != NULL) {
		count[0][from]++;
		count[1][to]++;
		return;
	}
	snprintf(label, sizeof(label), "%.*s%s%s", (int)(arrow - output), output, *note != '\0' ? " " : "", note);
	*link = (struct graph_link){ .name = arena_copy(arena, name, strlen(name)), .from = from, .to = to };
	link->output = add_port(worker->app[from].output_names, arena_copy(arena, label, strlen(label)));
	link->input = add_port(worker->app[to].input_names, arena_copy(arena, input, strlen(input)));
	worker->link_count++;
}

static void sketch_worker(struct graph_worker *worker, const struct graph_sketch *sketch, struct arena *arena)
{
	uint32_t *count[2] = { arena_alloc(arena, (sketch->app_count + 1) * sizeof(**count)),
		arena_alloc(arena, (sketch->app_count + 1) * sizeof(**count)) };

	worker->app_count = sketch->app_count;
	worker->app = arena_alloc(arena, (sketch->app_count + 1) * sizeof(*worker->app));
	worker->link = arena_alloc(arena, (sketch->link_count + 1) * sizeof(*worker->link));
	for (uint32_t i = 0; i < sketch->app_count; i++) {
		struct app_class *class = arena_alloc(arena, sizeof(*class));

		class->name = arena_copy(arena, sketch->app_note[i], strlen(sketch->app_note[i]));
		worker->app[i].class = class;
		worker->app[i].name = arena_copy(arena, sketch->app[i], strlen(sketch->app[i]));
	}
	for (uint32_t i = 0; i < sketch->link_count; i++)
		add_link(worker, sketch->link[i], sketch->link_note[i], count, arena);
	for (uint32_t i = 0; i < sketch->app_count; i++) {
		worker->app[i].output_names = port_room(arena, count[0][i]);
		worker->app[i].input_names = port_room(arena, count[1][i]);
	}
	for (uint32_t i = 0; i < sketch->link_count; i++)
		add_link(worker, sketch->link[i], sketch->link_note[i], NULL, arena);
	graph_order(worker, arena);
}

struct graph *graph_sketch(const struct graph_sketch *sketch, uint32_t count)
{
	struct graph *graph = calloc(1, sizeof(*graph));

	if (graph == NULL)
		return NULL;
	graph->file = graph->folder = "";
	graph->resources = arena_alloc(&graph->arena, sizeof(*graph->resources));
	graph->worker_count = count;
	graph->worker = arena_alloc(&graph->arena, (count + 1) * sizeof(*graph->worker));
	for (uint32_t w = 0; w < count; w++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", w + 1);
		graph->worker[w].name = arena_copy(&graph->arena, name, strlen(name));
		graph->worker[w].cpu = -1;
		sketch_worker(&graph->worker[w], &sketch[w], &graph->arena);
	}
	return graph;
}
