/* lua -- `nf lua [FILE [ARGS]]`: a script, or a prompt, inside the binary. */
#include "program/program.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* Add a traceback to a message. */
static int traceback(lua_State *L)
{
	if (lua_isstring(L, 1))
		luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

int program_lua(int argc, char **argv)
{
	lua_State *L = script_state_new();
	int result = EXIT_DONE;

	if (L == NULL) {
		fprintf(stderr, "nf lua: not enough memory\n");
		return EXIT_FAILED;
	}
	lua_newtable(L);
	for (int i = 1; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - 1);
	}
	lua_setglobal(L, "arg");
	lua_pushcfunction(L, traceback);
	if (luaL_loadfile(L, argc > 1 ? argv[1] : NULL) == 0) {
		for (int i = 2; i < argc; i++)
			lua_pushstring(L, argv[i]);
		if (lua_pcall(L, argc > 2 ? argc - 2 : 0, 0, 1) != 0)
			result = EXIT_FAILED;
	} else {
		result = EXIT_FAILED;
	}
	if (result != EXIT_DONE)
		fprintf(stderr, "nf lua: %s\n", lua_tostring(L, -1) ? lua_tostring(L, -1) : "(an error that is no string)");
	lua_close(L);
	return result;
}
