/* script -- classes of apps written in Lua, made from what the evaluating child says of their modules. See script.h. */
#include "core/script_app.h"

enum { OWNER = 128, MOST_NAMES = 256, MOST_HOLDS = 1 << 19 };

/* Numbers of a module: what a table of parameters can check. */
struct limits {
	uint64_t memory, budget;
	uint32_t holds, expansion;
	bool is_unsafe;
};

static const struct param limits_params[] = {
	{ "memory", PARAM_BYTES, offsetof(struct limits, memory), .min = 1 << 20, .max = 4ULL << 30, .initial = SCRIPT_MEMORY,
		.help = "memory that an instance may use" },
	{ "budget", PARAM_DURATION, offsetof(struct limits, budget), .min = 100000, .max = 1000000000, .initial = SCRIPT_BUDGET_NS,
		.help = "time that one call may take" },
	{ "holds", PARAM_U32, offsetof(struct limits, holds), .max = MOST_HOLDS, .help = "packets that it may keep between calls" },
	{ "expansion", PARAM_U32, offsetof(struct limits, expansion), .max = LINK_SLOTS, .initial = 1,
		.help = "most packets to one output for one received" },
	{ "unsafe", PARAM_BOOL, offsetof(struct limits, is_unsafe), .help = "has ffi and nf.core; isolation is not promised" },
	{ 0 }
};

static const char *const field_names[] = { "name", "help", "inputs", "outputs", "counters", "reasons", "params", "holds", "expansion",
	"memory", "budget", "unsafe", "functions", NULL };
static const char *const function_names[] = { "new", "link", "push", "pull", "tick", NULL };

/* Mistakes in the names of fields. */
static void check_names(const struct value *table, const char *const *known, const char *owner, const char *what,
	struct errors *errors)
{
	for (uint32_t i = 0; table != NULL && table->type == VALUE_TABLE && i < table->count; i++) {
		const struct value *key = &table->entry[i].key;
		const char *nearest;

		if (key->type != VALUE_STRING) {
			errors_add(errors, "%s: a %s without a name", owner, what);
		} else if (app_name_find(known, key->string) < 0) {
			nearest = error_nearest(key->string, known);
			errors_add(errors, "%s: unknown %s '%.40s'%s%s%s", owner, what, key->string, nearest ? ", did you mean '" : "",
				nearest ? nearest : "", nearest ? "'?" : "");
		}
	}
}

/* The numbers of the description. */
static bool decode_limits(const struct value *class, struct limits *limits, const char *owner, struct arena *arena,
	struct errors *errors)
{
	struct value_entry *entry = arena_alloc(arena, (class->count + 1) * sizeof(*entry));
	struct value table = { .type = VALUE_TABLE, .entry = entry };

	for (uint32_t i = 0; i < class->count; i++)
		for (const struct param *param = limits_params; param->type != PARAM_END; param++)
			if (class->entry[i].key.type == VALUE_STRING && strcmp(class->entry[i].key.string, param->name) == 0)
				entry[table.count++] = class->entry[i];
	return param_decode(limits_params, &table, limits,
		&(struct param_context){ .app = owner, .folder = "", .arena = arena, .errors = errors });
}

/* Letters, digits, _ and -; a port may end with ?. */
static bool is_name(const struct value *value, bool port)
{
	uint32_t length = value->type == VALUE_STRING ? value->count : 0;

	if (port && length > 1 && value->string[length - 1] == '?')
		length--;
	if (length == 0 || length > 31)
		return false;
	for (uint32_t i = 0; i < length; i++) {
		char c = value->string[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* A list of names as the class wants it; NULL when there is none, or after adding a message. */
static const char *const *names_of(const struct value *class, const char *key, const char *owner, struct arena *arena,
	struct errors *errors)
{
	const struct value *list = value_get(class, key);
	bool port = strcmp(key, "inputs") == 0 || strcmp(key, "outputs") == 0;
	const char **names;
	uint32_t n = 0;

	if (list == NULL)
		return NULL;
	if (list->type != VALUE_TABLE || list->count > MOST_NAMES) {
		errors_add(errors, "%s: key '%s': accepted: a list of at most %d names", owner, key, MOST_NAMES);
		return NULL;
	}
	names = arena_alloc(arena, (list->count + 1) * sizeof(*names));
	for (; n < list->count; n++) {
		const struct value *name = value_at(list, n + 1);

		if (name == NULL || (!is_name(name, port) && !(port && list->count == 1 && name->type == VALUE_STRING &&
			strcmp(name->string, "*") == 0))) {
			errors_add(errors, "%s: key '%s': accepted: a list of names of letters, digits, _ and -%s", owner, key,
				port ? ", with ? behind those of optional ports, or { \"*\" } for any ports" : "");
			return NULL;
		}
		for (uint32_t i = 0; i < n; i++)
			if (strcmp(names[i], name->string) == 0)
				errors_add(errors, "%s: key '%s': '%s' is there twice", owner, key, names[i]);
		names[n] = name->string;
	}
	return names;
}

static bool has_function(const struct value *functions, const char *name)
{
	const struct value *value = value_get(functions, name);

	return value != NULL && value->type == VALUE_BOOL && value->boolean;
}

/* The sources are what the child recorded, but a wrong description must not end the worker. */
static void check_sources(const struct value *sources, const char *owner, struct errors *errors)
{
	static const char *const fields[] = { "name", "path", "text", NULL };
	uint32_t count = sources != NULL && sources->type == VALUE_TABLE ? sources->count : 0;

	if (count == 0)
		errors_add(errors, "%s: its source is missing", owner);
	for (uint32_t i = 0; i < count; i++) {
		for (const char *const *field = fields; *field != NULL; field++) {
			const struct value *value = value_get(value_at(sources, i + 1), *field);

			if (value == NULL || value->type != VALUE_STRING)
				errors_add(errors, "%s: source %u has no %s", owner, i + 1, *field);
		}
	}
}

/* The functions that every class of this kind has, and those that depend on the module's. */
static void set_functions(struct script_class *class, const struct value *functions)
{
	class->class.prepare = script_app_prepare;
	class->class.commit = script_app_commit;
	class->class.abort = script_app_abort;
	class->class.stop = script_app_stop;
	class->class.retire = script_app_retire;
	class->class.link = script_app_link;
	class->class.held = script_app_held;
	class->class.holds = script_app_holds;
	class->class.push = has_function(functions, "push") ? script_app_push : NULL;
	class->class.pull = has_function(functions, "pull") ? script_app_pull : NULL;
	class->class.tick = has_function(functions, "tick") ? script_app_tick : NULL;
}

/* What the description says, into the class. */
static void describe(struct script_class *class, const struct value *said, const char *owner, struct arena *arena,
	struct errors *errors)
{
	const struct value *help = value_get(said, "help"), *functions = value_get(said, "functions");
	struct limits limits = { 0 };
	uint32_t size = (sizeof(struct script) + 63) & ~63u;

	check_names(said, field_names, owner, "field", errors);
	check_names(functions, function_names, owner, "function", errors);
	if (help != NULL && help->type != VALUE_STRING)
		errors_add(errors, "%s: key 'help': accepted: a string", owner);
	class->class.help = help != NULL && help->type == VALUE_STRING ? help->string : "";
	class->class.inputs = names_of(said, "inputs", owner, arena, errors);
	class->class.outputs = names_of(said, "outputs", owner, arena, errors);
	class->class.counters = names_of(said, "counters", owner, arena, errors);
	class->class.reasons = names_of(said, "reasons", owner, arena, errors);
	class->class.params = script_param_new(value_get(said, "params"), owner, &size, arena, errors);
	class->class.size = size;
	if (decode_limits(said, &limits, owner, arena, errors)) {
		class->memory = limits.memory;
		class->budget_ns = limits.budget;
		class->holds = limits.holds;
		class->class.expansion = limits.expansion;
	}
	set_functions(class, functions);
	if (class->class.push == NULL && class->class.pull == NULL)
		errors_add(errors, "%s: it has neither push nor pull, so it would do nothing", owner);
	else if (class->class.push == NULL && class->class.inputs != NULL && class->class.inputs[0] != NULL)
		errors_add(errors, "%s: it has inputs but no push: what arrives would wait for ever", owner);
}

int script_module_new(struct script_module **made, const char *name, const struct value *value, struct arena *arena,
	struct errors *errors)
{
	struct script_module *module = arena_alloc(arena, sizeof(*module));
	struct script_class *class = arena_alloc(arena, sizeof(*class));
	const struct value *path = value_get(value, "path"), *said = value_get(value, "class"), *is_unsafe = value_get(said, "unsafe");
	uint32_t count = errors->count;
	char owner[OWNER];

	snprintf(owner, sizeof(owner), "app module '%.90s'", name);
	if (said == NULL || said->type != VALUE_TABLE) {
		errors_add(errors, "%s: it returns no table", owner);
		return nf_fail(EINVAL, "%s cannot be used", owner);
	}
	module->name = arena_copy(arena, name, strlen(name));
	module->path = path != NULL && path->type == VALUE_STRING ? path->string : module->name;
	module->value = value;
	module->class = &class->class;
	module->is_unsafe = is_unsafe != NULL && is_unsafe->type == VALUE_BOOL && is_unsafe->boolean;
	class->class.name = module->name;
	class->class.module = module;
	class->sources = value_get(value, "sources");
	check_sources(class->sources, owner, errors);
	describe(class, said, owner, arena, errors);
	if (errors->count > count)
		return nf_fail(EINVAL, "%s cannot be used", owner);
	*made = module;
	return 0;
}
