/* graph_diff -- what a reload has to do, worker by worker. See graph.h. */
#include "core/core.h"

static bool same_names(const char *const *a, const char *const *b)
{
	for (; *a != NULL && *b != NULL; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

/* Whether two apps run the same code. Each graph makes its own class of a Lua module: equal when the sources are. */
static bool same_class(const struct app_class *a, const struct app_class *b)
{
	if (a->module == NULL || b->module == NULL)
		return a == b;
	return strcmp(a->name, b->name) == 0 && value_equal(a->module->value, b->module->value);
}

static enum graph_verb compare(const struct graph_app *old, const struct graph_app *new)
{
	if (!same_class(old->class, new->class))
		return GRAPH_REPLACE;
	if (old->hash != new->hash || !same_names(old->input_names, new->input_names) ||
		!same_names(old->output_names, new->output_names))
		return GRAPH_RECONFIGURE;
	return GRAPH_KEEP;
}

static void add(struct graph_diff *diff, enum graph_verb verb, const char *name, uint32_t old, uint32_t new)
{
	diff->action[diff->count++] = (struct graph_action){ .verb = verb, .name = name, .old = old, .new = new };
}

/* Both lists of apps are sorted by name: merge them. */
static void diff_apps(struct graph_diff *diff, const struct graph_worker *old, const struct graph_worker *new)
{
	uint32_t o = 0, n = 0;

	while (o < old->app_count || n < new->app_count) {
		int order = o == old->app_count ? 1 : n == new->app_count ? -1 : strcmp(old->app[o].name, new->app[n].name);

		if (order < 0) {
			add(diff, GRAPH_STOP, old->app[o].name, o, UINT32_MAX);
			o++;
		} else if (order > 0) {
			add(diff, GRAPH_START, new->app[n].name, UINT32_MAX, n);
			n++;
		} else {
			add(diff, compare(&old->app[o], &new->app[n]), new->app[n].name, o, n);
			o++;
			n++;
		}
	}
}

struct named {
	const char *name;
	uint32_t number;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Links are told apart by name. First those of the new graph, in its order, then the removed ones. */
static void diff_links(struct graph_diff *diff, const struct graph_worker *old, const struct graph_worker *new,
	struct named *sorted, bool *kept)
{
	for (uint32_t i = 0; i < old->link_count; i++)
		sorted[i] = (struct named){ old->link[i].name, i };
	if (old->link_count > 0)
		qsort(sorted, old->link_count, sizeof(*sorted), by_name);
	for (uint32_t i = 0; i < new->link_count; i++) {
		struct named key = { new->link[i].name, 0 }, *found = NULL;

		if (old->link_count > 0)
			found = bsearch(&key, sorted, old->link_count, sizeof(*sorted), by_name);
		add(diff, found != NULL ? GRAPH_LINK_KEEP : GRAPH_LINK_ADD, key.name, found != NULL ? found->number : UINT32_MAX, i);
		if (found != NULL)
			kept[found->number] = true;
	}
	for (uint32_t i = 0; i < old->link_count; i++)
		if (!kept[i])
			add(diff, GRAPH_LINK_REMOVE, old->link[i].name, i, UINT32_MAX);
}

int graph_diff(struct graph_diff *diff, const struct graph_worker *old, const struct graph_worker *new)
{
	static const struct graph_worker nothing;
	struct named *sorted;
	bool *kept;

	if (old == NULL)
		old = &nothing;
	*diff = (struct graph_diff){ 0 };
	diff->action = calloc((size_t)old->app_count + new->app_count + old->link_count + new->link_count + 1,
		sizeof(*diff->action));
	sorted = calloc((size_t)old->link_count + 1, sizeof(*sorted));
	kept = calloc((size_t)old->link_count + 1, sizeof(*kept));
	if (diff->action != NULL && sorted != NULL && kept != NULL) {
		diff_apps(diff, old, new);
		diff_links(diff, old, new, sorted, kept);
	}
	free(sorted);
	free(kept);
	if (diff->count == 0 && (old->app_count > 0 || new->app_count > 0)) {
		graph_diff_free(diff);
		return nf_fail(ENOMEM, "no memory for the difference of two graphs");
	}
	return 0;
}

void graph_diff_free(struct graph_diff *diff)
{
	free(diff->action);
	*diff = (struct graph_diff){ 0 };
}
