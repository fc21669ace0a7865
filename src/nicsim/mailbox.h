#pragma once
/* mailbox -- what the model of the cards and the preloaded library share: questions about registers, one at a time for each
 * card. Both sides sleep on the words `bell` and `state` (futex). */
#include <stdint.h>

enum {
	SIM_MAILBOX_CARDS = 8,
	SIM_MAILBOX_PAGES = 256,        /* of a card's registers, at most */
	SIM_MAILBOX_MAGIC = 0x6e637369
};

enum sim_mailbox_state {
	SIM_MAILBOX_FREE,
	SIM_MAILBOX_READ,               /* the driver is about to read: put the value where it reads */
	SIM_MAILBOX_WRITING,            /* the driver is about to write: the model keeps away from the words */
	SIM_MAILBOX_WRITTEN,            /* the driver has written */
	SIM_MAILBOX_TAKEN,              /* the model has read what was written, and does it */
	SIM_MAILBOX_DONE
};

struct sim_mailbox_card {
	uint64_t device, inode;         /* of resource0 */
	uint64_t bytes;
	uint64_t trapped[SIM_MAILBOX_PAGES / 64];       /* a bit for each page */
	uint32_t owner;                 /* the thread that has it, 0: none */
	uint32_t state;
	uint32_t offset, width;         /* of the access, bytes */
	uint32_t showing;               /* the model is about to change a word: a driver waits until it has */
};

struct sim_mailbox {
	uint32_t magic;
	uint32_t card_count;
	uint32_t bell;                  /* counts questions */
	uint32_t sleeping;              /* the model waits for the bell */
	uint32_t beat;                  /* counts the model's rounds */
	uint32_t ended;                 /* the model is gone */
	struct sim_mailbox_card card[SIM_MAILBOX_CARDS];
};

/* Where it is: an environment variable with a path. */
#define SIM_MAILBOX_VARIABLE "NICSIM_MAILBOX"
