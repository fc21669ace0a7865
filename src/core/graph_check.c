/* graph_check -- the apps of a configuration: classes, ports, parameters, resources, packets. See graph_build.h. */
#include "core/graph_build.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PACKETS_BASE = 4096,            /* standard packets of a worker before links and apps are looked at */
	PACKETS_LINK = 1024,            /* more for each link, so that all may be full, ... */
	PACKETS_LINKS = 32768,          /* ... up to so many */
	PACKETS_JUMBO = 256, PACKETS_GSO = 64,  /* under way on links, in a worker that has these sizes */
	HASH_WHOLE = 64 << 20           /* larger files are told apart by size and time instead of their content */
};

/* The class of a Lua module that the child has described; made at its first use. NULL when there is none, or it is wrong
 * (`found` tells which). */
static const struct app_class *module_class(struct build *b, const char *name, bool *found)
{
	const struct value *description = value_get(b->modules, name), *error;
	struct script_module *module;

	*found = description != NULL;
	for (module = b->graph->modules; module != NULL; module = module->next)
		if (strcmp(module->name, name) == 0)
			return module->class;
	if (description == NULL)
		return NULL;
	error = value_get(description, "error");
	if (error != NULL)
		errors_add(b->errors, "app module '%s': %s", name, error->type == VALUE_STRING ? error->string : "failed");
	if (error != NULL || script_module_new(&module, name, description, &b->graph->arena, b->errors) < 0) {
		/* The next app of this class must not repeat the messages. */
		module = arena_alloc(&b->graph->arena, sizeof(*module));
		module->name = name;
	}
	module->next = b->graph->modules;
	b->graph->modules = module;
	return module->class;
}

/* The nearest class to a misspelt name, among native ones, Lua apps that are embedded, and modules of this configuration. */
static const char *nearest_class(struct build *b, const char *name)
{
	uint32_t count = 0, modules = b->modules != NULL && b->modules->type == VALUE_TABLE ? b->modules->count : 0, n = 0;
	const char **names;

	while (app_classes[count] != NULL)
		count++;
	for (const struct script_source *s = script_sources; s->name != NULL; s++)
		count++;
	names = arena_alloc(&b->graph->arena, (count + modules + 1) * sizeof(*names));
	for (const struct app_class *const *class = app_classes; *class != NULL; class++)
		names[n++] = (*class)->name;
	for (const struct script_source *s = script_sources; s->name != NULL; s++) {
		if (strncmp(s->name, "nf.apps.", 8) == 0) {
			char *lua = arena_copy(&b->graph->arena, s->name + 4, strlen(s->name + 4));

			memcpy(lua, "lua.", 4);         /* nf.apps.select is lua.select */
			names[n++] = lua;
		}
	}
	for (uint32_t i = 0; i < modules; i++)
		if (b->modules->entry[i].key.type == VALUE_STRING)
			names[n++] = b->modules->entry[i].key.string;
	return error_nearest(name, names);
}

static const struct app_class *find_class(struct build *b, const char *app, const struct value *name)
{
	const struct app_class *class = app_class_find(name->string);
	char shown[GRAPH_SHOWN], file[GRAPH_SHOWN];
	const char *nearest;
	bool found;

	if (class != NULL)
		return class;
	class = module_class(b, name->string, &found);
	if (class != NULL || found)
		return class;
	nearest = nearest_class(b, name->string);
	graph_show(name, shown);
	strcpy(file, shown);
	for (char *c = file; *c != '\0'; c++)
		*c = *c == '.' ? '/' : *c;
	if (nearest != NULL)
		errors_add(b->errors, "app '%s': class '%s' is unknown, did you mean '%s'?", app, shown, nearest);
	else if (strchr(shown, '/') != NULL || strstr(shown, "..") != NULL)
		errors_add(b->errors, "app '%s': class '%s' is no name of a class but a path; accepted: a class that 'nf help apps' lists, "
			"or a Lua module beside the configuration: 'my.module' is my/module.lua", app, shown);
	else
		errors_add(b->errors, "app '%s': class '%s' is unknown, and there is no file %s.lua beside the configuration; "
			"accepted: a class that 'nf help apps' lists, or a Lua module", app, shown, file);
	return NULL;
}

void graph_lay_out(struct build *b, struct build_ports *ports, const char *const *names)
{
	*ports = (struct build_ports){ .count = app_name_count(names) };
	if (ports->count == 1 && strcmp(names[0], "*") == 0) {
		ports->count = 0;
		ports->any = true;
	}
	ports->room = ports->count + 1;
	ports->name = arena_alloc(&b->graph->arena, ports->room * sizeof(*ports->name));
	ports->link = arena_alloc(&b->graph->arena, ports->room * sizeof(*ports->link));
	ports->optional = arena_alloc(&b->graph->arena, ports->room * sizeof(*ports->optional));
	for (uint32_t i = 0; i < ports->count; i++) {
		size_t length = strlen(names[i]);

		ports->optional[i] = length > 0 && names[i][length - 1] == '?';
		ports->name[i] = arena_copy(&b->graph->arena, names[i], length - ports->optional[i]);
	}
}

/* One entry of `apps`: x = { "class", ... }. */
static void read_app(struct build *b, struct graph_app *app, uint32_t number, const struct value_entry *entry)
{
	const struct value *class = value_at(&entry->value, 1);
	char shown[GRAPH_SHOWN];

	app->name = entry->key.string;
	app->params = &entry->value;
	graph_lay_out(b, &b->input[number], NULL);
	graph_lay_out(b, &b->output[number], NULL);
	if (!graph_name_is_good(entry->key.string, entry->key.count)) {
		graph_show(&entry->key, shown);
		app->name = arena_copy(&b->graph->arena, shown, strlen(shown));
		errors_add(b->errors, "app '%s': is no good name; " GRAPH_NAME_RULE, app->name);
	}
	if (entry->value.type != VALUE_TABLE) {
		errors_add(b->errors, "app '%s': is %s; accepted: { \"class\", key = value, ... }", app->name,
			value_type_name(&entry->value));
		return;
	}
	if (class == NULL || class->type != VALUE_STRING || strlen(class->string) != class->count) {
		errors_add(b->errors, "app '%s': has no class; accepted: { \"class\", key = value, ... }", app->name);
		return;
	}
	app->class = find_class(b, app->name, class);
	if (app->class != NULL) {
		graph_lay_out(b, &b->input[number], app->class->inputs);
		graph_lay_out(b, &b->output[number], app->class->outputs);
	}
}

void graph_read_apps(struct build *b, const struct value *apps)
{
	struct graph_worker *worker = b->worker;
	uint32_t count = 0, room;

	if (apps == NULL || apps->type != VALUE_TABLE) {
		errors_add(b->errors, "'apps' is %s; accepted: a table, { name = { \"class\", key = value, ... }, ... }",
			apps == NULL ? "missing" : value_type_name(apps));
		return;
	}
	if (apps->count == 0)
		errors_add(b->errors, "'apps' is empty: there is nothing to run");
	room = apps->count + graph_interlink_count(b);
	worker->app = arena_alloc(&b->graph->arena, room * sizeof(*worker->app));
	b->input = arena_alloc(&b->graph->arena, room * sizeof(*b->input));
	b->output = arena_alloc(&b->graph->arena, room * sizeof(*b->output));
	for (uint32_t i = 0; i < apps->count; i++) {
		if (apps->entry[i].key.type == VALUE_STRING) {
			read_app(b, &worker->app[count], count, &apps->entry[i]);
			count++;
		} else {
			errors_add(b->errors, "'apps' has a value without a name at position %u; accepted: name = { \"class\", ... }",
				i + 1);
		}
	}
	worker->app_count = count;
	graph_add_interlinks(b);
}

/* A hash of bytes that goes eight at a time: files may be large. */
static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;

	for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	for (; length > 0; bytes++, length--)
		hash = (hash ^ *bytes) * 0x100000001b3ULL;
	return hash;
}

/* The content of a file that is only read, "read:PATH". What cannot be read hashes as such: opening it will tell. A worker that
 * checks the graph of a reload gets the file from the supervisor. */
static uint64_t hash_file(uint64_t hash, const char *key)
{
	int fd = resource_is_asked() ? resource_open(key) : open(key + strlen("read:"), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	void *content;

	if (fd < 0)
		return hash ^ (uint64_t)errno;
	if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
		close(fd);
		return hash;
	}
	if (stat.st_size > HASH_WHOLE) {
		uint64_t facts[] = { (uint64_t)stat.st_size, (uint64_t)stat.st_ino, (uint64_t)stat.st_mtim.tv_sec,
			(uint64_t)stat.st_mtim.tv_nsec };

		hash = hash_bytes(hash, (const uint8_t *)facts, sizeof(facts));
	} else {
		/* read, not mmap: a file that shrinks meanwhile must not kill us. */
		content = malloc((size_t)stat.st_size + 1);
		if (content != NULL) {
			ssize_t n = read(fd, content, (size_t)stat.st_size);

			hash = hash_bytes(hash, content, n > 0 ? (size_t)n : 0);
		}
		free(content);
	}
	close(fd);
	return hash;
}

/* See graph_app.hash: what must be equal for an app to be left alone by a reload. */
static uint64_t hash_app(const struct build *b, const struct graph_app *app)
{
	uint64_t hash = hash_bytes(0xcbf29ce484222325ULL, (const uint8_t *)app->class->name, strlen(app->class->name));
	uint64_t part = value_hash(app->params);

	hash = hash_bytes(hash, (const uint8_t *)&part, sizeof(part));
	if (app->class->module != NULL) {
		part = value_hash(app->class->module->value);
		hash = hash_bytes(hash, (const uint8_t *)&part, sizeof(part));
	}
	for (uint32_t i = 0; i < b->graph->resources->count; i++) {
		const struct resource *resource = &b->graph->resources->list[i];

		if (resource->app == app->checked && strncmp(resource->key, "read:", 5) == 0)
			hash = hash_file(hash, resource->key);
	}
	return hash;
}

/* The packets that a worker needs: on its links, in its apps. */
static void add_packets(struct graph_worker *worker, const uint64_t holds[PACKET_SIZES])
{
	static const uint64_t under_way[PACKET_SIZES] = { [PACKET_JUMBO] = PACKETS_JUMBO, [PACKET_GSO] = PACKETS_GSO };
	uint64_t links = (uint64_t)worker->link_count * PACKETS_LINK;

	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		uint64_t packets = holds[size] > 0 ? holds[size] + under_way[size] : 0;

		if (size == PACKET_STANDARD)
			packets = PACKETS_BASE + (links < PACKETS_LINKS ? links : PACKETS_LINKS) + holds[size];
		worker->packets[size] = packets < UINT32_MAX ? (uint32_t)packets : UINT32_MAX;
	}
}

static void check_app(struct build *b, struct graph_app *app, const struct build_ports *input, const struct build_ports *output,
	uint64_t holds[PACKET_SIZES])
{
	struct resources *resources = b->graph->resources;
	uint32_t before = b->errors->count;
	uint32_t held[PACKET_SIZES] = { 0 };

	app->input_names = input->name;
	app->output_names = output->name;
	app->checked = app_new(app->class, app->name, app->params, b->graph->folder, input->name, output->name, b->errors);
	if (app->checked == NULL)
		return;
	app->checked->worker = (uint32_t)(b->worker - b->graph->worker);
	if (app->class->check != NULL)
		app->class->check(app->checked, b->errors);
	if (b->errors->count > before)
		return;
	if (app->class->resources != NULL) {
		resources->app = app->checked;
		app->class->resources(app->checked, resources);
		resources->app = NULL;
	}
	if (app->class->holds != NULL)
		app->class->holds(app->checked, held);
	for (uint32_t size = 0; size < PACKET_SIZES; size++)
		holds[size] += held[size];
	app->hash = hash_app(b, app);
	for (uint32_t i = 0; i < resources->count; i++)
		if (resources->list[i].app == app->checked)
			resources->list[i].hash = app->hash;
}

void graph_check_apps(struct build *b)
{
	uint64_t holds[PACKET_SIZES] = { 0 };

	for (uint32_t i = 0; i < b->worker->app_count; i++)
		if (b->worker->app[i].class != NULL)
			check_app(b, &b->worker->app[i], &b->input[i], &b->output[i], holds);
	add_packets(b->worker, holds);
}
