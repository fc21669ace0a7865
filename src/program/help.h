#pragma once
/* help -- what `nf help` and --help print, and the documents that are made from the same tables. */
#include "program/program.h"

/* A program's usage, options and longer text, to stdout. */
void help_program(const struct program *program);

/* All programs, one line each. */
void help_programs(FILE *out);

/* The manual page (roff) and the completion for bash, made from the table of programs. */
void help_man(FILE *out);
void help_bash(FILE *out);

/* One app: its ports, parameters, counters and reasons; an app in C, one in Lua that is embedded, or a Lua module in the folder
 * where the user is.
 *   gives: EXIT_DONE; EXIT_FAILED after messages on stderr; EXIT_USAGE when there is none of that name */
int help_app(FILE *out, const char *name);

/* All apps, one line each; all of them as docs/apps.md; all names, with those of the programs. */
void help_apps(FILE *out);
void help_markdown(FILE *out);
void help_names(FILE *out);

/* Print the sentence of a help text: up to its first newline. */
void help_sentence(FILE *out, const char *help);

/* Print text behind `indent` blanks in lines of at most 100 columns, of which `used` stand already in the first; when that
 * leaves no blank, a new line is begun. The text's own line breaks stay. */
void help_wrap(FILE *out, const char *text, int indent, int used);

/* What follows the sentence, or NULL. */
const char *help_details(const char *help);
