/* engine_wiring -- everything of an engine that depends on the graph: arrays of apps and links, and the order of a breath. */
#include "core/engine_state.h"

void *engine_zeroed(uint64_t count, size_t bytes)
{
	return calloc(count > 0 ? count : 1, bytes);
}

/* Free a wiring's arrays, and nothing that they point to. */
void engine_wiring_free_arrays(struct engine_wiring *wiring)
{
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		if (wiring->input != NULL)
			free(wiring->input[i]);
		if (wiring->output != NULL)
			free(wiring->output[i]);
	}
	free(wiring->app);
	free(wiring->link);
	free(wiring->input);
	free(wiring->output);
	free(wiring->step);
	free(wiring->returns);
	free(wiring->pull);
	free(wiring->tick);
	free(wiring->held);
	free(wiring->over);
	free(wiring);
}

void engine_wiring_free(struct engine_wiring *wiring)
{
	if (wiring == NULL)
		return;
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		struct app *app = wiring->app[i];

		if (app->class->retire != NULL)
			app->class->retire(app);
		app_delete(app);
	}
	for (uint32_t i = 0; i < wiring->link_count; i++)
		free(wiring->link[i]);
	engine_wiring_free_arrays(wiring);
}

struct engine_wiring *engine_wiring_new(const struct graph_worker *graph)
{
	struct engine_wiring *wiring = calloc(1, sizeof(*wiring));

	if (wiring == NULL)
		return NULL;
	wiring->graph = graph;
	wiring->app_count = graph->app_count;
	wiring->link_count = graph->link_count;
	wiring->app = engine_zeroed(graph->app_count, sizeof(*wiring->app));
	wiring->link = engine_zeroed(graph->link_count, sizeof(*wiring->link));
	wiring->input = engine_zeroed(graph->app_count, sizeof(*wiring->input));
	wiring->output = engine_zeroed(graph->app_count, sizeof(*wiring->output));
	wiring->step = engine_zeroed(2 * (uint64_t)graph->app_count, sizeof(*wiring->step));
	wiring->returns = engine_zeroed(graph->app_count, sizeof(*wiring->returns));
	wiring->pull = engine_zeroed(graph->app_count, sizeof(*wiring->pull));
	wiring->tick = engine_zeroed(graph->app_count, sizeof(*wiring->tick));
	wiring->held = engine_zeroed(graph->app_count, sizeof(*wiring->held));
	wiring->over = engine_zeroed(graph->app_count, sizeof(*wiring->over));
	if (wiring->app && wiring->link && wiring->input && wiring->output && wiring->step && wiring->returns && wiring->pull && wiring->tick &&
		wiring->held && wiring->over)
		return wiring;
	engine_wiring_free_arrays(wiring);
	return NULL;
}

/* The arrays of links that each app will have. fails: -ENOMEM */
int engine_wiring_connect(struct engine_wiring *wiring)
{
	const struct graph_worker *graph = wiring->graph;

	for (uint32_t i = 0; i < graph->app_count; i++) {
		wiring->input[i] = engine_zeroed(app_name_count(graph->app[i].input_names), sizeof(struct link *));
		wiring->output[i] = engine_zeroed(app_name_count(graph->app[i].output_names), sizeof(struct link *));
		if (wiring->input[i] == NULL || wiring->output[i] == NULL)
			return nf_fail(ENOMEM, "no memory for links");
	}
	for (uint32_t i = 0; i < graph->link_count; i++) {
		const struct graph_link *l = &graph->link[i];

		wiring->output[l->from][l->output] = wiring->link[i];
		wiring->input[l->to][l->input] = wiring->link[i];
	}
	return 0;
}

/* Call an app's push in each breath, after those that are called so far. */
static void add_step(struct engine_wiring *wiring, uint32_t number, bool always)
{
	if (wiring->graph->app[number].class->push != NULL)
		wiring->step[wiring->step_count++] = (struct engine_step){ .app = wiring->app[number], .input = wiring->input[number],
			.input_count = app_name_count(wiring->graph->app[number].input_names), .always = always };
}

/* Whether what comes in on an app's inputs cannot come out of it again as it came in: it leaves for a device, or on the other side. */
static bool passes_through(const struct app_class *class)
{
	return class->two_way || class->pull != NULL;
}

/* A link that leads back to an app which packets pass in both directions, or to a device, closes no circle of packets. What it carries
 * moves on in the same breath, and waits in the first-level cache instead of the second: such apps are called once more, the last
 * first, as a back link leads from a later app to an earlier one; then those behind them, in the usual order. */
static void schedule_returns(struct engine_wiring *wiring)
{
	const struct graph_worker *graph = wiring->graph;
	bool *returns = wiring->returns;

	for (uint32_t i = 0; i < graph->link_count; i++)
		if (graph->link[i].back && passes_through(graph->app[graph->link[i].to].class))
			returns[graph->link[i].to] = true;
	for (uint32_t i = graph->app_count; i-- > 0;)
		if (returns[graph->order[i]])
			add_step(wiring, graph->order[i], false);
	for (uint32_t i = 0; i < graph->app_count; i++) {
		uint32_t number = graph->order[i];

		if (returns[number])
			continue;
		for (uint32_t l = 0; l < graph->link_count && !returns[number]; l++)
			returns[number] = graph->link[l].to == number && returns[graph->link[l].from];
		if (returns[number])
			add_step(wiring, number, false);
	}
}

/* Who is pulled, pushed, ticked, in which order. */
void engine_wiring_schedule(struct engine_wiring *wiring)
{
	const struct graph_worker *graph = wiring->graph;

	for (uint32_t i = 0; i < graph->app_count; i++) {
		uint32_t number = graph->order[i];
		struct app *app = wiring->app[number];
		const struct app_class *class = graph->app[number].class;

		if (class->pull != NULL)
			wiring->pull[wiring->pull_count++] = app;
		add_step(wiring, number, class->wake_at != NULL);
		if (class->tick != NULL)
			wiring->tick[wiring->tick_count++] = app;
		if (class->over != NULL)
			wiring->has_overs = true;
		if (class->module != NULL)
			wiring->has_scripts = true;
	}
	schedule_returns(wiring);
}

