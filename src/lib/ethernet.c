/* ethernet -- see ethernet.h. */
#include "lib/lib.h"

extern inline struct ethernet *ethernet_parse(const uint8_t *data, uint32_t length);
extern inline uint32_t ethernet_payload(const uint8_t *data, uint32_t length, uint16_t *type);
extern inline struct ipv4 *ethernet_ipv4(const uint8_t *data, uint32_t length);
extern inline struct ipv6 *ethernet_ipv6(const uint8_t *data, uint32_t length);

_Static_assert(sizeof(struct ethernet) == ETHERNET_HEADER, "the Ethernet header as on the wire");

bool ethernet_is_group(const uint8_t *address)
{
	return (address[0] & 1) != 0;
}
