/* engine_plan -- the two phases of a change: prepare everything, commit between two breaths, retire what went. */
#include "core/engine_state.h"

static void *zeroed(uint64_t count, size_t bytes)
{
	return calloc(count > 0 ? count : 1, bytes);
}

static struct link *link_new(void)
{
	struct link *link = aligned_alloc(_Alignof(struct link), sizeof(*link));

	if (link != NULL)
		memset(link, 0, sizeof(*link));
	return link;
}

/* Free a wiring's arrays, and nothing that they point to. */
static void free_arrays(struct engine_wiring *wiring)
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
	free_arrays(wiring);
}

static struct engine_wiring *wiring_new(const struct graph_worker *graph)
{
	struct engine_wiring *wiring = calloc(1, sizeof(*wiring));

	if (wiring == NULL)
		return NULL;
	wiring->graph = graph;
	wiring->app_count = graph->app_count;
	wiring->link_count = graph->link_count;
	wiring->app = zeroed(graph->app_count, sizeof(*wiring->app));
	wiring->link = zeroed(graph->link_count, sizeof(*wiring->link));
	wiring->input = zeroed(graph->app_count, sizeof(*wiring->input));
	wiring->output = zeroed(graph->app_count, sizeof(*wiring->output));
	wiring->step = zeroed(graph->app_count, sizeof(*wiring->step));
	wiring->pull = zeroed(graph->app_count, sizeof(*wiring->pull));
	wiring->tick = zeroed(graph->app_count, sizeof(*wiring->tick));
	wiring->held = zeroed(graph->app_count, sizeof(*wiring->held));
	if (wiring->app && wiring->link && wiring->input && wiring->output && wiring->step && wiring->pull && wiring->tick &&
		wiring->held)
		return wiring;
	free_arrays(wiring);
	return NULL;
}

/* The arrays of links that each app will have. fails: -ENOMEM */
static int connect(struct engine_wiring *wiring)
{
	const struct graph_worker *graph = wiring->graph;

	for (uint32_t i = 0; i < graph->app_count; i++) {
		wiring->input[i] = zeroed(app_name_count(graph->app[i].input_names), sizeof(struct link *));
		wiring->output[i] = zeroed(app_name_count(graph->app[i].output_names), sizeof(struct link *));
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
static void schedule(struct engine_wiring *wiring)
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
		if (class->module != NULL)
			wiring->has_scripts = true;
	}
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

static void plan_free(struct engine_plan *plan)
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
		free_arrays(wiring);
	}
	plan_free(plan);
}

int engine_plan(struct engine *engine, const struct graph_worker *graph, struct engine_plan **result)
{
	const struct engine_wiring *now = engine->wiring;
	struct engine_plan *plan = calloc(1, sizeof(*plan));
	int code = -ENOMEM;

	*result = NULL;
	if (plan == NULL)
		return nf_fail(ENOMEM, "no memory for a new graph");
	plan->wiring = wiring_new(graph);
	plan->fresh = zeroed(graph->app_count, sizeof(bool));
	plan->predecessor = zeroed(graph->app_count, sizeof(struct app *));
	plan->continues = zeroed(graph->app_count, sizeof(bool));
	plan->leaves = zeroed(now->app_count, sizeof(bool));
	plan->link_leaves = zeroed(now->link_count, sizeof(bool));
	plan->link_fresh = zeroed(graph->link_count, sizeof(bool));
	if (plan->wiring && plan->fresh && plan->predecessor && plan->continues &&
		plan->leaves && plan->link_leaves && plan->link_fresh)
		code = graph_diff(&plan->diff, now->graph, graph);
	if (code == 0)
		code = prepare_actions(engine, plan);
	if (code == 0)
		code = connect(plan->wiring);
	if (code < 0) {
		engine_abort(engine, plan);
		return code;
	}
	schedule(plan->wiring);
	*result = plan;
	return 0;
}

/* Where do the packets of a link that goes belong now: the new link of the same output, else of the same input. */
static struct link *heir(const struct engine_plan *plan, const struct engine_wiring *old, uint32_t number)
{
	const struct graph_worker *new_graph = plan->wiring->graph;
	const struct graph_link *gone = &old->graph->link[number];
	const char *from = old->graph->app[gone->from].name, *output = old->graph->app[gone->from].output_names[gone->output];
	const char *to = old->graph->app[gone->to].name, *input = old->graph->app[gone->to].input_names[gone->input];
	struct link *second = NULL;

	for (uint32_t i = 0; i < new_graph->link_count; i++) {
		const struct graph_link *l = &new_graph->link[i];

		if (strcmp(new_graph->app[l->from].name, from) == 0 &&
			strcmp(new_graph->app[l->from].output_names[l->output], output) == 0)
			return plan->wiring->link[i];
		if (strcmp(new_graph->app[l->to].name, to) == 0 &&
			strcmp(new_graph->app[l->to].input_names[l->input], input) == 0)
			second = plan->wiring->link[i];
	}
	return second;
}

/* The packets of links that go move on, in order, or are dropped by the app that would have received them. */
static void move_packets(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = engine->wiring;

	for (uint32_t i = 0; i < old->link_count; i++) {
		struct link *gone = old->link[i], *to;
		struct app *receiver;

		if (!plan->link_leaves[i] || link_waiting(gone) == 0)
			continue;
		to = heir(plan, old, i);
		if (to != NULL)
			plan->moved += link_move(gone, to, LINK_SLOTS);
		receiver = old->app[old->graph->link[i].to];
		while (link_waiting(gone) > 0) {
			app_drop(receiver, app_reason(receiver, APP_REASON_RELOAD), link_receive(gone));
			plan->dropped++;
		}
	}
}

/* Hand a kept app over to the new graph, whose strings outlive the old one's. */
static void adopt(struct app *app, const struct graph_app *spec, uint32_t number)
{
	app->class = spec->class;
	app->name = spec->name;
	app->input_name = spec->input_names;
	app->output_name = spec->output_names;
	app->number = number;
	if (spec->checked != NULL)
		app->folder = spec->checked->folder;
}

static void set_links(struct engine_wiring *wiring, uint32_t i)
{
	const struct graph_app *spec = &wiring->graph->app[i];
	struct app *app = wiring->app[i];

	app->input = wiring->input[i];
	app->output = wiring->output[i];
	app->input_count = app_name_count(spec->input_names);
	app->output_count = app_name_count(spec->output_names);
}

/* A reconfigured app goes on counting where its predecessor stopped; the totals of one that is replaced stay in the sums. */
static void carry_totals(struct engine *engine, struct engine_plan *plan, uint32_t i)
{
	struct app *app = plan->wiring->app[i], *old = plan->predecessor[i];
	uint32_t counters = app_name_count(app->class->counters), reasons = app->reason_count + APP_REASONS;

	if (!plan->continues[i]) {
		engine_retire_flow(engine, old, NULL);
		return;
	}
	app->received += old->received;
	app->created += old->created;
	app->sent += old->sent;
	app->consumed += old->consumed;
	app->lost_outside += old->lost_outside;
	app->cycles += old->cycles;
	app->packets += old->packets;
	app->calls += old->calls;
	for (uint32_t j = 0; j < counters; j++)
		app->counter[j] += old->counter[j];
	for (uint32_t j = 0; j < reasons; j++)
		app->reason[j] += old->reason[j];
}

/* Packet thread, between two breaths; or before the first. */
static void commit(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = engine->wiring, *wiring = plan->wiring;

	for (uint32_t i = 0; i < wiring->link_count; i++) {
		wiring->link[i]->name = wiring->graph->link[i].name;
		wiring->link[i]->number = i;
		wiring->link[i]->back = wiring->graph->link[i].back;
	}
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		struct app *app = wiring->app[i], *before = plan->predecessor[i];

		if (!plan->fresh[i]) {
			adopt(app, &wiring->graph->app[i], i);
			set_links(wiring, i);
			continue;
		}
		set_links(wiring, i);
		if (app->class->commit != NULL)
			app->class->commit(app, plan->continues[i] ? before : NULL);
	}
	move_packets(engine, plan);
	/* The old instances' last call; they still have their old links, whose packets have moved on. */
	for (uint32_t i = 0; i < wiring->app_count; i++) {
		if (plan->predecessor[i] == NULL)
			continue;
		if (plan->predecessor[i]->class->stop != NULL)
			plan->predecessor[i]->class->stop(plan->predecessor[i]);
		carry_totals(engine, plan, i);
	}
	for (uint32_t i = 0; i < old->app_count; i++) {
		if (!plan->leaves[i])
			continue;
		if (old->app[i]->class->stop != NULL)
			old->app[i]->class->stop(old->app[i]);
		engine_retire_flow(engine, old->app[i], NULL);
	}
	for (uint32_t i = 0; i < old->link_count; i++)
		if (plan->link_leaves[i])
			engine_retire_flow(engine, NULL, old->link[i]);
	engine->wiring = wiring;
	plan->wiring = old;
	for (uint32_t i = 0; i < wiring->app_count; i++)
		if (wiring->app[i]->class->link != NULL)
			wiring->app[i]->class->link(wiring->app[i]);
}

void engine_commit_pending(struct engine *engine)
{
	struct engine_plan *plan = engine->pending;

	commit(engine, plan);
	if (engine_arm(engine) < 0)
		log_error("%s", nf_error());
	__atomic_store_n(&engine->pending, NULL, __ATOMIC_RELEASE);
	sem_post(&engine->committed);
}

void engine_commit(struct engine *engine, struct engine_plan *plan)
{
	enum engine_state state = engine_state(engine);

	if (state != ENGINE_RUNNING && state != ENGINE_DRAINING) {
		commit(engine, plan);
		return;
	}
	__atomic_store_n(&engine->pending, plan, __ATOMIC_RELEASE);
	while (sem_wait(&engine->committed) != 0)
		continue;
}

/* Free one app that is not in the graph any more. */
static void retire_app(struct app *app)
{
	if (app->class->retire != NULL)
		app->class->retire(app);
	app_delete(app);
}

void engine_retire(struct engine *engine, struct engine_plan *plan)
{
	struct engine_wiring *old = plan->wiring;

	for (uint32_t i = 0; i < engine->wiring->app_count; i++)
		if (plan->predecessor[i] != NULL)
			retire_app(plan->predecessor[i]);
	for (uint32_t i = 0; i < old->app_count; i++)
		if (plan->leaves[i])
			retire_app(old->app[i]);
	for (uint32_t i = 0; i < old->link_count; i++)
		if (plan->link_leaves[i])
			free(old->link[i]);
	free_arrays(old);
	plan_free(plan);
}
