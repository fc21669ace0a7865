#pragma once
/* sim_mailbox -- the model's side of the mailbox: it answers the questions of drivers whose accesses are trapped. */
#include "nicsim/sim.h"

/* Make the mailbox's file in sim->root. fails: -errno with nf_error() */
int sim_mailbox_begin(struct sim *sim) __attribute__((warn_unused_result));
void sim_mailbox_end(struct sim *sim);

/* Which registers a card has, and which of their pages are trapped: once its files are there. */
int sim_mailbox_add(struct sim *sim, struct sim_card *card) __attribute__((warn_unused_result));

/* Put a word where the driver looks, unless the driver is just writing there: then what it writes counts. */
void sim_mailbox_show(struct sim_card *card, uint32_t at, uint32_t value);

/* Answer what is asked. gives: whether anything was */
bool sim_mailbox_step(struct sim *sim);

/* Sleep until something is asked, at most so long. */
void sim_mailbox_rest(struct sim *sim, uint64_t limit_ns);

/* "ROOT/mailbox" */
void sim_mailbox_path(const struct sim *sim, char *path, size_t size);
