/* ipv4 -- see ipv4.h. */
#include "lib/lib.h"

extern inline struct ipv4 *ipv4_parse(const uint8_t *data, uint32_t length);
extern inline uint32_t ipv4_header_length(const struct ipv4 *ip);
extern inline uint32_t ipv4_total_length(const struct ipv4 *ip);
extern inline uint32_t ipv4_payload_length(const struct ipv4 *ip);
extern inline void ipv4_set_ttl(struct ipv4 *ip, uint8_t ttl);
extern inline void ipv4_set_total_length(struct ipv4 *ip, uint16_t total);
extern inline uint64_t ipv4_pseudo(const struct ipv4 *ip, uint8_t protocol, uint32_t length);

_Static_assert(sizeof(struct ipv4) == IPV4_HEADER, "the IPv4 header as on the wire");

bool ipv4_is_host(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

bool ipv4_is_fragment(const struct ipv4 *ip)
{
	return (bytes_swap16(ip->fragment_be) & (IPV4_MF | IPV4_OFFSET)) != 0;
}

bool ipv4_is_first(const struct ipv4 *ip)
{
	return (bytes_swap16(ip->fragment_be) & IPV4_OFFSET) == 0;
}

void ipv4_set_checksum(struct ipv4 *ip)
{
	ip->checksum_be = 0;
	ip->checksum_be = checksum_finish(checksum_add(0, ip, ipv4_header_length(ip)));
}

bool ipv4_has_checksum(const struct ipv4 *ip)
{
	return checksum_finish(checksum_add(0, ip, ipv4_header_length(ip))) == 0;
}
