/* traffic -- see traffic.h. */
#include "lib/lib.h"

static bool has_ip(const struct traffic_headers *h)
{
	return h->ipv4.given || h->ipv6.given;
}

static uint32_t ethernet_length(const struct traffic_headers *h)
{
	if (!h->ethernet.given && !has_ip(h))
		return 0;
	return ETHERNET_HEADER + (h->ethernet.tagged ? VLAN_TAG : 0);
}

static uint32_t ip_length(const struct traffic_headers *h)
{
	return h->ipv4.given ? IPV4_HEADER : h->ipv6.given ? IPV6_HEADER : 0;
}

static uint32_t transport_length(const struct traffic_headers *h)
{
	return h->udp.given ? UDP_HEADER : h->tcp.given ? TCP_HEADER : 0;
}

uint32_t traffic_length(const struct traffic_headers *headers)
{
	return ethernet_length(headers) + ip_length(headers) + transport_length(headers);
}

/* Add a field of which more than one value is wanted. `sums`: 0 it is in no checksum, 1 in the transport's, 2 in both. */
static void add_step(struct traffic_steps *steps, uint32_t at, uint32_t bytes, uint32_t first, uint32_t count, int sums)
{
	if (count <= 1)
		return;
	steps->step[steps->count++] = (struct traffic_step){ .at = at, .bytes = bytes, .first = first, .count = count,
		.in_header = sums > 1, .in_transport = sums > 0 };
}

void traffic_steps_init(struct traffic_steps *steps, const struct traffic_headers *headers)
{
	const struct traffic_headers *h = headers;
	const struct traffic_ports *ports = h->udp.given ? &h->udp : h->tcp.given ? &h->tcp : NULL;
	const struct traffic_ip *ip = h->ipv4.given ? &h->ipv4 : h->ipv6.given ? &h->ipv6 : NULL;
	uint32_t network = ethernet_length(h), transport = network + ip_length(h);

	*steps = (struct traffic_steps){ 0 };
	if (ports != NULL) {
		add_step(steps, transport, 2, ports->src, ports->src_count, 1);
		add_step(steps, transport + 2, 2, ports->dst, ports->dst_count, 1);
	}
	if (ip == &h->ipv4) {
		add_step(steps, network + 12, 4, bytes_read32(ip->src), ip->src_count, 2);
		add_step(steps, network + 16, 4, bytes_read32(ip->dst), ip->dst_count, 2);
	} else if (ip != NULL) {
		add_step(steps, network + 20, 4, bytes_read32(ip->src + 12), ip->src_count, 1);
		add_step(steps, network + 36, 4, bytes_read32(ip->dst + 12), ip->dst_count, 1);
	}
	if (network != 0) {
		add_step(steps, 8, 4, bytes_read32(h->ethernet.src + 2), h->ethernet.src_count, 0);
		add_step(steps, 2, 4, bytes_read32(h->ethernet.dst + 2), h->ethernet.dst_count, 0);
	}
}

void traffic_steps_next(struct traffic_steps *steps)
{
	for (uint32_t i = 0; i < steps->count; i++) {
		if (++steps->step[i].now < steps->step[i].count)
			return;
		steps->step[i].now = 0;
	}
}

/* The Ethernet header and the tag. gives: where the next header begins */
static uint8_t *write_ethernet(const struct traffic_headers *h, uint8_t *at)
{
	const struct traffic_ethernet *ethernet = &h->ethernet;
	uint16_t type = ethernet->type != 0 ? ethernet->type : h->ipv4.given ? ETHERNET_IPV4 : h->ipv6.given ? ETHERNET_IPV6 :
		TRAFFIC_ETHERNET_TYPE;

	memcpy(at, ethernet->dst, ETHERNET_ADDRESS);
	memcpy(at + ETHERNET_ADDRESS, ethernet->src, ETHERNET_ADDRESS);
	at += 2 * ETHERNET_ADDRESS;
	if (ethernet->tagged) {
		bytes_write16(at, ETHERNET_VLAN);
		bytes_write16(at + 2, ethernet->vlan);
		at += VLAN_TAG;
	}
	bytes_write16(at, type);
	return at + 2;
}

/* The IPv4 header, not yet its checksum. `length`: of header and payload */
static void write_ipv4(const struct traffic_ip *h, uint8_t *at, uint32_t length, uint8_t protocol)
{
	struct ipv4 *ip = (struct ipv4 *)at;

	ip->version_ihl = 4 << 4 | IPV4_HEADER / 4;
	ip->tos = h->tos;
	ip->total_be = bytes_swap16((uint16_t)length);
	ip->fragment_be = bytes_swap16(IPV4_DF);
	ip->ttl = h->ttl;
	ip->protocol = protocol;
	memcpy(&ip->src_be, h->src, sizeof(ip->src_be));
	memcpy(&ip->dst_be, h->dst, sizeof(ip->dst_be));
}

static void write_ipv6(const struct traffic_ip *h, uint8_t *at, uint32_t length, uint8_t protocol)
{
	struct ipv6 *ip = (struct ipv6 *)at;

	ip->version_class_label_be = bytes_swap32(6U << 28 | (uint32_t)h->tos << 20);
	ip->payload_be = bytes_swap16((uint16_t)(length - IPV6_HEADER));
	ip->next_header = protocol;
	ip->hop_limit = h->ttl;
	memcpy(ip->src, h->src, sizeof(ip->src));
	memcpy(ip->dst, h->dst, sizeof(ip->dst));
}

/* The UDP or TCP header, not yet its checksum; TCP as in the middle of a connection. gives: bytes to the checksum */
static uint32_t write_transport(const struct traffic_headers *h, uint8_t *at, uint32_t length)
{
	const struct traffic_ports *ports = h->udp.given ? &h->udp : &h->tcp;

	bytes_write16(at, ports->src);
	bytes_write16(at + 2, ports->dst);
	if (h->udp.given) {
		((struct udp *)at)->length_be = bytes_swap16((uint16_t)length);
		return UDP_CHECKSUM;
	}
	((struct tcp *)at)->offset = TCP_HEADER / 4 << 4;
	((struct tcp *)at)->flags = TCP_ACK;
	((struct tcp *)at)->window_be = UINT16_MAX;
	return TCP_CHECKSUM;
}

void traffic_frame_init(struct traffic_frame *frame, const struct traffic_headers *headers, uint8_t *bytes, uint32_t length)
{
	const struct traffic_headers *h = headers;
	uint8_t protocol = h->udp.given ? IP_UDP : h->tcp.given ? IP_TCP : h->ipv4.given ? h->ipv4.protocol : h->ipv6.protocol;
	uint32_t network = ethernet_length(h), transport = network + ip_length(h), rest = length - transport;
	struct traffic_steps steps;

	*frame = (struct traffic_frame){ .bytes = bytes, .length = length, .payload = transport + transport_length(h) };
	memset(bytes, 0, length);
	if (network != 0)
		write_ethernet(h, bytes);
	if (h->ipv4.given)
		write_ipv4(&h->ipv4, bytes + network, length - network, protocol);
	if (h->ipv6.given)
		write_ipv6(&h->ipv6, bytes + network, length - network, protocol);
	if (transport_length(h) != 0)
		frame->transport_checksum = transport + write_transport(h, bytes + transport, rest);
	/* The fields that step are zero in the sums, and added when they are written. */
	traffic_steps_init(&steps, h);
	for (uint32_t i = 0; i < steps.count; i++)
		memset(bytes + steps.step[i].at, 0, steps.step[i].bytes);
	if (h->ipv4.given) {
		frame->header_checksum = network + (uint32_t)offsetof(struct ipv4, checksum_be);
		frame->header_sum = checksum_add(0, bytes + network, IPV4_HEADER);
	}
	if (frame->transport_checksum != 0)
		frame->transport_sum = checksum_add(h->ipv4.given ? ipv4_pseudo((struct ipv4 *)(bytes + network), protocol, rest) :
			ipv6_pseudo((struct ipv6 *)(bytes + network), protocol, rest), bytes + transport, transport_length(h));
}

void traffic_frame_finish(const struct traffic_frame *frame, const struct traffic_steps *steps, uint8_t *data, bool payload)
{
	uint64_t header = frame->header_sum, transport = frame->transport_sum;
	uint16_t checksum;

	for (uint32_t i = 0; i < steps->count; i++) {
		const struct traffic_step *step = &steps->step[i];
		uint32_t value = step->first + step->now, word;

		if (step->bytes == 4) {
			bytes_write32(data + step->at, value);
			word = bytes_swap32(value);
		} else {
			bytes_write16(data + step->at, (uint16_t)value);
			word = bytes_swap16((uint16_t)value);
		}
		header += step->in_header ? word : 0;
		transport += step->in_transport ? word : 0;
	}
	if (frame->header_checksum != 0) {
		checksum = checksum_finish(header);
		memcpy(data + frame->header_checksum, &checksum, sizeof(checksum));
	}
	if (frame->transport_checksum != 0) {
		if (payload)
			transport = checksum_add(transport, data + frame->payload, frame->length - frame->payload);
		/* Zero is written as its other form: in UDP it would mean that there is none (RFC 768). */
		checksum = checksum_finish(transport);
		checksum = checksum == 0 ? UINT16_MAX : checksum;
		memcpy(data + frame->transport_checksum, &checksum, sizeof(checksum));
	}
}
