#pragma once
/* lwaftr -- the inside of lwaftr.lwaftr, for its files alone.
 *
 *      v4 --> encapsulate --------------------------------------> v6       lwaftr_encapsulate
 *      v6 --> decapsulate --> destination served? --> encapsulate -> v6    lwaftr_decapsulate
 *                         '-> else ----------------------------> v4
 *      errors --> source served? --> encapsulate --------------> v6        lwaftr_error4
 *             '-> else ----------------------------------------> v4
 *
 * A packet in these functions begins with 14 bytes of Ethernet header, whose content does not matter between them, and is cut to
 * the length of its IP header. */
#include "apps/lwaftr/difference.h"
#include "apps/lwaftr/journal.h"

/* Pairs of counters: packets, then bytes. The order is that of the names in lwaftr.c. */
#define LWAFTR_PAIRS(X) \
	X(IN_IPV4, "in-ipv4") X(IN_IPV6, "in-ipv6") X(OUT_IPV4, "out-ipv4") X(OUT_IPV6, "out-ipv6") X(HAIRPIN, "hairpin-ipv4") \
	X(OUT_ERROR4, "out-icmpv4-error") X(OUT_ERROR6, "out-icmpv6-error") \
	X(DROP_ALL4, "drop-all-ipv4-iface") X(DROP_ALL6, "drop-all-ipv6-iface") \
	X(DROP_RFC7596, "drop-in-by-rfc7596-icmpv4") X(DROP_RATE6, "drop-over-rate-limit-icmpv6") X(DROP_RATE4, "drop-over-rate-limit-icmpv4") \
	LWAFTR_DROPS(X)

/* Why a packet that came in is dropped: a pair of counters, and a reason of the app. Each packet is counted in one of them. */
#define LWAFTR_DROPS(X) \
	X(MISPLACED4, "drop-misplaced-not-ipv4") X(MISPLACED6, "drop-misplaced-not-ipv6") X(POLICY4, "drop-in-by-policy-icmpv4") \
	X(POLICY6, "drop-in-by-policy-icmpv6") X(CHECKSUM4, "drop-bad-checksum-icmpv4") X(NO_DESTINATION, "drop-no-dest-softwire-ipv4") \
	X(NO_SOURCE, "drop-no-source-softwire-ipv6") X(TTL_ZERO, "drop-ttl-zero-ipv4") \
	X(OVER_MTU, "drop-over-mtu-but-dont-fragment-ipv4") X(UNKNOWN6, "drop-unknown-protocol-ipv6") \
	X(UNKNOWN_ICMP6, "drop-unknown-protocol-icmpv6") X(TOO_BIG_CODE, "drop-too-big-type-but-not-code-icmpv6") \
	X(TIME_CODE, "drop-over-time-but-not-hop-limit-icmpv6") X(BAD_HEADER, "drop-bad-header-ipv4") X(BAD_INNER, "drop-bad-inner-ipv6") \
	X(CHECKSUM6, "drop-bad-checksum-icmpv6") X(BAD_QUOTE, "drop-bad-quotation-icmpv6") X(EXPANSION, "drop-no-room-ipv6") \
	X(CONGESTION, "drop-bad-ecn-ipv6") X(INNER_FRAGMENT, "drop-inner-fragment-ipv6")

/* Counters without bytes. */
#define LWAFTR_SINGLES(X) \
	X(OUT_POLICY4, "drop-out-by-policy-icmpv4-packets") X(OUT_POLICY6, "drop-out-by-policy-icmpv6-packets") \
	X(FRAGMENT4, "drop-ipv4-frag-disabled") X(FRAGMENT6, "drop-ipv6-frag-disabled") \
	X(ERROR_UNDUE, "errors-not-due") X(PROXIED, "out-arp-proxy-packets") X(LEARNED, "tunnel-mtu-learned") X(CUT, "tunnel-mtu-cut") \
	X(SOFTWIRES, "softwires")

#define LWAFTR_PAIR_(id, name) LWAFTR_##id, LWAFTR_##id##_BYTES,
#define LWAFTR_SINGLE_(id, name) LWAFTR_##id,
enum lwaftr_counter { LWAFTR_PAIRS(LWAFTR_PAIR_) LWAFTR_SINGLES(LWAFTR_SINGLE_) LWAFTR_COUNTERS };

/* Reasons: those of LWAFTR_DROPS, then the others. */
#define LWAFTR_REASON_(id, name) LWAFTR_REASON_##id,
enum lwaftr_reason { LWAFTR_DROPS(LWAFTR_REASON_) LWAFTR_REASON_FRAGMENT, LWAFTR_REASON_BAD_LENGTH, LWAFTR_REASON_UNSEGMENTED,
	LWAFTR_REASON_ERROR_UNBOUND, LWAFTR_REASONS };

enum { LWAFTR_V4, LWAFTR_V6 };                          /* ports, of input and output */
enum lwaftr_echo { LWAFTR_ECHO_PORT0, LWAFTR_ECHO_IDENTIFIER };
enum lwaftr_ecn { LWAFTR_ECN_INNER, LWAFTR_ECN_RFC6040 };
enum { LWAFTR_ENCAPSULATION = IPV6_HEADER };            /* bytes that a tunnel takes */
enum { LWAFTR_NO_PORT = -1 };

/* Where a packet that is to be encapsulated came from. */
enum lwaftr_origin { LWAFTR_FROM_INTERNET, LWAFTR_FROM_B4 };

/* Fragments of packets inside of tunnels: see fragments.c. */
enum { LWAFTR_TRACKS = 4096, LWAFTR_WAYS = 4, LWAFTR_WAITING = 64 };
struct lwaftr_track {
	uint32_t src, dst;
	uint16_t id;
	uint8_t protocol;
	uint8_t spare;
	int32_t src_port, dst_port;     /* by which the softwires of source and destination are found */
	uint64_t until_ns;              /* 0: free */
};

/* What the ways of tunnels take, where it is less than our MTU: see path.c. */
enum { LWAFTR_PATHS = 4096 };
struct lwaftr_path {
	uint8_t b4[16];
	uint32_t mtu;
	uint64_t until_ns;              /* 0: free */
};

/* What is to be sent to an output: in the order in which it was made, whatever made it. */
enum { LWAFTR_OUT = 4 * BURST };
struct lwaftr_out {
	uint32_t count;
	uint64_t bytes;
	struct packet *p[LWAFTR_OUT];
};

struct lwaftr {
	struct app app;
	const char *file, *device;      /* file NULL: settings */
	const struct value *settings;
	uint16_t queue;
	bool has_queue;
	uint32_t reserved, echo, ecn;   /* enum lwaftr_reserved, lwaftr_echo, lwaftr_ecn */
	bool decrement, verify, proxies, learns;
	uint64_t mtu_expiry_ns;
	uint64_t room;                  /* softwires that may be added */

	struct lwaftr_binding binding;  /* changes between two breaths alone: see change.h */
	/* A reload: what has to change in the table of the instance before, which it takes over; or it has a larger copy of its own. */
	struct lwaftr_difference difference;
	struct lwaftr_changes changes;
	bool takes_over;
	struct lwaftr_journal journal;  /* what was changed by hand */
	uint64_t version;               /* of the table: goes up with each change; the house-keeping thread's */
	uint32_t ip4_be;                /* own address on the IPv4 side */
	uint32_t mtu4, mtu6;
	uint32_t mtu_least;             /* what is no longer than this fits every tunnel: mtu6, or less while a path is known */
	uint32_t label_be;              /* version 6 and flow label */
	bool hairpins, allows4, allows6, reports4, reports6;
	uint8_t ethernet4[16], ethernet6[16];   /* how frames begin; 14 bytes count */
	struct token_bucket errors4, errors6;
	struct siphash_key track_key;
	struct lwaftr_track *track;     /* LWAFTR_TRACKS */
	struct lwaftr_path *path;       /* LWAFTR_PATHS, when it learns */
	struct ident *ident;            /* of fragments for them */
	uint64_t path_until_ns;         /* none is known longer than this */
	uint32_t waiting;               /* fragments that came before their first one, oldest first */
	struct packet *wait[LWAFTR_WAITING];
	uint64_t wait_until_ns[LWAFTR_WAITING];
	struct lwaftr_out out[2];       /* empty between two calls */
};

enum { LWAFTR_LACKS_PORT = 1, LWAFTR_IS_ICMP = 2 };

/* Packets that are to be encapsulated. IPv4 addresses are in host order. */
struct lwaftr_batch {
	uint32_t count;
	struct packet *p[BURST];
	uint32_t ipv4[BURST];           /* destination */
	uint16_t port[BURST];
	uint8_t odd[BURST];             /* LWAFTR_LACKS_PORT, LWAFTR_IS_ICMP */
	enum lwaftr_origin origin;      /* of all of them */
};

/* Count a packet in a pair of counters. */
static inline void lwaftr_count(struct lwaftr *lwaftr, enum lwaftr_counter counter, uint32_t bytes)
{
	lwaftr->app.counter[counter]++;
	lwaftr->app.counter[counter + 1] += bytes;
}

/* Send what was made for an output. */
static inline void lwaftr_flush(struct lwaftr *lwaftr, uint32_t port)
{
	struct lwaftr_out *out = &lwaftr->out[port];

	link_send_known(lwaftr->app.output[port], out->p, out->count, out->bytes);
	out->count = 0;
	out->bytes = 0;
}

/* Send to an output, at the end of this call. Nothing changes the packet afterwards. */
static inline void lwaftr_send(struct lwaftr *lwaftr, uint32_t port, struct packet *p)
{
	struct lwaftr_out *out = &lwaftr->out[port];

	if (__builtin_expect(out->count == LWAFTR_OUT, 0))
		lwaftr_flush(lwaftr, port);
	out->p[out->count++] = p;
	out->bytes += p->length;
}

/* How frames to a side begin, in two registers: all 14 bytes in two stores, which overlap. */
struct lwaftr_head {
	uint64_t first, last;
};

static inline struct lwaftr_head lwaftr_head(const uint8_t *ethernet)
{
	struct lwaftr_head head;

	memcpy(&head.first, ethernet, sizeof(head.first));
	memcpy(&head.last, ethernet + ETHERNET_HEADER - sizeof(head.last), sizeof(head.last));
	return head;
}

static inline void lwaftr_begin(const struct lwaftr_head *head, uint8_t *data)
{
	memcpy(data, &head->first, sizeof(head->first));
	memcpy(data + ETHERNET_HEADER - sizeof(head->last), &head->last, sizeof(head->last));
}

/* Take one off the TTL: RFC 1141, with the sum 0xffff written as 0 as RFC 1624 section 3 has it. The order of bytes does not matter to
 * the sum, the TTL is the first byte of its word. */
static inline void lwaftr_age(struct ipv4 *ip)
{
	uint32_t sum = ip->checksum_be + (uint32_t)bytes_swap16(0x0100);

	ip->ttl--;
	ip->checksum_be = (uint16_t)(sum + (sum >= 0xffff));
}

/* Drop a packet that came in: under its reason, its pair of counters, and the one of all drops of the side where it came in. */
void lwaftr_drop4(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_counter counter, enum lwaftr_origin origin);
void lwaftr_drop6(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_counter counter);

/* The header of the IPv4 packet behind the Ethernet header. */
static inline struct ipv4 *lwaftr_ipv4(const struct packet *p)
{
	return (struct ipv4 *)(p->data + ETHERNET_HEADER);
}

/* The checksum of the header is right; without options it is the sum of ten words. It is looked at when the softwire has been found:
 * what has none is answered for whatever its checksum. */
static inline bool lwaftr_has_checksum(const struct ipv4 *ip)
{
	uint64_t first, second;
	uint32_t third;

	if (__builtin_expect(ip->version_ihl != 0x45, 0))
		return ipv4_has_checksum(ip);
	memcpy(&first, ip, 8);
	memcpy(&second, (const uint8_t *)ip + 8, 8);
	memcpy(&third, &ip->dst_be, 4);
	return checksum_fold((first & UINT32_MAX) + (first >> 32) + (second & UINT32_MAX) + (second >> 32) + third) == 0xffff;
}

/* The port by which the softwire of an IPv4 packet's destination (towards a B4), or source (from a B4) is found, RFC 7596
 * section 8.1; LWAFTR_NO_PORT when it has none. needs: a whole header; length: bytes of the packet that are there, which may be
 * fewer than its header says. */
int32_t lwaftr_port_to_b4(const struct lwaftr *lwaftr, const struct ipv4 *ip, uint32_t length);
int32_t lwaftr_port_from_b4(const struct lwaftr *lwaftr, const struct ipv4 *ip, uint32_t length);

/* encapsulate.c: take in what waits on the v4 side; what was decapsulated for another B4; and send a packet, with its TTL as it
 * shall be, into a tunnel. */
void lwaftr_encapsulate(struct lwaftr *lwaftr);
void lwaftr_hairpin(struct lwaftr *lwaftr, struct packet *const *burst, const int32_t *port, uint32_t n);
void lwaftr_tunnel(struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel);     /* needs: headroom */

/* decapsulate.c: take in what waits on the v6 side. */
void lwaftr_decapsulate(struct lwaftr *lwaftr);

/* relay.c: an ICMPv6 message from a tunnel's way, cut to its length; takes p. */
void lwaftr_relay(struct lwaftr *lwaftr, struct packet *p);

/* error.c: errors about packets, which stay the caller's. The quotation begins at `quoted` and has at most `length` bytes. */
struct lwaftr_message {
	uint8_t type, code;
	uint32_t mtu;                   /* of 3/4 */
	bool relayed;                   /* an ICMPv6 message caused it: generate-icmp-errors does not count */
};
void lwaftr_error4(struct lwaftr *lwaftr, struct lwaftr_message message, const struct ipv4 *quoted, uint32_t length);
/* 1/5 (source address failed policy); from: the address it comes from. */
void lwaftr_error6(struct lwaftr *lwaftr, const struct ipv6 *quoted, const uint8_t from[16]);
/* Whether ICMP type is that of an error message. */
bool lwaftr_is_error4(uint8_t type);

/* fragments.c: an IPv4 fragment out of a tunnel, whose data still begins with the outer frame, `offset` bytes before the inner
 * packet. First ones have ports, later ones are found by the identification.
 *   gives: true when *src_port and *dst_port are known; false when p is kept or dropped */
bool lwaftr_fragment(struct lwaftr *lwaftr, struct packet *p, const struct ipv4 *ip, int32_t *src_port, int32_t *dst_port);
/* The first fragment's softwire was right: later ones may pass; those that wait go through lwaftr_fragment_next until NULL. */
void lwaftr_fragment_accept(struct lwaftr *lwaftr, const struct ipv4 *ip, int32_t src_port, int32_t dst_port);
struct packet *lwaftr_fragment_next(struct lwaftr *lwaftr);
void lwaftr_fragment_tick(struct lwaftr *lwaftr);

/* path.c: the way to a B4 takes no longer IPv6 packets than this; what it takes, at most our own MTU. */
void lwaftr_path_learn(struct lwaftr *lwaftr, const uint8_t b4[16], uint32_t mtu);
uint32_t lwaftr_path_mtu(const struct lwaftr *lwaftr, const uint8_t b4[16]);
/* Send a packet, which is in its tunnel, in fragments; takes p. */
void lwaftr_path_send(struct lwaftr *lwaftr, struct packet *p, uint32_t mtu);
void lwaftr_path_tick(struct lwaftr *lwaftr);
