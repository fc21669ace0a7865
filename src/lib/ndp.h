#pragma once
/* ndp -- Neighbor Discovery for IPv6 over Ethernet: neighbor solicitations and advertisements. source: RFC 4861; RFC 2464 */

enum { NDP_HEADER = 24, NDP_FRAME = 86 };       /* bytes without options; of a frame with an address option */
enum ndp_type { NDP_ROUTER_SOLICITATION = 133, NDP_ROUTER_ADVERTISEMENT = 134, NDP_SOLICITATION = 135, NDP_ADVERTISEMENT = 136,
	NDP_REDIRECT = 137 };
enum ndp_option { NDP_SOURCE_ADDRESS = 1, NDP_TARGET_ADDRESS = 2 };
enum ndp_flag { NDP_ROUTER = 0x80, NDP_SOLICITED = 0x40, NDP_OVERRIDE = 0x20 };

struct ndp {
	uint8_t type, code;
	uint16_t checksum_be;
	uint8_t flags, reserved[3];     /* enum ndp_flag, of an advertisement */
	uint8_t target[16];
} __attribute__((packed));

/* Whether an IPv6 packet is a message of Neighbor Discovery, right or wrong. needs: its header, and one byte behind it
 *   gives: 0 or 1 */
inline int ndp_is_message(const struct ipv6 *ip)
{
	uint8_t type = ((const uint8_t *)ip)[IPV6_HEADER];

	return ip->next_header == IP_ICMPV6 && type >= NDP_ROUTER_SOLICITATION && type <= NDP_REDIRECT;
}

/* Whether a message must be believed: all that RFC 4861, 6.1.1 to 8.1 ask of hop limit, checksum, code, length, options and
 * addresses.
 *   needs: `length` bytes of the packet from its IPv6 header on, which ndp_is_message
 *   gives: the message, of whose type NDP_SOLICITATION and NDP_ADVERTISEMENT the whole struct is there; NULL: ignore it */
const struct ndp *ndp_parse(const struct ipv6 *ip, uint32_t length);

/* The Ethernet address of an option of a solicitation or advertisement that ndp_parse gave; NULL when it has none. */
const uint8_t *ndp_address(const struct ipv6 *ip, const struct ndp *ndp, enum ndp_option option);

/* The multicast address that listens for solicitations of `address`, and its Ethernet address. source: RFC 4291, 2.7.1;
 * RFC 2464, section 7 */
void ndp_solicited_node(const uint8_t *address, uint8_t *node, uint8_t *mac);

/* A solicitation or advertisement to be written. Pointers to 6 and 16 bytes. */
struct ndp_message {
	const uint8_t *dst_mac, *src_mac, *src, *dst, *target;
	enum ndp_type type;
	uint8_t flags;
};

/* Write a frame of NDP_FRAME bytes, with src_mac as its address option.
 *   needs: NDP_FRAME bytes at `data`, which overlap none of the addresses */
void ndp_write(uint8_t *data, const struct ndp_message *message);
