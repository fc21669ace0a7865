/* fragment -- see fragment.h. */
#include "lib/lib.h"

extern inline uint32_t fragment_length(const struct fragment *plan, uint32_t i);

enum { COPIED = 0x80, END_OF_OPTIONS = 0, NO_OPERATION = 1 };   /* RFC 791, 3.1: of an option's type */
enum { MORE6 = 1 };                     /* RFC 8200, 4.5: the M flag */

/* Where fragment i's payload begins within that of the packet. */
static uint32_t offset_of(const struct fragment *plan, uint32_t i)
{
	return i == 0 ? 0 : plan->first + (i - 1) * plan->later;
}

/* Fill in how many fragments there are. */
static void count(struct fragment *plan)
{
	plan->count = 1 + (plan->payload - plan->first + plan->later - 1) / plan->later;
}

/* Collect the options that are flagged to be copied, padded to whole words; gives their bytes. An option that does not fit ends
 * the list. */
static uint32_t copied_options(const uint8_t *options, uint32_t length, uint8_t *to)
{
	uint32_t bytes = 0;

	for (uint32_t at = 0; at < length && options[at] != END_OF_OPTIONS;) {
		uint32_t option = options[at] == NO_OPERATION ? 1 : at + 1 < length ? options[at + 1] : 0;

		if (option == 0 || option > length - at || (option == 1 && options[at] != NO_OPERATION))
			break;
		if (options[at] & COPIED) {
			memcpy(to + bytes, options + at, option);
			bytes += option;
		}
		at += option;
	}
	while (bytes % 4 != 0)
		to[bytes++] = END_OF_OPTIONS;
	return bytes;
}

enum fragment_verdict fragment4_plan(struct fragment *plan, const uint8_t *data, uint32_t length, uint32_t mtu,
	bool flagged_options)
{
	const struct ipv4 *ip = ipv4_parse(data, length);
	uint32_t offset;

	if (ip == NULL || ipv4_total_length(ip) <= mtu)
		return FRAGMENT_FITS;
	if (ipv4_total_length(ip) > length)
		return FRAGMENT_INVALID;
	if (bytes_swap16(ip->fragment_be) & IPV4_DF)
		return FRAGMENT_FORBIDDEN;
	plan->header = plan->later_header = ipv4_header_length(ip);
	plan->payload = ipv4_payload_length(ip);
	offset = (bytes_swap16(ip->fragment_be) & IPV4_OFFSET) * FRAGMENT_UNIT;
	/* A fragment that is not the last one has whole units. */
	if (offset + plan->payload > FRAGMENT_END || (bytes_swap16(ip->fragment_be) & IPV4_MF && plan->payload % FRAGMENT_UNIT != 0))
		return FRAGMENT_INVALID;
	if (flagged_options)
		plan->later_header = IPV4_HEADER + copied_options(data + IPV4_HEADER, plan->header - IPV4_HEADER, plan->options);
	else
		memcpy(plan->options, data + IPV4_HEADER, plan->header - IPV4_HEADER);
	plan->first = (mtu - plan->header) / FRAGMENT_UNIT * FRAGMENT_UNIT;
	plan->later = (mtu - plan->later_header) / FRAGMENT_UNIT * FRAGMENT_UNIT;
	count(plan);
	return FRAGMENT_CUT;
}

/* Set what differs between the header of a packet and that of fragment i. */
static void set_header4(const struct fragment *plan, struct ipv4 *ip, uint32_t i, uint16_t id)
{
	uint16_t fragment = bytes_swap16(ip->fragment_be);

	fragment = (uint16_t)(fragment + offset_of(plan, i) / FRAGMENT_UNIT);
	if (i + 1 < plan->count)
		fragment |= IPV4_MF;
	ip->total_be = bytes_swap16((uint16_t)fragment_length(plan, i));
	ip->id_be = bytes_swap16(id);
	ip->fragment_be = bytes_swap16(fragment);
	ipv4_set_checksum(ip);
}

void fragment4_write(const struct fragment *plan, const uint8_t *data, uint32_t i, uint16_t id, uint8_t *to)
{
	struct ipv4 *ip = (struct ipv4 *)to;

	memcpy(to, data, IPV4_HEADER);
	memcpy(to + IPV4_HEADER, plan->options, plan->later_header - IPV4_HEADER);
	ip->version_ihl = (uint8_t)(4 << 4 | plan->later_header / 4);
	set_header4(plan, ip, i, id);
	memcpy(to + plan->later_header, data + plan->header + offset_of(plan, i), fragment_length(plan, i) - plan->later_header);
}

void fragment4_first(const struct fragment *plan, uint8_t *data, uint16_t id)
{
	set_header4(plan, (struct ipv4 *)data, 0, id);
}

/* Walk over the part of an IPv6 packet that every fragment has. gives: false when it is cut off or a fragment header is there */
static bool walk(struct fragment *plan, const uint8_t *data, uint32_t length)
{
	uint32_t at = IPV6_HEADER, next_at = offsetof(struct ipv6, next_header);

	plan->header = at;
	plan->next_at = next_at;
	for (uint32_t i = 0; i < IPV6_EXTENSIONS; i++) {
		uint8_t next = data[next_at];

		if (next == IP_FRAGMENT)
			return false;
		if (next != IP_HOP_BY_HOP && next != IP_ROUTING && next != IP_DESTINATION)
			return true;
		if (length - at < FRAGMENT_UNIT || length - at < (data[at + 1] + 1u) * 8)
			return false;
		next_at = at;
		at += (data[at + 1] + 1u) * 8;
		/* Destination options belong to it only when a routing header follows. */
		if (next != IP_DESTINATION) {
			plan->header = at;
			plan->next_at = next_at;
		}
	}
	return false;
}

enum fragment_verdict fragment6_plan(struct fragment *plan, const uint8_t *data, uint32_t length, uint32_t mtu)
{
	const struct ipv6 *ip = ipv6_parse(data, length);
	uint32_t whole;

	if (ip == NULL || IPV6_HEADER + ipv6_payload_length(ip) <= mtu)
		return FRAGMENT_FITS;
	whole = IPV6_HEADER + ipv6_payload_length(ip);
	if (whole > length)
		return FRAGMENT_INVALID;
	if (!walk(plan, data, whole) || plan->header + FRAGMENT_HEADER + FRAGMENT_UNIT > mtu)
		return FRAGMENT_FORBIDDEN;
	plan->later_header = plan->header;
	plan->payload = whole - plan->header;
	plan->first = plan->later = (mtu - plan->header - FRAGMENT_HEADER) / FRAGMENT_UNIT * FRAGMENT_UNIT;
	count(plan);
	return FRAGMENT_CUT;
}

/* Set what differs in the headers of fragment i, and write its fragment header. */
static void set_header6(const struct fragment *plan, uint8_t *data, uint32_t i, uint32_t id)
{
	struct ipv6_fragment *fragment = (struct ipv6_fragment *)(data + plan->header);

	fragment->next_header = data[plan->next_at];
	fragment->reserved = 0;
	fragment->offset_be = bytes_swap16((uint16_t)(offset_of(plan, i) | (i + 1 < plan->count ? MORE6 : 0)));
	fragment->id_be = bytes_swap32(id);
	data[plan->next_at] = IP_FRAGMENT;
	((struct ipv6 *)data)->payload_be = bytes_swap16((uint16_t)(fragment_length(plan, i) + FRAGMENT_HEADER - IPV6_HEADER));
}

void fragment6_write(const struct fragment *plan, const uint8_t *data, uint32_t i, uint32_t id, uint8_t *to)
{
	memcpy(to, data, plan->header);
	set_header6(plan, to, i, id);
	memcpy(to + plan->header + FRAGMENT_HEADER, data + plan->header + offset_of(plan, i), fragment_length(plan, i) - plan->header);
}

void fragment6_first(const struct fragment *plan, uint8_t *data, uint32_t id)
{
	set_header6(plan, data, 0, id);
}
