/* graph_live -- see graph_live.h. */
#include "program/graph_live.h"
#include "program/figure.h"
#include "program/measure.h"

#include <time.h>
#include <unistd.h>

bool graph_live_exists(const char *name)
{
	char path[INSTANCE_PATH];

	return instance_path(path, name, "stats") == 0 && access(path, F_OK) == 0;
}

/* Texts of all workers, one after the other: those of a worker are a part of each list. */
struct texts {
	struct arena arena;
	const char **app, **app_note, **link, **link_note;
};

static const char *app_note(struct texts *t, const struct measure_app *app)
{
	char text[3 * FIGURE_SIZE], rate[FIGURE_SIZE], drops[FIGURE_SIZE];

	figure_rate(app->packets, rate);
	if (app->down)
		snprintf(text, sizeof(text), "%s/s, down", rate);
	else if (app->drops > 0)
		snprintf(text, sizeof(text), "%s/s, drops %s/s", rate, figure_rate(app->drops, drops));
	else
		snprintf(text, sizeof(text), "%s/s", rate);
	return arena_copy(&t->arena, text, strlen(text));
}

static const char *link_note(struct texts *t, const struct measure_link *link)
{
	char text[FIGURE_SIZE + 8], rate[FIGURE_SIZE];

	snprintf(text, sizeof(text), "%s/s", figure_rate(link->packets, rate));
	return arena_copy(&t->arena, text, strlen(text));
}

/* The lists, and for each worker its part of them. */
static void fill(struct texts *t, const struct measure *m, struct graph_sketch *sketch)
{
	t->app = arena_alloc(&t->arena, (m->app_count + 1) * sizeof(*t->app));
	t->app_note = arena_alloc(&t->arena, (m->app_count + 1) * sizeof(*t->app_note));
	t->link = arena_alloc(&t->arena, (m->link_count + 1) * sizeof(*t->link));
	t->link_note = arena_alloc(&t->arena, (m->link_count + 1) * sizeof(*t->link_note));
	for (uint32_t i = 0; i < m->app_count; i++) {
		struct graph_sketch *worker = &sketch[m->app[i].worker];

		t->app[i] = m->app[i].name;
		t->app_note[i] = app_note(t, &m->app[i]);
		if (worker->app_count++ == 0) {
			worker->app = &t->app[i];
			worker->app_note = &t->app_note[i];
		}
	}
	for (uint32_t i = 0; i < m->link_count; i++) {
		struct graph_sketch *worker = &sketch[m->link[i].worker];

		t->link[i] = m->link[i].name;
		t->link_note[i] = link_note(t, &m->link[i]);
		if (worker->link_count++ == 0) {
			worker->link = &t->link[i];
			worker->link_note = &t->link_note[i];
		}
	}
}

struct graph *graph_live(const char *name, uint64_t interval_ns)
{
	struct timespec pause = { .tv_sec = (time_t)(interval_ns / 1000000000), .tv_nsec = (long)(interval_ns % 1000000000) };
	struct graph_sketch sketch[MEMORY_WORKERS] = { 0 };
	struct reading before, now;
	struct texts texts = { 0 };
	struct measure measure;
	struct graph *graph = NULL;

	if (reading_init(&before, name) < 0)
		return NULL;
	if (before.runs)
		nanosleep(&pause, NULL);
	if (reading_init(&now, name) == 0) {
		if (measure_init(&measure, &before, &now) == 0) {
			fill(&texts, &measure, sketch);
			graph = graph_sketch(sketch, now.workers);
			if (graph == NULL)
				nf_fail(ENOMEM, "not enough memory for the graph");
			measure_fini(&measure);
		}
		reading_fini(&now);
	}
	reading_fini(&before);
	arena_free(&texts.arena);
	return graph;
}
