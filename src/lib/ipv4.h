#pragma once
/* ipv4 -- the IPv4 header. source: RFC 791, section 3.1 */

enum { IPV4_HEADER = 20, IPV4_HEADER_MOST = 60 };       /* bytes without options, with all of them */
enum { IPV4_DF = 0x4000, IPV4_MF = 0x2000, IPV4_OFFSET = 0x1fff };      /* of fragment_be, in host order */

/* Protocol numbers, of IPv6's next header too. source: the IANA list "Protocol Numbers" */
enum ip_protocol {
	IP_HOP_BY_HOP = 0, IP_ICMP = 1, IP_IPV4 = 4, IP_TCP = 6, IP_UDP = 17, IP_IPV6 = 41, IP_ROUTING = 43, IP_FRAGMENT = 44,
	IP_GRE = 47, IP_ESP = 50, IP_AH = 51, IP_ICMPV6 = 58, IP_NO_NEXT = 59, IP_DESTINATION = 60, IP_MOBILITY = 135, IP_HIP = 139,
	IP_SHIM6 = 140
};

struct ipv4 {
	uint8_t version_ihl;            /* 4 << 4 | header length in 32-bit words */
	uint8_t tos;                    /* DSCP << 2 | ECN */
	uint16_t total_be;              /* bytes of header and payload */
	uint16_t id_be;
	uint16_t fragment_be;           /* DF, MF, offset in 8 bytes */
	uint8_t ttl;
	uint8_t protocol;
	uint16_t checksum_be;
	uint32_t src_be, dst_be;
} __attribute__((packed));

/* The header at the front of `data`.
 *   gives: NULL unless version, header length and total length are possible and the whole header is there. The payload may
 *          be cut off: see ipv4_payload_length */
inline struct ipv4 *ipv4_parse(const uint8_t *data, uint32_t length)
{
	struct ipv4 *ip = (struct ipv4 *)data;
	uint32_t header;

	if (length < IPV4_HEADER || ip->version_ihl >> 4 != 4)
		return 0;
	header = (uint32_t)(ip->version_ihl & 15) * 4;
	if (header < IPV4_HEADER || header > length || header > bytes_swap16(ip->total_be))
		return 0;
	return ip;
}

/* Bytes of the header with its options, and of header and payload. */
inline uint32_t ipv4_header_length(const struct ipv4 *ip)
{
	return (uint32_t)(ip->version_ihl & 15) * 4;
}

inline uint32_t ipv4_total_length(const struct ipv4 *ip)
{
	return bytes_swap16(ip->total_be);
}

/* Bytes of payload that the header announces. needs: ip from ipv4_parse */
inline uint32_t ipv4_payload_length(const struct ipv4 *ip)
{
	return ipv4_total_length(ip) - ipv4_header_length(ip);
}

/* An address that one host can have on a wire: not of "this network", loopback, group or reserved (RFC 1122, 3.2.1.3).
 *   needs: 4 bytes */
bool ipv4_is_host(const uint8_t *address);

/* A fragment, the first one too. Only the first one has a transport header. */
bool ipv4_is_fragment(const struct ipv4 *ip);
bool ipv4_is_first(const struct ipv4 *ip);

/* Set the TTL; the checksum follows incrementally. */
inline void ipv4_set_ttl(struct ipv4 *ip, uint8_t ttl)
{
	uint16_t before = bytes_swap16((uint16_t)(ip->ttl << 8 | ip->protocol));
	uint16_t after = bytes_swap16((uint16_t)(ttl << 8 | ip->protocol));

	ip->ttl = ttl;
	ip->checksum_be = checksum_update16(ip->checksum_be, before, after);
}

/* Set the header's total length; the checksum follows incrementally. */
inline void ipv4_set_total_length(struct ipv4 *ip, uint16_t total)
{
	uint16_t total_be = bytes_swap16(total);

	ip->checksum_be = checksum_update16(ip->checksum_be, ip->total_be, total_be);
	ip->total_be = total_be;
}

/* Write the header's checksum anew. needs: the whole header */
void ipv4_set_checksum(struct ipv4 *ip);

/* The checksum of the header is right. needs: the whole header */
bool ipv4_has_checksum(const struct ipv4 *ip);

/* The sum of the pseudo header for `length` bytes of transport header and payload. */
inline uint64_t ipv4_pseudo(const struct ipv4 *ip, uint8_t protocol, uint32_t length)
{
	return checksum_pseudo((const uint8_t *)ip + 12, 8, protocol, length);
}
