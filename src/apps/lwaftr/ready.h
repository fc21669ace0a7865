#pragma once
/* ready -- a configuration that this process has read before the app that wants it is made: reading a million softwires takes half a
 * second, and a program, the check of its graph and the app itself need them only once. One thread, set-up only. */
#include "apps/lwaftr/binding.h"

struct lwaftr_ready {
	struct lwaftr_config config;
	struct lwaftr_binding binding;
	bool has_binding;
	uint64_t room;                  /* for which the binding was made */
};

/* Keep what was read of a file for the app whose key 'config' names it, by its absolute name, in place of what was kept before.
 * Without binding the app will make it of the softwires, else only the binding has them any more.
 *   owner: takes the content of config and binding, which are empty afterwards */
void lwaftr_ready_put(const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding, uint64_t room);

/* Whether something is kept for this file; take it, which then is the caller's. gives: false when there is nothing */
bool lwaftr_ready_has(const char *file);
bool lwaftr_ready_take(const char *file, struct lwaftr_ready *ready);

/* Free what nobody took. */
void lwaftr_ready_clear(void);
