#pragma once
/* command -- what `nf lwaftr softwire` and the app lwaftr.lwaftr of a running instance say to each other (core/command.h): a struct
 * lwaftr_request, for LWAFTR_CHANGE with changes behind it; a struct lwaftr_reply, with what belongs to it behind it. Both sides are
 * of one binary: the magic number is that of its version. */
#include "apps/lwaftr/change.h"
#include "core/command.h"

enum { LWAFTR_MAGIC = 0x6c770001 };

enum lwaftr_request_kind {
	LWAFTR_COUNT,                   /* nothing follows */
	LWAFTR_LIST,                    /* the reply is followed by struct lwaftr_softwire */
	LWAFTR_CHANGE                   /* is followed by struct lwaftr_change; the reply by struct lwaftr_fault */
};

/* Which softwires a list has: those that have all that is asked for. */
struct lwaftr_pattern {
	uint8_t has_ipv4, has_psid, has_port, has_b4, has_br;
	uint16_t psid, port;
	uint32_t ipv4;                  /* host order */
	uint8_t b4[16], br[16];
};

struct lwaftr_request {
	uint32_t magic, kind;
	uint32_t check_only;            /* CHANGE: only look whether they could be made */
	uint32_t has_version;           /* CHANGE: not unless the table is still that of this version */
	uint64_t version;
	struct lwaftr_pattern pattern;  /* LIST */
};

/* The table when the request was done, and what was done. */
struct lwaftr_reply {
	uint32_t magic, grew;           /* grew: the table had no room; a larger copy has taken its place */
	uint64_t version;               /* goes up with each change of the table */
	uint64_t softwires, addresses, brs, softwire_room, bytes;
	uint64_t made, faults;          /* changes made; that could not be: then none is made */
	uint64_t slices, total_ns, longest_ns, longest_busy_ns;        /* pauses of the packet thread: struct engine_slices */
};

/* Does a softwire have all that is asked for? */
bool lwaftr_pattern_matches(const struct lwaftr_pattern *pattern, const struct lwaftr_softwire *softwire, const struct lwaftr_binding *binding);

/* Do what a request says with the table of an app. */
int lwaftr_command(struct app *app, struct command *command) __attribute__((warn_unused_result));
