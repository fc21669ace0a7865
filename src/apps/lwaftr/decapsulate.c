/* decapsulate -- packets from B4s: who may send what, out of IPv6, to the internet or to another B4. */
#include "apps/lwaftr/lwaftr.h"
#include "apps/lwaftr/tunnel.h"

enum kind { TUNNELLED, FRAGMENT, MESSAGE };     /* whole inner packets, inner fragments, ICMPv6 */

enum { INNER = ETHERNET_HEADER + IPV6_HEADER };         /* where the inner packet of a usual one begins */

/* What is not known of an unusual packet beforehand. */
struct oddity {
	enum kind kind;
	uint16_t inner;                 /* bytes from the frame's beginning to the inner header */
	bool lacks_port;
	int32_t dst_port;
};

/* The packets of a burst that are not dropped at first sight. */
struct arrivals {
	uint32_t count;
	struct packet *p[BURST];
	uint32_t src[BURST], dst[BURST];        /* of the inner packet, host order */
	uint16_t port[BURST];           /* of the source */
	uint8_t is_odd[BURST];
	struct oddity odd[BURST];       /* where is_odd */
	struct cuckoo_entry *found[BURST];
	uint8_t served[BURST];          /* not 0: dst is behind a B4 */
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
	arrivals->src[i] = bytes_swap32(ip->src_be);
	arrivals->dst[i] = bytes_swap32(ip->dst_be);
	arrivals->port[i] = (uint16_t)port;
	arrivals->odd[i] = (struct oddity){ .kind = ipv4_is_fragment(ip) ? FRAGMENT : TUNNELLED, .inner = (uint16_t)at, .lacks_port = port < 0,
		.dst_port = lwaftr_port_to_b4(lwaftr, ip, ipv4_total_length(ip)) };
	return true;
}

/* A packet that is no usual one: what it is, or why it is dropped. */
static __attribute__((noinline)) bool look(struct lwaftr *lwaftr, struct arrivals *arrivals, struct packet *p)
{
	const struct ipv6 *ip;
	uint32_t at = INNER, i = arrivals->count;
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
		arrivals->odd[i] = (struct oddity){ .kind = MESSAGE };
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

/* The bytes at two places as numbers of the machine, and which of their bits tell a usual packet: its type and version, and the inner
 * one's version, header length and place in its datagram. */
enum { OUTER_AT = ETHERNET_HEADER - 2 };
static const uint8_t outer_mask[8] = { 0xff, 0xff, 0xf0 }, outer_bits[8] = { 0x86, 0xdd, 0x60 };
static const uint8_t inner_mask[8] = { 0xff, 0, 0, 0, 0, 0, 0x3f, 0xff }, inner_bits[8] = { 0x45 };

static inline uint64_t load(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* What nearly every packet is: IPv4 directly in IPv6, both whole and of the frame's length, no options, no fragment, not ICMP. */
static inline bool is_usual(const struct packet *p)
{
	enum { LEAST = INNER + IPV4_HEADER + 4 };
	const struct ipv6 *outer = outer_of(p);
	const struct ipv4 *ip = (const struct ipv4 *)(p->data + INNER);
	uint64_t wrong;

	if (p->length < LEAST)
		return false;
	wrong = ((load(p->data + OUTER_AT) & load(outer_mask)) ^ load(outer_bits)) | ((load(ip) & load(inner_mask)) ^ load(inner_bits)) |
		(outer->next_header ^ (uint32_t)IP_IPV4) | (bytes_swap16(outer->payload_be) ^ (p->length - INNER)) |
		(uint32_t)(ip->total_be ^ outer->payload_be) | (p->meta.gso ^ (uint32_t)PACKET_GSO_NONE) |
		(p->meta.flags & (uint32_t)PACKET_CHECKSUM_PARTIAL);
	return wrong == 0 && ip->protocol != IP_ICMP;
}

/* Take in a burst, and drop what is nothing. */
static void receive(struct lwaftr *lwaftr, struct arrivals *arrivals)
{
	struct app *app = &lwaftr->app;
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[LWAFTR_V6], burst, app_push_room(app, app->input[LWAFTR_V6])), usual = 0, at = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];

		arrivals->is_odd[at] = 0;
		if (__builtin_expect(is_usual(p), 1)) {
			const struct ipv4 *ip = (const struct ipv4 *)(p->data + INNER);

			bytes += p->length;
			usual++;
			arrivals->src[at] = bytes_swap32(ip->src_be);
			arrivals->dst[at] = bytes_swap32(ip->dst_be);
			arrivals->port[at] = bytes_read16(ip + 1);
		} else {
			arrivals->count = at;
			if (!look(lwaftr, arrivals, p))
				continue;
			arrivals->is_odd[at] = 1;
		}
		arrivals->p[at++] = p;
	}
	arrivals->count = at;
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
	struct lwaftr_head head;        /* how its frames begin */
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
		lwaftr_age(ip);
	lwaftr_begin(&out->head, p->data);
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

/* A packet of whose kind something must be known. */
static __attribute__((noinline)) void pass_odd(struct lwaftr *lwaftr, struct arrivals *arrivals, uint32_t i, struct hairpins *hairpins,
	struct sent *out)
{
	const struct lwaftr_tunnel *tunnel = arrivals->found[i] != NULL ? (const struct lwaftr_tunnel *)arrivals->found[i]->value : NULL;
	const struct oddity *odd = &arrivals->odd[i];
	struct packet *p = arrivals->p[i];

	if (odd->kind == MESSAGE) {
		flush(lwaftr, hairpins);
		lwaftr_relay(lwaftr, p);
	} else if (odd->kind == FRAGMENT) {
		pass_fragment(lwaftr, p, odd->inner, hairpins, out);
	} else if (tunnel == NULL || odd->lacks_port || !is_tunnel(lwaftr, tunnel, outer_of(p))) {
		flush(lwaftr, hairpins);
		reject(lwaftr, p, odd->lacks_port ? NULL : tunnel);
	} else {
		accept(lwaftr, p, odd->inner, odd->dst_port, arrivals->served[i], hairpins, out);
	}
}

void lwaftr_decapsulate(struct lwaftr *lwaftr)
{
	struct sent out = { .head = lwaftr_head(lwaftr->ethernet4) };
	struct hairpins hairpins;
	struct arrivals arrivals;

	hairpins.count = 0;
	receive(lwaftr, &arrivals);
	lwaftr_binding_find_burst(&lwaftr->binding, arrivals.src, arrivals.port, arrivals.found, arrivals.count);
	if (lwaftr->hairpins)
		map_has_burst(&lwaftr->binding.address, arrivals.dst, arrivals.served, arrivals.count);
	else
		memset(arrivals.served, 0, sizeof(arrivals.served));
	for (uint32_t i = 0; i < arrivals.count; i++) {
		const struct lwaftr_tunnel *tunnel = arrivals.found[i] != NULL ? (const struct lwaftr_tunnel *)arrivals.found[i]->value : NULL;
		struct packet *p = arrivals.p[i];

		if (__builtin_expect(arrivals.is_odd[i], 0)) {
			pass_odd(lwaftr, &arrivals, i, &hairpins, &out);
		} else if (__builtin_expect(tunnel == NULL || !is_tunnel(lwaftr, tunnel, outer_of(p)), 0)) {
			flush(lwaftr, &hairpins);
			reject(lwaftr, p, tunnel);
		} else {
			int32_t dst_port = arrivals.served[i] ? bytes_read16(p->data + INNER + IPV4_HEADER + 2) : 0;

			accept(lwaftr, p, INNER, dst_port, arrivals.served[i], &hairpins, &out);
		}
	}
	flush(lwaftr, &hairpins);
	lwaftr->app.counter[LWAFTR_OUT_IPV4] += out.packets;
	lwaftr->app.counter[LWAFTR_OUT_IPV4_BYTES] += out.bytes;
}
