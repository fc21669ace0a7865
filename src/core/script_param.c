/* script_param -- the parameters of an app written in Lua: from its module's description to the table that every app has, and
 * the decoded values back to Lua. */
#include "core/script_app.h"

#include <math.h>

/* Type names as a module writes them, in the order of enum param_type. */
static const char *const type_names[] = { "u8", "u16", "u32", "u64", "int", "number", "bool", "string", "bytes", "rate",
	"duration", "mac", "ipv4", "ipv6", "prefix4", "prefix6", "pci", "file", "enum", "list", "table", NULL };
static const char *const attribute_names[] = { "choices", "default", "fields", "help", "item", "max", "min", "optional", "required",
	"type", NULL };

enum { MOST_DEPTH = 8, TEXT = 512 };

/* Where a description stands, for its messages. */
struct place {
	const char *owner;              /* "app module 'every'" */
	char path[128];                 /* "params.n" */
	uint32_t depth;
	struct arena *arena;
	struct errors *errors;
};

static void mistake(const struct place *place, const char *key, const char *what)
{
	errors_add(place->errors, "%s: %s.%s: %s", place->owner, place->path, key, what);
}

static struct place deeper(const struct place *place, const char *key)
{
	struct place inner = *place;

	snprintf(inner.path, sizeof(inner.path), "%.90s.%.30s", place->path, key);
	inner.depth++;
	return inner;
}

static bool is_number(const struct value *value)
{
	return value->type == VALUE_NUMBER || value->type == VALUE_INTEGER || value->type == VALUE_UNSIGNED;
}

static double number_of(const struct value *value)
{
	return value->type == VALUE_INTEGER ? (double)value->integer :
		value->type == VALUE_UNSIGNED ? (double)value->unsigned_integer : value->number;
}

/* A limit: a number; for bytes, durations and rates also text with a unit. Decoded as a parameter of that type would be. */
static bool limit_of(const struct place *place, const struct param *param, const char *key, const struct value *value,
	double *limit)
{
	union {
		uint64_t amount;
		struct rate rate;
	} field = { 0 };
	char path[sizeof(place->path) + 8];
	struct value_entry entry = { .key = { .type = VALUE_STRING, .string = path }, .value = *value };
	const struct value table = { .type = VALUE_TABLE, .count = 1, .entry = &entry };
	const struct param params[] = { { .name = path, .type = param->type }, { 0 } };

	if (param->type != PARAM_BYTES && param->type != PARAM_DURATION && param->type != PARAM_RATE) {
		if (!is_number(value)) {
			mistake(place, key, "accepted: a number");
			return false;
		}
		*limit = number_of(value);
		return true;
	}
	entry.key.count = (uint32_t)snprintf(path, sizeof(path), "%s.%s", place->path, key);
	if (!param_decode(params, &table, &field,
		&(struct param_context){ .app = place->owner, .folder = "", .arena = place->arena, .errors = place->errors }))
		return false;
	*limit = param->type == PARAM_RATE ? field.rate.per_second : (double)field.amount;
	return true;
}

/* min and max, where they are given. */
static bool set_range(const struct place *place, struct param *param, const struct value *min, const struct value *max)
{
	bool is_real = param->type == PARAM_INT || param->type == PARAM_NUMBER;
	double low = is_real ? -INFINITY : 0, high = is_real ? INFINITY : 0;

	if ((min != NULL && !limit_of(place, param, "min", min, &low)) || (max != NULL && !limit_of(place, param, "max", max, &high)))
		return false;
	if (is_real) {
		if (min != NULL || max != NULL) {
			param->real_min = low;
			param->real_max = high;
		}
		return true;
	}
	if (!(low >= 0 && high >= 0 && low < 0x1p64 && high < 0x1p64)) {        /* false with NaN, too */
		mistake(place, "min, max", "accepted: numbers 0 .. 2^64 - 1");
		return false;
	}
	param->min = (uint64_t)low;
	param->max = (uint64_t)high;
	return true;
}

/* A default as text: what a user would write. */
static const char *text_of(const struct value *value, struct arena *arena)
{
	char text[TEXT] = "";
	size_t length = 0;

	switch (value->type) {
	case VALUE_STRING:
		return arena_copy(arena, value->string, value->count);
	case VALUE_BOOL:
		return value->boolean ? "true" : "false";
	case VALUE_TABLE:
		for (uint32_t i = 1; value_at(value, i) != NULL && length < sizeof(text); i++)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i > 1 ? ", " : "",
				text_of(value_at(value, i), arena));
		break;
	default:
		snprintf(text, sizeof(text), "%.17g", number_of(value));
	}
	return arena_copy(arena, text, strlen(text));
}

static const struct param *fields_of(const struct place *place, const struct value *value, uint32_t *size);

/* The names an enum accepts. */
static const char *const *choices_of(const struct place *place, const struct value *value)
{
	const char **names;
	uint32_t count = 0;

	while (value_at(value, count + 1) != NULL)
		count++;
	if (count == 0) {
		mistake(place, "choices", "accepted: a list of strings");
		return NULL;
	}
	names = arena_alloc(place->arena, (count + 1) * sizeof(*names));
	for (uint32_t i = 0; i < count; i++) {
		const struct value *name = value_at(value, i + 1);

		if (name->type != VALUE_STRING) {
			mistake(place, "choices", "accepted: a list of strings");
			return NULL;
		}
		names[i] = name->string;
	}
	return names;
}

/* Whether all attributes of a description are known ones. */
static bool check_attributes(const struct place *place, const struct value *value)
{
	for (uint32_t i = 0; i < value->count; i++) {
		const struct value *key = &value->entry[i].key;
		const char *nearest;

		if (key->type != VALUE_STRING || app_name_find(attribute_names, key->string) >= 0)
			continue;
		nearest = error_nearest(key->string, attribute_names);
		errors_add(place->errors, "%s: %s.%s: unknown%s%s%s", place->owner, place->path, key->string,
			nearest != NULL ? ", did you mean '" : "", nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
		return false;
	}
	return true;
}

/* The type that a description names; PARAM_END after a message. */
static enum param_type type_of(const struct place *place, const struct value *value)
{
	const struct value *type = value_get(value, "type");
	const char *nearest;
	char text[TEXT];

	if (value->type != VALUE_TABLE || type == NULL || type->type != VALUE_STRING) {
		mistake(place, "type", "missing; accepted: { type = \"u32\", ... }");
		return PARAM_END;
	}
	for (uint32_t i = 0; type_names[i] != NULL; i++)
		if (strcmp(type_names[i], type->string) == 0)
			return (enum param_type)(PARAM_U8 + i);
	nearest = error_nearest(type->string, type_names);
	snprintf(text, sizeof(text), "'%.40s' is no type%s%s%s", type->string, nearest != NULL ? ", did you mean '" : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	mistake(place, "type", text);
	return PARAM_END;
}

static bool describe(const struct place *place, struct param *param, const struct value *value);

/* What the elements of a list are. */
static const struct param *item_of(const struct place *place, const struct value *value)
{
	struct place inner = deeper(place, "item");
	struct param *item = arena_alloc(place->arena, sizeof(*item));

	if (value == NULL) {
		mistake(place, "item", "missing; accepted: { type = ... } of each element");
		return NULL;
	}
	return describe(&inner, item, value) ? item : NULL;
}

/* Fill in one parameter, but its name and offset. */
static bool describe(const struct place *place, struct param *param, const struct value *value)
{
	const struct value *initial = value_get(value, "default"), *help = value_get(value, "help");
	const struct value *required = value_get(value, "required");

	if (place->depth > MOST_DEPTH) {
		mistake(place, "type", "nested too deep");
		return false;
	}
	param->type = type_of(place, value);
	if (param->type == PARAM_END || !check_attributes(place, value))
		return false;
	param->help = help != NULL && help->type == VALUE_STRING ? help->string : "";
	param->required = required != NULL && required->type == VALUE_BOOL && required->boolean;
	if (initial != NULL)
		param->initial_text = text_of(initial, place->arena);
	param->optional = initial == NULL && !param->required;
	if (param->type == PARAM_ENUM && (param->choices = choices_of(place, value_get(value, "choices"))) == NULL)
		return false;
	if (param->type == PARAM_LIST && (param->item = item_of(place, value_get(value, "item"))) == NULL)
		return false;
	if (param->type == PARAM_TABLE) {
		struct place inner = deeper(place, "fields");

		param->fields = fields_of(&inner, value_get(value, "fields"), &param->size);
		if (param->fields == NULL)
			return false;
	}
	return set_range(place, param, value_get(value, "min"), value_get(value, "max"));
}

/* A table of parameters from a table of descriptions by name; fields are laid out from *size on. */
static const struct param *fields_of(const struct place *place, const struct value *value, uint32_t *size)
{
	uint32_t count = value != NULL && value->type == VALUE_TABLE ? value->count : 0;
	struct param *params = arena_alloc(place->arena, (count + 1) * sizeof(*params));
	bool good = true;

	if (value != NULL && value->type != VALUE_TABLE && value->type != VALUE_NIL) {
		errors_add(place->errors, "%s: %s: accepted: a table of parameters", place->owner, place->path);
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct value_entry *entry = &value->entry[i];
		struct place inner;

		if (entry->key.type != VALUE_STRING) {
			errors_add(place->errors, "%s: %s: accepted: a table of parameters by name", place->owner, place->path);
			return NULL;
		}
		params[i].name = entry->key.string;
		inner = deeper(place, params[i].name);
		if (!describe(&inner, &params[i], &entry->value)) {
			good = false;
			continue;
		}
		*size = (*size + 15) & ~15u;
		params[i].offset = *size;
		*size += (uint32_t)param_size(&params[i]);
		if (params[i].optional) {
			params[i].present = *size;
			*size += 1;
		}
	}
	*size = (*size + 15) & ~15u;
	return good ? params : NULL;
}

const struct param *script_param_new(const struct value *params, const char *owner, uint32_t *size, struct arena *arena,
	struct errors *errors)
{
	const struct place place = { .owner = owner, .path = "params", .arena = arena, .errors = errors };

	return fields_of(&place, params, size);
}

/* { address =, length = }: an IPv4 address as a number, to be compared with packet.u32; an IPv6 one as 16 bytes. */
static void push_prefix(lua_State *L, const struct prefix *prefix, bool is_ipv4)
{
	const uint8_t *a = prefix->address;

	lua_createtable(L, 0, 2);
	if (is_ipv4)
		lua_pushnumber(L, (double)((uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3]));
	else
		lua_pushlstring(L, (const char *)a, 16);
	lua_setfield(L, -2, "address");
	lua_pushinteger(L, prefix->length);
	lua_setfield(L, -2, "length");
}

static void push_list(lua_State *L, const struct param *item, const struct param_list *list);

/* Push one decoded parameter. Durations are seconds, as nf.time has them. */
static void push_field(lua_State *L, const struct param *param, const void *field)
{
	const uint8_t *bytes = field;

	switch (param->type) {
	case PARAM_U8:
		lua_pushinteger(L, *bytes);
		break;
	case PARAM_U16:
		lua_pushinteger(L, *(const uint16_t *)field);
		break;
	case PARAM_U32:
		lua_pushnumber(L, *(const uint32_t *)field);
		break;
	case PARAM_U64:
	case PARAM_BYTES:
		lua_pushnumber(L, (double)*(const uint64_t *)field);
		break;
	case PARAM_INT:
		lua_pushnumber(L, (double)*(const int64_t *)field);
		break;
	case PARAM_NUMBER:
		lua_pushnumber(L, *(const double *)field);
		break;
	case PARAM_BOOL:
		lua_pushboolean(L, *(const bool *)field);
		break;
	case PARAM_DURATION:
		lua_pushnumber(L, (double)*(const uint64_t *)field / 1e9);
		break;
	case PARAM_STRING:
	case PARAM_PCI:
	case PARAM_FILE:
		lua_pushstring(L, *(const char *const *)field);
		break;
	case PARAM_RATE:
		lua_createtable(L, 0, 2);
		lua_pushnumber(L, ((const struct rate *)field)->per_second);
		lua_setfield(L, -2, "per_second");
		lua_pushboolean(L, ((const struct rate *)field)->packets);
		lua_setfield(L, -2, "packets");
		break;
	case PARAM_MAC:
		lua_pushlstring(L, field, 6);
		break;
	case PARAM_IPV4:
		lua_pushnumber(L, (double)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3]));
		break;
	case PARAM_IPV6:
		lua_pushlstring(L, field, 16);
		break;
	case PARAM_PREFIX4:
	case PARAM_PREFIX6:
		push_prefix(L, field, param->type == PARAM_PREFIX4);
		break;
	case PARAM_ENUM:
		lua_pushstring(L, param->choices[*(const uint32_t *)field]);
		break;
	case PARAM_LIST:
		push_list(L, param->item, field);
		break;
	case PARAM_TABLE:
		script_param_push(L, param->fields, field);
		break;
	case PARAM_VALUE:
	case PARAM_END:
		nf_bug(__FILE__, __LINE__, "parameter '%s' has no type", param->name);
	}
}

static void push_list(lua_State *L, const struct param *item, const struct param_list *list)
{
	lua_createtable(L, (int)list->count, 0);
	for (uint32_t i = 0; i < list->count; i++) {
		push_field(L, item, (const uint8_t *)list->items + i * param_size(item));
		lua_rawseti(L, -2, (int)i + 1);
	}
}

void script_param_push(lua_State *L, const struct param *params, const void *base)
{
	luaL_checkstack(L, 4, "parameters nested too deep");
	lua_newtable(L);
	for (; params->type != PARAM_END; params++) {
		if (params->optional && !*((const bool *)base + params->present))
			continue;
		push_field(L, params, (const uint8_t *)base + params->offset);
		lua_setfield(L, -2, params->name);
	}
}
