/* script_value -- Lua values as plain data, and back. See script.h, and value.h for the encoding. */
#include "core/core.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>

enum { LUA_TCDATA = 10 };               /* LuaJIT's own type, which lua.h does not name */
enum { PATH_TEXT = 256 };

/* Where an encoding stands. */
struct encoder {
	lua_State *L;
	uint8_t *data;
	size_t length, size;
	uint64_t entries;
	const void *table[VALUE_DEPTH]; /* those that are open: to find a cycle */
	uint32_t depth;
	char path[PATH_TEXT];           /* of the value at hand, for messages: "apps.x[3]" */
};

struct field {
	const char *name;
	size_t length;
};

static int fail(struct encoder *e, const char *what)
{
	return nf_fail(EINVAL, "%s %s", e->path[0] != '\0' ? e->path : "the value", what);
}

static int put(struct encoder *e, const void *bytes, size_t n)
{
	if (e->length + n > VALUE_BYTES)
		return nf_fail(EINVAL, "the value needs more than %d MiB", VALUE_BYTES >> 20);
	if (e->length + n > e->size) {
		size_t size = e->size * 2 > e->length + n ? e->size * 2 : e->length + n + 4096;
		uint8_t *data = realloc(e->data, size);

		if (data == NULL)
			return nf_fail(ENOMEM, "no memory for a value of %zu bytes", size);
		e->data = data;
		e->size = size;
	}
	memcpy(e->data + e->length, bytes, n);
	e->length += n;
	return 0;
}

static int put_typed(struct encoder *e, char type, const void *bytes, size_t n)
{
	int code = put(e, &type, 1);

	return code < 0 ? code : put(e, bytes, n);
}

static int put_text(struct encoder *e, const char *text, size_t length)
{
	uint32_t n = (uint32_t)length;
	int code;

	if (length > VALUE_BYTES)
		return nf_fail(EINVAL, "the value needs more than %d MiB", VALUE_BYTES >> 20);
	code = put(e, &n, sizeof(n));
	return code < 0 ? code : put(e, text, length);
}

/* LuaJIT's 64-bit numbers print as "1LL" and "1ULL"; other cdata is no plain data. */
static int put_cdata(struct encoder *e, int index)
{
	const char *text;
	char *end = NULL;
	int64_t integer = 0;
	int code;

	if (!luaL_callmeta(e->L, index, "__tostring"))
		return fail(e, "is C data; accepted: tables, strings, numbers, booleans");
	text = lua_tostring(e->L, -1);
	if (text != NULL)
		integer = strchr(text, 'U') != NULL ? (int64_t)strtoull(text, &end, 10) : strtoll(text, &end, 10);
	if (end == NULL || end == text)
		code = fail(e, "is C data; accepted: tables, strings, numbers, booleans");
	else if (strcmp(end, "LL") == 0)
		code = put_typed(e, 'i', &integer, sizeof(integer));
	else if (strcmp(end, "ULL") == 0)
		code = put_typed(e, 'u', &integer, sizeof(integer));
	else
		code = fail(e, "is C data; accepted: tables, strings, numbers, booleans");
	lua_pop(e->L, 1);
	return code;
}

static int by_name(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	int order = memcmp(x->name, y->name, x->length < y->length ? x->length : y->length);

	return order != 0 ? order : x->length < y->length ? -1 : x->length > y->length;
}

/* The string keys of a table, sorted; every other key must be one of 1 .. positions. */
static int list_fields(struct encoder *e, int index, uint32_t positions, struct field **fields, uint32_t *count)
{
	struct field *list = NULL;
	uint32_t n = 0, room = 0;

	*count = 0;
	*fields = NULL;
	for (lua_pushnil(e->L); lua_next(e->L, index) != 0; lua_pop(e->L, 1)) {
		int type = lua_type(e->L, -2);
		double number = type == LUA_TNUMBER ? lua_tonumber(e->L, -2) : 0;

		if (type == LUA_TNUMBER && number >= 1 && number <= positions && number == floor(number))
			continue;
		if (type != LUA_TSTRING) {
			free(list);
			if (type == LUA_TNUMBER)
				return nf_fail(EINVAL, "%s has the key %.14g; accepted keys: 1, 2, 3, ... without gaps, and strings",
					e->path[0] != '\0' ? e->path : "the value", number);
			return nf_fail(EINVAL, "%s has a %s for a key; accepted keys: 1, 2, 3, ... and strings",
				e->path[0] != '\0' ? e->path : "the value", lua_typename(e->L, type));
		}
		if (n == room) {
			struct field *more = realloc(list, (room = room * 2 + 16) * sizeof(*list));

			if (more == NULL) {
				free(list);
				return nf_fail(ENOMEM, "no memory for a table of %u names", n);
			}
			list = more;
		}
		list[n].name = lua_tolstring(e->L, -2, &list[n].length);
		n++;
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), by_name);
	*fields = list;
	*count = n;
	return 0;
}

static int encode(struct encoder *e, int index);

/* Extend the path by a name or a position, encode what is on top of the stack, and pop it. */
static int encode_entry(struct encoder *e, const char *name, uint32_t position)
{
	size_t length = strlen(e->path);
	int code;

	if (name != NULL)
		snprintf(e->path + length, sizeof(e->path) - length, "%s%.40s", length > 0 ? "." : "", name);
	else
		snprintf(e->path + length, sizeof(e->path) - length, "[%u]", position);
	code = encode(e, lua_gettop(e->L));
	e->path[length] = '\0';
	lua_pop(e->L, 1);
	return code;
}

static int encode_entries(struct encoder *e, int index, uint32_t positions, const struct field *fields, uint32_t count)
{
	uint32_t head[2] = { positions, count };
	int code = put_typed(e, 'T', head, sizeof(head));

	for (uint32_t i = 1; i <= positions && code == 0; i++) {
		lua_rawgeti(e->L, index, (int)i);
		code = encode_entry(e, NULL, i);
	}
	for (uint32_t i = 0; i < count && code == 0; i++) {
		code = put_text(e, fields[i].name, fields[i].length);
		if (code < 0)
			break;
		lua_pushlstring(e->L, fields[i].name, fields[i].length);
		lua_rawget(e->L, index);
		code = encode_entry(e, fields[i].name, 0);
	}
	return code;
}

static int encode_table(struct encoder *e, int index)
{
	const void *table = lua_topointer(e->L, index);
	uint32_t positions = 0, count;
	struct field *fields;
	int code;

	for (uint32_t i = 0; i < e->depth; i++)
		if (e->table[i] == table)
			return fail(e, "is a table that contains itself");
	if (e->depth == VALUE_DEPTH)
		return nf_fail(EINVAL, "the value has more than %d tables within each other", VALUE_DEPTH);
	if (!lua_checkstack(e->L, 8))
		return nf_fail(ENOMEM, "no memory for a deeper table");
	for (;; positions++) {
		bool end;

		lua_rawgeti(e->L, index, (int)positions + 1);
		end = lua_isnil(e->L, -1);
		lua_pop(e->L, 1);
		if (end)
			break;
	}
	code = list_fields(e, index, positions, &fields, &count);
	if (code < 0)
		return code;
	e->entries += (uint64_t)positions + count;
	if (e->entries > VALUE_ENTRIES) {
		free(fields);
		return nf_fail(EINVAL, "the value has more than %d entries", VALUE_ENTRIES);
	}
	e->table[e->depth++] = table;
	code = encode_entries(e, index, positions, fields, count);
	e->depth--;
	free(fields);
	return code;
}

/* Encode the value at an absolute stack index. */
static int encode(struct encoder *e, int index)
{
	int type = lua_type(e->L, index);
	size_t length;
	const char *text;
	double number;
	char what[96];

	switch (type) {
	case LUA_TNIL:
		return put(e, "n", 1);
	case LUA_TBOOLEAN:
		return put(e, lua_toboolean(e->L, index) ? "t" : "f", 1);
	case LUA_TNUMBER:
		number = lua_tonumber(e->L, index);
		return put_typed(e, 'd', &number, sizeof(number));
	case LUA_TSTRING:
		text = lua_tolstring(e->L, index, &length);
		return put(e, "s", 1) < 0 ? -EINVAL : put_text(e, text, length);
	case LUA_TTABLE:
		return encode_table(e, index);
	case LUA_TCDATA:
		return put_cdata(e, index);
	default:
		snprintf(what, sizeof(what), "is a %s; accepted: tables, strings, numbers, booleans", lua_typename(e->L, type));
		return fail(e, what);
	}
}

int script_value_encode(lua_State *L, int index, uint8_t **data, size_t *length)
{
	struct encoder e = { .L = L };
	int code = encode(&e, index < 0 && index > LUA_REGISTRYINDEX ? lua_gettop(L) + 1 + index : index);

	if (code < 0) {
		free(e.data);
		return code;
	}
	*data = e.data;
	*length = e.length;
	return 0;
}

/* A 64-bit number as LuaJIT writes it; the reader of the language itself makes the cdata. */
static void push_integer(lua_State *L, const struct value *value)
{
	char text[48];
	unsigned long long bits = value->unsigned_integer;

	if (value->type == VALUE_UNSIGNED)
		snprintf(text, sizeof(text), "return %lluULL", bits);
	else
		snprintf(text, sizeof(text), "return %s%lluLL", value->integer < 0 ? "-" : "", value->integer < 0 ? 0 - bits : bits);
	if (luaL_loadbuffer(L, text, strlen(text), "=number") != 0)
		lua_error(L);
	lua_call(L, 0, 1);
}

static void push_table(lua_State *L, const struct value *table)
{
	uint32_t positions = 0;

	while (value_at(table, positions + 1) != NULL)
		positions++;
	luaL_checkstack(L, 8, "a table is too deep");
	lua_createtable(L, (int)positions, (int)(table->count - positions));
	for (uint32_t i = 0; i < table->count; i++) {
		const struct value_entry *entry = &table->entry[i];

		if (i >= positions)
			lua_pushlstring(L, entry->key.string, entry->key.count);
		script_value_push(L, &entry->value);
		if (i < positions)
			lua_rawseti(L, -2, (int)i + 1);
		else
			lua_rawset(L, -3);
	}
}

void script_value_push(lua_State *L, const struct value *value)
{
	switch (value == NULL ? VALUE_NIL : value->type) {
	case VALUE_NIL:
		lua_pushnil(L);
		break;
	case VALUE_BOOL:
		lua_pushboolean(L, value->boolean);
		break;
	case VALUE_NUMBER:
		lua_pushnumber(L, value->number);
		break;
	case VALUE_INTEGER:
	case VALUE_UNSIGNED:
		push_integer(L, value);
		break;
	case VALUE_STRING:
		lua_pushlstring(L, value->string, value->count);
		break;
	case VALUE_TABLE:
		push_table(L, value);
		break;
	}
}

/* nf.value.encode(x): the bytes that value_decode reads, or nil and what is wrong. */
static int push_encoded(lua_State *L)
{
	uint8_t *data;
	size_t length;

	luaL_checkany(L, 1);
	lua_settop(L, 1);
	if (script_value_encode(L, 1, &data, &length) < 0) {
		lua_pushnil(L);
		lua_pushstring(L, nf_error());
		return 2;
	}
	lua_pushlstring(L, (const char *)data, length);
	free(data);
	return 1;
}

/* nf.value.decode(bytes): the value, or nil and what is wrong. */
static int value_decode_bytes(lua_State *L)
{
	size_t length;
	const char *data = luaL_checklstring(L, 1, &length);
	struct value *value;

	if (value_decode((const uint8_t *)data, length, &value) < 0) {
		lua_pushnil(L);
		lua_pushstring(L, nf_error());
		return 2;
	}
	script_value_push(L, value);
	value_free(value);
	return 1;
}

int script_value_open(lua_State *L)
{
	lua_newtable(L);
	lua_pushcfunction(L, push_encoded);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, value_decode_bytes);
	lua_setfield(L, -2, "decode");
	return 1;
}
