/* error -- the ICMP errors that an lwAFTR sends. source: RFC 792, RFC 1812 section 4.3.2, RFC 4443 section 2.4 */
#include "apps/lwaftr/lwaftr.h"

enum {
	DATAGRAM4 = 576,                /* bytes of an ICMPv4 error at most: RFC 1812 section 4.3.2.3 */
	DATAGRAM6 = 1280,               /* of an ICMPv6 error: RFC 4443 section 2.4 (c) */
	TTL = 255, HOPS = 255,
	FAILED_POLICY = 5               /* code: source address failed ingress or egress policy */
};

/* May a message go to this address? It is that of one host: RFC 1812 section 4.3.2.7. */
static bool is_host4(uint32_t ipv4)
{
	return ipv4 >> 24 != 0 && ipv4 >> 24 != 127 && ipv4 >> 28 < 14;
}

/* RFC 1812 section 4.3.2.7, RFC 1122 section 3.2.2: none about an ICMP error, a later fragment, from or to what is no host. Of ICMP
 * only the messages that are known to be no errors are answered for. */
static bool is_due4(const struct ipv4 *quoted, uint32_t length)
{
	uint32_t header = ipv4_header_length(quoted);

	if (!is_host4(bytes_swap32(quoted->src_be)) || !is_host4(bytes_swap32(quoted->dst_be)) || !ipv4_is_first(quoted))
		return false;
	if (quoted->protocol != IP_ICMP)
		return true;
	return header < length && !lwaftr_is_error4(((const uint8_t *)quoted)[header]);
}

/* Write the message behind the room for an Ethernet header. */
static void write4(const struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_message *message, const struct ipv4 *quoted,
	uint32_t length)
{
	struct ipv4 *ip = (struct ipv4 *)(p->data + ETHERNET_HEADER);
	struct icmp *icmp = (struct icmp *)(ip + 1);

	if (length > DATAGRAM4 - IPV4_HEADER - ICMP_HEADER)
		length = DATAGRAM4 - IPV4_HEADER - ICMP_HEADER;
	*ip = (struct ipv4){ .version_ihl = 0x45, .ttl = TTL, .protocol = IP_ICMP, .src_be = lwaftr->ip4_be, .dst_be = quoted->src_be };
	ip->total_be = bytes_swap16((uint16_t)(IPV4_HEADER + ICMP_HEADER + length));
	ipv4_set_checksum(ip);
	*icmp = (struct icmp){ .type = message->type, .code = message->code, .sequence_be = bytes_swap16((uint16_t)message->mtu) };
	memcpy(icmp + 1, quoted, length);
	icmp->checksum_be = checksum_finish(checksum_add(0, icmp, ICMP_HEADER + length));
	p->length = ETHERNET_HEADER + IPV4_HEADER + ICMP_HEADER + length;
}

/* One message to a host behind a B4: through its tunnel, as what is sent from B4 to B4. */
static void send_to_b4(struct lwaftr *lwaftr, struct packet *p)
{
	struct ipv4 *ip = lwaftr_ipv4(p);
	int32_t port = lwaftr_port_to_b4(lwaftr, ip, p->length - ETHERNET_HEADER);
	const struct lwaftr_tunnel *tunnel = NULL;

	if (port >= 0)
		tunnel = lwaftr_binding_find(&lwaftr->binding, bytes_swap32(ip->dst_be), (uint16_t)port);
	if (tunnel == NULL) {
		app_drop(&lwaftr->app, LWAFTR_REASON_ERROR_UNBOUND, p);
		return;
	}
	lwaftr_count(lwaftr, LWAFTR_OUT_ERROR4, p->length);
	ipv4_set_ttl(ip, TTL - 1);
	lwaftr_tunnel(lwaftr, p, tunnel);
}

void lwaftr_error4(struct lwaftr *lwaftr, struct lwaftr_message message, const struct ipv4 *quoted, uint32_t length)
{
	struct app *app = &lwaftr->app;
	struct packet *p;

	if (!message.relayed && !lwaftr->reports4) {
		app->counter[LWAFTR_OUT_POLICY4]++;
		return;
	}
	/* Nor about a packet whose header is not right, as its source may be anybody; what an ICMPv6 message quotes had a right one once. */
	if (!is_due4(quoted, length) || (lwaftr->verify && !message.relayed && !lwaftr_has_checksum(quoted))) {
		app->counter[LWAFTR_ERROR_UNDUE]++;
		return;
	}
	token_bucket_fill(&lwaftr->errors4, clock_now());
	if (!token_bucket_take(&lwaftr->errors4, 1)) {
		lwaftr_count(lwaftr, LWAFTR_DROP_RATE4, ETHERNET_HEADER + IPV4_HEADER + ICMP_HEADER + (length > DATAGRAM4 - IPV4_HEADER - ICMP_HEADER ?
			DATAGRAM4 - IPV4_HEADER - ICMP_HEADER : length));
		return;
	}
	p = packet_alloc();
	if (p == NULL)
		return;                 /* the pool counts it */
	app->created++;
	write4(lwaftr, p, &message, quoted, length);
	if (lwaftr_binding_serves(&lwaftr->binding, bytes_swap32(quoted->src_be))) {
		send_to_b4(lwaftr, p);
		return;
	}
	memcpy(p->data, lwaftr->ethernet4, ETHERNET_HEADER);
	lwaftr_count(lwaftr, LWAFTR_OUT_ERROR4, p->length);
	lwaftr_count(lwaftr, LWAFTR_OUT_IPV4, p->length);
	lwaftr_send(lwaftr, LWAFTR_V4, p);
}

/* RFC 4443 section 2.4 (e.3) to (e.6): from and to one host. A source :: or a group cannot be answered. */
static bool is_due6(const struct ipv6 *quoted)
{
	static const uint8_t none[16];

	return quoted->src[0] != 0xff && quoted->dst[0] != 0xff && memcmp(quoted->src, none, sizeof(none)) != 0;
}

static void write6(const struct lwaftr *lwaftr, struct packet *p, const struct ipv6 *quoted, uint32_t length, const uint8_t from[16])
{
	struct ipv6 *ip = (struct ipv6 *)(p->data + ETHERNET_HEADER);
	struct icmp *icmp = (struct icmp *)(ip + 1);

	memcpy(p->data, lwaftr->ethernet6, ETHERNET_HEADER);
	*ip = (struct ipv6){ .version_class_label_be = bytes_swap32(6u << 28), .next_header = IP_ICMPV6, .hop_limit = HOPS };
	ip->payload_be = bytes_swap16((uint16_t)(ICMP_HEADER + length));
	memcpy(ip->src, from, sizeof(ip->src));
	memcpy(ip->dst, quoted->src, sizeof(ip->dst));
	*icmp = (struct icmp){ .type = ICMPV6_UNREACHABLE, .code = FAILED_POLICY };
	memcpy(icmp + 1, quoted, length);
	icmp->checksum_be = checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, ICMP_HEADER + length), icmp, ICMP_HEADER + length));
	p->length = ETHERNET_HEADER + IPV6_HEADER + ICMP_HEADER + length;
}

void lwaftr_error6(struct lwaftr *lwaftr, const struct ipv6 *quoted, const uint8_t from[16])
{
	enum { HEADERS = IPV6_HEADER + ICMP_HEADER };
	uint32_t length = IPV6_HEADER + ipv6_payload_length(quoted);
	struct app *app = &lwaftr->app;
	struct packet *p;

	if (!lwaftr->reports6) {
		app->counter[LWAFTR_OUT_POLICY6]++;
		return;
	}
	if (!is_due6(quoted)) {
		app->counter[LWAFTR_ERROR_UNDUE]++;
		return;
	}
	if (length > DATAGRAM6 - HEADERS)
		length = DATAGRAM6 - HEADERS;
	token_bucket_fill(&lwaftr->errors6, clock_now());
	if (!token_bucket_take(&lwaftr->errors6, 1)) {
		lwaftr_count(lwaftr, LWAFTR_DROP_RATE6, ETHERNET_HEADER + HEADERS + length);
		return;
	}
	p = packet_alloc();
	if (p == NULL)
		return;                 /* the pool counts it */
	app->created++;
	write6(lwaftr, p, quoted, length, from);
	lwaftr_count(lwaftr, LWAFTR_OUT_ERROR6, p->length);
	lwaftr_count(lwaftr, LWAFTR_OUT_IPV6, p->length);
	lwaftr_send(lwaftr, LWAFTR_V6, p);
}
