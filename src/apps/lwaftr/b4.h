#pragma once
/* b4 -- the inside of lwaftr.b4, for its files alone.
 *
 *      inside --> look --> mapping, session --> source becomes public --> tunnel       b4_outward
 *                                           '-> for ourselves: as from the tunnel -> inside
 *      tunnel --> look --> mapping, session --> destination becomes the client's --> inside    b4_inward
 *
 *      b4.c            the class: parameters, the burst, reloads
 *      b4_ports.c      the port set, and which client has which port of it
 *      b4_session.c    who talks to whom, and for how long a port is needed
 *      b4_view.c       the headers of a packet: what is to be translated, and the translation
 *      b4_outward.c, b4_inward.c       packets of either direction
 *      b4_tunnel.c     encapsulation, fragments, the tunnel's MTU
 *      b4_message.c    ICMP errors: those of others are translated, own ones are made
 *
 * Packets in these functions begin with 14 bytes of Ethernet header and are cut to the length of their IP header. */
#include "apps/lwaftr/tunnel.h"

enum { B4_INSIDE, B4_TUNNEL, B4_FRAGMENTS };    /* ports, of input and output */

enum b4_kind { B4_TCP, B4_UDP, B4_ECHO, B4_KINDS };

enum b4_counter { B4_OUT_PACKETS, B4_OUT_BYTES, B4_IN_PACKETS, B4_IN_BYTES, B4_HAIRPINS, B4_CUT, B4_ERRORS, B4_ERRORS_SUPPRESSED,
	B4_OPENED, B4_TIMED_OUT, B4_EVICTED, B4_REFUSED, B4_LOWERED, B4_SESSIONS, B4_HALF_OPEN, B4_MAPPINGS_TCP, B4_MAPPINGS_UDP,
	B4_MAPPINGS_ECHO, B4_MTU };

/* Why a packet does not pass, in the order of the class's reasons; B4_PASS: it does. */
enum b4_verdict { B4_NOT_IPV4, B4_NOT_IPV6, B4_MALFORMED, B4_UNSEGMENTED, B4_CHECKSUM, B4_FRAGMENT, B4_SPOOFED, B4_NO_HOST,
	B4_OWN_ADDRESS, B4_PROTOCOL, B4_ICMP_TYPE, B4_UNRELATED, B4_EXPIRED, B4_TOO_BIG, B4_NO_PORT, B4_NO_SESSION, B4_NOT_OPENING,
	B4_FOREIGN, B4_NOT_OURS, B4_UNSOLICITED, B4_ECN, B4_NO_PACKET, B4_PASS };

/* The kinds of time-outs: session->timeout. "Opening" sessions are half-open: they may have to go for new ones. */
enum b4_timeout { B4_TCP_OPENING, B4_TCP_OPEN, B4_TCP_CLOSING, B4_UDP_OPENING, B4_UDP_ANSWERED, B4_ECHO_SILENT, B4_TIMEOUTS };

enum b4_filtering { B4_FILTER_ENDPOINT, B4_FILTER_SESSION };

/* A port of the set that a client has. */
struct b4_mapping {
	uint32_t client_be;             /* 0: nobody has it */
	uint16_t port;                  /* of the client, host order; an echo's identifier */
	uint8_t mac[6];                 /* from where its last packet came */
	uint32_t users;                 /* sessions that need it */
};

/* The port set and who has what of it. source: RFC 7597 section 5.1; mappings do not depend on the other end: RFC 4787 REQ-1 */
struct b4_ports {
	uint32_t psid, length, offset;  /* PSID, its bits k, the bits a before it */
	uint32_t count, first;          /* ports of the set; those from `first` on are given to clients */
	struct b4_mapping *mapping;     /* of each kind `count` */
	uint16_t *spare[B4_KINDS];      /* ports that nobody has, in no order, as they are counted in the set */
	uint32_t spare_count[B4_KINDS];
	struct cuckoo client;           /* kind, client's address and port -> which mapping */
};

/* All that is kept over a reload. */
struct b4_state {
	struct b4_ports ports;
	struct flow_table *sessions;    /* flow->data[0]: the mapping; flow->mark[0]: enum b4_mark */
	struct random random;
	struct ident ident;             /* of fragments */
	uint32_t mtu;                   /* of the tunnel's way, as far as we were told; 0: nobody said anything */
	uint64_t mtu_until_ns;
};

enum b4_mark { B4_ANSWERED = 1, B4_OPENED_BY_US = 2, B4_FIN_OUT = 4, B4_FIN_IN = 8, B4_RESET = 16 };

struct b4 {
	struct app app;
	uint8_t ipv4[4], b4[16], br[16], ip[4], mac[6];
	uint32_t psid, psid_length, psid_offset;
	uint32_t mtu, session_most, half_open, filtering, error_rate;
	bool has_half_open, hairpins;
	uint64_t timeout_ns[B4_TIMEOUTS], mtu_expiry_ns;

	uint32_t ipv4_be, ip_be;
	uint32_t now_ms;
	struct token_bucket errors;
	struct b4_state *state;
};

/* What is to be translated in an IPv4 packet, or in what is there of one that is quoted. Ports are in host order. */
struct b4_view {
	struct ipv4 *ip;
	uint8_t *transport;
	uint32_t length;                /* bytes from there on */
	enum b4_kind kind;
	uint16_t src, dst;              /* ports; an echo's identifier stands on the side of who asks, 0 on the other */
	uint8_t flags;                  /* of TCP; of a quoted packet 0 */
	bool is_error;                  /* an ICMP error: nothing but ip, transport and length is set */
};

enum b4_end { B4_SOURCE, B4_DESTINATION };

/* Look at a packet. quoted: it may be cut off behind the ports. gives: B4_PASS, or why it cannot be translated
 *   needs: a whole IPv4 header; length: bytes of the packet that are there, from its header on */
enum b4_verdict b4_view(struct b4_view *view, struct ipv4 *ip, uint32_t length, bool quoted);

/* Set the address and the port of an end; all checksums follow. */
void b4_view_set(struct b4_view *view, enum b4_end end, uint32_t address_be, uint16_t port);

/* Make the ports of a set; random numbers seed the table. fails: -ENOMEM; undo: b4_ports_fini */
int b4_ports_init(struct b4_ports *ports, uint32_t psid, uint32_t length, uint32_t offset, struct random *random)
	__attribute__((warn_unused_result));
void b4_ports_fini(struct b4_ports *ports);

/* Which mapping a port of a kind is, or -1: it is not of the set. And the port of a mapping. */
int32_t b4_ports_index(const struct b4_ports *ports, enum b4_kind kind, uint16_t port);
uint16_t b4_ports_number(const struct b4_ports *ports, uint32_t index);
enum b4_kind b4_ports_kind(const struct b4_ports *ports, uint32_t index);

/* The mapping of a client's port, or -1; for a burst the key first. */
uint64_t b4_ports_key(enum b4_kind kind, uint32_t client_be, uint16_t port);
int32_t b4_ports_find(const struct b4_ports *ports, uint64_t key);

/* Give the client a port that nobody can guess. gives: -1 when there is none left */
int32_t b4_ports_take(struct b4_ports *ports, enum b4_kind kind, uint32_t client_be, uint16_t port, struct random *random);
/* Nobody needs a mapping any more. */
void b4_ports_release(struct b4_ports *ports, uint32_t index);

/* The key of the session between a port of ours and another end. */
void b4_session_key(const struct b4 *b4, struct flow_key *key, enum b4_kind kind, uint16_t port, uint32_t remote_be, uint16_t remote);
/* The session of a key that has not been silent for too long; NULL. */
struct flow *b4_session_find(struct b4 *b4, const struct flow_key *key, uint64_t hash);
/* Open one for a mapping, a half-open one goes when there is no room. NULL: there is none */
struct flow *b4_session_open(struct b4 *b4, const struct flow_key *key, uint64_t hash, uint32_t mapping);
/* A packet of a session goes out, or comes in. */
void b4_session_out(struct b4 *b4, struct flow *session, const struct b4_view *view);
void b4_session_in(struct b4 *b4, struct flow *session, const struct b4_view *view);
/* Free a port of a kind at the cost of a half-open session, drawn by lot. gives: false when there is none to be found */
bool b4_session_evict(struct b4 *b4, enum b4_kind kind);
/* Take out some that have been silent for too long; set the counters of what there is. */
void b4_session_tick(struct b4 *b4);
void b4_session_count(struct b4 *b4);

/* Take in what waits: from the clients; out of the tunnel; and inner packets that were fragments and are whole now. */
void b4_outward(struct b4 *b4);
void b4_inward(struct b4 *b4);
void b4_inward_whole(struct b4 *b4);

/* A whole IPv4 packet for ourselves, out of the tunnel or of a client of ours; takes p. */
void b4_inward_packet(struct b4 *b4, struct packet *p, bool hairpinned);

/* Bytes of the longest IPv6 packet that fits the tunnel now. */
uint32_t b4_tunnel_mtu(const struct b4 *b4);
/* The tunnel's way takes no longer packets than this. */
void b4_tunnel_learn(struct b4 *b4, uint32_t mtu);
/* Encapsulate and send, in fragments if need be; takes p, whose Ethernet header counts for nothing. */
void b4_tunnel_send(struct b4 *b4, struct packet *p);

/* An ICMP error about a packet whose frame came from a client, or that came out of the tunnel; it stays the caller's. */
void b4_message_inside(struct b4 *b4, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t mtu);
void b4_message_tunnel(struct b4 *b4, const struct packet *p, uint8_t type, uint8_t code);
/* Translate an ICMP error of, or for, a client. *index: the mapping of the packet that it quotes */
enum b4_verdict b4_message_out(struct b4 *b4, struct b4_view *view, int32_t *index);
enum b4_verdict b4_message_in(struct b4 *b4, struct b4_view *view, int32_t *index);
/* An ICMPv6 message that came through the tunnel's interface; takes p. */
void b4_message_from_way(struct b4 *b4, struct packet *p);

static inline struct ipv4 *b4_ipv4(const struct packet *p)
{
	return (struct ipv4 *)(p->data + ETHERNET_HEADER);
}
