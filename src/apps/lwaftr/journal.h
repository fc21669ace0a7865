#pragma once
/* journal -- what `nf lwaftr softwire` has changed in a relay's table since it was made of the configuration, so that the successor of a
 * worker that dies has the same table. It stands in a file in memory that the supervisor keeps, unread, beside the graph (a resource
 * "kept:"): when a reload exchanges the relay, the new one gets an empty file, and the old file goes with the old graph.
 *
 *      lwaftr_journal_write    note changes, which nobody sees yet
 *      (the table changes)
 *      lwaftr_journal_commit   one store: now they count, all of them
 *
 * A death at any moment leaves a request's changes noted as a whole or not at all. The notes are written anew, with one entry for each
 * softwire, when there are twice as many as are needed. House-keeping thread, but for lwaftr_journal_clear. */
#include "apps/lwaftr/change.h"

struct lwaftr_journal_head;
struct lwaftr_journal {
	struct lwaftr_journal_head *head;       /* mapped; NULL: nobody keeps the journal */
	int fd;
	uint64_t limit;                         /* entries at which it is written anew */
};

/* Name the file, a resource of the app; open it in the supervisor (class->open). */
void lwaftr_journal_resource(const struct app *app, struct resources *resources);
bool lwaftr_journal_is(const char *key);
int lwaftr_journal_make(const struct app *app);

/* Get it in a worker. In a process that nobody will succeed there is none, and all calls do nothing.
 *   fails: -errno with nf_error(); nothing to undo */
int lwaftr_journal_open(struct lwaftr_journal *journal, const struct app *app) __attribute__((warn_unused_result));
void lwaftr_journal_close(struct lwaftr_journal *journal);

/* Note changes that are about to be made in the table. fails: -errno with nf_error(); nothing has changed */
int lwaftr_journal_write(struct lwaftr_journal *journal, const struct lwaftr_changes *changes, const struct lwaftr_binding *binding)
	__attribute__((warn_unused_result));
/* The first `made` of them have been made, and the table is of this version now. */
void lwaftr_journal_commit(struct lwaftr_journal *journal, uint64_t made, uint64_t version);

/* The table is that of the configuration again. Any thread: one store. */
void lwaftr_journal_clear(struct lwaftr_journal *journal, uint64_t version);

/* Bring a table that was made of the configuration to where the journal has it.
 *   gives: in *version that of the table
 *   fails: -errno with nf_error(); what was done is undone with the table */
int lwaftr_journal_replay(const struct lwaftr_journal *journal, struct lwaftr_binding *binding, uint64_t *version)
	__attribute__((warn_unused_result));
