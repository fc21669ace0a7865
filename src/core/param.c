/* param -- the decoder: from a table of a configuration into a struct. See param.h. */
#include "core/param_decode.h"

enum { PATH_TEXT = 256, NAMES_TEXT = 400 };

static bool decode_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field);

/* How many entries of a table have positions. */
static uint32_t positions(const struct value *table)
{
	uint32_t n = 0;

	while (value_at(table, n + 1) != NULL)
		n++;
	return n;
}

static bool decode_list(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, struct param_list *list)
{
	bool single = value->type != VALUE_TABLE, good = true;
	size_t size = param_size(param->item);
	char deeper[PATH_TEXT];
	uint32_t word;

	/* A word that stands in place of the list. */
	if (param->choices != NULL && value->type == VALUE_STRING) {
		if (!param_scalar_enum(context, param, path, value, &word))
			return false;
		list->items = (void *)param->choices[word];
		return true;
	}
	list->count = single ? 1 : positions(value);
	if (!single && list->count < value->count) {
		/* { x = 1 } in place of { { x = 1 } }: a list of one. */
		if (param->item->type != PARAM_TABLE || list->count > 0)
			return param_error_refuse(context, param, path, "a table with names is given");
		list->count = 1;
		single = true;
	}
	if (!param_scalar_in_range(param, list->count)) {
		snprintf(deeper, sizeof(deeper), "%u element%s too %s", list->count, list->count == 1 ? " is" : "s are",
			list->count < param->min ? "few" : "many");
		return param_error_refuse(context, param, path, deeper);
	}
	list->items = arena_alloc(context->arena, list->count * size);
	for (uint32_t i = 0; i < list->count; i++) {
		void *item = (uint8_t *)list->items + i * size;

		snprintf(deeper, sizeof(deeper), "%s[%u]", path, i + 1);
		if (single)
			good = decode_value(context, param->item, path, value, item);
		else if (!decode_value(context, param->item, deeper, value_at(value, i + 1), item))
			good = false;
	}
	return good;
}

static bool decode_table(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table, void *base);

static bool decode_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field)
{
	if (param->type == PARAM_LIST)
		return decode_list(context, param, path, value, field);
	if (param->type != PARAM_TABLE)
		return param_scalar_decode(context, param, path, value, field);
	if (value->type != VALUE_TABLE)
		return param_error_type(context, param, path, value);
	return decode_table(context, param->fields, path, value, field);
}

/* A default's text as the value that a user would have written; text that is no number stays text, and is refused. */
static struct value text_value(const struct param *param, const char *text)
{
	struct value value = { .type = VALUE_STRING, .count = (uint32_t)strlen(text), .string = text };
	bool is_whole = param->type <= PARAM_INT, is_number = is_whole || param->type == PARAM_NUMBER;
	char *end = NULL;

	if (param->type == PARAM_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		return (struct value){ .type = VALUE_BOOL, .boolean = text[0] == 't' };
	if (!is_number || *text == '\0')
		return value;
	if (is_whole && text[0] == '-')
		value = (struct value){ .type = VALUE_INTEGER, .integer = strtoll(text, &end, 0) };
	else if (is_whole)
		value = (struct value){ .type = VALUE_UNSIGNED, .unsigned_integer = strtoull(text, &end, 0) };
	if (end == NULL || *end != '\0')
		value = (struct value){ .type = VALUE_NUMBER, .number = strtod(text, &end) };
	if (*end != '\0')
		value = (struct value){ .type = VALUE_STRING, .count = (uint32_t)strlen(text), .string = text };
	return value;
}

/* A list's default: its elements, separated by commas. */
static bool default_list(const struct param_context *context, const struct param *param, const char *path,
	struct param_list *list)
{
	size_t size = param_size(param->item);
	char *text = arena_copy(context->arena, param->initial_text, strlen(param->initial_text)), *rest = text, *part;
	bool good = true;

	for (list->count = *text != '\0'; *rest != '\0'; rest++)
		list->count += *rest == ',';
	list->items = arena_alloc(context->arena, list->count * size);
	rest = text;
	for (uint32_t i = 0; i < list->count; i++) {
		struct value value;

		part = strsep(&rest, ",");
		part += strspn(part, " ");
		value = text_value(param->item, part);
		good = decode_value(context, param->item, path, &value, (uint8_t *)list->items + i * size) && good;
	}
	return good;
}

static bool decode_default(const struct param_context *context, const struct param *param, const char *path, void *field)
{
	if (param->type == PARAM_TABLE)
		return decode_table(context, param->fields, path, NULL, field);
	if (param->initial_text != NULL) {
		struct value value = text_value(param, param->initial_text);

		if (param->type == PARAM_LIST && app_name_find(param->choices, param->initial_text) < 0)
			return default_list(context, param, path, field);
		return decode_value(context, param, path, &value, field);
	}
	switch (param->type) {
	case PARAM_U8:
		*(uint8_t *)field = (uint8_t)param->initial;
		break;
	case PARAM_U16:
		*(uint16_t *)field = (uint16_t)param->initial;
		break;
	case PARAM_U32:
	case PARAM_ENUM:
		*(uint32_t *)field = (uint32_t)param->initial;
		break;
	case PARAM_U64:
	case PARAM_INT:
	case PARAM_BYTES:
	case PARAM_DURATION:
		*(uint64_t *)field = param->initial;
		break;
	case PARAM_NUMBER:
		*(double *)field = (double)param->initial;
		break;
	case PARAM_BOOL:
		*(bool *)field = param->initial != 0;
		break;
	case PARAM_RATE:
		((struct rate *)field)->per_second = (double)param->initial;
		break;
	default:
		break;                  /* the field stays zero */
	}
	return true;
}

/* One parameter of a struct: from its value, or its default. */
static bool decode_param(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *base)
{
	void *field = (uint8_t *)base + param->offset;

	if (value == NULL) {
		if (param->required)
			return param_error_refuse(context, param, path, "is missing");
		return param->optional || decode_default(context, param, path, field);
	}
	if (param->present != 0)
		*(bool *)((uint8_t *)base + param->present) = true;
	return decode_value(context, param, path, value, field);
}

static const struct param *find_param(const struct param *params, const char *name)
{
	for (; params != NULL && params->type != PARAM_END; params++)
		if (strcmp(params->name, name) == 0)
			return params;
	return NULL;
}

/* The names of parameters, NULL at the end. */
static const char **names_of(const struct param_context *context, const struct param *params)
{
	const char **names;
	uint32_t count = 0;

	while (params != NULL && params[count].type != PARAM_END)
		count++;
	names = arena_alloc(context->arena, (count + 1) * sizeof(*names));
	for (uint32_t i = 0; i < count; i++)
		names[i] = params[i].name;
	return names;
}

/* Is the parameter that is missing the one that an unknown key of the table was meant to be? Then its message is enough. */
static bool is_meant(const struct param_context *context, const struct param *params, const struct value *table,
	const char *name)
{
	const char **names = names_of(context, params);

	for (uint32_t i = 0; table != NULL && i < table->count; i++) {
		const struct value *key = &table->entry[i].key;
		const char *nearest;

		if (key->type != VALUE_STRING || find_param(params, key->string) != NULL)
			continue;
		nearest = error_nearest(key->string, names);
		if (nearest != NULL && strcmp(nearest, name) == 0)
			return true;
	}
	return false;
}

/* A key that no parameter has: name the nearest one, or all. */
static void unknown_key(const struct param_context *context, const struct param *params, const char *path, const char *key)
{
	char all[NAMES_TEXT] = "no parameters";
	const char **names = names_of(context, params), *nearest;
	uint32_t length = 0;

	for (uint32_t i = 0; names[i] != NULL; i++)
		if (length < sizeof(all))
			length += (uint32_t)snprintf(all + length, sizeof(all) - length, "%s%s", i > 0 ? ", " : "", names[i]);
	nearest = error_nearest(key, names);
	if (nearest != NULL)
		param_error_add(context, path, "is unknown, did you mean '%s'?", nearest);
	else
		param_error_add(context, path, "is unknown; accepted: %s", all);
}

/* Keys of a table that mean nothing. An app's own table (path "") has the class name at position 1. */
static bool check_keys(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table)
{
	bool good = true;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct value *key = &table->entry[i].key;
		char shown[PARAM_ERROR_SHOWN], deeper[PATH_TEXT];

		if (key->type != VALUE_STRING) {
			if (path[0] == '\0' && i == 0)
				continue;
			snprintf(deeper, sizeof(deeper), "%s[%u]", path, i + 1);
			param_error_add(context, deeper, "a value without a name is given; accepted: name = value");
			good = false;
		} else if (strlen(key->string) != key->count || find_param(params, key->string) == NULL) {
			param_error_show(key->string, key->count, shown, sizeof(shown));
			snprintf(deeper, sizeof(deeper), "%s%s%s", path, path[0] != '\0' ? "." : "", shown);
			unknown_key(context, params, deeper, key->string);
			good = false;
		}
	}
	return good;
}

static bool decode_table(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table, void *base)
{
	bool good = table == NULL || check_keys(context, params, path, table);

	for (const struct param *param = params; param != NULL && param->type != PARAM_END; param++) {
		const struct value *value = value_get(table, param->name);
		char deeper[PATH_TEXT];

		if (value == NULL && param->required && is_meant(context, params, table, param->name))
			continue;
		snprintf(deeper, sizeof(deeper), "%s%s%s", path, path[0] != '\0' ? "." : "", param->name);
		good = decode_param(context, param, deeper, value, base) && good;
	}
	return good;
}

bool param_decode(const struct param *params, const struct value *table, void *base, const struct param_context *context)
{
	if (table != NULL && table->type != VALUE_TABLE) {
		errors_add(context->errors, "%s: %s is given for its parameters; accepted: a table", context->app,
			value_type_name(table));
		return false;
	}
	return decode_table(context, params, "", table, base);
}
