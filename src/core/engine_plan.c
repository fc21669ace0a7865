/* engine_plan -- the first phase of a change: make and prepare all that is new, beside what runs. */
#include "core/engine_state.h"

static struct link *link_new(void)
{
	struct engine_link *link = aligned_alloc(_Alignof(struct engine_link), sizeof(*link));

	if (link == NULL)
		return NULL;
	memset(link, 0, sizeof(*link));
	return &link->link;
}

/* Make and prepare the app of one action. */
static int prepare_app(struct engine *engine, struct engine_plan *plan, const struct graph_action *action)
{
	const struct graph_app *spec = &plan->wiring->graph->app[action->new];
	struct app *old = action->old != UINT32_MAX ? engine->wiring->app[action->old] : NULL, *app;
	struct errors errors = { 0 };
	int code = 0;

	if (action->verb == GRAPH_KEEP) {
		plan->wiring->app[action->new] = old;
		return 0;
	}
	app = app_new(spec->class, spec->name, spec->params, spec->checked != NULL ? spec->checked->folder : "", spec->input_names,
		spec->output_names, &errors);
	if (app == NULL) {
		code = nf_fail(EINVAL, "%s", errors.count > 0 ? errors.text[0] : "out of memory");
		errors_fini(&errors);
		return code;
	}
	app->number = action->new;
	app->worker = spec->checked != NULL ? spec->checked->worker : 0;
	if (app->class->prepare != NULL)
		code = app->class->prepare(app, action->verb == GRAPH_RECONFIGURE ? old : NULL);
	if (code < 0) {
		app_delete(app);
		return code;
	}
	plan->wiring->app[action->new] = app;
	plan->fresh[action->new] = true;
	plan->predecessor[action->new] = old;
	plan->continues[action->new] = action->verb == GRAPH_RECONFIGURE;
	return 0;
}

static int prepare_link(struct engine *engine, struct engine_plan *plan, const struct graph_action *action)
{
	struct link *link;

	if (action->verb == GRAPH_LINK_KEEP) {
		plan->wiring->link[action->new] = engine->wiring->link[action->old];
		return 0;
	}
	link = link_new();
	if (link == NULL)
		return nf_fail(ENOMEM, "no memory for a link");
	plan->wiring->link[action->new] = link;
	plan->link_fresh[action->new] = true;
	return 0;
}

static int prepare_actions(struct engine *engine, struct engine_plan *plan)
{
	for (uint32_t i = 0; i < plan->diff.count; i++) {
		const struct graph_action *action = &plan->diff.action[i];
		int code = 0;

		if (action->verb == GRAPH_STOP)
			plan->leaves[action->old] = true;
		else if (action->verb == GRAPH_LINK_REMOVE)
			plan->link_leaves[action->old] = true;
		else if (action->verb == GRAPH_LINK_KEEP || action->verb == GRAPH_LINK_ADD)
			code = prepare_link(engine, plan, action);
		else
			code = prepare_app(engine, plan, action);
		if (code < 0)
			return code;
	}
	return 0;
}

void engine_plan_free(struct engine_plan *plan)
{
	graph_diff_free(&plan->diff);
	free(plan->fresh);
	free(plan->predecessor);
	free(plan->continues);
	free(plan->leaves);
	free(plan->link_leaves);
	free(plan->link_fresh);
	free(plan);
}

void engine_abort(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *wiring = plan->wiring;

	(void)engine;
	if (wiring != NULL) {
		for (uint32_t i = 0; i < wiring->app_count; i++) {
			struct app *app = wiring->app[i];

			if (app == NULL || !plan->fresh[i])
				continue;
			if (app->class->abort != NULL)
				app->class->abort(app);
			app_delete(app);
		}
		for (uint32_t i = 0; i < wiring->link_count; i++)
			if (plan->link_fresh[i])
				free(wiring->link[i]);
		engine_wiring_free_arrays(wiring);
	}
	engine_plan_free(plan);
}

int engine_plan(struct engine *engine, const struct graph_worker *graph, struct engine_plan **result)
{
	const struct engine_wiring *now = engine->wiring;
	struct engine_plan *plan = calloc(1, sizeof(*plan));
	int code = -ENOMEM;

	*result = NULL;
	if (plan == NULL)
		return nf_fail(ENOMEM, "no memory for a new graph");
	plan->wiring = engine_wiring_new(graph);
	plan->fresh = engine_zeroed(graph->app_count, sizeof(bool));
	plan->predecessor = engine_zeroed(graph->app_count, sizeof(struct app *));
	plan->continues = engine_zeroed(graph->app_count, sizeof(bool));
	plan->leaves = engine_zeroed(now->app_count, sizeof(bool));
	plan->link_leaves = engine_zeroed(now->link_count, sizeof(bool));
	plan->link_fresh = engine_zeroed(graph->link_count, sizeof(bool));
	if (plan->wiring && plan->fresh && plan->predecessor && plan->continues &&
		plan->leaves && plan->link_leaves && plan->link_fresh)
		code = graph_diff(&plan->diff, now->graph, graph);
	if (code == 0)
		code = prepare_actions(engine, plan);
	if (code == 0)
		code = engine_wiring_connect(plan->wiring);
	if (code < 0) {
		engine_abort(engine, plan);
		return code;
	}
	engine_wiring_schedule(plan->wiring);
	*result = plan;
	return 0;
}

