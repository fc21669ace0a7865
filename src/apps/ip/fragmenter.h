#pragma once
/* fragmenter -- what ip.fragment4 and ip.fragment6 share: packets that fit pass in bursts, the others are cut one by one. */
#include "core/core.h"
#include "lib/lib.h"

/* Counters, reasons and ports of both apps, in this order. */
enum { FRAGMENTS, WHOLE, ERRORS };
enum { FORBIDDEN, INVALID, NO_PACKET, TOO_MANY };
enum { OUTPUT, ERROR_OUTPUT };

struct fragmenter {
	struct app app;
	uint32_t mtu;
	uint32_t first_id;
	bool has_first_id;
	uint8_t source[16];             /* of errors */
	bool has_source;
	uint32_t error_rate;            /* per second */
	struct token_bucket errors;
	struct ident *ident;
	/* What differs. plan: look at a packet that is longer than the MTU. cut: fill later[0] .. later[count - 2], which are empty, and
	 * make p the first fragment; gives false when p has no room for that. error: about p, into `to`; gives its length. */
	enum fragment_verdict (*plan)(const struct fragmenter *fragmenter, struct fragment *plan, const struct packet *p);
	bool (*cut)(struct fragmenter *fragmenter, const struct fragment *plan, struct packet *p, struct packet *const *later);
	uint32_t (*error)(const struct fragmenter *fragmenter, uint8_t *to, const struct packet *p);
};

/* Parameters of both; ip: the type of an address. */
#define FRAGMENTER_PARAMS(type, ip, least, many) \
	{ "mtu", PARAM_U32, offsetof(type, mtu), "longest IP packet that leaves, in bytes", .min = least, .max = 65535, .initial = 1500 }, \
	{ "first_id", PARAM_U32, offsetof(type, first_id), "identifications are this number, the next one, ...: for tests, as anybody can " \
		"guess them; without it each pair of hosts has its own, which nobody can", .max = many, .optional = true, \
		.present = offsetof(type, has_first_id) }, \
	{ "error_source", ip, offsetof(type, source), "own address that ICMP errors come from; without it, or when the output 'errors' is " \
		"not linked, none are sent", .optional = true, .present = offsetof(type, has_source) }, \
	{ "error_rate", PARAM_U32, offsetof(type, error_rate), "ICMP errors per second at most", .min = 1, .max = 1000000, .initial = 100 }

void fragmenter_holds(const struct app *app, uint32_t holds[PACKET_SIZES]);
int fragmenter_prepare(struct app *app, const struct app *old) __attribute__((warn_unused_result));
void fragmenter_commit(struct app *app, struct app *old);
void fragmenter_push(struct app *app);
