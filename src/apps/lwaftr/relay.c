/* relay -- ICMPv6 messages from the way of a tunnel, told on to the IPv4 host whose packet was in it. source: RFC 2473 section 8 */
#include "apps/lwaftr/lwaftr.h"

enum { LEAST_MTU4 = 68 };               /* RFC 791 section 3.2: no IPv4 link has less */

/* Which ICMPv4 message says the same. gives: 0 and the message, or the counter of the drop */
static uint32_t translate(const struct icmp *icmp, struct lwaftr_message *message)
{
	enum { HOST = 1, NEEDED = 4, HOP_LIMIT = 0 };
	uint32_t mtu = bytes_read32(&icmp->id_be);

	*message = (struct lwaftr_message){ .type = ICMP_UNREACHABLE, .code = HOST, .relayed = true };
	switch (icmp->type) {
	case ICMPV6_UNREACHABLE:
	case ICMPV6_PARAMETER:
		return 0;
	case ICMPV6_TIME_EXCEEDED:
		return icmp->code == HOP_LIMIT ? 0 : LWAFTR_TIME_CODE;
	case ICMPV6_TOO_BIG:
		mtu = mtu < LEAST_MTU4 + LWAFTR_ENCAPSULATION ? LEAST_MTU4 : mtu - LWAFTR_ENCAPSULATION;
		message->code = NEEDED;
		message->mtu = mtu > UINT16_MAX ? UINT16_MAX : mtu;
		return icmp->code == 0 ? 0 : LWAFTR_TOO_BIG_CODE;
	default:
		return LWAFTR_UNKNOWN_ICMP6;
	}
}

/* The inner packet of a quotation that this lwAFTR may have sent into one of its tunnels, whole or as a first fragment; NULL.
 * *left: bytes of it that are there. */
static const struct ipv4 *quoted_inner(const struct lwaftr *lwaftr, const uint8_t *data, uint32_t length, uint32_t *left)
{
	const struct ipv6 *outer = ipv6_parse(data, length);
	const struct lwaftr_tunnel *tunnel;
	const struct ipv4 *inner;
	uint32_t at = IPV6_HEADER;
	uint8_t next;
	int32_t port;

	if (outer == NULL)
		return NULL;
	next = outer->next_header;
	if (next == IP_FRAGMENT && length >= at + sizeof(struct ipv6_fragment)) {
		const struct ipv6_fragment *fragment = (const struct ipv6_fragment *)(data + at);

		if (bytes_swap16(fragment->offset_be) >> 3 != 0)
			return NULL;
		next = fragment->next_header;
		at += sizeof(*fragment);
	}
	inner = next == IP_IPV4 ? ipv4_parse(data + at, length - at) : NULL;
	if (inner == NULL)
		return NULL;
	port = lwaftr_port_to_b4(lwaftr, inner, length - at);
	tunnel = port < 0 ? NULL : lwaftr_binding_find(&lwaftr->binding, bytes_swap32(inner->dst_be), (uint16_t)port);
	if (tunnel == NULL || memcmp(outer->dst, tunnel->b4, 16) != 0 ||
		memcmp(outer->src, lwaftr->binding.br[tunnel->br].address, 16) != 0)
		return NULL;
	*left = length - at < ipv4_total_length(inner) ? length - at : ipv4_total_length(inner);
	return inner;
}

void lwaftr_relay(struct lwaftr *lwaftr, struct packet *p)
{
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);
	uint32_t length = ipv6_payload_length(ip), left, counter;
	const struct icmp *icmp = icmp_parse((const uint8_t *)(ip + 1), length);
	struct lwaftr_message message;
	const struct ipv4 *inner;

	if (!lwaftr->allows6) {
		lwaftr_drop6(lwaftr, p, LWAFTR_POLICY6);
		return;
	}
	if (icmp == NULL || checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, length), icmp, length)) != 0) {
		lwaftr_drop6(lwaftr, p, LWAFTR_CHECKSUM6);
		return;
	}
	counter = translate(icmp, &message);
	if (counter != 0) {
		lwaftr_drop6(lwaftr, p, (enum lwaftr_counter)counter);
		return;
	}
	inner = quoted_inner(lwaftr, (const uint8_t *)(icmp + 1), length - ICMP_HEADER, &left);
	if (inner == NULL) {
		lwaftr_drop6(lwaftr, p, LWAFTR_BAD_QUOTE);
		return;
	}
	if (icmp->type == ICMPV6_TOO_BIG)
		lwaftr_path_learn(lwaftr, ((const struct ipv6 *)(icmp + 1))->dst, bytes_read32(&icmp->id_be));
	lwaftr_error4(lwaftr, message, inner, left);
	lwaftr->app.consumed++;
	packet_free(p);
}
