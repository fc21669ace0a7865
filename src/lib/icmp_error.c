/* icmp_error -- see icmp_error.h. */
#include "lib/lib.h"

enum { TTL = 255 };

_Static_assert(ICMP_ERROR_FRAME == ETHERNET_HEADER + ICMP_ERROR_MOST6, "the longest frame");

/* An address of one host (RFC 1122, 3.2.1.3). */
static bool is_host4(uint32_t address_be)
{
	uint32_t first = bytes_swap32(address_be) >> 24;

	return first != 0 && first != 127 && first < 224;
}

/* RFC 1122, 3.2.2: about which packets no error is sent. Of a packet cut off before its ICMP type nobody can tell. */
static bool may_tell4(const uint8_t *frame, const struct ipv4 *ip, uint32_t length)
{
	const uint8_t *icmp = (const uint8_t *)ip + ipv4_header_length(ip);

	if (ethernet_is_group(frame) || !is_host4(ip->src_be) || !is_host4(ip->dst_be) || !ipv4_is_first(ip))
		return false;
	if (ip->protocol != IP_ICMP)
		return true;
	if (icmp == (const uint8_t *)ip + length)
		return false;
	/* The queries of RFC 792, 950 and 1256. */
	return *icmp == ICMP_ECHO_REPLY || *icmp == ICMP_ECHO || *icmp == 9 || *icmp == 10 || (*icmp >= 13 && *icmp <= 18);
}

/* RFC 4443, 2.4 (e). */
static bool may_tell6(const uint8_t *frame, const struct ipv6 *ip, uint32_t length, uint8_t type)
{
	static const uint8_t unspecified[16];
	uint8_t protocol;
	uint32_t at = ipv6_transport((const uint8_t *)ip, length, &protocol);

	if (type != ICMPV6_TOO_BIG && (ethernet_is_group(frame) || ip->dst[0] == 0xff))
		return false;
	if (ip->src[0] == 0xff || memcmp(ip->src, unspecified, sizeof(unspecified)) == 0 || at == 0)
		return false;
	/* ICMPv6 errors have types below 128. */
	return protocol != IP_FRAGMENT && (protocol != IP_ICMPV6 || (at < length && ((const uint8_t *)ip)[at] >= 128));
}

static void exchange(uint8_t *to, const uint8_t *frame)
{
	const struct ethernet *ethernet = (const struct ethernet *)frame;

	memcpy(to, ethernet->src, ETHERNET_ADDRESS);
	memcpy(to + ETHERNET_ADDRESS, ethernet->dst, ETHERNET_ADDRESS);
	memcpy(to + 2 * ETHERNET_ADDRESS, &ethernet->type_be, sizeof(ethernet->type_be));
}

/* Write the message: header and quotation. */
static struct icmp *write_message(uint8_t *to, uint8_t type, uint8_t code, uint32_t rest, const void *quoted, uint32_t length)
{
	struct icmp *icmp = (struct icmp *)to;

	*icmp = (struct icmp){ .type = type, .code = code };
	bytes_write32(to + 4, rest);
	memcpy(to + ICMP_HEADER, quoted, length);
	return icmp;
}

uint32_t icmp_error4(uint8_t *to, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t rest,
	const uint8_t *source)
{
	struct ipv4 *out = (struct ipv4 *)(to + ETHERNET_HEADER);
	const struct ipv4 *ip;
	struct icmp *icmp;
	uint32_t quoted;

	if (length < ETHERNET_HEADER || (ip = ipv4_parse(frame + ETHERNET_HEADER, length - ETHERNET_HEADER)) == NULL)
		return 0;
	length -= ETHERNET_HEADER;
	quoted = ipv4_total_length(ip) < length ? ipv4_total_length(ip) : length;
	if (!may_tell4(frame, ip, quoted))
		return 0;
	if (quoted > ICMP_ERROR_MOST4 - IPV4_HEADER - ICMP_HEADER)
		quoted = ICMP_ERROR_MOST4 - IPV4_HEADER - ICMP_HEADER;
	exchange(to, frame);
	icmp = write_message((uint8_t *)(out + 1), type, code, rest, ip, quoted);
	icmp->checksum_be = checksum_finish(checksum_add(0, icmp, ICMP_HEADER + quoted));
	*out = (struct ipv4){ .version_ihl = 0x45, .total_be = bytes_swap16((uint16_t)(IPV4_HEADER + ICMP_HEADER + quoted)), .ttl = TTL,
		.protocol = IP_ICMP, .dst_be = ip->src_be };
	memcpy(&out->src_be, source, sizeof(out->src_be));
	ipv4_set_checksum(out);
	return ETHERNET_HEADER + IPV4_HEADER + ICMP_HEADER + quoted;
}

uint32_t icmp_error6(uint8_t *to, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t rest,
	const uint8_t *source)
{
	struct ipv6 *out = (struct ipv6 *)(to + ETHERNET_HEADER);
	const struct ipv6 *ip;
	struct icmp *icmp;
	uint32_t quoted, whole;

	if (length < ETHERNET_HEADER || (ip = ipv6_parse(frame + ETHERNET_HEADER, length - ETHERNET_HEADER)) == NULL)
		return 0;
	length -= ETHERNET_HEADER;
	whole = IPV6_HEADER + ipv6_payload_length(ip);
	quoted = whole < length ? whole : length;
	if (!may_tell6(frame, ip, quoted, type))
		return 0;
	if (quoted > ICMP_ERROR_MOST6 - IPV6_HEADER - ICMP_HEADER)
		quoted = ICMP_ERROR_MOST6 - IPV6_HEADER - ICMP_HEADER;
	exchange(to, frame);
	icmp = write_message((uint8_t *)(out + 1), type, code, rest, ip, quoted);
	*out = (struct ipv6){ .version_class_label_be = bytes_swap32(6u << 28),
		.payload_be = bytes_swap16((uint16_t)(ICMP_HEADER + quoted)), .next_header = IP_ICMPV6, .hop_limit = TTL };
	memcpy(out->src, source, sizeof(out->src));
	memcpy(out->dst, ip->src, sizeof(out->dst));
	icmp->checksum_be = checksum_finish(checksum_add(ipv6_pseudo(out, IP_ICMPV6, ICMP_HEADER + quoted), icmp, ICMP_HEADER + quoted));
	return ETHERNET_HEADER + IPV6_HEADER + ICMP_HEADER + quoted;
}
