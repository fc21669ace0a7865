#pragma once
/* arp -- the Address Resolution Protocol for IPv4 over Ethernet. source: RFC 826 */

enum { ARP_FRAME = 42 };                /* bytes of a frame, not padded */
enum arp_operation { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint16_t hardware_be, protocol_be;      /* 1: Ethernet; 0x0800: IPv4 */
	uint8_t hardware_length, protocol_length;
	uint16_t operation_be;          /* enum arp_operation */
	uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
} __attribute__((packed));

/* The message of an Ethernet frame whose type is ETHERNET_ARP.
 *   gives: NULL unless it is a whole request or reply for IPv4 over Ethernet from a unicast hardware address */
struct arp *arp_parse(const uint8_t *data, uint32_t length);

/* Write a frame of ARP_FRAME bytes: `operation` from a sender to `target`, to the Ethernet address dst.
 *   needs: ARP_FRAME bytes at `data`, which overlap none of the others */
void arp_write(uint8_t *data, const uint8_t *dst, enum arp_operation operation, const uint8_t *sender_mac, const uint8_t *sender_ip,
	const uint8_t *target_mac, const uint8_t *target_ip);
