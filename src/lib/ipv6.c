/* ipv6 -- see ipv6.h. */
#include "lib/lib.h"

extern inline struct ipv6 *ipv6_parse(const uint8_t *data, uint32_t length);
extern inline uint32_t ipv6_payload_length(const struct ipv6 *ip);
extern inline uint8_t ipv6_traffic_class(const struct ipv6 *ip);
extern inline uint32_t ipv6_flow_label(const struct ipv6 *ip);
extern inline uint64_t ipv6_pseudo(const struct ipv6 *ip, uint8_t protocol, uint32_t length);

_Static_assert(sizeof(struct ipv6) == IPV6_HEADER, "the IPv6 header as on the wire");
_Static_assert(sizeof(struct ipv6_fragment) == 8, "the fragment header as on the wire");

/* Bytes of the extension header at `at`, of which at least 8 are there; 0: it is none. source: RFC 8200 section 4,
 * RFC 4302 section 2.2 (AH counts in 4 bytes), RFC 6275, RFC 7401, RFC 5533 (as 8200) */
static uint32_t extension_length(const uint8_t *at, uint8_t kind)
{
	switch (kind) {
	case IP_HOP_BY_HOP:
	case IP_ROUTING:
	case IP_DESTINATION:
	case IP_MOBILITY:
	case IP_HIP:
	case IP_SHIM6:
		return (at[1] + 1U) * 8;
	case IP_AH:
		return (at[1] + 2U) * 4;
	case IP_FRAGMENT:
		return sizeof(struct ipv6_fragment);
	default:
		return 0;
	}
}

static bool is_extension(uint8_t kind)
{
	static const uint8_t none[2];

	return extension_length(none, kind) != 0;
}

/* The way over the extension headers, as ipv6_transport gives it; tells where the last fragment header among them is, or 0. */
static uint32_t walk(const uint8_t *data, uint32_t length, uint8_t *protocol, uint32_t *fragment)
{
	const struct ipv6 *ip = ipv6_parse(data, length);
	uint32_t at = IPV6_HEADER;
	uint8_t kind;

	*fragment = 0;
	if (ip == NULL)
		return 0;
	kind = ip->next_header;
	for (uint32_t i = 0; is_extension(kind); i++) {
		uint32_t bytes;

		if (i == IPV6_EXTENSIONS || length - at < 8)
			return 0;
		bytes = extension_length(data + at, kind);
		if (bytes > length - at)
			return 0;
		if (kind == IP_FRAGMENT)
			*fragment = at;
		if (kind == IP_FRAGMENT && (bytes_read16(data + at + 2) & 0xfff8) != 0)
			break;
		kind = data[at];
		at += bytes;
	}
	*protocol = kind;
	return at;
}

uint32_t ipv6_transport(const uint8_t *data, uint32_t length, uint8_t *protocol)
{
	uint32_t fragment;

	return walk(data, length, protocol, &fragment);
}

bool ipv6_is_host(const uint8_t *address)
{
	static const uint8_t unspecified[16];

	return address[0] != 0xff && memcmp(address, unspecified, sizeof(unspecified)) != 0;
}

bool ipv6_is_fragment(const uint8_t *data, uint32_t length)
{
	uint8_t protocol;
	uint32_t fragment;

	walk(data, length, &protocol, &fragment);
	return fragment != 0;
}

uint32_t ipv6_fragment_header(const uint8_t *data, uint32_t length)
{
	uint8_t protocol;
	uint32_t fragment;

	walk(data, length, &protocol, &fragment);
	return fragment;
}
