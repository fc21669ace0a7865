#pragma once
/* program -- a subcommand of nf. One table (main.c) gives dispatch, help, completion and the manual page. */
#include "core/core.h"

/* Exit codes of every program. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct program_option {
	const char *name;               /* "--cpu"; NULL ends the list */
	const char *value;              /* what follows it: "N"; NULL: a flag */
	const char *help;               /* a sentence */
};

struct program {
	const char *name;               /* "run" */
	const char *arguments;          /* "FILE [-- ARGS]" */
	const char *help;               /* a sentence */
	const struct program_option *options;   /* NULL: none */
	int (*main)(int argc, char **argv);     /* argv[0] is the program's name; gives the exit code */
};

extern const struct program programs[];         /* name NULL at the end */
extern const char *const program_names[];
