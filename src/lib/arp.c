/* arp -- see arp.h. */
#include "lib/lib.h"

enum { ETHERNET_HARDWARE = 1 };         /* RFC 826, "Definitions": ar$hrd */

_Static_assert(ETHERNET_HEADER + sizeof(struct arp) == ARP_FRAME, "the message as on the wire");

struct arp *arp_parse(const uint8_t *data, uint32_t length)
{
	static const uint8_t none[6];
	struct arp *arp = (struct arp *)(data + ETHERNET_HEADER);
	uint16_t operation;

	if (length < ARP_FRAME || bytes_swap16(arp->hardware_be) != ETHERNET_HARDWARE || bytes_swap16(arp->protocol_be) != ETHERNET_IPV4 ||
		arp->hardware_length != sizeof(arp->sender_mac) || arp->protocol_length != sizeof(arp->sender_ip))
		return NULL;
	operation = bytes_swap16(arp->operation_be);
	if (operation != ARP_REQUEST && operation != ARP_REPLY)
		return NULL;
	if (ethernet_is_group(arp->sender_mac) || memcmp(arp->sender_mac, none, sizeof(none)) == 0)
		return NULL;
	return arp;
}

void arp_write(uint8_t *data, const uint8_t *dst, enum arp_operation operation, const uint8_t *sender_mac, const uint8_t *sender_ip,
	const uint8_t *target_mac, const uint8_t *target_ip)
{
	struct ethernet *ethernet = (struct ethernet *)data;
	struct arp *arp = (struct arp *)(data + ETHERNET_HEADER);

	memcpy(ethernet->dst, dst, sizeof(ethernet->dst));
	memcpy(ethernet->src, sender_mac, sizeof(ethernet->src));
	ethernet->type_be = bytes_swap16(ETHERNET_ARP);
	arp->hardware_be = bytes_swap16(ETHERNET_HARDWARE);
	arp->protocol_be = bytes_swap16(ETHERNET_IPV4);
	arp->hardware_length = sizeof(arp->sender_mac);
	arp->protocol_length = sizeof(arp->sender_ip);
	arp->operation_be = bytes_swap16((uint16_t)operation);
	memcpy(arp->sender_mac, sender_mac, sizeof(arp->sender_mac));
	memcpy(arp->sender_ip, sender_ip, sizeof(arp->sender_ip));
	memcpy(arp->target_mac, target_mac, sizeof(arp->target_mac));
	memcpy(arp->target_ip, target_ip, sizeof(arp->target_ip));
}
