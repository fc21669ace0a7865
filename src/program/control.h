#pragma once
/* control -- ask a running instance to do something, over its control socket. */
#include "program/program.h"

/* A connection to the instance of a name; negative after a message. */
int control_reach(const struct program *program, const char *name);

/* Print what an instance says behind the first bytes of "failed", up to the connection's end. */
void control_refused(const struct program *program, int fd);

/* Send one line and print the answer: to standard output when it was done, else to standard error.
 *   gives: EXIT_DONE or EXIT_FAILED */
int control_ask(const struct program *program, const char *name, const char *line);

/* Have an app of a worker do a command (core/command.h): fd[0] has the request, fd[1] gets the answer; both stay the caller's.
 *   fails: -errno with nf_error(): why the instance or the app refused it */
int control_command(const char *name, const char *worker, const char *app, const int fd[2]) __attribute__((warn_unused_result));

/* Send one line; gives the answer, malloc'ed, NULL when there is none or it is a refusal. Prints nothing;
 * what went wrong is in nf_error(). */
char *control_text(const char *name, const char *line);
