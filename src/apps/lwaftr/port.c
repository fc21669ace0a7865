/* port -- which port of a packet decides about its softwire. source: RFC 7596 section 8.1, RFC 5508 section 4.2 */
#include "apps/lwaftr/lwaftr.h"

bool lwaftr_is_error4(uint8_t type)
{
	enum { SOURCE_QUENCH = 4, REDIRECT = 5 };

	return type == ICMP_UNREACHABLE || type == SOURCE_QUENCH || type == REDIRECT || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

/* An echo's identifier stands behind type, code and checksum. */
static int32_t identifier(const uint8_t *icmp)
{
	return bytes_read16(icmp + 4);
}

/* Requests to a B4, and replies of a B4, belong to whoever owns port 0, or the identifier. */
static int32_t pinged(const struct lwaftr *lwaftr, const uint8_t *icmp)
{
	return lwaftr->echo == LWAFTR_ECHO_PORT0 ? 0 : identifier(icmp);
}

/* The port of the B4 in a packet that an ICMP error quotes: the B4 was its source, or its destination. Errors about errors and
 * about later fragments have none. */
static int32_t quoted_port(const struct lwaftr *lwaftr, const uint8_t *data, uint32_t length, bool was_source)
{
	const struct ipv4 *ip = ipv4_parse(data, length);
	const uint8_t *payload;
	uint32_t left;

	if (ip == NULL || !ipv4_is_first(ip))
		return LWAFTR_NO_PORT;
	payload = data + ipv4_header_length(ip);
	left = length - ipv4_header_length(ip);
	if (ip->protocol != IP_ICMP)
		return left < 4 ? LWAFTR_NO_PORT : bytes_read16(payload + (was_source ? 0 : 2));
	if (left < 6)
		return LWAFTR_NO_PORT;
	if (payload[0] == ICMP_ECHO)
		return was_source ? identifier(payload) : pinged(lwaftr, payload);
	if (payload[0] == ICMP_ECHO_REPLY)
		return was_source ? pinged(lwaftr, payload) : identifier(payload);
	return LWAFTR_NO_PORT;
}

/* Of an ICMP message of `length` bytes. */
static int32_t icmp_port(const struct lwaftr *lwaftr, const uint8_t *icmp, uint32_t length, bool to_b4)
{
	if (length < ICMP_HEADER)
		return LWAFTR_NO_PORT;
	if (icmp[0] == ICMP_ECHO)
		return to_b4 ? pinged(lwaftr, icmp) : identifier(icmp);
	if (icmp[0] == ICMP_ECHO_REPLY)
		return to_b4 ? identifier(icmp) : pinged(lwaftr, icmp);
	/* What goes to a B4 is about a packet that it sent; what it sends is about a packet that it got. */
	return quoted_port(lwaftr, icmp + ICMP_HEADER, length - ICMP_HEADER, to_b4);
}

static int32_t port(const struct lwaftr *lwaftr, const struct ipv4 *ip, uint32_t length, bool to_b4)
{
	uint32_t header = ipv4_header_length(ip), total = ipv4_total_length(ip), left;
	const uint8_t *payload = (const uint8_t *)ip + header;

	left = (total < length ? total : length) - header;
	if (ip->protocol == IP_ICMP)
		return icmp_port(lwaftr, payload, left, to_b4);
	return left < 4 ? LWAFTR_NO_PORT : bytes_read16(payload + (to_b4 ? 2 : 0));
}

int32_t lwaftr_port_to_b4(const struct lwaftr *lwaftr, const struct ipv4 *ip, uint32_t length)
{
	return port(lwaftr, ip, length, true);
}

int32_t lwaftr_port_from_b4(const struct lwaftr *lwaftr, const struct ipv4 *ip, uint32_t length)
{
	return port(lwaftr, ip, length, false);
}
