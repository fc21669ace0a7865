/* flow_hash -- see flow_hash.h. */
#include "lib/lib.h"

/* What is hashed: the lower end, then the higher one. Sizes are fixed, so that no padding is hashed. */
struct ethernet_ends {
	uint8_t address[2][ETHERNET_ADDRESS];
	uint16_t type, zero;
};

struct ipv4_ends {
	uint32_t address[2];
	uint32_t port[2];
};

struct ipv6_ends {
	uint8_t address[2][16];
	uint32_t port[2];
};

_Static_assert(sizeof(struct ethernet_ends) == 16 && sizeof(struct ipv6_ends) == 40, "no padding");

/* The transport protocols whose header begins with source and destination port. source: RFC 9293, 768, 3828, 4340, 9260 */
static bool has_ports(uint8_t protocol)
{
	enum { DCCP = 33, SCTP = 132, UDP_LITE = 136 };

	return protocol == IP_TCP || protocol == IP_UDP || protocol == SCTP || protocol == DCCP || protocol == UDP_LITE;
}

static uint64_t hash_ethernet(const uint8_t *data, uint16_t type, const struct siphash_key *key)
{
	const struct ethernet *ethernet = (const struct ethernet *)data;
	struct ethernet_ends ends = { .type = type };
	bool swap = memcmp(ethernet->src, ethernet->dst, ETHERNET_ADDRESS) > 0;

	memcpy(ends.address[swap], ethernet->src, ETHERNET_ADDRESS);
	memcpy(ends.address[!swap], ethernet->dst, ETHERNET_ADDRESS);
	return siphash_1_3(key, &ends, sizeof(ends));
}

/* Put source and destination port into port[swap] and port[!swap], when `length` bytes hold them; with equal addresses the
 * ports decide which end is the lower one. */
static void order_ports(uint32_t port[2], bool swap, bool equal, const uint8_t *transport, uint32_t length)
{
	uint16_t src, dst;

	if (length < 4)
		return;
	src = bytes_read16(transport);
	dst = bytes_read16(transport + 2);
	if (equal)
		swap = src > dst;
	port[swap] = src;
	port[!swap] = dst;
}

static uint64_t hash_ipv4(const struct ipv4 *ip, uint32_t length, enum flow_hash_ends kind, const struct siphash_key *key)
{
	uint32_t header = ipv4_header_length(ip);
	bool swap = ip->src_be > ip->dst_be;
	struct ipv4_ends ends = { .port = { 0, 0 } };

	ends.address[swap] = ip->src_be;
	ends.address[!swap] = ip->dst_be;
	if (kind == FLOW_HASH_PORTS && has_ports(ip->protocol) && !ipv4_is_fragment(ip))
		order_ports(ends.port, swap, ip->src_be == ip->dst_be, (const uint8_t *)ip + header, length - header);
	return siphash_1_3(key, &ends, sizeof(ends));
}

static uint64_t hash_ipv6(const struct ipv6 *ip, uint32_t length, enum flow_hash_ends kind, const struct siphash_key *key)
{
	int order = memcmp(ip->src, ip->dst, sizeof(ip->src));
	bool swap = order > 0;
	struct ipv6_ends ends = { .port = { 0, 0 } };

	memcpy(ends.address[swap], ip->src, sizeof(ip->src));
	memcpy(ends.address[!swap], ip->dst, sizeof(ip->dst));
	if (kind == FLOW_HASH_PORTS && has_ports(ip->next_header))
		order_ports(ends.port, swap, order == 0, (const uint8_t *)(ip + 1), length - IPV6_HEADER);
	return siphash_1_3(key, &ends, sizeof(ends));
}

uint64_t flow_hash(const uint8_t *data, uint32_t length, enum flow_hash_ends ends, const struct siphash_key *key)
{
	uint16_t type = 0;
	uint32_t at = ethernet_payload(data, length, &type);
	const struct ipv4 *ipv4;
	const struct ipv6 *ipv6;

	if (length < ETHERNET_HEADER)
		return 0;
	if (at != 0 && type == ETHERNET_IPV4 && (ipv4 = ipv4_parse(data + at, length - at)) != NULL)
		return hash_ipv4(ipv4, length - at, ends, key);
	if (at != 0 && type == ETHERNET_IPV6 && (ipv6 = ipv6_parse(data + at, length - at)) != NULL)
		return hash_ipv6(ipv6, length - at, ends, key);
	return hash_ethernet(data, type, key);
}
