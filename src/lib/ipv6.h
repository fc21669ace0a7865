#pragma once
/* ipv6 -- the IPv6 header and the way over its extension headers. source: RFC 8200, sections 3 and 4 */

enum { IPV6_HEADER = 40, IPV6_EXTENSIONS = 8 };         /* bytes; most extension headers that are walked over */

struct ipv6 {
	uint32_t version_class_label_be;        /* 6 << 28 | traffic class << 20 | flow label */
	uint16_t payload_be;            /* bytes behind this header, extension headers among them */
	uint8_t next_header;            /* enum ip_protocol */
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
} __attribute__((packed));

struct ipv6_fragment {
	uint8_t next_header, reserved;
	uint16_t offset_be;             /* offset in 8 bytes << 3 | 2 reserved bits | more fragments */
	uint32_t id_be;
} __attribute__((packed));

/* The header at the front of `data`. gives: NULL unless the version is right and the whole header is there */
inline struct ipv6 *ipv6_parse(const uint8_t *data, uint32_t length)
{
	if (length < IPV6_HEADER || data[0] >> 4 != 6)
		return 0;
	return (struct ipv6 *)data;
}

inline uint32_t ipv6_payload_length(const struct ipv6 *ip)
{
	return bytes_swap16(ip->payload_be);
}

inline uint8_t ipv6_traffic_class(const struct ipv6 *ip)
{
	return (uint8_t)(bytes_swap32(ip->version_class_label_be) >> 20);
}

inline uint32_t ipv6_flow_label(const struct ipv6 *ip)
{
	return bytes_swap32(ip->version_class_label_be) & 0xfffff;
}

/* Where the transport header begins: behind hop-by-hop, routing, destination, mobility and fragment headers and AH.
 *   needs: data and length of ip's header and all behind it
 *   gives: bytes from ip, and the protocol there; 0 when an extension header is cut off, or there are more than
 *          IPV6_EXTENSIONS. Of a later fragment there is no transport header: *protocol is IP_FRAGMENT and the result is
 *          where its fragment header begins */
uint32_t ipv6_transport(const uint8_t *data, uint32_t length, uint8_t *protocol);

/* An address that one host can have: neither a group nor unspecified. needs: 16 bytes */
bool ipv6_is_host(const uint8_t *address);

/* A fragment header stands among the extension headers, of an unfragmented packet too (RFC 6946). */
bool ipv6_is_fragment(const uint8_t *data, uint32_t length);

/* Where the last fragment header begins among those that are walked over, in bytes from ip; 0: there is none. All of it is there. */
uint32_t ipv6_fragment_header(const uint8_t *data, uint32_t length);

/* The sum of the pseudo header for `length` bytes of transport header and payload. */
inline uint64_t ipv6_pseudo(const struct ipv6 *ip, uint8_t protocol, uint32_t length)
{
	return checksum_pseudo(ip->src, 32, protocol, length);
}
