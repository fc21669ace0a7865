/* decapsulate -- packets from B4s: who may send what, out of IPv6, to the internet or to another B4. */
#include "apps/lwaftr/lwaftr.h"
#include "apps/lwaftr/tunnel.h"

enum kind { TUNNELLED, FRAGMENT, MESSAGE };     /* whole inner packets, inner fragments, ICMPv6 */

/* The packets of a burst that are not dropped at first sight. */
struct arrivals {
	uint32_t count;
	struct packet *p[BURST];
	enum kind kind[BURST];
	uint16_t inner[BURST];          /* bytes from the frame's beginning to the inner header */
	uint32_t src[BURST], dst[BURST];        /* of the inner packet, host order */
	uint16_t port[BURST];           /* of the source */
	bool lacks_port[BURST];
	int32_t dst_port[BURST];
	struct cuckoo_entry *found[BURST];
	uint32_t served[BURST];         /* not 0: dst is behind a B4 */
};

/* Packets for other B4s, in order, until something else must be sent. */
struct hairpins {
	uint32_t count;
	struct packet *p[BURST];
	int32_t port[BURST];
};

static void flush(struct lwaftr *lwaftr, struct hairpins *hairpins)
{
	if (hairpins->count > 0)
		lwaftr_hairpin(lwaftr, hairpins->p, hairpins->port, hairpins->count);
	hairpins->count = 0;
}

static const struct ipv6 *outer_of(const struct packet *p)
{
	return (const struct ipv6 *)(p->data + ETHERNET_HEADER);
}

/* Look at the inner packet, `at` bytes from the frame's beginning. gives: false when p was dropped */
static bool look_inside(struct lwaftr *lwaftr, struct arrivals *arrivals, struct packet *p, uint32_t at)
{
	const struct ipv4 *ip = ipv4_parse(p->data + at, p->length - at);
	uint32_t i = arrivals->count;
	int32_t port;

	if (ip == NULL || ipv4_total_length(ip) > p->length - at) {
		lwaftr_drop6(lwaftr, p, LWAFTR_BAD_INNER);
		return false;
	}
	port = lwaftr_port_from_b4(lwaftr, ip, ipv4_total_length(ip));
	arrivals->kind[i] = ipv4_is_fragment(ip) ? FRAGMENT : TUNNELLED;
	arrivals->inner[i] = (uint16_t)at;
	arrivals->src[i] = bytes_swap32(ip->src_be);
	arrivals->dst[i] = bytes_swap32(ip->dst_be);
	arrivals->port[i] = (uint16_t)port;
	arrivals->lacks_port[i] = port < 0;
	arrivals->dst_port[i] = lwaftr_port_to_b4(lwaftr, ip, ipv4_total_length(ip));
	return true;
}

/* A packet that is no usual one: what it is, or why it is dropped. */
static __attribute__((noinline)) bool look(struct lwaftr *lwaftr, struct arrivals *arrivals, struct packet *p)
{
	const struct ipv6 *ip;
	uint32_t at = ETHERNET_HEADER + IPV6_HEADER, i = arrivals->count;
	uint8_t next;

	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6) {
		lwaftr_drop6(lwaftr, p, LWAFTR_MISPLACED6);
		return false;
	}
	ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL || ipv6_payload_length(ip) > p->length - at) {
		app_drop(&lwaftr->app, LWAFTR_REASON_BAD_LENGTH, p);
		return false;
	}
	if (p->meta.gso != PACKET_GSO_NONE || ((p->meta.flags & PACKET_CHECKSUM_PARTIAL) && !offload_complete(p))) {
		app_drop(&lwaftr->app, LWAFTR_REASON_UNSEGMENTED, p);
		return false;
	}
	lwaftr_count(lwaftr, LWAFTR_IN_IPV6, p->length);
	p->length = at + ipv6_payload_length(ip);
	if (ip->next_header == IP_FRAGMENT) {
		lwaftr->app.counter[LWAFTR_FRAGMENT6]++;
		lwaftr_count(lwaftr, LWAFTR_DROP_ALL6, p->length);
		app_drop(&lwaftr->app, LWAFTR_REASON_FRAGMENT, p);
		return false;
	}
	if (ip->next_header == IP_ICMPV6) {
		arrivals->kind[i] = MESSAGE;
		arrivals->src[i] = arrivals->dst[i] = arrivals->port[i] = 0;
		return true;
	}
	next = tunnel_skip_options(p->data, p->length, ip->next_header, &at);
	if (next != IP_IPV4) {
		lwaftr_drop6(lwaftr, p, LWAFTR_UNKNOWN6);
		return false;
	}
	return look_inside(lwaftr, arrivals, p, at);
}

/* What nearly every packet is: IPv4 directly in IPv6, both whole and of the frame's length, no options, no fragment, not ICMP. */
static inline bool is_usual(const struct packet *p)
{
	enum { INNER = ETHERNET_HEADER + IPV6_HEADER, LEAST = INNER + IPV4_HEADER + 4, PIECE = IPV4_MF | IPV4_OFFSET };
	const struct ipv6 *outer = outer_of(p);
	const struct ipv4 *ip = (const struct ipv4 *)(outer + 1);
	uint32_t wrong;

	if (p->length < LEAST)
		return false;
	wrong = (bytes_read16(p->data + ETHERNET_HEADER - 2) ^ (uint32_t)ETHERNET_IPV6) | (outer->next_header ^ (uint32_t)IP_IPV4) |
		((*(const uint8_t *)outer & 0xf0u) ^ 0x60u) | (bytes_swap16(outer->payload_be) ^ (p->length - INNER)) |
		(ip->version_ihl ^ 0x45u) | (uint32_t)(ip->total_be ^ outer->payload_be) | (ip->fragment_be & bytes_swap16(PIECE)) |
		(p->meta.gso ^ (uint32_t)PACKET_GSO_NONE) | (p->meta.flags & (uint32_t)PACKET_CHECKSUM_PARTIAL);
	return wrong == 0 && ip->protocol != IP_ICMP;
}

/* Take in a burst, and drop what is nothing. */
static void receive(struct lwaftr *lwaftr, struct arrivals *arrivals)
{
	enum { INNER = ETHERNET_HEADER + IPV6_HEADER };
	struct app *app = &lwaftr->app;
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[LWAFTR_V6], burst, app_push_room(app, app->input[LWAFTR_V6])), usual = 0;
	uint64_t bytes = 0;

	arrivals->count = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		uint32_t at = arrivals->count;

		if (__builtin_expect(is_usual(p), 1)) {
			const struct ipv4 *ip = (const struct ipv4 *)(p->data + INNER);

			bytes += p->length;
			usual++;
			arrivals->kind[at] = TUNNELLED;
			arrivals->inner[at] = INNER;
			arrivals->src[at] = bytes_swap32(ip->src_be);
			arrivals->dst[at] = bytes_swap32(ip->dst_be);
			arrivals->port[at] = bytes_read16(ip + 1);
			arrivals->lacks_port[at] = false;
			arrivals->dst_port[at] = bytes_read16((const uint8_t *)(ip + 1) + 2);
		} else if (!look(lwaftr, arrivals, p)) {
			continue;
		}
		arrivals->p[at] = p;
		arrivals->count++;
	}
	app->counter[LWAFTR_IN_IPV6] += usual;
	app->counter[LWAFTR_IN_IPV6_BYTES] += bytes;
}

/* A decapsulated packet cannot go on; its sender, behind a B4, is told. */
static __attribute__((noinline)) void refuse(struct lwaftr *lwaftr, struct packet *p, struct lwaftr_message message,
	enum lwaftr_counter counter)
{
	lwaftr_error4(lwaftr, message, lwaftr_ipv4(p), p->length - ETHERNET_HEADER);
	lwaftr_drop4(lwaftr, p, counter, LWAFTR_FROM_B4);
}

/* What left for the internet; counted once a burst. */
struct sent {
	uint32_t packets;
	uint64_t bytes;
};

/* A decapsulated packet leaves for the internet. */
static inline void send_out(struct lwaftr *lwaftr, struct packet *p, struct sent *out)
{
	enum { NEEDED = 4 };
	const struct lwaftr_message expired = { .type = ICMP_TIME_EXCEEDED };
	const struct lwaftr_message too_big = { .type = ICMP_UNREACHABLE, .code = NEEDED, .mtu = lwaftr->mtu4 };
	struct ipv4 *ip = lwaftr_ipv4(p);

	if (__builtin_expect(ip->ttl <= lwaftr->decrement, 0)) {
		if (ip->ttl != 0)
			ipv4_set_ttl(ip, 0);
		refuse(lwaftr, p, expired, LWAFTR_TTL_ZERO);
		return;
	}
	if (__builtin_expect(p->length - ETHERNET_HEADER > lwaftr->mtu4, 0) && (bytes_swap16(ip->fragment_be) & IPV4_DF)) {
		refuse(lwaftr, p, too_big, LWAFTR_OVER_MTU);
		return;
	}
	if (lwaftr->decrement)
		ipv4_set_ttl(ip, (uint8_t)(ip->ttl - 1));
	memcpy(p->data, lwaftr->ethernet4, ETHERNET_HEADER);
	out->packets++;
	out->bytes += p->length;
	lwaftr_send(lwaftr, LWAFTR_V4, p);
}

/* The tunnel is that of a softwire: take the inner packet out, and send it where it goes. */
static inline void accept(struct lwaftr *lwaftr, struct packet *p, uint32_t at, int32_t dst_port, bool served, struct hairpins *hairpins,
	struct sent *out)
{
	struct ipv4 *ip = (struct ipv4 *)(p->data + at);

	if (__builtin_expect(lwaftr->verify && !lwaftr_has_checksum(ip), 0)) {
		lwaftr_drop6(lwaftr, p, LWAFTR_BAD_HEADER);
		return;
	}
	if (lwaftr->ecn == LWAFTR_ECN_RFC6040 && !tunnel_combine_ecn(ip, outer_of(p))) {
		lwaftr_drop6(lwaftr, p, LWAFTR_CONGESTION);
		return;
	}
	p->data += at - ETHERNET_HEADER;
	p->length = ETHERNET_HEADER + ipv4_total_length(ip);
	if (__builtin_expect(served, 0)) {
		if (hairpins->count == BURST)
			flush(lwaftr, hairpins);
		hairpins->p[hairpins->count] = p;
		hairpins->port[hairpins->count++] = dst_port;
		return;
	}
	/* What is sent instead of it goes where hairpins go, and must not overtake them. */
	if (__builtin_expect(hairpins->count > 0, 0))
		flush(lwaftr, hairpins);
	send_out(lwaftr, p, out);
}

static inline bool is_tunnel(const struct lwaftr *lwaftr, const struct lwaftr_tunnel *tunnel, const struct ipv6 *outer)
{
	return memcmp(outer->src, tunnel->b4, 16) == 0 && memcmp(outer->dst, lwaftr->binding.br[tunnel->br].address, 16) == 0;
}

/* No softwire, or that of another B4. */
static __attribute__((noinline)) void reject(struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel)
{
	const struct ipv6 *outer = outer_of(p);

	lwaftr_error6(lwaftr, outer, tunnel != NULL ? lwaftr->binding.br[tunnel->br].address : outer->dst);
	lwaftr_drop6(lwaftr, p, LWAFTR_NO_SOURCE);
}

/* A fragment of an inner packet; with the first one go those that waited for it. */
static void pass_fragment(struct lwaftr *lwaftr, struct packet *p, uint32_t at, struct hairpins *hairpins, struct sent *out)
{
	for (; p != NULL; p = lwaftr_fragment_next(lwaftr), at = p != NULL ? p->meta.spare[0] : 0) {
		const struct ipv4 *ip = (const struct ipv4 *)(p->data + at);
		const struct lwaftr_tunnel *tunnel = NULL;
		int32_t src_port, dst_port;

		if (!lwaftr_fragment(lwaftr, p, ip, &src_port, &dst_port))
			return;
		if (src_port >= 0)
			tunnel = lwaftr_binding_find(&lwaftr->binding, bytes_swap32(ip->src_be), (uint16_t)src_port);
		if (tunnel == NULL || !is_tunnel(lwaftr, tunnel, outer_of(p))) {
			flush(lwaftr, hairpins);
			reject(lwaftr, p, tunnel);
			continue;
		}
		if (ipv4_is_first(ip))
			lwaftr_fragment_accept(lwaftr, ip, src_port, dst_port);
		accept(lwaftr, p, at, dst_port, lwaftr->hairpins && lwaftr_binding_serves(&lwaftr->binding, bytes_swap32(ip->dst_be)),
			hairpins, out);
	}
}

void lwaftr_decapsulate(struct lwaftr *lwaftr)
{
	struct hairpins hairpins;
	struct arrivals arrivals;
	struct sent out = { 0 };

	hairpins.count = 0;
	receive(lwaftr, &arrivals);
	lwaftr_binding_find_burst(&lwaftr->binding, arrivals.src, arrivals.port, arrivals.found, arrivals.count);
	if (lwaftr->hairpins)
		map_find_burst(&lwaftr->binding.address, arrivals.dst, arrivals.served, arrivals.count);
	for (uint32_t i = 0; i < arrivals.count; i++) {
		const struct lwaftr_tunnel *tunnel = arrivals.found[i] != NULL ? (const struct lwaftr_tunnel *)arrivals.found[i]->value : NULL;
		struct packet *p = arrivals.p[i];

		if (__builtin_expect(arrivals.kind[i] == MESSAGE, 0)) {
			flush(lwaftr, &hairpins);
			lwaftr_relay(lwaftr, p);
		} else if (__builtin_expect(arrivals.kind[i] == FRAGMENT, 0)) {
			pass_fragment(lwaftr, p, arrivals.inner[i], &hairpins, &out);
		} else if (__builtin_expect(tunnel == NULL || arrivals.lacks_port[i] || !is_tunnel(lwaftr, tunnel, outer_of(p)), 0)) {
			flush(lwaftr, &hairpins);
			reject(lwaftr, p, arrivals.lacks_port[i] ? NULL : tunnel);
		} else {
			accept(lwaftr, p, arrivals.inner[i], arrivals.dst_port[i], lwaftr->hairpins && arrivals.served[i] != 0, &hairpins,
				&out);
		}
	}
	flush(lwaftr, &hairpins);
	lwaftr->app.counter[LWAFTR_OUT_IPV4] += out.packets;
	lwaftr->app.counter[LWAFTR_OUT_IPV4_BYTES] += out.bytes;
}
