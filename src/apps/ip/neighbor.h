#pragma once
/* neighbor -- the next hop of an interface, for ip.arp and ip.ndp: when to ask for its Ethernet address, and the packets that
 * wait until it is known. */
#include "core/core.h"
#include "lib/lib.h"

enum neighbor_state {
	NEIGHBOR_NONE,                  /* there is no next hop: packets leave as they are */
	NEIGHBOR_UNKNOWN,               /* packets wait */
	NEIGHBOR_KNOWN,                 /* resolved, renewed now and then */
	NEIGHBOR_FIXED                  /* its Ethernet address was configured */
};

/* Counters of both apps, in this order; reasons of both. */
enum { IN_REQUEST_PACKETS, IN_REQUEST_BYTES, IN_REPLY_PACKETS, IN_REPLY_BYTES, OUT_REQUEST_PACKETS, OUT_REQUEST_BYTES,
	OUT_REPLY_PACKETS, OUT_REPLY_BYTES, RESOLVED, CHANGED, CONFLICTS };
enum { INVALID, UNRESOLVED };
/* Ports, of input and output. */
enum { WIRE, INSIDE };

struct neighbor {
	uint8_t own[6];                 /* the interface's Ethernet address */
	uint8_t fixed[6];
	bool has_fixed;
	uint64_t retry_ns, renew_ns;
	uint32_t limit;                 /* packets that may wait */
	uint8_t state;                  /* enum neighbor_state */
	bool starts;                    /* asked before a virtual clock has started: the deadline is set when it does */
	uint32_t unanswered;            /* requests since the last answer */
	uint64_t next_ns;               /* when to ask again */
	uint8_t header[12];             /* how a frame to the next hop begins: both addresses */
	struct fifo held;               /* struct packet */
};

/* The parameters of `struct neighbor neighbor` in an app's struct. */
#define NEIGHBOR_PARAMS(type) \
	{ "mac", PARAM_MAC, offsetof(type, neighbor.own), "the interface's own Ethernet address", .required = true }, \
	{ "next_hop_mac", PARAM_MAC, offsetof(type, neighbor.fixed), "the next hop's Ethernet address, which is then not asked for", \
		.optional = true, .present = offsetof(type, neighbor.has_fixed) }, \
	{ "retry", PARAM_DURATION, offsetof(type, neighbor.retry_ns), "how long to wait for an answer before asking again", \
		.min = 1000000, .max = 3600000000000, .initial_text = "3s" }, \
	{ "renew", PARAM_DURATION, offsetof(type, neighbor.renew_ns), "how long an answer is good before the next hop is asked " \
		"again; until it answers, its old address is used; 0: for ever", .max = 86400000000000, .initial_text = "60s" }, \
	{ "queue", PARAM_U32, offsetof(type, neighbor.limit), "packets that may wait while the next hop's address is not known; a " \
		"further one takes the place of the oldest", .min = 1, .max = 1 << 20, .initial = 512 }

/* The class's functions, for the part of an app that is its neighbor. has_hop: whether the next hop's IP address is given. */
void neighbor_check(const struct app *app, const struct neighbor *neighbor, bool has_hop, struct errors *errors);
void neighbor_prepare(struct app *app, struct neighbor *neighbor, bool has_hop);
/* Take over what waits, and with `same` what is known of the next hop. */
void neighbor_commit(struct app *app, struct neighbor *neighbor, struct neighbor *old, bool same);
void neighbor_flush(struct app *app, struct neighbor *neighbor);
void neighbor_stop(struct app *app, struct neighbor *neighbor);
uint64_t neighbor_wake_at(const struct app *app, const struct neighbor *neighbor);

/* Whether the next hop must be asked now, and whether all must hear it (else only itself). Then tell that it was asked. */
bool neighbor_is_due(struct neighbor *neighbor);
bool neighbor_asks_all(const struct neighbor *neighbor);
void neighbor_asked(struct neighbor *neighbor);

/* The next hop has this address. */
void neighbor_learn(struct app *app, struct neighbor *neighbor, const uint8_t *mac);

/* Move packets from the inside to the wire: those that waited first. Frames of `type` get the addresses of the next hop. */
void neighbor_send(struct app *app, struct neighbor *neighbor, uint16_t type);
