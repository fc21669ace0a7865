#pragma once
/* tunnel -- what both ends of a softwire do with the outer header when a packet comes out of it. */
#include "core/core.h"
#include "lib/lib.h"

enum { TUNNEL_FRAGMENTS = 9 };          /* of the longest packet (a PACKET_JUMBO) in a tunnel with the least MTU */

/* Pass destination options: the other end may set a tunnel encapsulation limit (RFC 2473 section 4.1.1). gives: the protocol behind
 * them, IP_NO_NEXT when they are broken; *at: where that begins */
uint8_t tunnel_skip_options(const uint8_t *data, uint32_t length, uint8_t next, uint32_t *at);

/* RFC 6040 section 4.2, figure 4: what the outer header says of congestion. gives: false when the packet must be dropped */
bool tunnel_combine_ecn(struct ipv4 *inner, const struct ipv6 *outer);

/* Cut an IPv6 packet that stands behind its Ethernet header, as the tunnel's entry does: RFC 2473 section 7.2 (b).
 *   needs: it is longer than mtu; later: TUNNEL_FRAGMENTS - 1
 *   gives: how many fragments there are: p is the first one, the others are later[0], ... and the caller's;
 *          0: there are no packets for them, or no room in p, which is unchanged */
uint32_t tunnel_cut(struct packet *p, uint32_t mtu, uint32_t id, struct packet **later);
