/* encapsulate -- IPv4 packets for B4s: find the softwire of each, put them into IPv6. */
#include "apps/lwaftr/lwaftr.h"

/* Count a drop in its pair of counters, and give its reason: the pairs of LWAFTR_DROPS and the reasons have one order. */
static uint32_t count_drop(struct lwaftr *lwaftr, enum lwaftr_counter counter, uint32_t length)
{
	lwaftr_count(lwaftr, counter, length);
	return (uint32_t)(counter - LWAFTR_MISPLACED4) / 2;
}

/* A packet from a B4 is counted as it came: with the outer header. */
void lwaftr_drop4(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_counter counter, enum lwaftr_origin origin)
{
	uint32_t reason = count_drop(lwaftr, counter, p->length);

	if (origin == LWAFTR_FROM_B4)
		lwaftr_count(lwaftr, LWAFTR_DROP_ALL6, p->length + LWAFTR_ENCAPSULATION);
	else
		lwaftr_count(lwaftr, LWAFTR_DROP_ALL4, p->length);
	app_drop(&lwaftr->app, reason, p);
}

void lwaftr_drop6(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_counter counter)
{
	uint32_t reason = count_drop(lwaftr, counter, p->length);

	lwaftr_count(lwaftr, LWAFTR_DROP_ALL6, p->length);
	app_drop(&lwaftr->app, reason, p);
}

/* Write the outer headers before an IPv4 packet. RFC 2473 section 5: traffic class as the inner packet's TOS, hop limit our own. */
static inline void write_outer(const struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel,
	const struct lwaftr_head *head)
{
	enum { HOPS = 255 };
	const struct ipv4 *inner = lwaftr_ipv4(p);
	uint16_t length_be = inner->total_be;
	uint8_t *data = p->data - LWAFTR_ENCAPSULATION;
	struct ipv6 *outer = (struct ipv6 *)(data + ETHERNET_HEADER);
	uint32_t class_be = bytes_swap32((uint32_t)inner->tos << 20);

	lwaftr_begin(head, data);
	outer->version_class_label_be = lwaftr->label_be | class_be;
	outer->payload_be = length_be;
	outer->next_header = IP_IPV4;
	outer->hop_limit = HOPS;
	memcpy(outer->src, lwaftr->binding.br[tunnel->br].address, sizeof(outer->src));
	memcpy(outer->dst, tunnel->b4, sizeof(outer->dst));
	p->data = data;
	p->length += LWAFTR_ENCAPSULATION;
}

void lwaftr_tunnel(struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel)
{
	const struct lwaftr_head head = lwaftr_head(lwaftr->ethernet6);

	write_outer(lwaftr, p, tunnel, &head);
	lwaftr_count(lwaftr, LWAFTR_OUT_IPV6, p->length);
	lwaftr_send(lwaftr, LWAFTR_V6, p);
}

/* There is no softwire. An ICMP message is not answered: RFC 7596 section 8.1. */
static __attribute__((noinline)) void drop_unbound(struct lwaftr *lwaftr, struct packet *p, bool is_icmp, enum lwaftr_origin origin)
{
	enum { HOST = 1 };              /* code: host unreachable */
	const struct lwaftr_message message = { .type = ICMP_UNREACHABLE, .code = HOST };

	if (!is_icmp)
		lwaftr_error4(lwaftr, message, lwaftr_ipv4(p), p->length - ETHERNET_HEADER);
	else if (lwaftr->reports4)
		lwaftr_count(lwaftr, LWAFTR_DROP_RFC7596, p->length);
	else
		lwaftr->app.counter[LWAFTR_OUT_POLICY4]++;
	lwaftr_drop4(lwaftr, p, LWAFTR_NO_DESTINATION, origin);
}

static __attribute__((noinline)) void drop_expired(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_origin origin)
{
	const struct lwaftr_message message = { .type = ICMP_TIME_EXCEEDED };

	ipv4_set_ttl(lwaftr_ipv4(p), 0);
	lwaftr_error4(lwaftr, message, lwaftr_ipv4(p), p->length - ETHERNET_HEADER);
	lwaftr_drop4(lwaftr, p, LWAFTR_TTL_ZERO, origin);
}

/* RFC 2473 section 7.2 (a): the sender is told what fits into the tunnel. */
static void drop_too_big(struct lwaftr *lwaftr, struct packet *p, uint32_t mtu, enum lwaftr_origin origin)
{
	enum { NEEDED = 4 };            /* code: fragmentation needed and DF set */
	const struct lwaftr_message message = { .type = ICMP_UNREACHABLE, .code = NEEDED, .mtu = mtu - LWAFTR_ENCAPSULATION };

	lwaftr_error4(lwaftr, message, lwaftr_ipv4(p), p->length - ETHERNET_HEADER);
	lwaftr_drop4(lwaftr, p, LWAFTR_OVER_MTU, origin);
}

/* A packet that may not fit its tunnel, its TTL as it shall be. gives: false when it does, or who is behind us will cut it; else it is
 * dropped, or sent */
static __attribute__((noinline)) bool handle_long(struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel,
	enum lwaftr_origin origin, const struct lwaftr_head *head)
{
	uint32_t mtu = lwaftr_path_mtu(lwaftr, tunnel->b4);

	if (p->length - ETHERNET_HEADER + LWAFTR_ENCAPSULATION <= mtu)
		return false;
	if (bytes_swap16(lwaftr_ipv4(p)->fragment_be) & IPV4_DF) {
		drop_too_big(lwaftr, p, mtu, origin);
		return true;
	}
	if (mtu == lwaftr->mtu6 || packet_headroom(p) < LWAFTR_ENCAPSULATION)
		return false;
	write_outer(lwaftr, p, tunnel, head);
	lwaftr_count(lwaftr, LWAFTR_OUT_IPV6, p->length);
	lwaftr_path_send(lwaftr, p, mtu);
	return true;
}

/* Send a packet into the tunnel of its softwire, if it may go there. gives: false when it was dropped, or dealt with */
static inline bool send_one(struct lwaftr *lwaftr, struct packet *p, const struct lwaftr_tunnel *tunnel, bool verify,
	enum lwaftr_origin origin, const struct lwaftr_head *head)
{
	struct ipv4 *ip = lwaftr_ipv4(p);

	if (__builtin_expect(verify && !lwaftr_has_checksum(ip), 0)) {
		lwaftr_drop4(lwaftr, p, LWAFTR_BAD_HEADER, origin);
		return false;
	}
	if (__builtin_expect(ip->ttl <= 1, 0)) {
		drop_expired(lwaftr, p, origin);
		return false;
	}
	lwaftr_age(ip);
	if (__builtin_expect(p->length - ETHERNET_HEADER + LWAFTR_ENCAPSULATION > lwaftr->mtu_least, 0) &&
		handle_long(lwaftr, p, tunnel, origin, head))
		return false;
	if (__builtin_expect(packet_headroom(p) < LWAFTR_ENCAPSULATION, 0)) {
		lwaftr_drop4(lwaftr, p, LWAFTR_EXPANSION, origin);
		return false;
	}
	write_outer(lwaftr, p, tunnel, head);
	lwaftr_send(lwaftr, LWAFTR_V6, p);
	return true;
}

/* Look up all packets of the batch and send them into their tunnels. */
static void send_batch(struct lwaftr *lwaftr, struct lwaftr_batch *batch)
{
	const struct lwaftr_head head = lwaftr_head(lwaftr->ethernet6);
	struct cuckoo_entry *found[BURST];
	uint32_t count = 0, n = batch->count;
	bool verify = lwaftr->verify && batch->origin == LWAFTR_FROM_INTERNET;  /* that of others was looked at before */
	uint64_t bytes = 0;

	lwaftr_binding_find_burst(&lwaftr->binding, batch->ipv4, batch->port, found, n);
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = batch->p[i];

		if (__builtin_expect(found[i] == NULL || (batch->odd[i] & LWAFTR_LACKS_PORT), 0)) {
			drop_unbound(lwaftr, p, batch->odd[i] & LWAFTR_IS_ICMP, batch->origin);
		} else if (send_one(lwaftr, p, (const struct lwaftr_tunnel *)found[i]->value, verify, batch->origin, &head)) {
			bytes += p->length;
			count++;
		}
	}
	lwaftr->app.counter[LWAFTR_OUT_IPV6] += count;
	lwaftr->app.counter[LWAFTR_OUT_IPV6_BYTES] += bytes;
}

/* ICMP towards a B4 is subject to policy, and its checksum must be right; that of a fragment cannot be looked at. gives: false
 * when it was dropped */
static __attribute__((noinline)) bool admit_icmp(struct lwaftr *lwaftr, struct packet *p, enum lwaftr_origin origin)
{
	const struct ipv4 *ip = lwaftr_ipv4(p);

	if (!lwaftr->allows4) {
		lwaftr_drop4(lwaftr, p, LWAFTR_POLICY4, origin);
		return false;
	}
	if (!ipv4_is_fragment(ip) &&
		checksum_finish(checksum_add(0, (const uint8_t *)ip + ipv4_header_length(ip), ipv4_payload_length(ip))) != 0) {
		lwaftr_drop4(lwaftr, p, LWAFTR_CHECKSUM4, origin);
		return false;
	}
	return true;
}

/* Add a packet to the batch under its destination and the port by which that is found. */
static inline void add(struct lwaftr_batch *batch, struct packet *p, int32_t port)
{
	const struct ipv4 *ip = lwaftr_ipv4(p);
	uint32_t i = batch->count++;

	batch->p[i] = p;
	batch->ipv4[i] = bytes_swap32(ip->dst_be);
	batch->port[i] = (uint16_t)port;
	batch->odd[i] = (uint8_t)((port < 0 ? LWAFTR_LACKS_PORT : 0) | (ip->protocol == IP_ICMP ? LWAFTR_IS_ICMP : 0));
}

void lwaftr_hairpin(struct lwaftr *lwaftr, struct packet *const *burst, const int32_t *port, uint32_t n)
{
	struct lwaftr_batch batch;

	batch.count = 0;
	batch.origin = LWAFTR_FROM_B4;
	for (uint32_t i = 0; i < n; i++) {
		lwaftr_count(lwaftr, LWAFTR_HAIRPIN, burst[i]->length);
		if (lwaftr_ipv4(burst[i])->protocol != IP_ICMP || admit_icmp(lwaftr, burst[i], LWAFTR_FROM_B4))
			add(&batch, burst[i], port[i]);
	}
	send_batch(lwaftr, &batch);
}

/* An ARP request for an address that is behind us is answered in its own packet; one who only says that it has it is not. gives: false
 * when p is none that asks for such an address */
static bool answer_arp(struct lwaftr *lwaftr, struct packet *p)
{
	const struct arp *message = arp_parse(p->data, p->length);
	struct arp asked;

	if (message == NULL || message->operation_be != bytes_swap16(ARP_REQUEST) || memcmp(message->sender_ip, message->target_ip, 4) == 0 ||
		!lwaftr_binding_serves(&lwaftr->binding, bytes_read32(message->target_ip)))
		return false;
	asked = *message;
	arp_write(p->data, asked.sender_mac, ARP_REPLY, lwaftr->ethernet4 + ETHERNET_ADDRESS, asked.target_ip, asked.sender_mac, asked.sender_ip);
	p->length = ARP_FRAME;
	lwaftr->app.counter[LWAFTR_PROXIED]++;
	lwaftr_send(lwaftr, LWAFTR_V4, p);
	return true;
}

/* A frame that carries no IPv4. */
static void misplaced(struct lwaftr *lwaftr, struct packet *p)
{
	if (lwaftr->proxies && p->length >= ETHERNET_HEADER && bytes_read16(p->data + ETHERNET_HEADER - 2) == ETHERNET_ARP) {
		if (answer_arp(lwaftr, p))
			return;
		lwaftr->app.consumed++;
		packet_free(p);
		return;
	}
	lwaftr_drop4(lwaftr, p, LWAFTR_MISPLACED4, LWAFTR_FROM_INTERNET);
}

/* A packet that is no usual one: what it is, or why it is dropped. gives: false when it was dropped; else *port */
static __attribute__((noinline)) bool admit(struct lwaftr *lwaftr, struct packet *p, int32_t *port)
{
	const struct ipv4 *ip;

	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4) {
		misplaced(lwaftr, p);
		return false;
	}
	ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL || ipv4_total_length(ip) > p->length - ETHERNET_HEADER) {
		app_drop(&lwaftr->app, LWAFTR_REASON_BAD_LENGTH, p);
		return false;
	}
	if (p->meta.gso != PACKET_GSO_NONE || ((p->meta.flags & PACKET_CHECKSUM_PARTIAL) && !offload_complete(p))) {
		app_drop(&lwaftr->app, LWAFTR_REASON_UNSEGMENTED, p);
		return false;
	}
	lwaftr_count(lwaftr, LWAFTR_IN_IPV4, p->length);
	p->length = ETHERNET_HEADER + ipv4_total_length(ip);
	if (ipv4_is_fragment(ip)) {
		lwaftr->app.counter[LWAFTR_FRAGMENT4]++;
		lwaftr_count(lwaftr, LWAFTR_DROP_ALL4, p->length);
		app_drop(&lwaftr->app, LWAFTR_REASON_FRAGMENT, p);
		return false;
	}
	if (ip->protocol == IP_ICMP && !admit_icmp(lwaftr, p, LWAFTR_FROM_INTERNET))
		return false;
	*port = lwaftr_port_to_b4(lwaftr, ip, p->length - ETHERNET_HEADER);
	return true;
}

/* What nearly every packet is: IPv4 without options, whole, in a frame of its length, not ICMP, with ports; nothing left undone. */
static inline bool is_usual(const struct packet *p)
{
	enum { LEAST = ETHERNET_HEADER + IPV4_HEADER + 4, PIECE = IPV4_MF | IPV4_OFFSET, TYPE = ETHERNET_HEADER - 2 };
	const struct ipv4 *ip = lwaftr_ipv4(p);
	uint32_t wrong, begin;

	if (p->length < LEAST)
		return false;
	memcpy(&begin, p->data + TYPE, sizeof(begin));
	wrong = ((bytes_swap32(begin) >> 8) ^ (ETHERNET_IPV4 << 8 | 0x45u)) | (bytes_swap16(ip->total_be) ^ (p->length - ETHERNET_HEADER)) |
		(ip->fragment_be & bytes_swap16(PIECE)) | (p->meta.gso ^ (uint32_t)PACKET_GSO_NONE) |
		(p->meta.flags & (uint32_t)PACKET_CHECKSUM_PARTIAL);
	return wrong == 0 && ip->protocol != IP_ICMP;
}

void lwaftr_encapsulate(struct lwaftr *lwaftr)
{
	struct app *app = &lwaftr->app;
	struct lwaftr_batch batch;
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[LWAFTR_V4], burst, app_push_room(app, app->input[LWAFTR_V4])), usual = 0, at = 0;
	uint64_t bytes = 0;

	batch.origin = LWAFTR_FROM_INTERNET;
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		int32_t port;

		if (__builtin_expect(is_usual(p), 1)) {
			const struct ipv4 *ip = lwaftr_ipv4(p);

			bytes += p->length;
			usual++;
			batch.p[at] = p;
			batch.ipv4[at] = bytes_swap32(ip->dst_be);
			batch.port[at] = bytes_read16((const uint8_t *)(ip + 1) + 2);
			batch.odd[at++] = 0;
		} else if (admit(lwaftr, p, &port)) {
			batch.count = at;
			add(&batch, p, port);
			at = batch.count;
		}
	}
	batch.count = at;
	app->counter[LWAFTR_IN_IPV4] += usual;
	app->counter[LWAFTR_IN_IPV4_BYTES] += bytes;
	send_batch(lwaftr, &batch);
}
