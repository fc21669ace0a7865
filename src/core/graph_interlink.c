/* graph_interlink -- links between workers: "w1:app.port -> w2:app.port" beside the workers, or in the links of one of them, where
 * that one's name may be left out. Each becomes an app of class interlink.output in the one worker and one of class
 * interlink.input in the other, with a link to each. The app has the name that the link gives to its far end, so that a reload
 * finds it again: worker w1 sends to an app "w2:app.port". See graph_build.h. */
#include "core/graph_build.h"

#include <ctype.h>

/* A part of a link text, without blanks around it. */
struct piece {
	const char *at;
	size_t length;
};

static struct piece trim(const char *at, size_t length)
{
	while (length > 0 && isspace((unsigned char)*at)) {
		at++;
		length--;
	}
	while (length > 0 && isspace((unsigned char)at[length - 1]))
		length--;
	return (struct piece){ at, length };
}

static bool refuse(struct errors *errors, const char *shown, const char *why)
{
	errors_add(errors, "link '%s': %s", shown, why);
	return false;
}

/* One end, "worker:app.port" or, in a worker's own links, "app.port". */
static bool read_end(struct graph *graph, struct piece piece, uint32_t home, struct build_end *end, const char *shown,
	struct errors *errors)
{
	static const char rule[] = "is no link between workers; accepted: \"worker:app.output -> worker:app.input\", with both ports";
	char *text = arena_copy(&graph->arena, piece.at, piece.length), *colon = strchr(text, ':'), *dot;
	const char **names;

	end->worker = home;
	end->app = text;
	if (colon != NULL) {
		*colon = '\0';
		end->app = colon + 1;
		end->worker = 0;
		while (end->worker < graph->worker_count && strcmp(graph->worker[end->worker].name, text) != 0)
			end->worker++;
		if (end->worker == graph->worker_count) {
			char why[200];

			names = arena_alloc(&graph->arena, (graph->worker_count + 1) * sizeof(*names));
			for (uint32_t i = 0; i < graph->worker_count; i++)
				names[i] = graph->worker[i].name;
			snprintf(why, sizeof(why), "there is no worker '%.40s'%s%s%s", text, error_nearest(text, names) ? ", did you mean '" :
				"", error_nearest(text, names) ? error_nearest(text, names) : "", error_nearest(text, names) ? "'?" : "");
			return refuse(errors, shown, why);
		}
	}
	dot = strchr(end->app, '.');
	if (end->worker == UINT32_MAX || dot == NULL || dot == end->app || dot[1] == '\0')
		return refuse(errors, shown, rule);
	*dot = '\0';
	end->port = dot + 1;
	if (!graph_name_is_good(end->app, strlen(end->app)) || !graph_name_is_good(end->port, strlen(end->port)))
		return refuse(errors, shown, rule);
	return true;
}

/* The name of an end. */
static const char *name_of(struct graph *graph, const struct build_end *end)
{
	char name[4 * (GRAPH_NAME + 1)];

	snprintf(name, sizeof(name), "%s:%s.%s", graph->worker[end->worker].name, end->app, end->port);
	return arena_copy(&graph->arena, name, strlen(name));
}

bool graph_names_worker(const struct value *link)
{
	return link->type == VALUE_STRING && memchr(link->string, ':', link->count) != NULL;
}

void graph_read_interlink(struct graph *graph, const struct value *link, uint32_t home, struct build_interlink **list,
	struct errors *errors)
{
	struct build_interlink *il = arena_alloc(&graph->arena, sizeof(*il));
	char name[INTERLINK_NAME], shown[GRAPH_SHOWN];
	const char *arrow;

	graph_show(link, shown);
	if (strlen(link->string) != link->count) {
		refuse(errors, shown, "has a zero byte inside");
		return;
	}
	arrow = strstr(link->string, "->");
	if (arrow == NULL || strstr(arrow + 2, "->") != NULL) {
		refuse(errors, shown, arrow == NULL ? "is no link; accepted: \"worker:app.output -> worker:app.input\"" :
			"goes to another worker, which no chain does; accepted: \"worker:app.output -> worker:app.input\"");
		return;
	}
	if (!read_end(graph, trim(link->string, (size_t)(arrow - link->string)), home, &il->from, shown, errors) ||
		!read_end(graph, trim(arrow + 2, strlen(arrow + 2)), home, &il->to, shown, errors))
		return;
	il->from.name = name_of(graph, &il->from);
	il->to.name = name_of(graph, &il->to);
	snprintf(name, sizeof(name), "%s -> %s", il->from.name, il->to.name);
	il->name = arena_copy(&graph->arena, name, strlen(name));
	il->text = arena_copy(&graph->arena, shown, strlen(shown));
	while (*list != NULL) {
		if (strcmp((*list)->name, il->name) == 0) {
			refuse(errors, shown, "stands there twice");
			return;
		}
		list = &(*list)->next;
	}
	*list = il;
}

static void set_string(struct value *value, const char *text)
{
	*value = (struct value){ .type = VALUE_STRING, .count = (uint32_t)strlen(text), .string = text };
}

/* The parameters of an end's app, as a configuration would give them. */
static const struct value *make_params(struct arena *arena, const char *class, const struct build_interlink *il)
{
	struct value_entry *entry = arena_alloc(arena, 4 * sizeof(*entry));
	struct value *table = arena_alloc(arena, sizeof(*table));

	entry[0].key = (struct value){ .type = VALUE_NUMBER, .number = 1 };
	set_string(&entry[0].value, class);
	set_string(&entry[1].key, "from");
	entry[1].value = (struct value){ .type = VALUE_NUMBER, .number = il->from.worker };
	set_string(&entry[2].key, "link");
	set_string(&entry[2].value, il->name);
	set_string(&entry[3].key, "to");
	entry[3].value = (struct value){ .type = VALUE_NUMBER, .number = il->to.worker };
	*table = (struct value){ .type = VALUE_TABLE, .count = 4, .entry = entry };
	return table;
}

uint32_t graph_interlink_count(const struct build *b)
{
	uint32_t count = 0;

	for (const struct build_interlink *il = b->interlinks; il != NULL; il = il->next)
		if (il->from.worker != il->to.worker)
			count += (il->from.worker == b->number) + (il->to.worker == b->number);
	return count;
}

/* The end of a link that lies in this worker: its app, by the name of the other end. */
static void add_end(struct build *b, const struct build_interlink *il, const char *name, const struct app_class *class)
{
	struct graph_worker *worker = b->worker;
	uint32_t at = worker->app_count++;

	for (uint32_t i = 0; i < at; i++)
		if (strcmp(worker->app[i].name, name) == 0) {
			worker->app_count--;            /* two links to one port: reading them says so */
			return;
		}
	/* The apps are sorted by name. */
	for (; at > 0 && strcmp(worker->app[at - 1].name, name) > 0; at--) {
		worker->app[at] = worker->app[at - 1];
		b->input[at] = b->input[at - 1];
		b->output[at] = b->output[at - 1];
	}
	worker->app[at] = (struct graph_app){ .name = name, .class = class,
		.params = make_params(&b->graph->arena, class->name, il) };
	graph_lay_out(b, &b->input[at], class->inputs);
	graph_lay_out(b, &b->output[at], class->outputs);
}

void graph_add_interlinks(struct build *b)
{
	for (const struct build_interlink *il = b->interlinks; il != NULL; il = il->next) {
		if (il->from.worker == il->to.worker)
			continue;
		if (il->from.worker == b->number)
			add_end(b, il, il->to.name, &interlink_output_class);
		if (il->to.worker == b->number)
			add_end(b, il, il->from.name, &interlink_input_class);
	}
}

/* The workers that packets of `worker` get to, as a set of bits. */
static uint64_t reach(uint32_t worker, const struct build_interlink *interlinks)
{
	uint64_t set = 1ULL << worker, before;

	do {
		before = set;
		for (const struct build_interlink *il = interlinks; il != NULL; il = il->next)
			if (set >> il->from.worker & 1)
				set |= 1ULL << il->to.worker;
	} while (set != before);
	return set;
}

void graph_share_packets(struct graph *graph, const struct build_interlink *interlinks)
{
	uint32_t own[MEMORY_WORKERS][PACKET_SIZES];

	for (uint32_t w = 0; w < graph->worker_count; w++)
		memcpy(own[w], graph->worker[w].packets, sizeof(own[w]));
	for (uint32_t w = 0; w < graph->worker_count; w++) {
		uint64_t set = reach(w, interlinks);

		for (uint32_t v = 0; v < graph->worker_count; v++)
			for (uint32_t size = 0; v != w && (set >> v & 1) && size < PACKET_SIZES; size++)
				if (own[w][size] > 0 && graph->worker[w].packets[size] < UINT32_MAX - own[v][size])
					graph->worker[w].packets[size] += own[v][size];
		/* In the rings, and in those on the way home. */
		for (const struct build_interlink *il = interlinks; il != NULL; il = il->next)
			if ((set >> il->from.worker & 1) && il->from.worker != il->to.worker &&
				graph->worker[w].packets[PACKET_STANDARD] < UINT32_MAX - INTERLINK_SLOTS - MEMORY_HOME)
				graph->worker[w].packets[PACKET_STANDARD] += INTERLINK_SLOTS + MEMORY_HOME;
	}
}
