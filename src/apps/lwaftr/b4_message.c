/* b4_message -- see b4.h: ICMP errors. source: RFC 5508 section 4 (translation), RFC 2473 section 8 (those about the tunnel) */
#include "apps/lwaftr/b4.h"

enum { HOST = 1, NEEDED = 4 };          /* codes of ICMP_UNREACHABLE */

/* An empty packet for an error, when errors are not too many now; NULL. */
static struct packet *begin(struct b4 *b4)
{
	token_bucket_fill(&b4->errors, clock_now());
	if (!token_bucket_has(&b4->errors, 1)) {
		b4->app.counter[B4_ERRORS_SUPPRESSED]++;
		return NULL;
	}
	return packet_alloc();
}

/* An error of `length` bytes was written, 0: none is due. gives: true when it is to be sent */
static bool finish(struct b4 *b4, struct packet *error, uint32_t length)
{
	if (length == 0) {
		packet_free(error);
		return false;
	}
	error->length = length;
	token_bucket_take(&b4->errors, 1);
	b4->app.created++;
	b4->app.counter[B4_ERRORS]++;
	return true;
}

void b4_message_inside(struct b4 *b4, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t mtu)
{
	struct packet *error = begin(b4);

	if (error != NULL && finish(b4, error, icmp_error4(error->data, frame, length, type, code, mtu, b4->ip)))
		link_send(b4->app.output[B4_INSIDE], error);
}

void b4_message_tunnel(struct b4 *b4, const struct packet *p, uint8_t type, uint8_t code)
{
	struct packet *error = begin(b4);

	if (error != NULL && finish(b4, error, icmp_error4(error->data, p->data, p->length, type, code, 0, b4->ipv4)))
		b4_tunnel_send(b4, error);
}

/* The packet that an error quotes, as far as it is there. gives: false when it has no ports */
static bool view_quoted(struct b4_view *quoted, const struct b4_view *error)
{
	uint32_t length = error->length - ICMP_HEADER;
	struct ipv4 *ip = ipv4_parse(error->transport + ICMP_HEADER, length);

	if (ip == NULL || !ipv4_is_first(ip))
		return false;
	return b4_view(quoted, ip, length < ipv4_total_length(ip) ? length : ipv4_total_length(ip), true) == B4_PASS;
}

static bool has_checksum(const struct b4_view *error)
{
	return checksum_finish(checksum_add(0, error->transport, error->length)) == 0;
}

static void set_checksum(struct b4_view *error)
{
	struct icmp *icmp = (struct icmp *)error->transport;

	icmp->checksum_be = 0;
	icmp->checksum_be = checksum_finish(checksum_add(0, icmp, error->length));
}

/* A client got the packet that is quoted: its destination was translated. The error goes to who sent it. */
enum b4_verdict b4_message_out(struct b4 *b4, struct b4_view *view, int32_t *index)
{
	struct b4_view quoted;

	if (!has_checksum(view))
		return B4_CHECKSUM;
	if (!view_quoted(&quoted, view) || quoted.ip->src_be != view->ip->dst_be)
		return B4_UNRELATED;
	*index = b4_ports_find(&b4->state->ports, b4_ports_key(quoted.kind, quoted.ip->dst_be, quoted.dst));
	if (*index < 0)
		return B4_UNRELATED;
	b4_view_set(&quoted, B4_DESTINATION, b4->ipv4_be, b4_ports_number(&b4->state->ports, (uint32_t)*index));
	b4_view_set(view, B4_SOURCE, b4->ipv4_be, 0);
	set_checksum(view);
	return B4_PASS;
}

/* The mapping of a packet that left through us, of which somebody says something; -1 when there is no such session. */
static int32_t sender_of(struct b4 *b4, const struct b4_view *quoted)
{
	int32_t index = b4_ports_index(&b4->state->ports, quoted->kind, quoted->src);
	struct flow_key key;

	if (index < 0 || quoted->ip->src_be != b4->ipv4_be)
		return -1;
	b4_session_key(b4, &key, quoted->kind, quoted->src, quoted->ip->dst_be, quoted->dst);
	return b4_session_find(b4, &key, flow_table_hash(b4->state->sessions, &key)) != NULL ? index : -1;
}

/* A client sent the packet that is quoted: its source was translated. */
enum b4_verdict b4_message_in(struct b4 *b4, struct b4_view *view, int32_t *index)
{
	const struct b4_mapping *mapping;
	struct b4_view quoted;

	if (!has_checksum(view))
		return B4_CHECKSUM;
	if (!view_quoted(&quoted, view) || (*index = sender_of(b4, &quoted)) < 0)
		return B4_UNRELATED;
	mapping = &b4->state->ports.mapping[*index];
	b4_view_set(&quoted, B4_SOURCE, mapping->client_be, mapping->port);
	b4_view_set(view, B4_DESTINATION, mapping->client_be, 0);
	set_checksum(view);
	return B4_PASS;
}

/* The packet of ours that an ICMPv6 message quotes, whole or as a first fragment. gives: false when it is none */
static bool view_tunnelled(const struct b4 *b4, struct b4_view *quoted, uint8_t *data, uint32_t length)
{
	const struct ipv6 *outer = ipv6_parse(data, length);
	uint32_t at = IPV6_HEADER;
	struct ipv4 *ip;
	uint8_t next;

	if (outer == NULL || memcmp(outer->src, b4->b4, 16) != 0 || memcmp(outer->dst, b4->br, 16) != 0)
		return false;
	next = outer->next_header;
	if (next == IP_FRAGMENT && length >= at + sizeof(struct ipv6_fragment)) {
		const struct ipv6_fragment *fragment = (const struct ipv6_fragment *)(data + at);

		if (bytes_swap16(fragment->offset_be) >> 3 != 0)
			return false;
		next = fragment->next_header;
		at += sizeof(*fragment);
	}
	ip = next == IP_IPV4 ? ipv4_parse(data + at, length - at) : NULL;
	if (ip == NULL || !ipv4_is_first(ip))
		return false;
	length -= at;
	return b4_view(quoted, ip, length < ipv4_total_length(ip) ? length : ipv4_total_length(ip), true) == B4_PASS;
}

/* Tell a client about a packet of its own, which is quoted as it was in the tunnel. */
static void tell_client(struct b4 *b4, struct b4_view *quoted, const struct b4_mapping *mapping, uint8_t code, uint32_t mtu)
{
	uint8_t frame[ETHERNET_HEADER + ICMP_ERROR_MOST4];
	uint32_t length = ipv4_header_length(quoted->ip) + quoted->length;

	b4_view_set(quoted, B4_SOURCE, mapping->client_be, mapping->port);
	if (length > ICMP_ERROR_MOST4)
		length = ICMP_ERROR_MOST4;
	memcpy(frame, b4->mac, ETHERNET_ADDRESS);
	memcpy(frame + ETHERNET_ADDRESS, mapping->mac, ETHERNET_ADDRESS);
	bytes_write16(frame + 2 * ETHERNET_ADDRESS, ETHERNET_IPV4);
	memcpy(frame + ETHERNET_HEADER, quoted->ip, length);
	b4_message_inside(b4, frame, ETHERNET_HEADER + length, ICMP_UNREACHABLE, code, mtu);
}

/* A message about a packet in the tunnel: what it changes here, and what the client hears. */
static enum b4_verdict heed(struct b4 *b4, const struct ipv6 *ip, struct icmp *icmp, uint32_t length)
{
	enum { SOURCE_POLICY = 5 };     /* code of ICMPV6_UNREACHABLE: the lwAFTR has no such softwire */
	struct b4_view quoted;
	int32_t index;

	if (icmp->type != ICMPV6_UNREACHABLE && icmp->type != ICMPV6_TOO_BIG && icmp->type != ICMPV6_TIME_EXCEEDED &&
		icmp->type != ICMPV6_PARAMETER)
		return B4_ICMP_TYPE;
	if (!view_tunnelled(b4, &quoted, (uint8_t *)(icmp + 1), length - ICMP_HEADER) || (index = sender_of(b4, &quoted)) < 0)
		return B4_UNRELATED;
	if (icmp->type == ICMPV6_TOO_BIG) {
		b4_tunnel_learn(b4, bytes_read32(&icmp->id_be));
		/* What may be cut is cut from now on. */
		if (bytes_swap16(quoted.ip->fragment_be) & IPV4_DF)
			tell_client(b4, &quoted, &b4->state->ports.mapping[index], NEEDED, b4_tunnel_mtu(b4) - IPV6_HEADER);
		return B4_PASS;
	}
	if (icmp->type == ICMPV6_UNREACHABLE && icmp->code == SOURCE_POLICY && memcmp(ip->src, b4->br, 16) == 0)
		b4->app.counter[B4_REFUSED]++;
	tell_client(b4, &quoted, &b4->state->ports.mapping[index], HOST, 0);
	return B4_PASS;
}

void b4_message_from_way(struct b4 *b4, struct packet *p)
{
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);
	uint32_t length = ipv6_payload_length(ip);
	struct icmp *icmp = icmp_parse((uint8_t *)p->data + ETHERNET_HEADER + IPV6_HEADER, length);
	enum b4_verdict verdict = B4_MALFORMED;

	if (icmp != NULL)
		verdict = checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, length), icmp, length)) == 0 ? heed(b4, ip, icmp, length) :
			B4_CHECKSUM;
	if (verdict != B4_PASS) {
		app_drop(&b4->app, verdict, p);
		return;
	}
	b4->app.consumed++;
	packet_free(p);
}
