#pragma once
/* bpf_facts -- what is known before a BPF program runs, for the compiler to leave out what need not be done. C only, for bpf*.c.
 *
 * Several programs stand one behind the other: a program that says 0 goes on with the next one. */

enum { BPF_NOTHING = UINT32_MAX };

/* How A lies in its register after a load: as in the frame (network order), or as a number. It may stay as in the frame as long
 * as only comparisons with constants follow, which are then made with turned constants. */
struct bpf_web {
	uint32_t parent;                /* webs that meet at an instruction are one: union-find */
	uint8_t size;                   /* of the load, bytes */
	bool number;                    /* somebody needs the number */
};

struct bpf_fact {
	uint32_t otherwise;             /* where a load outside the frame goes on: the next program, or the end */
	uint32_t program;               /* from 0 */

	/* Found from the end to the begin. */
	uint32_t need;                  /* in a shorter frame the program says 0, whatever else is true; BPF_NOTHING: in any */
	uint32_t need_x;                /* the same for a frame shorter than X + need_x */
	uint16_t reads_memory;          /* words that are read before they are written, a bit each */
	bool reads_a, reads_x;          /* the registers are read before they are written */

	/* Found from the begin to the end; before the instruction. */
	bool is_reached;
	uint32_t known;                 /* the frame has at least this length */
	uint32_t known_x;               /* the frame has at least X + known_x bytes; 0: nothing is known */
	uint16_t held_code;             /* A is what this load ... */
	uint32_t held_k;                /* ... gave; BPF_NOTHING: unknown */
	uint32_t held_x;                /* X is what the MSH load of this k gave */
	uint32_t web;                   /* of A; BPF_NOTHING: nobody reads A */

	/* What the compiler does. */
	bool is_kept;                   /* a load of what the register has already: nothing is done */
	bool is_outside;                /* a load that no frame is long enough for */
	uint32_t check;                 /* a load: at least this length is needed (relative to X for IND); 0: it is known */
	uint32_t made;                  /* web of A behind a load */
};

struct bpf_facts {
	struct bpf_op *op;              /* all programs */
	struct bpf_fact *fact;
	uint32_t count;
	struct bpf_web *web;
	uint32_t web_count;
};

/* fails: -ENOMEM, -E2BIG, -EINVAL: no program */
int bpf_facts_find(struct bpf_facts *facts, const struct bpf_ops *programs, uint32_t count);
void bpf_facts_free(struct bpf_facts *facts);

/* Whether A of this web lies in its register as in the frame; 2 or 4 bytes, 0: it is a number. */
uint32_t bpf_facts_raw(struct bpf_facts *facts, uint32_t web);

/* Whether the instruction is the first of its program. */
bool bpf_facts_begins(const struct bpf_facts *facts, uint32_t i);
