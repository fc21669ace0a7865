#pragma once
/* control -- ask a running instance to do something, over its control socket. */
#include "program/program.h"

/* Send one line and print the answer: to standard output when it was done, else to standard error.
 *   gives: EXIT_DONE or EXIT_FAILED */
int control_ask(const struct program *program, const char *name, const char *line);
