/* b4_view -- see b4.h: what a NAT reads and writes in a packet. source: RFC 3022 section 4; RFC 5508 sections 3 and 4 */
#include "apps/lwaftr/b4.h"

enum { PORTS = 4, ECHO_ID = 6, ICMP_CHECKSUM = 2, IDENTIFIER = 4 };    /* bytes that are needed for ports, an identifier; places */

static enum b4_verdict view_ports(struct b4_view *view, enum b4_kind kind)
{
	view->kind = kind;
	view->src = bytes_read16(view->transport);
	view->dst = bytes_read16(view->transport + 2);
	return B4_PASS;
}

static enum b4_verdict view_icmp(struct b4_view *view, bool quoted)
{
	uint8_t type = view->transport[0];

	view->kind = B4_ECHO;
	if (type == ICMP_ECHO)
		view->src = bytes_read16(view->transport + IDENTIFIER);
	else if (type == ICMP_ECHO_REPLY)
		view->dst = bytes_read16(view->transport + IDENTIFIER);
	else if (!quoted && (type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER))
		view->is_error = true;
	else
		return B4_ICMP_TYPE;
	return B4_PASS;
}

enum b4_verdict b4_view(struct b4_view *view, struct ipv4 *ip, uint32_t length, bool quoted)
{
	uint32_t header = ipv4_header_length(ip);
	const struct tcp *tcp;

	*view = (struct b4_view){ .ip = ip, .transport = (uint8_t *)ip + header, .length = length - header };
	switch (ip->protocol) {
	case IP_TCP:
		tcp = tcp_parse(view->transport, view->length);
		if (tcp == NULL && (!quoted || view->length < PORTS))
			return B4_MALFORMED;
		view->flags = quoted ? 0 : tcp->flags;
		return view_ports(view, B4_TCP);
	case IP_UDP:
		if (view->length < (quoted ? (uint32_t)PORTS : (uint32_t)UDP_HEADER))
			return B4_MALFORMED;
		return view_ports(view, B4_UDP);
	case IP_ICMP:
		if (view->length < (quoted ? (uint32_t)ECHO_ID : (uint32_t)ICMP_HEADER))
			return B4_MALFORMED;
		return view_icmp(view, quoted);
	default:
		return B4_PROTOCOL;
	}
}

/* The transport checksum follows a change of the address, which an ICMP message's does not cover, and of the port. */
static void update_checksum(struct b4_view *view, uint32_t old_be, uint32_t new_be, uint16_t old_port_be, uint16_t new_port_be)
{
	static const uint8_t place[B4_KINDS] = { TCP_CHECKSUM, UDP_CHECKSUM, ICMP_CHECKSUM };
	uint8_t *at = view->transport + place[view->kind];
	uint16_t checksum_be;

	if (view->length < place[view->kind] + 2u)
		return;
	memcpy(&checksum_be, at, sizeof(checksum_be));
	if (view->kind == B4_UDP && checksum_be == 0)
		return;
	if (view->kind != B4_ECHO)
		checksum_be = checksum_update32(checksum_be, old_be, new_be);
	checksum_be = checksum_update16(checksum_be, old_port_be, new_port_be);
	if (view->kind == B4_UDP && checksum_be == 0)
		checksum_be = 0xffff;
	memcpy(at, &checksum_be, sizeof(checksum_be));
}

void b4_view_set(struct b4_view *view, enum b4_end end, uint32_t address_be, uint16_t port)
{
	struct ipv4 *ip = view->ip;
	uint8_t *at = view->transport + (view->kind == B4_ECHO ? (uint32_t)IDENTIFIER : end == B4_SOURCE ? 0u : 2u);
	uint32_t old_be = end == B4_SOURCE ? ip->src_be : ip->dst_be;
	uint16_t old_port_be, port_be = bytes_swap16(port);

	if (end == B4_SOURCE)
		ip->src_be = address_be;
	else
		ip->dst_be = address_be;
	ip->checksum_be = checksum_update32(ip->checksum_be, old_be, address_be);
	if (view->is_error)
		return;
	memcpy(&old_port_be, at, sizeof(old_port_be));
	memcpy(at, &port_be, sizeof(port_be));
	update_checksum(view, old_be, address_be, old_port_be, port_be);
}
