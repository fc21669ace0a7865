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
	wiring->step = engine_zeroed(graph->app_count, sizeof(*wiring->step));
	wiring->pull = engine_zeroed(graph->app_count, sizeof(*wiring->pull));
	wiring->tick = engine_zeroed(graph->app_count, sizeof(*wiring->tick));
	wiring->held = engine_zeroed(graph->app_count, sizeof(*wiring->held));
	wiring->over = engine_zeroed(graph->app_count, sizeof(*wiring->over));
	if (wiring->app && wiring->link && wiring->input && wiring->output && wiring->step && wiring->pull && wiring->tick &&
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
		if (class->push != NULL)
			wiring->step[wiring->step_count++] = (struct engine_step){ .app = app, .input = wiring->input[number],
				.input_count = app_name_count(graph->app[number].input_names), .always = class->wake_at != NULL };
		if (class->tick != NULL)
			wiring->tick[wiring->tick_count++] = app;
		if (class->over != NULL)
			wiring->has_overs = true;
		if (class->module != NULL)
			wiring->has_scripts = true;
	}
}

