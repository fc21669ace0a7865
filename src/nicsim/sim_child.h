#pragma once
/* sim_child -- the command that runs with the simulated cards: `nf nicsim -- COMMAND`. */
#include "nicsim/sim.h"

/* Where the library that traps accesses lies: beside the binary, or where it is installed. fails: -ENOENT with nf_error() */
int sim_child_library(char *path, size_t size) __attribute__((warn_unused_result));

/* The environment that makes a program see the cards, as NAME=VALUE lines. `library`: NULL when accesses are not trapped */
void sim_child_print(const struct sim *sim, const char *library, FILE *out);

/* What a command sees besides the environment: nothing, the tree at /sys/bus/pci/devices, and the nodes of uio_pci_generic, too. */
enum sim_mounts { SIM_MOUNT_NOTHING, SIM_MOUNT_TREE, SIM_MOUNT_UIO };

/* Start a command. gives: its process; fails: -errno with nf_error() */
int sim_child_start(const struct sim *sim, char **command, const char *library, enum sim_mounts mounts) __attribute__((warn_unused_result));

/* Has it ended? gives: its exit code, 128 + signal; -1: it runs */
int sim_child_poll(int process);
