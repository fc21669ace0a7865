#pragma once
/* options -- what a user typed behind a program's name, read as that program's row of the table says:
 *
 *     nf PROGRAM [--name VALUE | --name=VALUE | --flag]... [ARGUMENT]... [-- MORE]
 *
 * Options may stand before, between and behind the arguments; of an option given twice the last counts. */
#include "program/program.h"

enum {
	OPTIONS_MOST = 32,              /* options that a program may have */
	OPTIONS_GO = -1                 /* options_parse: go on */
};

struct options {
	const struct program *program;
	int count;                      /* arguments */
	char **argument;                /* count of them, then NULL */
	int rest_count;                 /* what is handed on untouched: behind "--", or behind the first of "ARGS..." */
	char **rest;                    /* rest_count of them, then NULL */
	const char *value[OPTIONS_MOST];        /* by place in the program's table; NULL: not given; "" for a flag */
};

/* Parse; argv is reordered and must live as long as the options.
 *   needs: argv[0] names a row of the table
 *   gives: OPTIONS_GO, or the exit code to end with: EXIT_DONE after --help was answered, EXIT_USAGE after a message */
int options_parse(struct options *options, int argc, char **argv) __attribute__((warn_unused_result));

/* The value of an option, NULL when it was not given; for a flag, whether it was.
 *   needs: name is in the program's table */
const char *options_value(const struct options *options, const char *name);
bool options_has(const struct options *options, const char *name);

/* The value of an option as a number min..max, as a duration in nanoseconds ("10s", "100us"; a plain number is seconds), as an
 * index in a list of names. The result is left alone when the option was not given.
 *   fails: false after a message: end with EXIT_USAGE */
bool options_number(const struct options *options, const char *name, uint64_t min, uint64_t max, uint64_t *number);
bool options_duration(const struct options *options, const char *name, uint64_t *ns);
bool options_choice(const struct options *options, const char *name, const char *const *names, uint32_t *choice);

/* Print "nf PROGRAM: message" and where help is; gives EXIT_USAGE. */
int options_wrong(const struct program *program, const char *format, ...) __attribute__((format(printf, 2, 3)));
