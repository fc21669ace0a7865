#pragma once
/* tcp -- the TCP header. source: RFC 9293, section 3.1 */

enum { TCP_HEADER = 20, TCP_HEADER_MOST = 60, TCP_CHECKSUM = 16 };      /* bytes; where the checksum stands */
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32, TCP_ECE = 64, TCP_CWR = 128 };

struct tcp {
	uint16_t src_be, dst_be;        /* ports */
	uint32_t sequence_be, acknowledgment_be;
	uint8_t offset;                 /* header length in 32-bit words << 4 */
	uint8_t flags;
	uint16_t window_be, checksum_be, urgent_be;
} __attribute__((packed));

/* Bytes of the header with its options. */
inline uint32_t tcp_header_length(const struct tcp *tcp)
{
	return (uint32_t)(tcp->offset >> 4) * 4;
}

/* The header at the front of `data`; NULL unless its length is possible and all of it is there. */
inline struct tcp *tcp_parse(const uint8_t *data, uint32_t length)
{
	struct tcp *tcp = (struct tcp *)data;

	if (length < TCP_HEADER || tcp_header_length(tcp) < TCP_HEADER || tcp_header_length(tcp) > length)
		return 0;
	return tcp;
}
