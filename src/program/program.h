#pragma once
/* program -- a subcommand of nf. One table (main.c) gives dispatch, parsing, help, completion and the manual page. */
#include "core/core.h"

/* Exit codes of every program. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct program_option {
	const char *name;               /* "--cpu", or "-e"; NULL ends the list */
	const char *value;              /* what follows it: "N"; NULL: a flag */
	const char *help;               /* a sentence */
};

struct program {
	const char *name;               /* "run" */
	/* What it takes besides options. "FILE" must be there, "[FILE]" may be, "..." means any number; "[-- ARGS]": what
	 * stands behind "--" is handed on; "[ARGS...]": everything behind the first argument is. */
	const char *arguments;
	const char *help;               /* a sentence; longer text may follow after a newline */
	const struct program_option *options;   /* NULL: none; --help is understood by all */
	int (*main)(int argc, char **argv);     /* argv[0] is the program's name; gives the exit code */
};

extern const struct program programs[];         /* sorted, name NULL at the end */

/* The row of a name, or NULL. */
const struct program *program_find(const char *name);

/* The name of a program that looks most like `name`, or NULL. */
const char *program_nearest(const char *name);

/* The programs' main functions: see struct program. */
int program_bench(int argc, char **argv);
int program_capture(int argc, char **argv);
int program_check(int argc, char **argv);
int program_doctor(int argc, char **argv);
int program_filter(int argc, char **argv);
int program_graph(int argc, char **argv);
int program_help(int argc, char **argv);
int program_lua(int argc, char **argv);
int program_pci(int argc, char **argv);
int program_nicsim(int argc, char **argv);
int program_lwaftr(int argc, char **argv);
int program_ps(int argc, char **argv);
int program_confirm(int argc, char **argv);
int program_diff(int argc, char **argv);
int program_regs(int argc, char **argv);
int program_reload(int argc, char **argv);
int program_run(int argc, char **argv);
int program_stats(int argc, char **argv);
int program_stop(int argc, char **argv);
int program_trace(int argc, char **argv);
int program_top(int argc, char **argv);
