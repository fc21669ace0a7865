#pragma once
/* intel_ring -- the two rings of a queue: descriptors in memory that the card reaches, and the packets behind them.
 *
 *      receive     the card fills, we take                 transmit    we fill, the card sends
 *
 *      clean        next           filled                  clean           next
 *        |   taken   |    posted     |  empty                |   posted      |  empty
 *      --+-----------+---------------+------               --+---------------+------
 *                    ^ DD here?       ^ tail                   ^ DD at the      ^ tail
 *                                                                end of a burst?
 * Totals run free; a slot is a total masked. One slot stays empty, as a tail that equals the head means that nothing is there.
 *
 * The advanced descriptors of the 82599 and of the 82576 are the same. The extended receive descriptor of the 82574, as it is written
 * back, has all that is used here at the same places; its data descriptor for transmission lacks one field (unit), and has its
 * commands elsewhere (command).
 * source: 82599 datasheet 7.1.6 "Advanced Receive Descriptors", 7.2.3.2.4 "Advanced Transmit Data Descriptor", 7.1.9 and 7.2.3.4 on
 * the rings; 82576 datasheet 7.1.5 and 7.2.2.3; 82574 datasheet 7.1.5 "Extended Rx Descriptor", 7.2.10.2 "TCP/IP Data Descriptor" */
#include "apps/intel/intel_register.h"
#include "lib/lib.h"

enum {
	INTEL_RING_LEAST = 64, INTEL_RING_MOST = 4096,  /* descriptors; a power of two */
	INTEL_REFILL = 32,              /* descriptors are filled in bursts of at least so many */
	INTEL_REPORT = 32,              /* at most so many are sent without a report that is asked for */
	INTEL_CONTEXT_SLOT = 36,        /* bit of a context that says which of two it is */
	INTEL_SHORTEST = 60             /* bytes of a frame on the wire, without the FCS: shorter ones are padded */
};

/* A mark in intel_transmit.last. */
#define INTEL_CONTEXT (1u << 31)

/* In a packet's descriptor: the card inserts a tag. */
#define INTEL_VLE (1u << 30)

struct intel_descriptor {
	uint64_t low, high;             /* little-endian */
};

enum intel_drop { INTEL_TOO_LONG, INTEL_MALFORMED, INTEL_LINK_DOWN, INTEL_HANG, INTEL_GONE, INTEL_GSO, INTEL_METADATA, INTEL_NO_PACKET };

struct intel_receive {
	volatile struct intel_descriptor *ring;
	struct packet **packet;         /* of each descriptor; PACKET_PREFETCH more, which are NULL */
	volatile uint32_t *tail;
	uint32_t mask;                  /* descriptors - 1 */
	uint32_t next, filled;          /* totals: looked at, given to the card */
	uint32_t room;                  /* bytes of a buffer, as the card was told */
	uint32_t wrong;                 /* error bits of IPv4 and transport checksums, which differ */
	uint8_t size;                   /* enum packet_size */
	bool skipping;                  /* within a frame that takes several buffers, which none should */
	uint16_t port;
};

/* A context: where a card finds the headers of what it has to finish. */
struct intel_context {
	uint64_t low, high;             /* high 0: none */
};

/* What a card finishes before it sends, and in which form it is told. */
enum intel_offloads { INTEL_OFFLOAD_TAG = 1, INTEL_OFFLOAD_SUM = 2, INTEL_OFFLOAD_82574 = 4 };

struct intel_transmit {
	volatile struct intel_descriptor *ring;
	struct packet **packet;         /* of each descriptor; NULL: of a context */
	uint32_t *last;                 /* of a burst's first descriptor: the total of its last one, with INTEL_CONTEXT if it is a context */
	volatile uint32_t *tail;
	uint32_t mask;
	uint32_t next, clean;           /* totals: given to the card, given back */
	uint32_t reported;              /* within a push: reports are asked for up to here */
	uint32_t longest;               /* bytes of a frame */
	uint64_t command, command_last; /* bits of each descriptor; and of a burst's last one, for which a report is asked */
	uint64_t unit;                  /* times a frame's length: bit 0, and the bit where the length stands once more, if it does */
	uint32_t offloads;              /* enum intel_offloads */
	struct intel_context context[2];        /* that the card remembers, of tags alone and of checksums */
	struct packet *pending;         /* a GSO packet that is being cut: held */
	struct gso cut;
	uint32_t cut_next;
};

/* Receive up to n packets into burst; gives how many, and adds their bytes. Those that no card should give are dropped. */
uint32_t intel_receive(struct intel_receive *r, struct app *app, struct packet **burst, uint32_t n, uint64_t *bytes);

/* Give the card empty packets, when enough are missing or `all` is wanted. */
void intel_refill(struct intel_receive *r, bool all);

/* Send what waits on a link, as far as there is room; counts drops. */
void intel_send(struct intel_transmit *t, struct app *app, struct link *input);

/* Give back what the card has sent, and count it. */
void intel_reclaim(struct intel_transmit *t, struct app *app);

/* Leave to the card what it can finish of a packet, whose metadata no longer ask for it then.
 *   gives: bits for the packet's descriptor; *context, which must come before it, with high 0 when none must */
uint64_t intel_offload(const struct intel_transmit *t, struct packet *p, struct intel_context *context);

/* Packets that the card has. */
uint32_t intel_posted(const struct intel_receive *r);
uint32_t intel_held(const struct intel_transmit *t);

/* Free all of them. needs: the queue is at rest. reason: of the app, for those that were not sent */
void intel_receive_empty(struct intel_receive *r);
void intel_transmit_empty(struct intel_transmit *t, struct app *app, uint32_t reason);
