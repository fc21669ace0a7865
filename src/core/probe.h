#pragma once
/* probe -- a ring in shared memory into which a packet thread copies what passes on a link, and its reader in another process.
 *
 * One writer, one reader. The writer never waits: what does not fit is left out and counted. Neither side believes the other:
 * the writer keeps its own position and takes the reader's for a number that may be anything; the reader checks each record.
 * The file cannot be shrunk, so that nobody can make the other side's memory vanish. */

enum {
	PROBE_RING = 16 << 20,          /* bytes of records; a power of two */
	PROBE_ALIGN = 16,               /* records begin at multiples of it */
	PROBE_LINK = 512,               /* bytes of the longest name of a link, with its final zero */
	PROBE_SNAPLEN = 262144,         /* longest copy of a packet */
	PROBE_PORTS = 64, PROBE_REASONS = 64,   /* inputs, outputs, reasons of an app whose calls can be traced */
	PROBE_MOST = 8,                 /* at a time, of a whole instance */
	PROBE_MAGIC = 0x6272706e
};

enum probe_state { PROBE_NEW, PROBE_RUNNING, PROBE_LINK_GONE, PROBE_RELOADED, PROBE_ENDED };

enum probe_kind { PROBE_PADDING, PROBE_PACKET, PROBE_CALL };

/* Stands before each packet's bytes. */
struct probe_record {
	uint32_t size;                  /* of the record with its bytes, a multiple of PROBE_ALIGN */
	uint16_t kind;                  /* enum probe_kind; of padding nothing but size and kind is set */
	uint16_t spare;
	uint32_t length;                /* bytes that follow */
	uint32_t wire_length;           /* of the whole frame */
	uint32_t link;                  /* its number in the worker's graph */
	uint32_t worker;
	uint64_t timestamp;             /* of the breath, nanoseconds since 1970 */
	uint64_t total;                 /* the packet's number on its link, from 0 */
	uint64_t place;                 /* which buffer it lies in: memory_offset */
};

/* What follows the record of a call: after the records of the packets that it sent. */
struct probe_span {
	uint32_t link, count;           /* so many packets of a link, */
	uint64_t first;                 /* from this one on */
};

struct probe_call {
	uint32_t app;                   /* its number in the worker's graph */
	uint32_t inputs, outputs;       /* spans: first of packets taken, then of packets sent */
	uint32_t spare;
	uint64_t received, created, sent, consumed;     /* how the app's counters changed, */
	uint64_t full;                  /* what its full outputs dropped, */
	uint32_t reason[PROBE_REASONS]; /* and what it dropped */
	struct probe_span span[2 * PROBE_PORTS];
};

/* An app's counters before a call. */
struct probe_before {
	uint64_t input[PROBE_PORTS], output[PROBE_PORTS], dropped[PROBE_PORTS], reason[PROBE_REASONS];
	uint64_t received, created, sent, consumed;
};

/* The file: this, and the ring in its second page. */
struct probe_shared {
	uint32_t magic;
	uint32_t state;                         /* enum probe_state */
	uint64_t seen, left_out;                /* packets that passed; those that are not in the ring */
	uint64_t written __attribute__((aligned(64)));  /* bytes, free-running */
	uint64_t read __attribute__((aligned(64)));     /* bytes, free-running; the reader's */
};

/* The writer's side. */
struct probe {
	struct probe_shared *shared;
	uint32_t number, snaplen;
	struct link *link;              /* NULL: it is gone */
	const struct app *from;         /* who sends to it */
	uint64_t copied;                /* packets of the link that are dealt with */
	uint64_t written, seen, left_out;
	struct probe_before *before;    /* of a trace: NULL else */
	bool on, noted;                 /* this breath is traced; `before` is of the present call */
	uint64_t spent;                 /* cycles in this breath */
	uint64_t resume_cycles;         /* clock_cycles() at which a busy thread may copy again */
};

/* Make the file. gives: its descriptor; fails: -errno with nf_error() */
int probe_create(void) __attribute__((warn_unused_result));

/* Enter the file as its writer; house-keeping thread. fails: -errno with nf_error() */
int probe_open(struct probe **probe, int fd, uint32_t number, uint32_t snaplen) __attribute__((warn_unused_result));
/* Leave it; the reader is told why. */
void probe_close(struct probe *probe, enum probe_state state);

/* Begin with what is sent to the link from now on. */
void probe_set_link(struct probe *probe, struct link *link, const struct app *from);
/* The link is gone: tell the reader. */
void probe_lose_link(struct probe *probe, enum probe_state state);

/* Copy the packets that came to the probe's link since the last call and still lie on it.
 *   busy: the thread never rests; copying may then take a sixteenth of its time, and what comes meanwhile is left out
 *   cost: a copy for each, no allocation, no system call, no waiting */
void probe_copy(struct probe *probe, bool busy);

/* Make it a trace: of all links and calls. fails: -ENOMEM */
int probe_trace(struct probe *probe) __attribute__((warn_unused_result));
/* Parts of a trace: bytes of the ring that are free; the packets of a link from number `total` on; a call; show what was written. */
uint64_t probe_room(const struct probe *probe);
void probe_copy_from(struct probe *probe, const struct link *link, uint64_t total);
void probe_call(struct probe *probe, const struct probe_call *call);
void probe_publish(struct probe *probe);

/* The reader's side: open the file, take the next record, say how it stands. */
struct probe_reader;
int probe_reader_open(struct probe_reader **reader, int fd) __attribute__((warn_unused_result));
void probe_reader_close(struct probe_reader *reader);

/* The next record in a copy that stands until the next call; its bytes follow it.
 *   gives: NULL when there is none, or when the writer wrote nonsense: *broken */
const struct probe_record *probe_reader_next(struct probe_reader *reader, bool *broken);

/* What stands behind the record of a call.
 *   gives: false when it is not what an app can have done: the writer wrote nonsense */
bool probe_call_read(const struct probe_record *record, struct probe_call *call);

/* Whether the writer goes on, and its counts: complete when everything up to them was read. */
struct probe_status {
	enum probe_state state;
	uint64_t seen, left_out;
};
struct probe_status probe_reader_status(const struct probe_reader *reader);
