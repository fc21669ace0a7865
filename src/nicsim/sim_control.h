#pragma once
/* sim_control -- commands to cards that run: faults, and questions. */
#include "nicsim/sim.h"

/* Do one command, "link 0 down"; what it says goes to `out`.
 *   gives: false after a message when it is none */
bool sim_control_do(struct sim *sim, const char *command, FILE *out);

/* Listen on ROOT/control, and on standard input when it is given. fails: -errno with nf_error() */
int sim_control_begin(struct sim *sim, bool with_input) __attribute__((warn_unused_result));
void sim_control_step(struct sim *sim);
void sim_control_end(struct sim *sim);

/* Send a command to the cards of a tree, and print the answer. gives: false when it failed */
bool sim_control_tell(const char *root, const char *command, FILE *out);
