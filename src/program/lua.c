/* lua -- `nf lua [FILE [ARGS...]]`: a script, or a prompt, inside the binary. The prompt itself is lua/nf/prompt.lua. */
#include "program/options.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <signal.h>
#include <unistd.h>

static lua_State *interrupted;          /* the state that an interrupt stops */

static void raise_interrupt(lua_State *L, lua_Debug *debug)
{
	(void)debug;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "interrupted");
}

/* The first interrupt raises an error at the next call, return or line; a second one, before that happened (compiled code, a
 * long C call), ends the process. */
static void on_interrupt(int signal_number)
{
	signal(signal_number, SIG_DFL);
	lua_sethook(interrupted, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

/* call(f): call f, with interrupts made errors. */
static int call_interruptible(lua_State *L)
{
	interrupted = L;
	signal(SIGINT, on_interrupt);
	lua_call(L, 0, LUA_MULTRET);
	signal(SIGINT, SIG_DFL);
	return lua_gettop(L);
}

/* Add a traceback to a message. */
static int traceback(lua_State *L)
{
	if (lua_isstring(L, 1))
		luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

/* Call what is on the stack below its arguments; a failure is told on stderr. needs: traceback at index 1 */
static int call(lua_State *L, int compiled, int arguments)
{
	const char *message;

	if (compiled == 0 && lua_pcall(L, arguments, 0, 1) == 0)
		return EXIT_DONE;
	message = lua_tostring(L, -1);
	fprintf(stderr, "nf lua: %s\n", message != NULL ? message : "(an error that is no string)");
	return EXIT_FAILED;
}

/* The table `arg` as Lua's own command has it: [0] the script, then its arguments. */
static void set_arg(lua_State *L, const struct options *options)
{
	lua_newtable(L);
	for (int i = 0; i < options->count; i++) {
		lua_pushstring(L, options->argument[i]);
		lua_rawseti(L, -2, i);
	}
	for (int i = 0; i < options->rest_count; i++) {
		lua_pushstring(L, options->rest[i]);
		lua_rawseti(L, -2, i + 1);
	}
	lua_setglobal(L, "arg");
}

/* What is typed, or given with -e, has the C library and ffi at hand. */
static int set_shortcuts(lua_State *L)
{
	return call(L, luaL_loadstring(L, "nf, ffi = require('nf.core'), require('ffi')"), 0);
}

static int run_file(lua_State *L, const struct options *options)
{
	const char *file = options->count > 0 ? options->argument[0] : "-";
	int compiled = luaL_loadfile(L, strcmp(file, "-") == 0 ? NULL : file);

	if (compiled != 0)
		return call(L, compiled, 0);
	if (!lua_checkstack(L, options->rest_count)) {
		fprintf(stderr, "nf lua: %d arguments are too many\n", options->rest_count);
		return EXIT_FAILED;
	}
	for (int i = 0; i < options->rest_count; i++)
		lua_pushstring(L, options->rest[i]);
	return call(L, 0, options->rest_count);
}

static int run_prompt(lua_State *L)
{
	int code = set_shortcuts(L), compiled;

	if (code != EXIT_DONE)
		return code;
	compiled = luaL_loadstring(L, "require('nf.prompt').run(...)");
	lua_pushliteral(L, "nf " NF_VERSION ", " LUAJIT_VERSION ": nf.NAME are the C functions, ffi is loaded; Ctrl-D ends");
	lua_pushcfunction(L, call_interruptible);
	return call(L, compiled, 2);
}

/* -e CODE, then FILE, then the prompt: what was asked for; without any of them the prompt, or a script that is piped in. */
static int run(lua_State *L, const struct options *options)
{
	const char *code = options_value(options, "-e");
	bool prompt = options_has(options, "-i") || (code == NULL && options->count == 0 && isatty(STDIN_FILENO));
	int result = EXIT_DONE;

	lua_pushcfunction(L, traceback);
	set_arg(L, options);
	if (code != NULL) {
		result = set_shortcuts(L);
		if (result == EXIT_DONE)
			result = call(L, luaL_loadbuffer(L, code, strlen(code), "=-e"), 0);
	}
	if (result == EXIT_DONE && (options->count > 0 || (code == NULL && !prompt)))
		result = run_file(L, options);
	if (prompt)
		result = run_prompt(L);
	return result;
}

int program_lua(int argc, char **argv)
{
	struct options options;
	int code = options_parse(&options, argc, argv);
	lua_State *L;

	if (code != OPTIONS_GO)
		return code;
	L = script_state_new();
	if (L == NULL) {
		fprintf(stderr, "nf lua: not enough memory\n");
		return EXIT_FAILED;
	}
	code = run(L, &options);
	lua_close(L);
	return code;
}
