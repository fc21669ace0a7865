#pragma once
/* udp -- the UDP header. source: RFC 768 */

enum { UDP_HEADER = 8, UDP_CHECKSUM = 6 };      /* bytes; where the checksum stands */

struct udp {
	uint16_t src_be, dst_be;        /* ports */
	uint16_t length_be;             /* bytes of header and payload; 0 in a jumbogram (RFC 2675) */
	uint16_t checksum_be;           /* 0: none */
} __attribute__((packed));

/* The header at the front of `data`; NULL when it is cut off. The payload may be cut off. */
inline struct udp *udp_parse(const uint8_t *data, uint32_t length)
{
	return length < UDP_HEADER ? 0 : (struct udp *)data;
}
