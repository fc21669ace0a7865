/* reasoning -- see reasoning.h. */
#include "program/lwaftr/reasoning.h"

#include <arpa/inet.h>

static const struct {
	const char *reason, *sentence;
} sentences[] = {
	{ "misplaced-not-ipv4", "no whole IPv4 packet came in on the IPv4 side" },
	{ "misplaced-not-ipv6", "no whole IPv6 packet came in on the IPv6 side" },
	{ "in-by-policy-icmpv4", "allow-incoming-icmp of the external interface is false" },
	{ "in-by-policy-icmpv6", "allow-incoming-icmp of the internal interface is false" },
	{ "bad-checksum-icmpv4", "the ICMP message's checksum is wrong" },
	{ "no-dest-softwire-ipv4", "nobody has the destination address and port" },
	{ "no-source-softwire-ipv6", "nobody has the inner source address and port, or it came from another B4 or to another br-address" },
	{ "ttl-zero-ipv4", "its TTL is used up" },
	{ "over-mtu-but-dont-fragment-ipv4", "it is longer than the MTU of the side where it would leave, and must not be fragmented" },
	{ "unknown-protocol-ipv6", "what the IPv6 packet carries is neither IPv4 nor ICMPv6" },
	{ "unknown-protocol-icmpv6", "the ICMPv6 message is none that is told on" },
	{ "too-big-type-but-not-code-icmpv6", "Packet Too Big has code 0 alone" },
	{ "over-time-but-not-hop-limit-icmpv6", "of Time Exceeded, only the hop limit is told on" },
	{ "bad-header-ipv4", "the IPv4 header's checksum is wrong" },
	{ "bad-inner-ipv6", "there is no whole IPv4 packet in the tunnel" },
	{ "bad-checksum-icmpv6", "the ICMPv6 message's checksum is wrong" },
	{ "bad-quotation-icmpv6", "the ICMPv6 message does not quote a packet that was sent to one of the softwires" },
	{ "no-room-ipv6", "there is no room before it for the tunnel's header" },
	{ "bad-ecn-ipv6", "congestion was marked on the way of the tunnel, and the inner packet cannot carry the mark" },
	{ "inner-fragment-ipv6", "the first fragment of the inner packet did not come" },
	{ "fragment", "it is a fragment: they are reassembled before this app" },
	{ "bad-length", "the IP header announces more bytes than there are" },
	{ "unsegmented", "its sender left it to be cut into segments" },
	{ "error-unbound", "the error would go to a served address whose port nobody has" },
	{ NULL, NULL }
};

const char *reasoning_drop(const char *reason)
{
	for (uint32_t i = 0; sentences[i].reason != NULL; i++)
		if (strcmp(sentences[i].reason, reason) == 0)
			return sentences[i].sentence;
	return NULL;
}

/* "destination 198.51.100.2 port 4100: PSID 4 of 6 bits: softwire of B4 2001:db8::b, br-address 2001:db8::1" */
static void print_softwire(const struct lwaftr *lwaftr, const char *what, uint32_t address_be, int32_t port)
{
	const struct lwaftr_binding *binding = &lwaftr->binding;
	uint32_t ipv4 = bytes_swap32(address_be);
	const struct lwaftr_tunnel *tunnel;
	char text[INET_ADDRSTRLEN], b4[INET6_ADDRSTRLEN], br[INET6_ADDRSTRLEN];
	uint64_t entry = map_find(&binding->address, ipv4), key;

	inet_ntop(AF_INET, &address_be, text, sizeof(text));
	printf("      %s %s", what, text);
	if (entry == 0) {
		printf(": no softwire has this address\n");
		return;
	}
	if (port == LWAFTR_NO_PORT) {
		printf(": the packet has no port by which a softwire could be found\n");
		return;
	}
	printf(" port %d: ", port);
	key = lwaftr_binding_port_key(binding, ipv4, (uint16_t)port);
	if (key == 0) {
		printf("one of the lowest ports, which belong to nobody here (reserved-ports-bit-count %u)\n", (uint32_t)(entry >> 5 & 31));
		return;
	}
	printf("PSID %u (of %u bits): ", (uint32_t)(key & UINT16_MAX), (uint32_t)(entry & 31));
	tunnel = lwaftr_binding_find(binding, ipv4, (uint16_t)port);
	if (tunnel == NULL) {
		printf("no softwire\n");
		return;
	}
	inet_ntop(AF_INET6, tunnel->b4, b4, sizeof(b4));
	inet_ntop(AF_INET6, binding->br[tunnel->br].address, br, sizeof(br));
	printf("softwire of B4 %s, br-address %s\n", b4, br);
}

void reasoning_softwires(const struct lwaftr *lwaftr, const uint8_t *data, uint32_t length, bool from6)
{
	const struct ipv4 *ip;
	const struct ipv6 *outer;

	if (length < ETHERNET_HEADER)
		return;
	data += ETHERNET_HEADER;
	length -= ETHERNET_HEADER;
	if (!from6) {
		ip = ipv4_parse(data, length);
		if (ip != NULL)
			print_softwire(lwaftr, "destination", ip->dst_be, lwaftr_port_to_b4(lwaftr, ip, length));
		return;
	}
	outer = ipv6_parse(data, length);
	ip = outer != NULL && outer->next_header == IP_IPV4 ? ipv4_parse(data + IPV6_HEADER, length - IPV6_HEADER) : NULL;
	if (ip == NULL)
		return;
	print_softwire(lwaftr, "inner source", ip->src_be, lwaftr_port_from_b4(lwaftr, ip, length - IPV6_HEADER));
	if (lwaftr->hairpins && lwaftr_binding_serves(&lwaftr->binding, bytes_swap32(ip->dst_be)))
		print_softwire(lwaftr, "inner destination", ip->dst_be, lwaftr_port_to_b4(lwaftr, ip, length - IPV6_HEADER));
}
