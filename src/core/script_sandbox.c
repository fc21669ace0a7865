/* script_sandbox -- makes the Lua state of an instance: what Lua code needs C for; the rest is lua/nf/sandbox.lua. */
#include "core/script_app.h"

#include <luajit.h>
#include <lualib.h>
#include <time.h>

enum { SETUP_STEPS = 100000 };          /* instructions between two looks at the time while an app is made */

static __thread uint64_t setup_deadline;

void script_sandbox_place(lua_State *L, int level, char *text, size_t size)
{
	lua_Debug at;

	text[0] = '\0';
	for (; lua_getstack(L, level, &at); level++) {
		if (lua_getinfo(L, "Sl", &at) && at.source[0] == '@' && at.currentline > 0) {
			snprintf(text, size, "%s:%d", at.short_src, at.currentline);
			return;
		}
	}
}

/* The error handler of every call: keep the message, with file and line, where no Lua is needed to read it. */
static int explain_error(lua_State *L)
{
	struct script *s = lua_touserdata(L, lua_upvalueindex(1));
	const char *message = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL;
	char place[128];

	if (s->cause[0] != '\0')
		return 1;
	script_sandbox_place(L, 1, place, sizeof(place));
	if (message == NULL)
		snprintf(s->cause, sizeof(s->cause), "%s: an error that is a %s", place, luaL_typename(L, 1));
	else if (place[0] == '\0' || strncmp(message, place, strlen(place)) == 0)
		snprintf(s->cause, sizeof(s->cause), "%s", message);
	else
		snprintf(s->cause, sizeof(s->cause), "%s: %s", place, message);
	return 1;
}

/* This thread's processor time: a busy machine must not make a module look slow. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Instruction hook while the app is made: end it after its time, also from within a pcall. */
static void setup_hook(lua_State *L, lua_Debug *at)
{
	char place[128];

	(void)at;
	if (cpu_ns() < setup_deadline)
		return;
	lua_sethook(L, setup_hook, LUA_MASKCOUNT, 1);
	script_sandbox_place(L, 0, place, sizeof(place));
	lua_pushfstring(L, "%s: making the app takes longer than %d ms", place, SCRIPT_SETUP_NS / 1000000);
	lua_error(L);
}

/* host.embedded(name): the text of an embedded source. */
static int host_embedded(lua_State *L)
{
	const struct script_source *source = script_source_find(luaL_checkstring(L, 1));

	if (source == NULL)
		return luaL_error(L, "'%s' is not embedded", lua_tostring(L, 1));
	lua_pushlstring(L, source->text, source->length);
	return 1;
}

static struct script *host_script(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* host.recorded(name): text and path of one of the module's sources, or nothing. */
static int host_recorded(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const struct value *sources = script_class_of(&host_script(L)->app)->sources, *source;

	for (uint32_t i = 1; (source = value_at(sources, i)) != NULL; i++) {
		if (strcmp(value_get(source, "name")->string, name) != 0)
			continue;
		script_value_push(L, value_get(source, "text"));
		script_value_push(L, value_get(source, "path"));
		return 2;
	}
	return 0;
}

/* host.count(is_output): how many ports; host.port(is_output, i): the name of one, and its handle when it is linked. */
static int host_count(lua_State *L)
{
	const struct app *app = &host_script(L)->app;

	lua_pushinteger(L, lua_toboolean(L, 1) ? app->output_count : app->input_count);
	return 1;
}

static int host_port(lua_State *L)
{
	const struct app *app = &host_script(L)->app;
	bool is_output = lua_toboolean(L, 1);
	lua_Integer i = luaL_checkinteger(L, 2) - 1;

	if (i < 0 || i >= (lua_Integer)(is_output ? app->output_count : app->input_count))
		return luaL_error(L, "no port %d", (int)i + 1);
	lua_pushstring(L, is_output ? app->output_name[i] : app->input_name[i]);
	if ((is_output ? app->output[i] : app->input[i]) == NULL)
		return 1;
	lua_pushinteger(L, (is_output ? SCRIPT_OUTPUT : SCRIPT_INPUT) + i);
	return 2;
}

static void push_names(lua_State *L, const char *const *names)
{
	lua_newtable(L);
	for (uint32_t i = 0; names != NULL && names[i] != NULL; i++) {
		lua_pushstring(L, names[i]);
		lua_rawseti(L, -2, (int)i + 1);
	}
}

static void set_function(lua_State *L, struct script *s, const char *name, lua_CFunction function)
{
	lua_pushlightuserdata(L, s);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

/* Push the table that lua/nf/sandbox.lua gets; ffi lies on top of the stack and is taken from there. */
static void push_host(lua_State *L, struct script *s)
{
	const struct app_class *class = s->app.class;

	lua_newtable(L);
	lua_insert(L, -2);
	lua_setfield(L, -2, "ffi");
	lua_pushlightuserdata(L, s);
	lua_setfield(L, -2, "script");
	lua_pushboolean(L, s->is_unsafe);
	lua_setfield(L, -2, "is_unsafe");
	lua_pushstring(L, s->app.name);
	lua_setfield(L, -2, "name");
	script_value_push(L, value_get(value_at(script_class_of(&s->app)->sources, 1), "name"));
	lua_setfield(L, -2, "main");
	lua_pushstring(L, class->module->path);
	lua_setfield(L, -2, "path");
	lua_pushnumber(L, (lua_Number)(random_u64(&s->random) >> 11));
	lua_setfield(L, -2, "seed");
	push_names(L, class->reasons);
	lua_setfield(L, -2, "reasons");
	push_names(L, class->counters);
	lua_setfield(L, -2, "counters");
	script_param_push(L, class->params, s);
	lua_setfield(L, -2, "params");
	set_function(L, s, "embedded", host_embedded);
	set_function(L, s, "recorded", host_recorded);
	set_function(L, s, "count", host_count);
	set_function(L, s, "port", host_port);
	set_function(L, s, "sources", script_source_push);
}

static const struct {
	const char *name;
	lua_CFunction open;
} libraries[] = {
	{ "", luaopen_base }, { LUA_TABLIBNAME, luaopen_table }, { LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
	{ LUA_OSLIBNAME, luaopen_os },
	{ LUA_BITLIBNAME, luaopen_bit }, { LUA_JITLIBNAME, luaopen_jit }, { LUA_FFILIBNAME, luaopen_ffi }
};

bool script_compiles = true;

/* Runs protected: everything that Lua does while the app is made. Leaves a table in the registry, under the instance. */
static int build(lua_State *L)
{
	struct script *s = lua_touserdata(L, 1);
	const struct script_source *source = script_source_find("nf.sandbox");
	int top;

	for (uint32_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		lua_settop(L, 1);
		lua_pushcfunction(L, libraries[i].open);
		lua_pushstring(L, libraries[i].name);
		lua_call(L, 1, 1);
	}
	/* Hooks do not fire in compiled code, so nothing is compiled before the app is ready. */
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	push_host(L, s);
	lua_createtable(L, SCRIPT_TOP, 0);
	top = lua_gettop(L);
	if (luaL_loadbuffer(L, source->text, source->length, "=nf.sandbox") != 0)
		return lua_error(L);
	lua_pushvalue(L, top - 1);
	setup_deadline = cpu_ns() + SCRIPT_SETUP_NS;
	lua_sethook(L, setup_hook, LUA_MASKCOUNT, SETUP_STEPS);
	lua_call(L, 1, 5);
	lua_sethook(L, NULL, 0, 0);
	lua_rawseti(L, top, SCRIPT_RELINK);
	lua_rawseti(L, top, SCRIPT_TICK);
	lua_rawseti(L, top, SCRIPT_PULL);
	lua_rawseti(L, top, SCRIPT_PUSH);
	lua_rawseti(L, top, SCRIPT_SELF);
	lua_pushlightuserdata(L, s);
	lua_pushcclosure(L, explain_error, 1);
	lua_rawseti(L, top, SCRIPT_HANDLER);
	lua_pushliteral(L, "ended");
	lua_rawseti(L, top, SCRIPT_ENDED);
	lua_pushlightuserdata(L, s);
	lua_pushvalue(L, top);
	lua_rawset(L, LUA_REGISTRYINDEX);
	lua_gc(L, LUA_GCCOLLECT, 0);
	if (script_compiles)
		luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
	else
		log_warn("app '%s' is interpreted, which is slow: its worker was started without apps that make native code; "
			"start nf anew, or with --compile", s->app.name);
	return 0;
}

int script_sandbox_open(struct script *s)
{
	uint64_t limit = script_class_of(&s->app)->memory;
	int status;

	s->memory = script_memory_new(limit);
	if (s->memory == NULL)
		return nf_fail(ENOMEM, "app '%s': no %llu MiB of memory for Lua", s->app.name, (unsigned long long)(limit >> 20));
	s->L = lua_newstate(script_memory_alloc, s->memory);
	if (s->L == NULL)
		return nf_fail(ENOMEM, "app '%s': Lua does not start with %llu MiB of memory", s->app.name,
			(unsigned long long)(limit >> 20));
	status = lua_cpcall(s->L, build, s);
	if (status == LUA_ERRMEM)
		return nf_fail(ENOMEM, "app '%s': %s: not enough memory: more than its %llu MiB", s->app.name,
			s->app.class->module->path, (unsigned long long)(limit >> 20));
	if (status != 0)
		return nf_fail(EINVAL, "app '%s': %s", s->app.name,
			lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : "an error that is no string");
	lua_settop(s->L, 0);
	lua_pushlightuserdata(s->L, s);
	lua_rawget(s->L, LUA_REGISTRYINDEX);
	for (int i = 1; i < SCRIPT_TOP; i++)
		lua_rawgeti(s->L, 1, i);
	lua_remove(s->L, 1);
	for (int i = SCRIPT_PUSH; i <= SCRIPT_TICK; i++) {
		lua_Debug at;

		if (!lua_isfunction(s->L, i))
			continue;
		lua_pushvalue(s->L, i);
		lua_getinfo(s->L, ">S", &at);
		s->line[i] = at.linedefined;
	}
	return 0;
}
