/* graph -- from a configuration's plain data to a checked graph. See graph.h. */
#include "core/graph_build.h"

#include <ctype.h>
#include <limits.h>
#include <unistd.h>

enum { CPU_MOST = 4095 };

bool graph_name_is_good(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] >= 128 || (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-'))
			return false;
	return length >= 1 && length <= GRAPH_NAME;
}

const char *graph_show(const struct value *string, char shown[GRAPH_SHOWN])
{
	uint32_t n = string->count < GRAPH_SHOWN - 5 ? string->count : GRAPH_SHOWN - 5;

	for (uint32_t i = 0; i < n; i++)
		shown[i] = (unsigned char)string->string[i] < ' ' || string->string[i] == 127 ? '?' : string->string[i];
	strcpy(shown + n, n < string->count ? "..." : "");
	return shown;
}

const char *graph_list(const char *const *names, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (uint32_t i = 0; names != NULL && names[i] != NULL && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%s", i > 0 ? ", " : "", names[i]);
	return text;
}

/* Keys of a table that mean nothing here; `what` names the table in messages. Positions are left to the caller. */
static void check_keys(const struct value *table, const char *what, const char *const *known, struct errors *errors)
{
	char shown[GRAPH_SHOWN], all[200];

	for (uint32_t i = 0; i < table->count; i++) {
		const struct value *key = &table->entry[i].key;
		const char *nearest;

		if (key->type != VALUE_STRING || app_name_find(known, key->string) >= 0)
			continue;
		nearest = error_nearest(key->string, known);
		if (nearest != NULL)
			errors_add(errors, "%skey '%s' is unknown, did you mean '%s'?", what, graph_show(key, shown), nearest);
		else
			errors_add(errors, "%skey '%s' is unknown; accepted: %s", what, graph_show(key, shown),
				graph_list(known, all, sizeof(all)));
	}
}

/* Put "worker 'w2': " before the messages that were added since `from`. */
static void prefix_errors(struct errors *errors, uint32_t from, const char *worker)
{
	for (uint32_t i = from; i < errors->count; i++) {
		char *text = NULL;

		if (asprintf(&text, "worker '%s': %s", worker, errors->text[i]) < 0)
			continue;
		free(errors->text[i]);
		errors->text[i] = text;
	}
}

/* Build one worker from its part of the configuration. */
static void build_worker(struct graph *graph, struct graph_worker *worker, const struct value *part,
	const struct build_interlink *interlinks, bool many, const struct value *modules, struct errors *errors)
{
	struct build b = { .graph = graph, .worker = worker, .number = (uint32_t)(worker - graph->worker), .interlinks = interlinks,
		.many = many, .modules = modules, .errors = errors };
	uint32_t before = errors->count;

	graph_read_apps(&b, value_get(part, "apps"));
	graph_read_links(&b, value_get(part, "links"));
	graph_check_apps(&b);
	if (errors->count == before)
		graph_order(worker, &graph->arena);
}

/* A worker's name: `name`, or its key in a map, or "w" and its position. */
static const char *worker_name(struct graph *graph, const struct value_entry *entry, uint32_t position, struct errors *errors)
{
	const struct value *given = value_get(&entry->value, "name");
	char name[GRAPH_SHOWN];

	snprintf(name, sizeof(name), "w%u", position);
	if (given != NULL && given->type != VALUE_STRING) {
		errors_add(errors, "worker %u: key 'name' is %s; accepted: a string", position, value_type_name(given));
		given = NULL;
	}
	if (given == NULL && entry->key.type == VALUE_STRING)
		given = &entry->key;
	if (given != NULL)
		graph_show(given, name);
	if (given != NULL && !graph_name_is_good(given->string, given->count))
		errors_add(errors, "worker '%s': is no good name; " GRAPH_NAME_RULE, name);
	for (struct graph_worker *other = graph->worker; other < graph->worker + position - 1; other++)
		if (strcmp(other->name, name) == 0)
			errors_add(errors, "worker '%s': two workers have this name", name);
	return arena_copy(&graph->arena, name, strlen(name));
}

static int worker_cpu(const struct value *cpu, const char *name, struct errors *errors)
{
	if (cpu == NULL)
		return -1;
	if (cpu->type != VALUE_NUMBER || !(cpu->number >= 0 && cpu->number <= CPU_MOST) || cpu->number != (int)cpu->number) {
		errors_add(errors, "worker '%s': key 'cpu': is not the number of a processor; accepted: a whole number 0..%d", name,
			CPU_MOST);
		return -1;
	}
	return (int)cpu->number;
}

static void read_worker(struct graph *graph, uint32_t number, const struct value_entry *entry,
	const struct build_interlink *interlinks, const struct value *modules, struct errors *errors)
{
	static const char *const known[] = { "apps", "cpu", "links", "name", NULL };
	struct graph_worker *worker = &graph->worker[number];
	uint32_t before;

	worker->cpu = -1;
	if (entry->value.type != VALUE_TABLE) {
		errors_add(errors, "worker '%s': is %s; accepted: { cpu = N, apps = {...}, links = {...} }", worker->name,
			value_type_name(&entry->value));
		return;
	}
	worker->cpu = worker_cpu(value_get(&entry->value, "cpu"), worker->name, errors);
	before = errors->count;
	check_keys(&entry->value, "", known, errors);
	build_worker(graph, worker, &entry->value, interlinks, true, modules, errors);
	prefix_errors(errors, before, worker->name);
}

/* All links that name a worker: beside the workers, and in the links of each. */
static struct build_interlink *read_interlinks(struct graph *graph, const struct value *config, struct errors *errors)
{
	const struct value *workers = value_get(config, "workers"), *links = value_get(config, "links");
	struct build_interlink *list = NULL;
	char shown[GRAPH_SHOWN];

	if (links != NULL && links->type != VALUE_TABLE)
		errors_add(errors, "'links' is %s; accepted: a list, { \"worker:app.output -> worker:app.input\", ... }",
			value_type_name(links));
	for (uint32_t i = 0; links != NULL && links->type == VALUE_TABLE && i < links->count; i++) {
		const struct value *link = &links->entry[i].value;

		if (graph_names_worker(link))
			graph_read_interlink(graph, link, UINT32_MAX, &list, errors);
		else
			errors_add(errors, "'links' beside 'workers' has %s%s%s at position %u; accepted: "
				"\"worker:app.output -> worker:app.input\"", link->type == VALUE_STRING ? "'" : "",
				link->type == VALUE_STRING ? graph_show(link, shown) : value_type_name(link),
				link->type == VALUE_STRING ? "'" : "", i + 1);
	}
	for (uint32_t w = 0; w < workers->count; w++) {
		links = value_get(&workers->entry[w].value, "links");
		for (uint32_t i = 0; links != NULL && links->type == VALUE_TABLE && i < links->count; i++)
			if (links->entry[i].key.type != VALUE_STRING && graph_names_worker(&links->entry[i].value))
				graph_read_interlink(graph, &links->entry[i].value, w, &list, errors);
	}
	return list;
}

static void read_workers(struct graph *graph, const struct value *config, const struct value *modules, struct errors *errors)
{
	const struct value *workers = value_get(config, "workers");
	struct build_interlink *interlinks;

	if (value_get(config, "apps") != NULL)
		errors_add(errors, "both 'apps' and 'workers' are given; accepted: either apps and links, or workers, each with its "
			"apps and links");
	if (workers->type != VALUE_TABLE || workers->count == 0) {
		errors_add(errors, "'workers' is %s; accepted: a list of workers, { { cpu = N, apps = {...}, links = {...} }, ... }",
			workers->type == VALUE_TABLE ? "empty" : value_type_name(workers));
		return;
	}
	if (workers->count > MEMORY_WORKERS) {
		errors_add(errors, "%u workers are too many; accepted: 1..%d", workers->count, MEMORY_WORKERS);
		return;
	}
	graph->worker_count = workers->count;
	graph->worker = arena_alloc(&graph->arena, workers->count * sizeof(*graph->worker));
	for (uint32_t i = 0; i < workers->count; i++)
		graph->worker[i].name = worker_name(graph, &workers->entry[i], i + 1, errors);
	interlinks = read_interlinks(graph, config, errors);
	for (uint32_t i = 0; i < workers->count; i++)
		read_worker(graph, i, &workers->entry[i], interlinks, modules, errors);
	graph_share_packets(graph, interlinks);
}

/* The whole configuration: one worker from apps and links, or several. */
static void read_config(struct graph *graph, const struct value *config, const struct value *modules, struct errors *errors)
{
	static const char *const known[] = { "apps", "links", "workers", NULL };

	if (config == NULL || config->type != VALUE_TABLE) {
		errors_add(errors, "the configuration returns %s; accepted: a table, { apps = {...}, links = {...} }",
			value_type_name(config));
		return;
	}
	check_keys(config, "", known, errors);
	if (value_at(config, 1) != NULL)
		errors_add(errors, "the configuration has a value without a name; accepted: apps, links, workers");
	if (value_get(config, "workers") != NULL) {
		read_workers(graph, config, modules, errors);
		return;
	}
	graph->worker_count = 1;
	graph->worker = arena_alloc(&graph->arena, sizeof(*graph->worker));
	graph->worker->name = "w1";
	graph->worker->cpu = -1;
	build_worker(graph, graph->worker, config, NULL, false, modules, errors);
}

struct graph *graph_from_value(struct value *value, const char *file, const char *folder, struct errors *errors)
{
	struct graph *graph = calloc(1, sizeof(*graph));
	uint32_t before = errors->count;

	nf_assert(graph != NULL, "no memory for a graph");
	graph->value = value;
	graph->file = arena_copy(&graph->arena, file, strlen(file));
	graph->folder = arena_copy(&graph->arena, folder, strlen(folder));
	graph->resources = arena_alloc(&graph->arena, sizeof(*graph->resources));
	graph->resources->errors = errors;
	read_config(graph, value_get(value, "config"), value_get(value, "modules"), errors);
	graph->resources->errors = NULL;
	if (errors->count == before)
		return graph;
	graph_free(graph);
	return NULL;
}

struct graph *graph_load(const char *file, const char *const *arguments, struct errors *errors)
{
	char path[PATH_MAX], folder[PATH_MAX];
	struct value *value;
	struct graph *graph;

	if (realpath(file, path) == NULL) {
		errors_add(errors, "%s: %s", file, strerror(errno));
		return NULL;
	}
	strcpy(folder, path);
	*strrchr(folder, '/') = '\0';
	if (folder[0] == '\0')
		strcpy(folder, "/");
	if (graph_evaluate(file, NULL, folder, arguments, &value, errors) < 0)
		return NULL;
	graph = graph_from_value(value, path, folder, errors);
	if (graph == NULL || graph_try(graph, errors) == 0)
		return graph;
	graph_free(graph);
	return NULL;
}

struct graph *graph_from_text(const char *source, const char *name, const char *const *arguments, struct errors *errors)
{
	char folder[PATH_MAX];
	struct value *value;

	if (getcwd(folder, sizeof(folder)) == NULL)
		strcpy(folder, "/");
	if (graph_evaluate(name, source, folder, arguments, &value, errors) < 0)
		return NULL;
	return graph_from_value(value, "", folder, errors);
}

void graph_free(struct graph *graph)
{
	struct arena arena;

	if (graph == NULL)
		return;
	resources_fini(graph->resources, false);
	for (uint32_t w = 0; w < graph->worker_count; w++)
		for (uint32_t i = 0; i < graph->worker[w].app_count; i++)
			app_delete(graph->worker[w].app[i].checked);
	value_free(graph->value);
	arena = graph->arena;
	free(graph);
	arena_free(&arena);
}
