/* app -- see app.h. */
#include "core/core.h"

extern inline void app_drop(struct app *app, uint32_t reason, struct packet *p);
extern inline void app_drop_burst(struct app *app, uint32_t reason, struct packet *const *burst, uint32_t n);
extern inline uint32_t app_reason(const struct app *app, enum app_reason reason);
extern inline uint32_t app_pull_room(const struct app *app);
extern inline uint32_t app_push_room(const struct app *app, const struct link *input);

enum { CACHE_LINE = 64 };

static const struct app_class *const no_classes[] = { NULL };
const struct app_class *const *app_classes = no_classes;

const struct app_class *app_class_find(const char *name)
{
	for (const struct app_class *const *class = app_classes; *class != NULL; class++)
		if (strcmp((*class)->name, name) == 0)
			return *class;
	return NULL;
}

uint32_t app_name_count(const char *const *names)
{
	uint32_t n = 0;

	while (names != NULL && names[n] != NULL)
		n++;
	return n;
}

/* Bytes of a port's name without the mark of an optional one. */
static size_t bare_length(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && name[length - 1] == '?' ? length - 1 : length;
}

int app_name_find(const char *const *names, const char *name)
{
	size_t length = strlen(name);

	for (uint32_t i = 0; names != NULL && names[i] != NULL; i++)
		if (bare_length(names[i]) == length && memcmp(names[i], name, length) == 0)
			return (int)i;
	return -1;
}

bool app_is_gauge(const struct app_class *class, uint32_t counter)
{
	return class->gauges != NULL && app_name_find(class->gauges, class->counters[counter]) >= 0;
}

void *app_alloc(struct app *app, size_t bytes)
{
	return arena_alloc(&app->arena, bytes);
}

/* Copy the names of an instance's ports: the class's without marks, or for "*" those that are given. */
static const char *const *copy_ports(struct app *app, const char *const *ports, const char *const *given, uint32_t *count)
{
	const char *const *from = ports != NULL && ports[0] != NULL && strcmp(ports[0], "*") == 0 ? given : ports;
	const char **names;

	*count = app_name_count(from);
	names = app_alloc(app, (*count + 1) * sizeof(*names));
	for (uint32_t i = 0; i < *count; i++)
		names[i] = arena_copy(&app->arena, from[i], bare_length(from[i]));
	return names;
}

struct app *app_new(const struct app_class *class, const char *name, const struct value *params, const char *folder,
	const char *const *input_names, const char *const *output_names, struct errors *errors)
{
	size_t size = (class->size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	struct app *app;
	char prefix[128];

	nf_assert(class->size >= sizeof(*app), "class %s: size %u holds no struct app", class->name, class->size);
	app = aligned_alloc(CACHE_LINE, size);
	nf_assert(app != NULL, "no memory for an instance of %s", class->name);
	memset(app, 0, size);
	app->class = class;
	app->name = arena_copy(&app->arena, name, strlen(name));
	app->folder = arena_copy(&app->arena, folder, strlen(folder));
	app->input_name = copy_ports(app, class->inputs, input_names, &app->input_count);
	app->output_name = copy_ports(app, class->outputs, output_names, &app->output_count);
	app->input = app_alloc(app, (app->input_count + 1) * sizeof(*app->input));
	app->output = app_alloc(app, (app->output_count + 1) * sizeof(*app->output));
	app->reason_count = app_name_count(class->reasons);
	app->counter = app_alloc(app, (app_name_count(class->counters) + 1) * sizeof(*app->counter));
	app->reason = app_alloc(app, (app->reason_count + APP_REASONS) * sizeof(*app->reason));
	app->ended = class->pull == NULL;
	snprintf(prefix, sizeof(prefix), "app '%s'", name);
	if (!param_decode(class->params, params, app,
		&(struct param_context){ .app = prefix, .folder = app->folder, .arena = &app->arena, .errors = errors })) {
		app_delete(app);
		return NULL;
	}
	return app;
}

void app_delete(struct app *app)
{
	struct arena arena;

	if (app == NULL)
		return;
	arena = app->arena;
	free(app);
	arena_free(&arena);
}
