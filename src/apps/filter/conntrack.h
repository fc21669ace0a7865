#pragma once
/* conntrack -- what the files of the app filter.conntrack share.
 *
 *      conntrack.c           the class: parameters, the burst, reloads
 *      conntrack_frame.c     a frame's headers: whose flow it belongs to, and what it may do to it
 *      conntrack_table.c     flows are found, opened, closed, and move to a table of another size
 *      conntrack_tcp.c       the states of a TCP connection, sequence numbers and windows
 *      conntrack_fragment.c  later fragments follow the first one */
#include "core/core.h"
#include "lib/lib.h"

/* Where a packet comes from. */
enum conntrack_side { INSIDE, OUTSIDE, SIDES };

static inline enum conntrack_side conntrack_other(enum conntrack_side side)
{
	return side == INSIDE ? OUTSIDE : INSIDE;
}

enum conntrack_counter { OPENED, CLOSED, TIMED_OUT, EVICTED, CURRENT, HALF_OPEN };

/* Why a packet does not pass, in the order of the class's reasons; PASS: it does. */
enum conntrack_verdict { MALFORMED, NOT_IP, TCP_FLAGS, FRAGMENT, PROTOCOL, ICMP_TYPE, UNRELATED, NO_FLOW, NOT_OPENING, SPOOFED,
	OUT_OF_WINDOW, TABLE_FULL, PASS };

/* The kinds of time-outs: flow->timeout. "Opening" flows are half-open. */
enum conntrack_timeout { TCP_OPENING, TCP_ESTABLISHED, TCP_HALF_CLOSED, TCP_CLOSING, UDP_OPENING, UDP_ANSWERED, ECHO, OTHER_OPENING,
	OTHER_ANSWERED, FRAGMENTS, CONNTRACK_TIMEOUTS };

/* flow->mark[FLAGS], and flow->mark[SCALE + side]: by how many bits the windows of a side are shifted. */
enum { FLAGS, SCALE };
enum conntrack_flag {
	INSIDE_HIGH = 1,                /* the inside's end is the higher one of the key */
	ANSWERED = 2,                   /* the outside has sent something; TCP: its sequence numbers are known */
	ACKED_INSIDE = 4, ACKED_OUTSIDE = 8,    /* TCP: this side has acknowledged what the other sent */
	FIN_INSIDE = 16, FIN_OUTSIDE = 32       /* TCP: this side has sent a FIN */
};

/* What a frame is, so far as this app is concerned. Those before KIND_LATER have a key. */
enum conntrack_kind { KIND_TCP, KIND_UDP, KIND_ECHO, KIND_OTHER, KIND_ERROR, KIND_LATER, KIND_DECIDED };

struct conntrack_frame {
	struct flow_key key;            /* of its flow; of an ICMP error: of the flow that it quotes */
	uint64_t hash;
	uint64_t datagram;              /* of a fragment: which datagram it belongs to */
	const uint8_t *transport;       /* the transport header; of an ICMP error: that of the packet it quotes */
	uint32_t length;                /* bytes from there to the end of the IP packet */
	uint8_t kind;                   /* enum conntrack_kind */
	uint8_t verdict;                /* of KIND_DECIDED */
	uint8_t protocol;               /* of transport */
	bool source_high;               /* the source, of an ICMP error the source of the packet it quotes, is the key's higher end */
	bool opens;                     /* from the inside it may open a flow */
	bool first;                     /* later fragments follow it */
};

/* A datagram whose first fragment has passed. */
struct conntrack_datagram {
	uint64_t name;                  /* frame->datagram; 0: none */
	uint32_t seen_ms, unused;
};
enum { CONNTRACK_LOTS = 16 };
enum { CONNTRACK_WAYS = 4 };            /* places where a name may stand: 64 bytes */

struct conntrack {
	struct app app;

	uint32_t flows, half_open, fragments;
	uint32_t other;                 /* enum: protocols without ports */
	bool arp, neighbor, non_ip, midstream;
	uint64_t timeout_ns[CONNTRACK_TIMEOUTS];

	struct flow_table *table;
	struct flow_table *older;       /* of another size, from before a reload: its flows move to `table` */
	uint32_t now_ms;
	uint32_t timeout_ms[CONNTRACK_TIMEOUTS];
	struct random random;
	uint32_t lot[CONNTRACK_LOTS];   /* random numbers of the half-open flows that go next, the first one at drawn % CONNTRACK_LOTS */
	uint32_t drawn;
	struct conntrack_datagram *datagram;
	uint32_t datagram_mask;         /* of the sets of CONNTRACK_WAYS */
	struct job dispose;             /* frees `spent`, outside the packet thread */
	struct flow_table *spent;
};

enum { CONNTRACK_GROUP = 4 };           /* frames that are read together */

/* Look at up to CONNTRACK_GROUP frames that came from a side, and have the buckets of their flows fetched. Reads nothing behind the
 * end of a frame. */
void conntrack_frame_read(const struct conntrack *c, struct packet *const *burst, uint32_t n, enum conntrack_side side,
	struct conntrack_frame *frame);

/* Does the source of the frame stand at the inside's end of this flow? */
static inline bool conntrack_is_from(const struct conntrack_frame *frame, const struct flow *flow, enum conntrack_side side)
{
	bool inside_high = (flow->mark[FLAGS] & INSIDE_HIGH) != 0;

	return frame->source_high == (side == INSIDE ? inside_high : !inside_high);
}

/* The flow of a key; one that has been silent for too long is gone. The rare part: a flow that is not in the table, or silent. */
struct flow *conntrack_find_rare(struct conntrack *c, const struct flow_key *key, uint64_t hash, struct flow *flow);

static inline struct flow *conntrack_find(struct conntrack *c, const struct flow_key *key, uint64_t hash)
{
	struct flow *flow = flow_table_find(c->table, key, hash);

	if (__builtin_expect(flow == NULL || c->now_ms - flow->seen_ms >= c->table->timeout_ms[flow->timeout], 0))
		return conntrack_find_rare(c, key, hash, flow);
	return flow;
}

/* Draw the first random numbers; needs: random. */
void conntrack_table_draw(struct conntrack *c);

/* Open a flow from the inside, half-open; another half-open one goes when there is no room. NULL: there is none left. */
struct flow *conntrack_open(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_timeout timeout);

/* Both sides know of each other: a settled flow never goes for a new one. */
void conntrack_settle(struct conntrack *c, struct flow *flow);

void conntrack_close(struct conntrack *c, struct flow *flow);

/* Take some flows out that have been silent for too long, move some from the older table. Bounded. */
void conntrack_table_tick(struct conntrack *c);

/* Set the limit of half-open flows. */
void conntrack_table_limit(struct conntrack *c);

/* Set the counters of flows that there are. */
void conntrack_table_count(struct conntrack *c);

/* May a segment pass? Follows the connection. */
enum conntrack_verdict conntrack_tcp(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side);

/* May `side` have sent a segment with this sequence number in this flow lately? */
bool conntrack_tcp_has_sent(const struct flow *flow, enum conntrack_side side, uint32_t sequence);

/* Bytes of the array for `fragments` datagrams; sets datagram_mask. */
size_t conntrack_fragment_bytes(struct conntrack *c);
/* The first fragment of a datagram has passed; has it? */
void conntrack_fragment_remember(struct conntrack *c, uint64_t datagram);
bool conntrack_fragment_is_known(struct conntrack *c, uint64_t datagram);
