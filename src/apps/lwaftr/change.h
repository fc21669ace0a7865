#pragma once
/* change -- changes of a binding table that is in use: checked by the house-keeping thread, made by the packet thread in slices.
 *
 *      lwaftr_changes_check    would they all succeed, one after the other? Nothing is changed
 *      lwaftr_changes_apply    make them: in place, some microseconds' worth after each breath
 *
 * When the table has no room, a larger copy is made beside it, with the changes, and the packet thread changes over to it. The
 * house-keeping thread is the only one that asks for changes, so it may read the table while none is being made. */
#include "apps/lwaftr/binding.h"

enum lwaftr_op { LWAFTR_ADD, LWAFTR_REMOVE, LWAFTR_REPLACE };   /* REPLACE adds what is not there */
enum { LWAFTR_SLICE_NS = 20000 };       /* how long a slice makes changes; the last one may take a little longer */

struct lwaftr_change {
	struct lwaftr_softwire softwire;        /* of REMOVE, ipv4 and psid count */
	uint32_t op;                            /* enum lwaftr_op */
	uint32_t spare;
};

/* Why a change cannot be made: the table, or an earlier change, says otherwise. */
enum lwaftr_fault_kind { LWAFTR_EXISTS, LWAFTR_MISSING, LWAFTR_OTHER_SET };
struct lwaftr_fault {
	uint64_t index;                         /* of the change */
	uint32_t kind;                          /* enum lwaftr_fault_kind */
	uint32_t spare;
};

/* A list of changes and what is known about them. */
struct lwaftr_changes {
	const struct lwaftr_change *change;
	uint64_t count;
	uint64_t fault_count;
	struct lwaftr_fault *fault;             /* in the order of the changes; freed by lwaftr_changes_free */
	uint64_t softwires, addresses;          /* most that there are on the way */
	uint64_t brs;                           /* addresses of the relay that are new */
	uint64_t made;                          /* how many were */
	bool grew;                              /* a larger table was made */
	struct engine_slices slices;            /* how they were made */
};

/* Check them against a table and against each other.
 *   needs: changes: change and count alone; each softwire's port set is right in itself
 *   gives: 0, also with faults
 *   fails: -ENOMEM with nf_error() */
int lwaftr_changes_check(struct lwaftr_changes *changes, const struct lwaftr_binding *binding) __attribute__((warn_unused_result));

/* Has the table room for them? */
bool lwaftr_changes_fit(const struct lwaftr_changes *changes, const struct lwaftr_binding *binding);

/* Make a larger copy of the table, with the changes from number `from` on in it. fails: -ENOMEM with nf_error(); nothing to undo */
int lwaftr_changes_copy(const struct lwaftr_changes *changes, uint64_t from, const struct lwaftr_binding *binding,
	struct lwaftr_binding *larger) __attribute__((warn_unused_result));

/* Make them. House-keeping thread; `engine` runs the app that has the table.
 *   needs: lwaftr_changes_check found no fault, and the table has not changed since
 *   fails: -ENOMEM with nf_error(); `made` of them, the first ones, were made, which is none but by a rare chance */
int lwaftr_changes_apply(struct lwaftr_changes *changes, struct lwaftr_binding *binding, struct engine *engine)
	__attribute__((warn_unused_result));

/* The same for a table that nobody uses yet: here and now. fails: -ENOMEM with nf_error(); the table is not to be used */
int lwaftr_changes_make(struct lwaftr_changes *changes, struct lwaftr_binding *binding) __attribute__((warn_unused_result));

void lwaftr_changes_free(struct lwaftr_changes *changes);

/* Whether a change that came from elsewhere is one: what the decoder of a configuration would have refused is not. */
bool lwaftr_change_is_sound(const struct lwaftr_change *change);
