#pragma once
/* difference -- what has to be changed in a table that is in use so that it becomes that of a configuration. */
#include "apps/lwaftr/change.h"

struct lwaftr_difference {
	struct lwaftr_change *change;           /* removals, then other tunnels, then additions */
	uint64_t count, room;
	uint64_t removed, replaced, added;
};

/* Find it. Duplicates and different port sets on one address are added to the configuration's mistakes, as lwaftr_binding_init does;
 * then the difference means nothing.
 *   cost: a look-up per softwire; memory for a bit per entry of the table, 11 bytes per softwire and the changes
 *   fails: -ENOMEM with nf_error(); nothing to free */
int lwaftr_difference_find(struct lwaftr_difference *difference, struct lwaftr_config *config, const struct lwaftr_binding *binding)
	__attribute__((warn_unused_result));
void lwaftr_difference_free(struct lwaftr_difference *difference);
