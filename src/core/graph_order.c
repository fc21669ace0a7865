/* graph_order -- the topological order of a worker's apps, and the links that close a cycle. See graph_build.h. */
#include "core/graph_build.h"

/* The search through the graph. An app is open while those behind it are being looked at: a link to an open app closes a
 * cycle. Apps are numbered as in the worker; all arrays have one element for each app. */
struct search {
	struct graph_worker *worker;
	uint32_t *first;                /* index in links of an app's first link; one more element at the end */
	uint32_t *links;                /* numbers of links, by sending app, in the order of the configuration */
	uint32_t *next;                 /* of an open app: how many of its links have been looked at */
	uint8_t *state;                 /* enum search_state */
	uint32_t *stack;                /* the open apps */
	uint32_t done;                  /* apps that have got their place, from the end */
	bool reverse;                   /* look at an app's last link first */
};
enum search_state { UNSEEN, OPEN, DONE };

/* Sort the links by the app that sends. */
static void sort_links(struct search *s)
{
	struct graph_worker *worker = s->worker;

	for (uint32_t i = 0; i < worker->link_count; i++)
		s->first[worker->link[i].from + 1]++;
	for (uint32_t i = 0; i < worker->app_count; i++)
		s->first[i + 1] += s->first[i];
	for (uint32_t i = 0; i < worker->link_count; i++) {
		uint32_t from = worker->link[i].from;

		s->links[s->first[from] + s->next[from]++] = i;
	}
}

/* Look at all that can be reached from an app, depth first, without recursion, and mark the links that lead back to an open
 * app. An app gets its place in the order when all behind it have theirs: the places are filled from the last to the first. */
static void search_from(struct search *s, uint32_t app)
{
	uint32_t depth = 0;

	if (s->state[app] != UNSEEN)
		return;
	for (s->stack[depth++] = app, s->state[app] = OPEN; depth > 0;) {
		uint32_t at = s->stack[depth - 1], links = s->first[at + 1] - s->first[at];
		struct graph_link *link;

		if (s->next[at] == links) {
			s->state[at] = DONE;
			s->worker->order[s->worker->app_count - ++s->done] = at;
			depth--;
			continue;
		}
		link = &s->worker->link[s->links[s->first[at] + (s->reverse ? links - 1 - s->next[at] : s->next[at])]];
		s->next[at]++;
		if (s->state[link->to] == OPEN) {
			link->back = true;
		} else if (s->state[link->to] == UNSEEN && !link->back) {
			s->stack[depth++] = link->to;
			s->state[link->to] = OPEN;
		}
	}
}

/* Begin a search: nothing has been seen. */
static void start(struct search *s, bool reverse)
{
	memset(s->state, UNSEEN, s->worker->app_count);
	memset(s->next, 0, s->worker->app_count * sizeof(*s->next));
	s->done = 0;
	s->reverse = reverse;
}

/* Where to look for cycles from: first apps without inputs, then those that bring packets in, then all others. What a pull
 * has brought in lies on its outputs before the first push, so a link that leads back to such an app costs no breath. */
static uint32_t start_rank(const struct graph_app *app)
{
	/* A sketch has no checked apps. */
	bool has_input = app->checked != NULL ? app->checked->input_count > 0 : app->input_names[0] != NULL;

	return !has_input ? 0 : app->class->pull != NULL ? 1 : 2;
}

/* The apps in the order in which links name them, then those without links by name. */
static uint32_t *appearances(const struct graph_worker *worker, struct arena *arena)
{
	uint32_t *list = arena_alloc(arena, worker->app_count * sizeof(*list)), n = 0;
	bool *seen = arena_alloc(arena, worker->app_count);

	for (uint32_t i = 0; i < 2 * worker->link_count + worker->app_count; i++) {
		const struct graph_link *link = &worker->link[i / 2];
		uint32_t app = i >= 2 * worker->link_count ? i - 2 * worker->link_count : i % 2 == 0 ? link->from : link->to;

		if (!seen[app])
			list[n++] = app;
		seen[app] = true;
	}
	return list;
}

void graph_order(struct graph_worker *worker, struct arena *arena)
{
	uint32_t n = worker->app_count, *appearance = appearances(worker, arena);
	struct search s = {
		.worker = worker,
		.first = arena_alloc(arena, (n + 1) * sizeof(*s.first)),
		.links = arena_alloc(arena, worker->link_count * sizeof(*s.links)),
		.next = arena_alloc(arena, n * sizeof(*s.next)),
		.state = arena_alloc(arena, n),
		.stack = arena_alloc(arena, n * sizeof(*s.stack)),
	};

	worker->order = arena_alloc(arena, n * sizeof(*worker->order));
	sort_links(&s);
	start(&s, false);
	for (uint32_t rank = 0; rank <= 2; rank++)
		for (uint32_t i = 0; i < n; i++)
			if (start_rank(&worker->app[appearance[i]]) == rank)
				search_from(&s, appearance[i]);
	/* Now that the back links are known: places are filled from the end, so what the configuration names last comes
	 * first, and of two apps that do not depend on each other the one that is named first is first in the order. */
	start(&s, true);
	for (uint32_t i = n; i-- > 0;)
		search_from(&s, appearance[i]);
}
