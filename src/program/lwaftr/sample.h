#pragma once
/* sample -- packets that `nf lwaftr gen` makes: of softwires, and of those who attack them. They are written to `to`, whole frames or from
 * the header that is named on; checksums are right. */
#include "apps/lwaftr/config.h"
#include "lib/lib.h"

/* What an attacker sends. */
enum sample_flood {
	SAMPLE_FRAGMENTS,               /* first fragments of datagrams that never become whole */
	SAMPLE_UNBOUND,                 /* packets to ports, and from addresses, that are nobody's */
	SAMPLE_ERRORS,                  /* ICMP errors about packets that were never sent */
	SAMPLE_NEIGHBORS                /* ARP and NDP: questions about others */
};
extern const char *const sample_flood_names[];
enum { SAMPLE_FLOOD = 256 };            /* bytes of its longest frame */

/* The Ethernet header of a frame to the relay. */
void sample_ethernet(uint8_t *to, int version);

/* A UDP packet; addresses in host order. Its data are zeros. */
void sample_udp(uint8_t *to, uint32_t src, uint32_t dst, uint16_t from, uint16_t port, uint16_t length, uint16_t id);

/* The IPv6 header of `length` bytes of payload. */
void sample_ipv6(uint8_t *to, const uint8_t src[16], const uint8_t dst[16], uint8_t next, uint16_t length);

/* A frame of a flood on one side (version 4 or 6) against a softwire; gives its length. */
uint32_t sample_flood(enum sample_flood flood, int version, const struct lwaftr_softwire *victim, struct random *random, uint8_t *to);
