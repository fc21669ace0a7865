/* b4_inward -- see b4.h: packets out of the tunnel, for clients. */
#include "apps/lwaftr/b4.h"

static void drop(struct b4 *b4, enum b4_verdict verdict, struct packet *p)
{
	app_drop(&b4->app, verdict, p);
}

/* Nobody sends with our address but those who have other ports of it. */
static bool is_spoofed(const struct b4 *b4, const struct b4_view *view)
{
	if (!ipv4_is_host((const uint8_t *)&view->ip->src_be))
		return true;
	return view->ip->src_be == b4->ipv4_be && !view->is_error && b4_ports_index(&b4->state->ports, view->kind, view->src) >= 0;
}

/* The mapping of a packet that may come in; of a session, or of any sender when the filter lets it. */
static enum b4_verdict find_mapping(struct b4 *b4, const struct b4_view *view, int32_t *index, struct flow **session)
{
	struct flow_key key;

	if (view->kind == B4_ECHO && view->transport[0] != ICMP_ECHO_REPLY)
		return B4_UNSOLICITED;
	*index = b4_ports_index(&b4->state->ports, view->kind, view->dst);
	if (*index < 0)
		return B4_NOT_OURS;
	if (b4->state->ports.mapping[*index].client_be == 0)
		return B4_UNSOLICITED;
	b4_session_key(b4, &key, view->kind, view->dst, view->ip->src_be, view->src);
	*session = b4_session_find(b4, &key, flow_table_hash(b4->state->sessions, &key));
	/* One that has timed out may have been the last one that needed the mapping. */
	if (b4->state->ports.mapping[*index].client_be == 0)
		return B4_UNSOLICITED;
	return *session == NULL && b4->filtering == B4_FILTER_SESSION ? B4_UNSOLICITED : B4_PASS;
}

/* Give a packet the destination of its client. */
static enum b4_verdict translate(struct b4 *b4, struct packet *p, struct b4_view *view, bool hairpinned, int32_t *index)
{
	struct flow *session = NULL;
	enum b4_verdict verdict;

	if (!hairpinned && is_spoofed(b4, view))
		return B4_SPOOFED;
	if (!view->is_error) {
		verdict = find_mapping(b4, view, index, &session);
		if (verdict != B4_PASS)
			return verdict;
	}
	if (!hairpinned && view->ip->ttl <= 1) {
		b4_message_tunnel(b4, p, ICMP_TIME_EXCEEDED, 0);
		return B4_EXPIRED;
	}
	if (view->is_error)
		return b4_message_in(b4, view, index);
	if (session != NULL)
		b4_session_in(b4, session, view);
	b4_view_set(view, B4_DESTINATION, b4->state->ports.mapping[*index].client_be, b4->state->ports.mapping[*index].port);
	return B4_PASS;
}

void b4_inward_packet(struct b4 *b4, struct packet *p, bool hairpinned)
{
	struct ipv4 *ip = b4_ipv4(p);
	struct b4_view view;
	int32_t index = 0;
	enum b4_verdict verdict = ip->dst_be == b4->ipv4_be ? B4_PASS : B4_NOT_OURS;

	if (verdict == B4_PASS)
		verdict = b4_view(&view, ip, p->length - ETHERNET_HEADER, false);
	if (verdict == B4_PASS)
		verdict = translate(b4, p, &view, hairpinned, &index);
	if (verdict != B4_PASS) {
		drop(b4, verdict, p);
		return;
	}
	if (!hairpinned)
		ipv4_set_ttl(ip, (uint8_t)(ip->ttl - 1));
	memcpy(p->data, b4->state->ports.mapping[index].mac, ETHERNET_ADDRESS);
	memcpy(p->data + ETHERNET_ADDRESS, b4->mac, ETHERNET_ADDRESS);
	bytes_write16(p->data + 2 * ETHERNET_ADDRESS, ETHERNET_IPV4);
	b4->app.counter[B4_IN_PACKETS]++;
	b4->app.counter[B4_IN_BYTES] += p->length;
	link_send(b4->app.output[B4_INSIDE], p);
}

/* The inner packet of one that came out of the tunnel, which is cut to it; `at`: where it begins. */
static enum b4_verdict unwrap(struct packet *p, uint32_t at)
{
	struct ipv4 *ip = ipv4_parse(p->data + at, p->length - at);

	if (ip == NULL || ipv4_total_length(ip) > p->length - at)
		return B4_MALFORMED;
	if (!ipv4_has_checksum(ip))
		return B4_CHECKSUM;
	if (!tunnel_combine_ecn(ip, (const struct ipv6 *)(p->data + ETHERNET_HEADER)))
		return B4_ECN;
	p->data += at - ETHERNET_HEADER;
	p->length = ETHERNET_HEADER + ipv4_total_length(ip);
	memset(p->data, 0, 2 * ETHERNET_ADDRESS);
	bytes_write16(p->data + 2 * ETHERNET_ADDRESS, ETHERNET_IPV4);
	return B4_PASS;
}

/* What came from the tunnel's interface. gives: B4_PASS and *next: what it carries, which begins at *at */
static enum b4_verdict look(const struct b4 *b4, struct packet *p, uint8_t *next, uint32_t *at)
{
	const struct ipv6 *ip;

	*at = ETHERNET_HEADER + IPV6_HEADER;
	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6)
		return B4_NOT_IPV6;
	ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL || ipv6_payload_length(ip) > p->length - *at)
		return B4_MALFORMED;
	if (p->meta.gso != PACKET_GSO_NONE || ((p->meta.flags & PACKET_CHECKSUM_PARTIAL) && !offload_complete(p)))
		return B4_UNSEGMENTED;
	p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_VALID;
	p->length = *at + ipv6_payload_length(ip);
	if (memcmp(ip->dst, b4->b4, sizeof(ip->dst)) != 0)
		return B4_FOREIGN;
	*next = ip->next_header;
	if (*next == IP_ICMPV6)
		return B4_PASS;
	if (*next == IP_FRAGMENT)
		return B4_FRAGMENT;
	/* Who is not our lwAFTR must not send to clients: RFC 6333 section 5.2 has one end. */
	if (memcmp(ip->src, b4->br, sizeof(ip->src)) != 0)
		return B4_FOREIGN;
	*next = tunnel_skip_options(p->data, p->length, *next, at);
	return *next == IP_IPV4 ? B4_PASS : B4_PROTOCOL;
}

static void take(struct b4 *b4, struct packet *p)
{
	struct link *fragments = b4->app.output[B4_FRAGMENTS];
	enum b4_verdict verdict;
	uint8_t next = 0;
	uint32_t at;

	verdict = look(b4, p, &next, &at);
	if (verdict == B4_PASS && next == IP_ICMPV6) {
		b4_message_from_way(b4, p);
		return;
	}
	if (verdict == B4_PASS)
		verdict = unwrap(p, at);
	if (verdict != B4_PASS)
		drop(b4, verdict, p);
	else if (!ipv4_is_fragment(b4_ipv4(p)))
		b4_inward_packet(b4, p, false);
	else if (fragments != NULL)
		link_send(fragments, p);
	else
		drop(b4, B4_FRAGMENT, p);
}

void b4_inward(struct b4 *b4)
{
	struct app *app = &b4->app;
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[B4_TUNNEL], burst, app_push_room(app, app->input[B4_TUNNEL]));

	for (uint32_t i = 0; i < n; i++) {
		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(burst[i + PACKET_PREFETCH]->data);
		take(b4, burst[i]);
	}
}

/* These were in the tunnel, and have been put together since. */
void b4_inward_whole(struct b4 *b4)
{
	struct app *app = &b4->app;
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[B4_FRAGMENTS], burst, app_push_room(app, app->input[B4_FRAGMENTS]));

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		const struct ipv4 *ip = NULL;

		if (p->length >= ETHERNET_HEADER && bytes_read16(p->data + ETHERNET_HEADER - 2) == ETHERNET_IPV4)
			ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
		if (ip == NULL || ipv4_total_length(ip) > p->length - ETHERNET_HEADER) {
			drop(b4, B4_MALFORMED, p);
		} else if (ipv4_is_fragment(ip)) {
			drop(b4, B4_FRAGMENT, p);
		} else {
			p->length = ETHERNET_HEADER + ipv4_total_length(ip);
			b4_inward_packet(b4, p, false);
		}
	}
}
