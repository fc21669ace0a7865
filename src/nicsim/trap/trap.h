#pragma once
/* trap -- the library that a driver's process loads first (LD_PRELOAD): each access to a card's registers is put before the
 * model, which then can do what polling shared memory cannot: clear a counter when it is read, see the order of writes. */
#include <stdbool.h>
#include <stdint.h>

#include "nicsim/mailbox.h"

/* --- trap_decode ---------------------------------------------------------------------------------------------------- */

/* What an instruction does with the memory that it could not access. */
struct trap_access {
	uint32_t width;                 /* bytes */
	bool reads;                     /* it needs the old value, also when it writes: "or %eax, (%rdx)" */
};

/* Decode the instruction at `code`; `writes`: the fault was a write. */
struct trap_access trap_decode(const uint8_t *code, bool writes);

/* --- trap_mailbox --------------------------------------------------------------------------------------------------- */

/* Find the model. gives: false when the environment names none */
bool trap_mailbox_begin(void);

/* The card whose registers this open file is; -1: none. */
int trap_mailbox_card(int fd);
bool trap_mailbox_is_trapped(uint32_t card, uint32_t page);

/* Hold a card's mailbox: from before an access until it is done. */
void trap_mailbox_lock(uint32_t card);
void trap_mailbox_unlock(uint32_t card);

/* Say what will be written now: the model must not change it between the write and the question. needs: the lock */
void trap_mailbox_announce(uint32_t card, uint32_t offset, uint32_t width);

/* Ask the model, and wait until it has answered. needs: the lock. fails: false when the model is gone */
bool trap_mailbox_ask(uint32_t card, enum sim_mailbox_state question, uint32_t offset, uint32_t width);

/* --- trap_region ---------------------------------------------------------------------------------------------------- */

/* A mapping of a card's registers appeared, may have gone. */
void trap_region_add(void *at, uint64_t length, int fd, uint64_t offset);
void trap_region_remove(void *at, uint64_t length);

struct trap_region {
	uint8_t *at;
	uint64_t length, offset;        /* offset: within the registers */
	uint32_t card;
};

/* The mapping with an address, or NULL. */
const struct trap_region *trap_region_find(const void *address);

/* --- trap_signal ---------------------------------------------------------------------------------------------------- */

/* Catch faults and single steps. */
void trap_signal_begin(void);
