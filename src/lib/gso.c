/* gso -- see gso.h. */
#include "lib/lib.h"

extern inline uint32_t gso_segment_length(const struct gso *gso, uint32_t i);

/* The IPv4 header: sets network's end, gives the protocol; false for a fragment or a packet that is cut off. */
static bool parse_ipv4(struct gso *gso, const uint8_t *data, uint32_t length, uint8_t *protocol)
{
	const struct ipv4 *ip = ipv4_parse(data + gso->network, length - gso->network);

	if (ip == NULL || ipv4_is_fragment(ip) || ipv4_total_length(ip) > length - gso->network)
		return false;
	gso->transport = gso->network + ipv4_header_length(ip);
	gso->length = gso->network + ipv4_total_length(ip);
	*protocol = ip->protocol;
	return true;
}

/* The same for IPv6 and its extension headers; a fragment header, of whatever content, is refused. */
static bool parse_ipv6(struct gso *gso, const uint8_t *data, uint32_t length, uint8_t *protocol)
{
	const struct ipv6 *ip = ipv6_parse(data + gso->network, length - gso->network);
	uint32_t total, at;

	if (ip == NULL)
		return false;
	total = IPV6_HEADER + ipv6_payload_length(ip);
	if (total > length - gso->network)
		return false;
	at = ipv6_transport(data + gso->network, total, protocol);
	if (at == 0 || ipv6_is_fragment(data + gso->network, total))
		return false;
	gso->transport = gso->network + at;
	gso->length = gso->network + total;
	gso->is_ipv6 = true;
	return true;
}

/* The transport header: its length and that of all headers. */
static bool parse_transport(struct gso *gso, const uint8_t *data)
{
	uint32_t length = gso->length - gso->transport;

	if (gso->is_tcp) {
		const struct tcp *tcp = tcp_parse(data + gso->transport, length);

		if (tcp == NULL)
			return false;
		gso->header = gso->transport + tcp_header_length(tcp);
		return true;
	}
	gso->header = gso->transport + UDP_HEADER;
	return udp_parse(data + gso->transport, length) != NULL;
}

static uint32_t checksum_offset(const struct gso *gso)
{
	return gso->is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
}

/* The pseudo header's sum without its length. An unfinished checksum holds the sender's, which knows the last destination of
 * a routing header; else it is made from the addresses. */
static bool find_pseudo(struct gso *gso, const uint8_t *data, const struct virtio_net *virtio)
{
	uint8_t protocol = gso->is_tcp ? IP_TCP : IP_UDP;

	if (virtio->flags & VIRTIO_NET_NEEDS_CHECKSUM) {
		uint16_t length_be = bytes_swap16((uint16_t)(gso->length - gso->transport)), field;

		if (virtio->checksum_start != gso->transport || virtio->checksum_offset != checksum_offset(gso))
			return false;
		memcpy(&field, data + gso->transport + checksum_offset(gso), sizeof(field));
		gso->pseudo = (uint64_t)field + (uint16_t)~length_be;
	} else if (gso->is_ipv6) {
		gso->pseudo = ipv6_pseudo((const struct ipv6 *)(data + gso->network), protocol, 0);
	} else {
		gso->pseudo = ipv4_pseudo((const struct ipv4 *)(data + gso->network), protocol, 0);
	}
	return true;
}

/* The protocols that a type of GSO stands for are those of the frame. */
static bool is_of_type(const struct gso *gso, uint8_t type, uint8_t protocol)
{
	switch (type) {
	case VIRTIO_NET_GSO_TCP4:
	case VIRTIO_NET_GSO_TCP4 | VIRTIO_NET_GSO_ECN:
		return protocol == IP_TCP && !gso->is_ipv6;
	case VIRTIO_NET_GSO_TCP6:
	case VIRTIO_NET_GSO_TCP6 | VIRTIO_NET_GSO_ECN:
		return protocol == IP_TCP && gso->is_ipv6;
	case VIRTIO_NET_GSO_UDP_L4:
		return protocol == IP_UDP;
	default:
		return false;
	}
}

bool gso_init(struct gso *gso, const uint8_t *data, uint32_t length, const struct virtio_net *virtio)
{
	uint16_t type = 0;
	uint8_t protocol = 0;
	bool parsed;

	*gso = (struct gso){ .bytes = virtio->gso_bytes, .network = ethernet_payload(data, length, &type) };
	if (gso->network == 0 || gso->bytes == 0)
		return false;
	parsed = type == ETHERNET_IPV4 ? parse_ipv4(gso, data, length, &protocol) :
		type == ETHERNET_IPV6 ? parse_ipv6(gso, data, length, &protocol) : false;
	if (!parsed || !is_of_type(gso, virtio->gso_type, protocol))
		return false;
	gso->is_tcp = protocol == IP_TCP;
	if (!parse_transport(gso, data) || !find_pseudo(gso, data, virtio))
		return false;
	gso->count = (gso->length - gso->header + gso->bytes - 1) / gso->bytes;
	if (gso->count == 0)
		gso->count = 1;
	return gso->count <= GSO_SEGMENTS;
}

/* Lengths, id and checksum of segment i's IP header. */
static void set_network(const struct gso *gso, uint8_t *to, uint32_t i, uint32_t length)
{
	if (gso->is_ipv6) {
		struct ipv6 *ip = (struct ipv6 *)(to + gso->network);

		ip->payload_be = bytes_swap16((uint16_t)(length - gso->network - IPV6_HEADER));
	} else {
		struct ipv4 *ip = (struct ipv4 *)(to + gso->network);

		ip->total_be = bytes_swap16((uint16_t)(length - gso->network));
		ip->id_be = bytes_swap16((uint16_t)(bytes_swap16(ip->id_be) + i));
		ipv4_set_checksum(ip);
	}
}

static void set_tcp(const struct gso *gso, struct tcp *tcp, uint32_t i)
{
	tcp->sequence_be = bytes_swap32(bytes_swap32(tcp->sequence_be) + i * gso->bytes);
	if (i > 0)
		tcp->flags &= (uint8_t)~TCP_CWR;
	if (i + 1 < gso->count)
		tcp->flags &= (uint8_t)~(TCP_FIN | TCP_PSH);
}

void gso_segment(const struct gso *gso, const uint8_t *data, uint32_t i, uint8_t *to)
{
	uint32_t length = gso_segment_length(gso, i), transport = length - gso->transport;
	uint8_t *field = to + gso->transport + checksum_offset(gso);
	uint16_t checksum_be = 0;

	memcpy(to, data, gso->header);
	memcpy(to + gso->header, data + gso->header + i * gso->bytes, length - gso->header);
	set_network(gso, to, i, length);
	if (gso->is_tcp)
		set_tcp(gso, (struct tcp *)(to + gso->transport), i);
	else
		bytes_write16(to + gso->transport + 4, (uint16_t)transport);
	memcpy(field, &checksum_be, sizeof(checksum_be));
	checksum_be = checksum_finish(checksum_add(gso->pseudo + bytes_swap16((uint16_t)transport), to + gso->transport, transport));
	if (checksum_be == 0)           /* the same number; a UDP checksum of 0 means none (RFC 768) */
		checksum_be = 0xffff;
	memcpy(field, &checksum_be, sizeof(checksum_be));
}
