/* ndp -- see ndp.h. */
#include "lib/lib.h"

extern inline int ndp_is_message(const struct ipv6 *ip);

enum { OPTION = 8, HOP_LIMIT = 255 };   /* bytes of an address option; RFC 4861 asks for it so that no router was passed */

_Static_assert(sizeof(struct ndp) == NDP_HEADER, "a message as on the wire");
_Static_assert(ETHERNET_HEADER + IPV6_HEADER + NDP_HEADER + OPTION == NDP_FRAME, "a frame as on the wire");

static const uint8_t unspecified[16];
static const uint8_t node_prefix[13] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

/* Bytes before the options of each type. source: RFC 4861, 4.1 to 4.5 */
static uint32_t fixed_length(uint8_t type)
{
	switch (type) {
	case NDP_ROUTER_SOLICITATION: return 8;
	case NDP_ROUTER_ADVERTISEMENT: return 16;
	case NDP_REDIRECT: return 40;
	default: return NDP_HEADER;
	}
}

/* All options lie within the message and none has the length 0. */
static bool has_sound_options(const uint8_t *options, uint32_t length)
{
	while (length > 0) {
		uint32_t bytes;

		if (length < OPTION || options[1] == 0)
			return false;
		bytes = options[1] * 8u;
		if (bytes > length)
			return false;
		options += bytes;
		length -= bytes;
	}
	return true;
}

/* RFC 4861, 7.1.1: a solicitation without a source goes to a solicited-node address and brings no link-layer address. */
static bool is_sound_solicitation(const struct ipv6 *ip, const struct ndp *ndp)
{
	if (ndp->target[0] == 0xff || ip->src[0] == 0xff)
		return false;
	if (memcmp(ip->src, unspecified, sizeof(unspecified)) != 0)
		return true;
	return memcmp(ip->dst, node_prefix, sizeof(node_prefix)) == 0 && ndp_address(ip, ndp, NDP_SOURCE_ADDRESS) == NULL;
}

/* RFC 4861, 7.1.2: what goes to all is not solicited. */
static bool is_sound_advertisement(const struct ipv6 *ip, const struct ndp *ndp)
{
	return ndp->target[0] != 0xff && !(ip->dst[0] == 0xff && ndp->flags & NDP_SOLICITED);
}

const struct ndp *ndp_parse(const struct ipv6 *ip, uint32_t length)
{
	const struct ndp *ndp = (const struct ndp *)((const uint8_t *)ip + IPV6_HEADER);
	uint32_t payload = ipv6_payload_length(ip), fixed = fixed_length(ndp->type);

	if (payload > length - IPV6_HEADER || payload < fixed || ip->hop_limit != HOP_LIMIT || ndp->code != 0)
		return NULL;
	if (checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, payload), ndp, payload)) != 0)
		return NULL;
	if (!has_sound_options((const uint8_t *)ndp + fixed, payload - fixed))
		return NULL;
	if (ndp->type == NDP_SOLICITATION && !is_sound_solicitation(ip, ndp))
		return NULL;
	if (ndp->type == NDP_ADVERTISEMENT && !is_sound_advertisement(ip, ndp))
		return NULL;
	return ndp;
}

const uint8_t *ndp_address(const struct ipv6 *ip, const struct ndp *ndp, enum ndp_option option)
{
	const uint8_t *at = (const uint8_t *)(ndp + 1), *end = (const uint8_t *)ndp + ipv6_payload_length(ip);

	for (; at != end; at += at[1] * 8)
		if (at[0] == option && at[1] * 8 == OPTION)
			return at + 2;
	return NULL;
}

void ndp_solicited_node(const uint8_t *address, uint8_t *node, uint8_t *mac)
{
	memcpy(node, node_prefix, sizeof(node_prefix));
	memcpy(node + sizeof(node_prefix), address + sizeof(node_prefix), 3);
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, node + 12, 4);
}

void ndp_write(uint8_t *data, const struct ndp_message *message)
{
	struct ethernet *ethernet = (struct ethernet *)data;
	struct ipv6 *ip = (struct ipv6 *)(data + ETHERNET_HEADER);
	struct ndp *ndp = (struct ndp *)(ip + 1);
	uint8_t *option = (uint8_t *)(ndp + 1);

	memcpy(ethernet->dst, message->dst_mac, sizeof(ethernet->dst));
	memcpy(ethernet->src, message->src_mac, sizeof(ethernet->src));
	ethernet->type_be = bytes_swap16(ETHERNET_IPV6);
	ip->version_class_label_be = bytes_swap32(6u << 28);
	ip->payload_be = bytes_swap16(NDP_HEADER + OPTION);
	ip->next_header = IP_ICMPV6;
	ip->hop_limit = HOP_LIMIT;
	memcpy(ip->src, message->src, sizeof(ip->src));
	memcpy(ip->dst, message->dst, sizeof(ip->dst));
	memset(ndp, 0, sizeof(*ndp));
	ndp->type = (uint8_t)message->type;
	ndp->flags = message->flags;
	memcpy(ndp->target, message->target, sizeof(ndp->target));
	option[0] = message->type == NDP_SOLICITATION ? NDP_SOURCE_ADDRESS : NDP_TARGET_ADDRESS;
	option[1] = 1;
	memcpy(option + 2, message->src_mac, ETHERNET_ADDRESS);
	ndp->checksum_be = checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, NDP_HEADER + OPTION), ndp, NDP_HEADER + OPTION));
}
