#pragma once
/* probing -- what nf capture and nf trace share: the connection to an instance and its ring, the filter, signals, limits. */
#include "core/core.h"

#include "core/filter.h"
#include "lib/lib.h"
#include "program/options.h"

struct probing {
	const struct program *program;
	int fd;                         /* the connection, while it stands the probe runs */
	struct probe_reader *reader;
	char title[PROBE_LINK];         /* what the instance says that it watches */
	bool filtered;
	struct bpf_ops filter;
	uint64_t count, until_ns;       /* packets wanted, 0: no limit; when to end, CLOCK_NEVER: never */
	uint64_t taken;                 /* that the caller has counted */
	char end[128];                  /* why it ended: the instance's words; "": we wanted to */
	bool over;                      /* the instance has ended it: read what is left */
};

/* Read --count, --duration and the filter, which is options.argument[from] and the following, and compile it.
 *   gives: OPTIONS_GO, or an exit code after a message */
int probing_init(struct probing *probing, const struct options *options, int from);

/* Connect to the instance of a name and send a line; afterwards SIGINT, SIGTERM and SIGPIPE end the probing.
 *   gives: EXIT_DONE, EXIT_FAILED after a message */
int probing_begin(struct probing *probing, const char *name, const char *line);

/* The next record; waits for one. gives: NULL at the end */
const struct probe_record *probing_next(struct probing *probing);

/* Does the filter want it? Its `length` bytes were copied of wire_length. */
bool probing_wants(const struct probing *probing, const uint8_t *data, uint32_t length, uint32_t wire_length);

void probing_fini(struct probing *probing);
