/* script_state -- full Lua states with everything that is embedded. See script.h. */
#include "core/core.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

const struct script_source *script_source_find(const char *name)
{
	for (const struct script_source *s = script_sources; s->name != NULL; s++)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

/* A package loader for embedded modules: require "nf.packet". */
static int load_embedded(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const struct script_source *source = script_source_find(name);
	char chunk[256];

	if (source == NULL) {
		lua_pushfstring(L, "\n\tno embedded module '%s'", name);
		return 1;
	}
	snprintf(chunk, sizeof(chunk), "=%s", name);
	if (luaL_loadbuffer(L, source->text, source->length, chunk) != 0)
		return lua_error(L);
	return 1;
}

/* nf_sources(): a list of { name, text } of all that is embedded, in the order of the build. */
int script_source_push(lua_State *L)
{
	int n = 0;

	lua_newtable(L);
	for (const struct script_source *s = script_sources; s->name != NULL; s++) {
		lua_createtable(L, 2, 0);
		lua_pushstring(L, s->name);
		lua_rawseti(L, -2, 1);
		lua_pushlstring(L, s->text, s->length);
		lua_rawseti(L, -2, 2);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* Runs protected: opens the libraries and puts the loader for embedded modules before the one for files. */
static int open_all(lua_State *L)
{
	luaL_openlibs(L);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "loaders");
	for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
		lua_rawgeti(L, -1, i);
		lua_rawseti(L, -2, i + 1);
	}
	lua_pushcfunction(L, load_embedded);
	lua_rawseti(L, -2, 2);
	lua_pop(L, 1);
	lua_getfield(L, -1, "preload");
	lua_pushcfunction(L, script_source_push);
	lua_setfield(L, -2, "nf.sources");
	lua_pushcfunction(L, script_value_open);
	lua_setfield(L, -2, "nf.value");
	lua_pop(L, 2);
	return 0;
}

/* Fill a new state; NULL when there is none, or memory is short. */
static lua_State *fill(lua_State *L)
{
	if (L == NULL)
		return NULL;
	if (lua_cpcall(L, open_all, NULL) != 0) {
		lua_close(L);
		return NULL;
	}
	return L;
}

lua_State *script_state_new(void)
{
	return fill(luaL_newstate());
}

lua_State *script_state_new_with(void *(*allocate)(void *context, void *block, size_t old, size_t size), void *context)
{
	return fill(lua_newstate(allocate, context));
}
