/* conntrack_frame -- see conntrack.h: from a frame to the flow that it belongs to. */
#include "apps/filter/conntrack.h"

/* The IP packet in a frame. */
struct datagram {
	const uint8_t *data;            /* the IP header */
	uint32_t length;                /* bytes of the packet, all of them there */
	const void *src, *dst;
	bool is_ipv6;
	uint8_t hop_limit;
	uint32_t zone;                  /* VLAN ids: equal addresses in two VLANs are not the same host */
};

enum { NEIGHBOR_FIRST = 133, NEIGHBOR_LAST = 136 };     /* RFC 4861: solicitations and advertisements, not redirects */
enum { LISTENER_FIRST = 130, LISTENER_LAST = 132, LISTENER_2 = 143 };   /* RFC 2710, RFC 3810 */

static void decide(struct conntrack_frame *frame, enum conntrack_verdict verdict)
{
	frame->kind = KIND_DECIDED;
	frame->verdict = (uint8_t)verdict;
}

/* The flow between both addresses of a packet. */
static void set_key(struct conntrack_frame *frame, const struct datagram *d, uint16_t src_port, uint16_t dst_port, uint8_t protocol)
{
	uint32_t src, dst;

	if (d->is_ipv6) {
		frame->source_high = flow_key_ipv6(&frame->key, d->src, d->dst, src_port, dst_port, protocol, d->zone);
	} else {
		memcpy(&src, d->src, sizeof(src));
		memcpy(&dst, d->dst, sizeof(dst));
		frame->source_high = flow_key_ipv4(&frame->key, src, dst, src_port, dst_port, protocol, d->zone);
	}
	frame->protocol = protocol;
}

/* Both ports of a header that begins with them. */
static void set_key_ports(struct conntrack_frame *frame, const struct datagram *d, uint8_t protocol)
{
	set_key(frame, d, bytes_read16(frame->transport), bytes_read16(frame->transport + 2), protocol);
}

/* An echo's id stands for both ports. */
static void set_key_echo(struct conntrack_frame *frame, const struct datagram *d, uint8_t protocol)
{
	uint16_t id = bytes_read16(frame->transport + 4);

	set_key(frame, d, id, id, protocol);
}

static void read_udp(struct conntrack_frame *frame, const struct datagram *d)
{
	const struct udp *udp = udp_parse(frame->transport, frame->length);
	uint32_t bytes = udp != NULL ? bytes_swap16(udp->length_be) : 0;

	/* Of a first fragment, the rest of the datagram follows. */
	if (bytes < UDP_HEADER || (bytes > frame->length && !frame->first)) {
		decide(frame, MALFORMED);
		return;
	}
	set_key_ports(frame, d, IP_UDP);
	frame->kind = KIND_UDP;
	frame->opens = true;
}

static bool is_echo(uint8_t type, bool is_ipv6)
{
	return is_ipv6 ? type == ICMPV6_ECHO || type == ICMPV6_ECHO_REPLY : type == ICMP_ECHO || type == ICMP_ECHO_REPLY;
}

/* Errors quote the packet that they are about. Not among them are the redirect, which would change a host's routes, and the source
 * quench, which is obsolete (RFC 6633). */
static bool is_error(uint8_t type, bool is_ipv6)
{
	if (is_ipv6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER;
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

/* The IP header that an error quotes, and where its transport header begins, with how many bytes left. Of the rest of the packet
 * only a part is there. gives: 0 when there is none */
static uint32_t read_quoted_header(const uint8_t *data, uint32_t length, struct datagram *quoted, uint8_t *protocol)
{
	if (quoted->is_ipv6) {
		const struct ipv6 *ip = ipv6_parse(data, length);

		if (ip == NULL)
			return 0;
		quoted->src = ip->src;
		quoted->dst = ip->dst;
		return ipv6_transport(data, length, protocol);
	}
	const struct ipv4 *ip = ipv4_parse(data, length);

	if (ip == NULL || !ipv4_is_first(ip))
		return 0;
	quoted->src = &ip->src_be;
	quoted->dst = &ip->dst_be;
	*protocol = ip->protocol;
	return ipv4_header_length(ip);
}

/* An ICMP error belongs to the flow of the packet that it quotes, of which at least 8 bytes of the transport header must be there
 * (RFC 792; RFC 4443, section 3), and goes to where that came from. */
static void read_error(struct conntrack_frame *frame, const struct datagram *d)
{
	const uint8_t *data = frame->transport + ICMP_HEADER;
	uint32_t length = frame->length - ICMP_HEADER, at;
	struct datagram quoted = { .is_ipv6 = d->is_ipv6, .zone = d->zone };
	uint8_t protocol = 0;

	at = read_quoted_header(data, length, &quoted, &protocol);
	if (at == 0 || length - at < 8 || memcmp(quoted.src, d->dst, d->is_ipv6 ? 16 : 4) != 0) {
		decide(frame, UNRELATED);
		return;
	}
	frame->transport = data + at;
	frame->length = length - at;
	frame->kind = KIND_ERROR;
	if (protocol == IP_TCP || protocol == IP_UDP)
		set_key_ports(frame, &quoted, protocol);
	else if (protocol != (d->is_ipv6 ? IP_ICMPV6 : IP_ICMP))
		set_key(frame, &quoted, 0, 0, protocol);
	else if (is_echo(frame->transport[0], d->is_ipv6))
		set_key_echo(frame, &quoted, protocol);
	else
		decide(frame, UNRELATED);
}

/* What the neighbours on a link say to each other never comes from further away: RFC 4861, section 6.1; RFC 2710, section 3. */
static bool is_neighborly(uint8_t type, const struct datagram *d)
{
	if (!d->is_ipv6)
		return false;
	if (type >= NEIGHBOR_FIRST && type <= NEIGHBOR_LAST)
		return d->hop_limit == 255;
	return ((type >= LISTENER_FIRST && type <= LISTENER_LAST) || type == LISTENER_2) && d->hop_limit == 1;
}

static void read_icmp(const struct conntrack *c, struct conntrack_frame *frame, const struct datagram *d)
{
	const struct icmp *icmp = icmp_parse(frame->transport, frame->length);

	if (icmp == NULL) {
		decide(frame, MALFORMED);
	} else if (is_echo(icmp->type, d->is_ipv6)) {
		frame->kind = KIND_ECHO;
		frame->opens = icmp->type == (d->is_ipv6 ? (uint8_t)ICMPV6_ECHO : (uint8_t)ICMP_ECHO);
		set_key_echo(frame, d, d->is_ipv6 ? IP_ICMPV6 : IP_ICMP);
	} else if (is_error(icmp->type, d->is_ipv6)) {
		read_error(frame, d);
	} else {
		decide(frame, c->neighbor && is_neighborly(icmp->type, d) ? PASS : ICMP_TYPE);
	}
}

static void read_transport(const struct conntrack *c, struct conntrack_frame *frame, const struct datagram *d, uint8_t protocol)
{
	if (protocol == IP_TCP) {
		if (tcp_parse(frame->transport, frame->length) == NULL) {
			decide(frame, MALFORMED);
			return;
		}
		set_key_ports(frame, d, IP_TCP);
		frame->kind = KIND_TCP;
	} else if (protocol == IP_UDP) {
		read_udp(frame, d);
	} else if (protocol == (d->is_ipv6 ? IP_ICMPV6 : IP_ICMP)) {
		read_icmp(c, frame, d);
	} else if (c->other) {
		set_key(frame, d, 0, 0, protocol);
		frame->kind = KIND_OTHER;
		frame->opens = true;
	} else {
		decide(frame, PROTOCOL);
	}
}

/* Which datagram a fragment is part of. It is a name for all its fragments, from this side alone. */
static uint64_t name_datagram(const struct conntrack *c, const struct datagram *d, uint32_t id, uint8_t protocol, enum conntrack_side side)
{
	uint64_t words[6] = { 0 };
	uint32_t bytes = d->is_ipv6 ? 16 : 4;

	memcpy(words, d->src, bytes);
	memcpy(words + 2, d->dst, bytes);
	words[4] = (uint64_t)id << 32 | (uint64_t)protocol << 8 | (uint64_t)d->is_ipv6 << 1 | side;
	words[5] = d->zone;
	return siphash_1_3(&c->table->key, words, sizeof(words)) | 1;
}

/* A fragment of a datagram, at `offset` bytes of it, with its payload in frame->transport. Only the first has a transport header.
 * A later one that begins within the TCP header could change what was looked at: RFC 1858, section 4; RFC 3128. */
static void read_fragment(const struct conntrack *c, struct conntrack_frame *frame, const struct datagram *d, uint32_t offset,
	uint32_t id, uint8_t protocol, enum conntrack_side side)
{
	/* In IPv6 the fragments of a datagram need not name the same protocol: RFC 8200, section 4.5. */
	frame->datagram = name_datagram(c, d, id, d->is_ipv6 ? 0 : protocol, side);
	if (c->fragments == 0 || (offset > 0 && offset < TCP_HEADER && protocol == IP_TCP)) {
		decide(frame, FRAGMENT);
	} else if (offset > 0) {
		frame->kind = KIND_LATER;
	} else {
		frame->first = true;
		read_transport(c, frame, d, protocol);
	}
}

static void read_ipv4(const struct conntrack *c, struct conntrack_frame *frame, struct datagram *d, enum conntrack_side side)
{
	const struct ipv4 *ip = ipv4_parse(d->data, d->length);
	uint32_t fragment;

	if (ip == NULL || ipv4_total_length(ip) > d->length) {
		decide(frame, MALFORMED);
		return;
	}
	d->src = &ip->src_be;
	d->dst = &ip->dst_be;
	d->hop_limit = ip->ttl;
	frame->transport = d->data + ipv4_header_length(ip);
	frame->length = ipv4_payload_length(ip);
	fragment = bytes_swap16(ip->fragment_be);
	if (__builtin_expect((fragment & (IPV4_MF | IPV4_OFFSET)) == 0, 1))
		read_transport(c, frame, d, ip->protocol);
	else
		read_fragment(c, frame, d, (fragment & IPV4_OFFSET) * 8, bytes_swap16(ip->id_be), ip->protocol, side);
}

/* The fragment header of an IPv6 packet whose transport header, or that of whose later fragment, begins at `end`; NULL when there
 * is none, or it says that the packet is whole (RFC 6946). */
static const struct ipv6_fragment *find_fragment(const struct datagram *d, uint32_t end, uint8_t protocol)
{
	const struct ipv6_fragment *fragment;

	if (protocol == IP_FRAGMENT)
		return (const struct ipv6_fragment *)(d->data + end);
	if (!ipv6_is_fragment(d->data, d->length))
		return NULL;
	fragment = (const struct ipv6_fragment *)(d->data + ipv6_fragment_header(d->data, d->length));
	return (bytes_swap16(fragment->offset_be) & 0xfff9) != 0 ? fragment : NULL;
}

static void read_ipv6(const struct conntrack *c, struct conntrack_frame *frame, struct datagram *d, enum conntrack_side side)
{
	const struct ipv6 *ip = ipv6_parse(d->data, d->length);
	const struct ipv6_fragment *fragment = NULL;
	uint32_t at;
	uint8_t protocol;

	/* Nobody sends from a multicast address: RFC 4291, section 2.7. Such keys would be mistaken for those of IPv4. */
	if (ip == NULL || ipv6_payload_length(ip) > d->length - IPV6_HEADER || ip->src[0] == 0xff) {
		decide(frame, MALFORMED);
		return;
	}
	d->length = IPV6_HEADER + ipv6_payload_length(ip);
	d->src = ip->src;
	d->dst = ip->dst;
	d->hop_limit = ip->hop_limit;
	protocol = ip->next_header;
	at = protocol == IP_TCP || protocol == IP_UDP ? IPV6_HEADER : ipv6_transport(d->data, d->length, &protocol);
	if (at == 0) {
		decide(frame, MALFORMED);
		return;
	}
	if (at != IPV6_HEADER || protocol == IP_FRAGMENT)
		fragment = find_fragment(d, at, protocol);
	frame->transport = d->data + at;
	frame->length = d->length - at;
	if (fragment == NULL)
		read_transport(c, frame, d, protocol);
	else
		read_fragment(c, frame, d, bytes_swap16(fragment->offset_be) & 0xfff8, bytes_swap32(fragment->id_be),
			protocol == IP_FRAGMENT ? fragment->next_header : protocol, side);
}

/* What follows the Ethernet header and up to VLAN_MOST tags, one of which may stand in the metadata; the ids are the zone.
 *   gives: where it begins, and its type; 0 when a header is cut off */
static uint32_t read_tags(const struct packet *p, uint16_t *type, uint32_t *zone)
{
	uint32_t at = ETHERNET_HEADER, tags = 0;

	*zone = 0;
	if (p->length < at)
		return 0;
	if (p->meta.flags & PACKET_VLAN) {
		*zone = p->meta.vlan & VLAN_ID;
		tags = 1;
	}
	*type = bytes_read16(p->data + at - 2);
	while (__builtin_expect(*type == ETHERNET_VLAN || *type == ETHERNET_QINQ, 0)) {
		if (tags++ == VLAN_MOST)
			break;
		if (p->length - at < VLAN_TAG)
			return 0;
		*zone = *zone << 12 | (bytes_read16(p->data + at) & VLAN_ID);
		at += VLAN_TAG;
		*type = bytes_read16(p->data + at - 2);
	}
	return at;
}

static void read_frame(const struct conntrack *c, const struct packet *p, enum conntrack_side side, struct conntrack_frame *frame)
{
	uint16_t type = 0;
	struct datagram d = { 0 };
	uint32_t at = read_tags(p, &type, &d.zone);

	frame->hash = 0;
	frame->opens = frame->first = false;
	if (__builtin_expect(at == 0, 0)) {
		decide(frame, MALFORMED);
		return;
	}
	d.data = p->data + at;
	d.length = p->length - at;
	if (type == ETHERNET_IPV4) {
		read_ipv4(c, frame, &d, side);
	} else if (type == ETHERNET_IPV6) {
		d.is_ipv6 = true;
		read_ipv6(c, frame, &d, side);
	} else if (type == ETHERNET_ARP) {
		decide(frame, c->arp ? PASS : NOT_IP);
	} else {
		decide(frame, c->non_ip ? PASS : NOT_IP);
	}
}

/* The hashes of the frames that have a key. */
static void hash_group(const struct conntrack *c, struct conntrack_frame *frame, uint32_t n)
{
	const struct flow_key *key[CONNTRACK_GROUP];
	uint64_t hash[CONNTRACK_GROUP];
	uint32_t keys = 0;

	for (uint32_t i = 0; i < n; i++)
		if (frame[i].kind < KIND_LATER)
			key[keys++] = &frame[i].key;
	if (__builtin_expect(keys == CONNTRACK_GROUP, 1)) {
		flow_table_hash_four(c->table, key, hash);
		for (uint32_t i = 0; i < CONNTRACK_GROUP; i++)
			frame[i].hash = hash[i];
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		if (frame[i].kind < KIND_LATER)
			frame[i].hash = flow_table_hash(c->table, &frame[i].key);
}

void conntrack_frame_read(const struct conntrack *c, struct packet *const *burst, uint32_t n, enum conntrack_side side,
	struct conntrack_frame *frame)
{
	for (uint32_t i = 0; i < n; i++)
		read_frame(c, burst[i], side, &frame[i]);
	hash_group(c, frame, n);
	for (uint32_t i = 0; i < n; i++)
		flow_table_prefetch(c->table, frame[i].hash);
}
