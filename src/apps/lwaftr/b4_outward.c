/* b4_outward -- see b4.h: packets of the clients. Their source becomes the public address and a port of the set. */
#include "apps/lwaftr/b4.h"

enum { NEEDED = 4, PROHIBITED = 13 };   /* codes of ICMP_UNREACHABLE: too big and DF; administratively prohibited */

/* An IPv4 packet of a client that may go on; it is cut to its length. */
static enum b4_verdict look(const struct b4 *b4, struct packet *p)
{
	struct ipv4 *ip;

	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4)
		return B4_NOT_IPV4;
	ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL || ipv4_total_length(ip) > p->length - ETHERNET_HEADER)
		return B4_MALFORMED;
	if (p->meta.gso != PACKET_GSO_NONE || ((p->meta.flags & PACKET_CHECKSUM_PARTIAL) && !offload_complete(p)))
		return B4_UNSEGMENTED;
	p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_VALID;
	p->length = ETHERNET_HEADER + ipv4_total_length(ip);
	if (!ipv4_has_checksum(ip))
		return B4_CHECKSUM;
	if (ipv4_is_fragment(ip))
		return B4_FRAGMENT;
	if (!ipv4_is_host((const uint8_t *)&ip->src_be) || ip->src_be == b4->ipv4_be)
		return B4_SPOOFED;
	if (!ipv4_is_host((const uint8_t *)&ip->dst_be))
		return B4_NO_HOST;
	return ip->dst_be == b4->ip_be ? B4_OWN_ADDRESS : B4_PASS;
}

/* Is it for a port of ours? Another B4 may have other ports of the address. */
static bool is_hairpin(const struct b4 *b4, const struct b4_view *view)
{
	struct b4_view quoted;

	if (!b4->hairpins || view->ip->dst_be != b4->ipv4_be)
		return false;
	if (!view->is_error)
		return b4_ports_index(&b4->state->ports, view->kind, view->dst) >= 0;
	/* The error is for who sent what it quotes, which was looked at before. */
	return b4_view(&quoted, (struct ipv4 *)(view->transport + ICMP_HEADER), view->length - ICMP_HEADER, true) == B4_PASS &&
		b4_ports_index(&b4->state->ports, quoted.kind, quoted.src) >= 0;
}

/* What a router looks at before it forwards: RFC 1812 section 5.3.1, RFC 2473 section 7.2 (a). The client is told. */
static enum b4_verdict may_forward(struct b4 *b4, const struct packet *p)
{
	const struct ipv4 *ip = b4_ipv4(p);
	uint32_t fits = b4_tunnel_mtu(b4) - IPV6_HEADER;

	if (ip->ttl <= 1) {
		b4_message_inside(b4, p->data, p->length, ICMP_TIME_EXCEEDED, 0, 0);
		return B4_EXPIRED;
	}
	if (ip->dst_be != b4->ipv4_be && ipv4_total_length(ip) > fits && (bytes_swap16(ip->fragment_be) & IPV4_DF)) {
		b4_message_inside(b4, p->data, p->length, ICMP_UNREACHABLE, NEEDED, fits);
		return B4_TOO_BIG;
	}
	return B4_PASS;
}

/* A port for a client that has none for this; when all are taken, that of a half-open session goes. */
static int32_t take_port(struct b4 *b4, const struct b4_view *view)
{
	struct b4_ports *ports = &b4->state->ports;
	int32_t index = b4_ports_take(ports, view->kind, view->ip->src_be, view->src, &b4->state->random);

	if (index < 0 && b4_session_evict(b4, view->kind))
		index = b4_ports_take(ports, view->kind, view->ip->src_be, view->src, &b4->state->random);
	return index;
}

/* The session of a packet with a mapping, or with none yet (-1), opened when it may be. gives: B4_PASS, *index and *session */
static enum b4_verdict find_session(struct b4 *b4, const struct packet *p, const struct b4_view *view, int32_t *index,
	struct flow **session)
{
	struct b4_ports *ports = &b4->state->ports;
	struct flow_key key;
	uint64_t hash = 0;

	*session = NULL;
	if (*index >= 0) {
		b4_session_key(b4, &key, view->kind, b4_ports_number(ports, (uint32_t)*index), view->ip->dst_be, view->dst);
		hash = flow_table_hash(b4->state->sessions, &key);
		*session = b4_session_find(b4, &key, hash);
	}
	if (*session != NULL)
		return B4_PASS;
	/* Whoever was let in to a port where nobody listens hears so. */
	if (*index >= 0 && ports->mapping[*index].client_be != 0 && view->kind == B4_TCP && (view->flags & TCP_RST) &&
		b4->filtering == B4_FILTER_ENDPOINT)
		return B4_PASS;
	if (view->kind == B4_TCP && (view->flags & (TCP_SYN | TCP_RST)) != TCP_SYN)
		return B4_NOT_OPENING;
	/* The last session of the mapping may just have timed out, and the mapping with it. */
	if (*index < 0 || ports->mapping[*index].client_be == 0) {
		*index = take_port(b4, view);
		if (*index < 0) {
			b4_message_inside(b4, p->data, p->length, ICMP_UNREACHABLE, PROHIBITED, 0);
			return B4_NO_PORT;
		}
		b4_session_key(b4, &key, view->kind, b4_ports_number(ports, (uint32_t)*index), view->ip->dst_be, view->dst);
		hash = flow_table_hash(b4->state->sessions, &key);
	}
	*session = b4_session_open(b4, &key, hash, (uint32_t)*index);
	if (*session != NULL)
		return B4_PASS;
	b4_message_inside(b4, p->data, p->length, ICMP_UNREACHABLE, PROHIBITED, 0);
	return B4_NO_SESSION;
}

/* Give a packet its public source. */
static enum b4_verdict translate(struct b4 *b4, const struct packet *p, struct b4_view *view, int32_t index)
{
	struct b4_ports *ports = &b4->state->ports;
	struct flow *session;
	enum b4_verdict verdict;

	if (view->is_error)
		return b4_message_out(b4, view, &index);
	if (view->kind == B4_ECHO && view->transport[0] != ICMP_ECHO)
		return B4_ICMP_TYPE;
	verdict = find_session(b4, p, view, &index, &session);
	if (verdict != B4_PASS)
		return verdict;
	memcpy(ports->mapping[index].mac, p->data + ETHERNET_ADDRESS, ETHERNET_ADDRESS);
	if (session != NULL)
		b4_session_out(b4, session, view);
	b4_view_set(view, B4_SOURCE, b4->ipv4_be, b4_ports_number(ports, (uint32_t)index));
	return B4_PASS;
}

/* A packet that has been looked at; index: the mapping that was found for it, or -1. Takes p. */
static void forward(struct b4 *b4, struct packet *p, struct b4_view *view, int32_t index)
{
	const struct b4_mapping *mapping = &b4->state->ports.mapping[index < 0 ? 0 : index];
	enum b4_verdict verdict = may_forward(b4, p);
	bool hairpin;

	/* An earlier packet of this burst may have made the mapping, or let it go to somebody else. */
	if (!view->is_error && (index < 0 || mapping->client_be != view->ip->src_be || mapping->port != view->src))
		index = b4_ports_find(&b4->state->ports, b4_ports_key(view->kind, view->ip->src_be, view->src));
	if (verdict == B4_PASS)
		verdict = translate(b4, p, view, index);
	if (verdict != B4_PASS) {
		app_drop(&b4->app, verdict, p);
		return;
	}
	ipv4_set_ttl(view->ip, (uint8_t)(view->ip->ttl - 1));
	hairpin = is_hairpin(b4, view);
	if (hairpin) {
		b4->app.counter[B4_HAIRPINS]++;
		b4_inward_packet(b4, p, true);
	} else {
		b4_tunnel_send(b4, p);
	}
}

/* A burst: look at all, find the mappings of all at once, forward one after the other. */
void b4_outward(struct b4 *b4)
{
	struct app *app = &b4->app;
	struct cuckoo_entry *found[BURST];
	struct packet *burst[BURST];
	struct b4_view view[BURST];
	int32_t index[BURST];
	uint64_t key[BURST];
	uint32_t n = link_receive_burst(app->input[B4_INSIDE], burst, app_push_room(app, app->input[B4_INSIDE])), good = 0;

	for (uint32_t i = 0; i < n; i++) {
		enum b4_verdict verdict;

		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(burst[i + PACKET_PREFETCH]->data);
		verdict = look(b4, burst[i]);
		if (verdict == B4_PASS)
			verdict = b4_view(&view[good], b4_ipv4(burst[i]), burst[i]->length - ETHERNET_HEADER, false);
		/* With our address come errors that an app between the clients and this one has made. */
		if (verdict == B4_PASS && view[good].ip->src_be == b4->ip_be && !view[good].is_error)
			verdict = B4_SPOOFED;
		if (verdict != B4_PASS) {
			app_drop(app, verdict, burst[i]);
			continue;
		}
		key[good] = b4_ports_key(view[good].kind, view[good].ip->src_be, view[good].src);
		burst[good++] = burst[i];
	}
	if (good == 0)
		return;
	cuckoo_find_burst(&b4->state->ports.client, key, found, good);
	/* Entries move when others are put: what they say is taken out first. */
	for (uint32_t i = 0; i < good; i++) {
		index[i] = -1;
		if (found[i] != NULL)
			memcpy(&index[i], found[i]->value, sizeof(index[i]));
	}
	for (uint32_t i = 0; i < good; i++)
		forward(b4, burst[i], &view[i], index[i]);
}
