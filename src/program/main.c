/* main -- the one table of programs, and the way to them. */
#include "program/program.h"

int program_lua(int argc, char **argv);

const struct program programs[] = {
	{ "lua", "[FILE [ARGS]]", "Run a Lua script, or a prompt, inside the binary.", NULL, program_lua },
	{ NULL, NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	log_init();
	clock_init();
	for (const struct program *p = programs; p->name != NULL; p++)
		if (argc > 1 && strcmp(p->name, argv[1]) == 0)
			return p->main(argc - 1, argv + 1);
	fprintf(stderr, "nf: usage: nf PROGRAM ...\n");
	return EXIT_USAGE;
}
