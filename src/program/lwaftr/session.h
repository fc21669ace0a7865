#pragma once
/* session -- a graph that runs in this very process, driven breath by breath. */
#include "core/core.h"

struct session {
	struct graph *graph;
	struct engine *engine;
};

/* Make the graph of a source and an engine for it. Once per process.
 *   fails: -errno after all mistakes were printed for `program`; nothing to undo */
int session_start(struct session *session, const char *program, const char *source) __attribute__((warn_unused_result));

/* End the apps: files are written; what waits is dropped. fails: -errno with nf_error() */
int session_stop(struct session *session) __attribute__((warn_unused_result));

/* Free it; after session_stop. */
void session_free(struct session *session);
