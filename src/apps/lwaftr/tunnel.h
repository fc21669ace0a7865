#pragma once
/* tunnel -- what both ends of a softwire do with the outer header when a packet comes out of it. */
#include "core/core.h"
#include "lib/lib.h"

/* Pass destination options: the other end may set a tunnel encapsulation limit (RFC 2473 section 4.1.1). gives: the protocol behind
 * them, IP_NO_NEXT when they are broken; *at: where that begins */
uint8_t tunnel_skip_options(const uint8_t *data, uint32_t length, uint8_t next, uint32_t *at);

/* RFC 6040 section 4.2, figure 4: what the outer header says of congestion. gives: false when the packet must be dropped */
bool tunnel_combine_ecn(struct ipv4 *inner, const struct ipv6 *outer);
