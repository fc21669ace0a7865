/* intel_offload -- what a card finishes of a packet before it sends it: a VLAN tag that is not in the data yet, a TCP or UDP checksum.
 *
 * The packet's descriptor has a bit for each, and where the headers lie stands in a descriptor before it, a context, which the card
 * remembers: a packet that needs the same as the last one of its kind needs no context of its own. The card remembers two; tags alone
 * have the first, checksums the second.
 * source: 82599 datasheet 7.2.3.2.3 "Advanced Transmit Context Descriptor", 7.2.5 "Transmit Checksum Offloading in Non-segmentation
 * Mode", 7.4 "802.1Q VLAN Support"; 82576 datasheet 7.2.2.2; 82574 datasheet 7.2.10.1 "TCP/IP Context Descriptor" */
#include "apps/intel/intel_ring.h"

#define DEXT (1u << 29)
#define TXSM (1ull << 41)
#define IDX (1ull << 36)
enum { DTYP_CONTEXT = 2 << 20, TUCMD_IPV4 = 1 << 10, TUCMD_TCP = 1 << 11 };     /* advanced */
enum { TUCMD_82574_TCP = 1 << 24, TUCMD_82574_IPV4 = 1 << 25 };
enum { AT_TCP = 16, AT_UDP = 6, AT_IPV4 = 10, IPV6_BYTES = 40 };        /* bytes from a header's begin to its checksum; of a header */

/* Where the headers of a packet lie. */
struct places {
	uint32_t network, transport;    /* bytes from the frame's begin */
	bool is_ipv4, is_tcp;
};

/* The headers, if they are such as the card knows and say themselves what the metadata says: whole packets of TCP and UDP, nothing
 * behind them, no extension headers of IPv6. */
static bool find_places(const struct packet *p, struct places *places)
{
	uint32_t start = p->meta.checksum_start, offset = p->meta.checksum_offset, header, bytes;
	uint16_t type = 0;
	uint32_t network = ethernet_payload(p->data, p->length, &type);
	uint8_t protocol = offset == AT_TCP ? IP_TCP : IP_UDP;

	if (network == 0 || (offset != AT_TCP && offset != AT_UDP) || start + offset + 2 > p->length)
		return false;
	if (type == ETHERNET_IPV4) {
		const struct ipv4 *ip = ipv4_parse(p->data + network, p->length - network);

		if (ip == NULL || ip->protocol != protocol || ipv4_is_fragment(ip))
			return false;
		header = ipv4_header_length(ip);
		bytes = ipv4_total_length(ip);
	} else if (type == ETHERNET_IPV6) {
		const struct ipv6 *ip = ipv6_parse(p->data + network, p->length - network);

		if (ip == NULL || ip->next_header != protocol)
			return false;
		header = IPV6_BYTES;
		bytes = header + ipv6_payload_length(ip);
	} else {
		return false;
	}
	*places = (struct places){ .network = network, .transport = start, .is_ipv4 = type == ETHERNET_IPV4, .is_tcp = protocol == IP_TCP };
	return network + header == start && network + bytes == p->length;
}

/* The 82574's contexts are for checksums alone: a tag stands in the packet's own descriptor. */
static struct intel_context context_82574(const struct places *at, uint32_t offset)
{
	return (struct intel_context){
		.low = at->network | (uint64_t)(at->network + AT_IPV4) << 8 | (uint64_t)(at->transport - 1) << 16 |
			(uint64_t)at->transport << 32 | (uint64_t)(at->transport + offset) << 40,
		.high = DEXT | (at->is_ipv4 ? TUCMD_82574_IPV4 : 0) | (at->is_tcp ? TUCMD_82574_TCP : 0)
	};
}

static struct intel_context context_advanced(const struct places *at, uint16_t vlan, bool sums)
{
	return (struct intel_context){
		.low = (at->transport - at->network) | at->network << 9 | (uint32_t)vlan << 16,
		.high = (uint32_t)DTYP_CONTEXT | DEXT | (at->is_ipv4 ? TUCMD_IPV4 : 0) | (at->is_tcp ? TUCMD_TCP : 0) | (sums ? IDX : 0)
	};
}

uint64_t intel_offload(const struct intel_transmit *t, struct packet *p, struct intel_context *context)
{
	bool tags = (p->meta.flags & PACKET_VLAN) && (t->offloads & INTEL_OFFLOAD_TAG);
	bool sums = (p->meta.flags & PACKET_CHECKSUM_PARTIAL) && (t->offloads & INTEL_OFFLOAD_SUM);
	struct places places = { .network = ETHERNET_HEADER, .transport = ETHERNET_HEADER };
	uint64_t bits = 0;

	context->high = 0;
	sums = sums && find_places(p, &places);
	if (t->offloads & INTEL_OFFLOAD_82574) {
		if (tags)
			bits = INTEL_VLE | (uint64_t)p->meta.vlan << 48;
		if (sums)
			*context = context_82574(&places, p->meta.checksum_offset);
	} else if (tags || sums) {
		*context = context_advanced(&places, tags ? p->meta.vlan : 0, sums);
		bits = (tags ? INTEL_VLE : 0) | (sums ? IDX : 0);
	}
	if (tags)
		p->meta.flags &= (uint8_t)~PACKET_VLAN;
	if (sums)
		p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_PARTIAL;
	return bits | (sums ? TXSM : 0);
}
