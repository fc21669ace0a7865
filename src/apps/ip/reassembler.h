#pragma once
/* reassembler -- what ip.reassemble4 and ip.reassemble6 share: fragments are held until their datagram is complete, or has no
 * more time, or must make room. */
#include "apps/ip/run.h"

/* Counters and reasons of both apps, in this order, and the ports. */
enum { NEEDS_REASSEMBLY, REASSEMBLED, UNNEEDED, INVALID_DATAGRAMS, EVICTED_DATAGRAMS, LATE_DATAGRAMS, ERRORS, MEMORY };
enum { INVALID, OVERLAP, TOO_MANY, TOO_LONG, DUPLICATE, EVICTED, LATE, NO_PACKET, CUT_OFF };
enum { OUTPUT, ERROR_OUTPUT };
enum { REASSEMBLER_LOTS = 16 };
enum { REASSEMBLER_LONGEST = 10240 };   /* bytes of a frame with a whole datagram: a PACKET_JUMBO */

/* A fragment as found in a packet. Offsets in bytes from the frame's beginning. */
struct reassembler_fragment {
	uint8_t key[REASSEMBLY_KEY];
	uint32_t header;                /* bytes of the headers that the whole datagram has */
	uint32_t payload, begin, end;   /* where the payload stands; where it belongs */
	bool more;
	uint32_t pointer;               /* malformed: the octet of the IP packet that its sender is told about; 0: none */
};

enum reassembler_find {
	REASSEMBLER_OTHER,              /* no fragment */
	REASSEMBLER_FRAGMENT,
	REASSEMBLER_WHOLE,              /* became a whole datagram by itself */
	REASSEMBLER_CUT_OFF,            /* longer than its frame */
	REASSEMBLER_MALFORMED           /* a fragment that cannot be: with its key, the datagram is given up */
};

struct reassembler {
	struct app app;
	uint32_t datagrams, fragments, most, error_rate, header;
	bool has_fragments, has_source;
	bool tells_malformed;           /* IPv6: 4/0 */
	uint64_t timeout_ns;
	uint8_t source[16];             /* of errors */
	struct token_bucket errors;
	struct random random;
	uint64_t lot[REASSEMBLER_LOTS]; /* the next ones that are drawn when datagrams must make room, from drawn on */
	uint32_t drawn;
	struct reassembly *table;       /* its memory lies behind it */
	uint32_t jumbo;                 /* long packets that are held */
	/* What differs. find: look at a packet. finish: `whole` has the headers of one packet and all payloads: make them those of the
	 * whole datagram. error: about a packet, into `to`, that no time is left or, with a
	 * pointer, that it is malformed there; gives its length. */
	enum reassembler_find (*find)(struct packet *p, struct reassembler_fragment *fragment);
	void (*finish)(const struct reassembler *reassembler, const struct packet *first, struct packet *whole, uint32_t header);
	uint32_t (*error)(const struct reassembler *reassembler, uint8_t *to, const struct packet *p, uint32_t pointer);
};

enum reassembler_header { REASSEMBLER_ARRIVED, REASSEMBLER_OFFSET };
extern const char *const reassembler_header_names[];

#define REASSEMBLER_PARAMS(type, ip) \
	{ "datagrams", PARAM_U32, offsetof(type, datagrams), "incomplete datagrams at once; one more takes the place of one drawn by lot", \
		.min = 1, .max = 1 << 20, .initial = 1024 }, \
	{ "fragments", PARAM_U32, offsetof(type, fragments), "packets held at once, of all datagrams; for one more a datagram drawn by lot " \
		"gives way; without it 4096 more than datagrams", .min = 1, .max = 1 << 21, .optional = true, \
		.present = offsetof(type, has_fragments) }, \
	{ "fragments_per_datagram", PARAM_U32, offsetof(type, most), "a datagram in more fragments is dropped", .min = 1, .max = 1280, \
		.initial = 40 }, \
	{ "timeout", PARAM_DURATION, offsetof(type, timeout_ns), "how long fragments wait for the others, from the first one on", \
		.min = 1000000, .max = 3600000000000, .initial_text = "60s" }, \
	{ "header", PARAM_ENUM, offsetof(type, header), "whose header the datagram gets: that of the fragment which arrived first, or of " \
		"the one with offset 0, as the RFC says", .choices = reassembler_header_names, .initial_text = "arrived" }, \
	{ "error_source", ip, offsetof(type, source), "own address that ICMP errors come from; without it, or when the output 'errors' is " \
		"not linked, none are sent", .optional = true, .present = offsetof(type, has_source) }, \
	{ "error_rate", PARAM_U32, offsetof(type, error_rate), "ICMP errors per second at most", .min = 1, .max = 1000000, .initial = 100 }

void reassembler_holds(const struct app *app, uint32_t holds[PACKET_SIZES]);
int reassembler_prepare(struct app *app, const struct app *old) __attribute__((warn_unused_result));
void reassembler_commit(struct app *app, struct app *old);
void reassembler_flush(struct app *app);
void reassembler_stop(struct app *app);
void reassembler_retire(struct app *app);
uint32_t reassembler_held(const struct app *app);
void reassembler_tick(struct app *app);
uint64_t reassembler_wake_at(const struct app *app);

/* Drop what has waited too long, a bounded number of datagrams. To be called at each push. */
void reassembler_expire(struct reassembler *reassembler);

/* Take the first packet of the input, which may be a fragment; needs: room for one packet on the output */
void reassembler_take(struct reassembler *reassembler);

/* The packets that need nothing pass: `is_plain` says which, and is inlined. */
static inline __attribute__((always_inline)) void reassembler_push(struct reassembler *reassembler,
	bool (*is_plain)(const struct packet *p))
{
	struct app *app = &reassembler->app;
	struct link *input = app->input[0], *output = app->output[OUTPUT];
	uint32_t left = link_waiting(input) < BURST ? link_waiting(input) : BURST;

	if (reassembler->table->count > 0)
		reassembler_expire(reassembler);
	while (left > 0 && link_room(output) > 0) {
		uint32_t n = left < link_room(output) ? left : link_room(output), plain = run_pass(input, output, &n, is_plain);

		app->counter[UNNEEDED] += plain;
		left -= plain;
		if (plain < n) {
			reassembler_take(reassembler);
			left--;
		}
	}
}
