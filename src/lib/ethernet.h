#pragma once
/* ethernet -- the Ethernet header, and what stands behind it and its VLAN tags. source: IEEE 802.3, clause 3; 802.1Q, clause 9 */

enum { ETHERNET_ADDRESS = 6, ETHERNET_HEADER = 14, ETHERNET_LEAST = 60 };       /* bytes; shortest frame without its FCS */

enum ethernet_type {
	ETHERNET_IPV4 = 0x0800, ETHERNET_ARP = 0x0806, ETHERNET_VLAN = 0x8100, ETHERNET_IPV6 = 0x86dd, ETHERNET_QINQ = 0x88a8
};

struct ethernet {
	uint8_t dst[6], src[6];
	uint16_t type_be;
} __attribute__((packed));

/* The header of a frame; NULL when it is shorter. */
inline struct ethernet *ethernet_parse(const uint8_t *data, uint32_t length)
{
	return length < ETHERNET_HEADER ? 0 : (struct ethernet *)data;
}

/* What follows the header and up to VLAN_MOST tags.
 *   gives: bytes from data to the payload, and its type; 0 when the header or a tag is cut off. A type below 0x600 is the
 *          length of an 802.3 frame */
inline uint32_t ethernet_payload(const uint8_t *data, uint32_t length, uint16_t *type)
{
	uint32_t at = ETHERNET_HEADER;

	if (length < at)
		return 0;
	*type = bytes_read16(data + at - 2);
	while (__builtin_expect(*type == ETHERNET_VLAN || *type == ETHERNET_QINQ, 0)) {
		if (at == ETHERNET_HEADER + VLAN_MOST * VLAN_TAG)
			break;
		if (length - at < VLAN_TAG)
			return 0;
		at += VLAN_TAG;
		*type = bytes_read16(data + at - 2);
	}
	return at;
}

/* The IPv4 or IPv6 header of a frame, behind up to VLAN_MOST tags; NULL unless a whole valid one is there. */
inline struct ipv4 *ethernet_ipv4(const uint8_t *data, uint32_t length)
{
	uint16_t type = 0;
	uint32_t at = ethernet_payload(data, length, &type);

	return at != 0 && type == ETHERNET_IPV4 ? ipv4_parse(data + at, length - at) : 0;
}

inline struct ipv6 *ethernet_ipv6(const uint8_t *data, uint32_t length)
{
	uint16_t type = 0;
	uint32_t at = ethernet_payload(data, length, &type);

	return at != 0 && type == ETHERNET_IPV6 ? ipv6_parse(data + at, length - at) : 0;
}

/* A group address: broadcast or multicast. needs: 6 bytes */
bool ethernet_is_group(const uint8_t *address);
