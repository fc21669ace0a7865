#pragma once
/* sim_child -- the command that runs with the simulated cards: `nf nicsim -- COMMAND`. */
#include "nicsim/sim.h"

/* Where the library that traps accesses lies: beside the binary, or where it is installed. fails: -ENOENT with nf_error() */
int sim_child_library(char *path, size_t size) __attribute__((warn_unused_result));

/* The environment that makes a program see the cards, as NAME=VALUE lines. `library`: NULL when accesses are not trapped */
void sim_child_print(const struct sim *sim, const char *library, FILE *out);

/* Start a command; `mounts`: its tree stands at /sys/bus/pci/devices for it. gives: its process; fails: -errno with nf_error() */
int sim_child_start(const struct sim *sim, char **command, const char *library, bool mounts) __attribute__((warn_unused_result));

/* Has it ended? gives: its exit code, 128 + signal; -1: it runs */
int sim_child_poll(int process);
