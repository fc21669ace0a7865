#pragma once
/* icmp -- the header of ICMP and ICMPv6. source: RFC 792; RFC 4443, section 2.1 */

enum { ICMP_HEADER = 8 };               /* bytes */
enum icmp_type { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO = 8, ICMP_TIME_EXCEEDED = 11, ICMP_PARAMETER = 12 };
enum icmpv6_type { ICMPV6_UNREACHABLE = 1, ICMPV6_TOO_BIG = 2, ICMPV6_TIME_EXCEEDED = 3, ICMPV6_PARAMETER = 4, ICMPV6_ECHO = 128,
	ICMPV6_ECHO_REPLY = 129, ICMPV6_NEIGHBOR_SOLICITATION = 135, ICMPV6_NEIGHBOR_ADVERTISEMENT = 136 };

struct icmp {
	uint8_t type, code;
	uint16_t checksum_be;           /* ICMPv6: with the pseudo header */
	uint16_t id_be, sequence_be;    /* of an echo; others use these four bytes differently */
} __attribute__((packed));

/* The header at the front of `data`; NULL when it is cut off. */
inline struct icmp *icmp_parse(const uint8_t *data, uint32_t length)
{
	return length < ICMP_HEADER ? 0 : (struct icmp *)data;
}
