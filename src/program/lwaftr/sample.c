/* sample -- see sample.h. */
#include "program/lwaftr/sample.h"

enum { HOPS = 255, LENGTH = 48 };       /* of the UDP packets of a flood: a multiple of 8, as fragments need it */
static const uint8_t MAC4[6] = { 2, 0, 0, 0, 4, 1 }, PEER4[6] = { 2, 0, 0, 0, 4, 2 };
static const uint8_t MAC6[6] = { 2, 0, 0, 0, 6, 1 }, PEER6[6] = { 2, 0, 0, 0, 6, 2 };
static const uint32_t NOBODY = 0xc6120000;      /* 198.18.0.0/15 is no softwire's */

const char *const sample_flood_names[] = { "fragments", "unbound", "errors", "neighbors", NULL };

void sample_ethernet(uint8_t *to, int version)
{
	memcpy(to, version == 4 ? MAC4 : MAC6, 6);
	memcpy(to + 6, version == 4 ? PEER4 : PEER6, 6);
	bytes_write16(to + 12, version == 4 ? ETHERNET_IPV4 : ETHERNET_IPV6);
}

void sample_udp(uint8_t *to, uint32_t src, uint32_t dst, uint16_t from, uint16_t port, uint16_t length, uint16_t id)
{
	struct ipv4 *ip = (struct ipv4 *)to;
	struct udp *udp = (struct udp *)(to + IPV4_HEADER);
	uint16_t bytes = (uint16_t)(length - IPV4_HEADER), checksum;

	memset(to, 0, length);
	*ip = (struct ipv4){ .version_ihl = 0x45, .total_be = bytes_swap16(length), .id_be = bytes_swap16(id), .ttl = 64, .protocol = IP_UDP,
		.src_be = bytes_swap32(src), .dst_be = bytes_swap32(dst) };
	ipv4_set_checksum(ip);
	*udp = (struct udp){ .src_be = bytes_swap16(from), .dst_be = bytes_swap16(port), .length_be = bytes_swap16(bytes) };
	checksum = checksum_finish(checksum_add(ipv4_pseudo(ip, IP_UDP, bytes), udp, bytes));
	udp->checksum_be = checksum != 0 ? checksum : 0xffff;
}

void sample_ipv6(uint8_t *to, const uint8_t src[16], const uint8_t dst[16], uint8_t next, uint16_t length)
{
	struct ipv6 *ip = (struct ipv6 *)to;

	*ip = (struct ipv6){ .version_class_label_be = bytes_swap32(6u << 28), .payload_be = bytes_swap16(length), .next_header = next,
		.hop_limit = 64 };
	memcpy(ip->src, src, 16);
	memcpy(ip->dst, dst, 16);
}

/* Some address of the documentation's prefix. */
static void draw6(struct random *random, uint8_t address[16])
{
	bytes_write32(address, 0x20010db8);
	for (uint32_t at = 4; at < 16; at += 4)
		bytes_write32(address + at, (uint32_t)random_u64(random));
}

/* Some address, that of one host. */
static uint32_t draw4(struct random *random)
{
	return (1 + random_below(random, 100)) << 24 | random_below(random, 1 << 24);
}

/* An ICMP header, with its checksum, before `length` bytes; pseudo: the sum of what counts besides. */
static void write_icmp(uint8_t *to, uint8_t type, uint8_t code, uint32_t length, uint64_t pseudo)
{
	struct icmp *icmp = (struct icmp *)to;

	*icmp = (struct icmp){ .type = type, .code = code };
	icmp->checksum_be = checksum_finish(checksum_add(pseudo, icmp, ICMP_HEADER + length));
}

static uint32_t write_fragment(int version, const struct lwaftr_softwire *victim, struct random *random, uint8_t *to)
{
	uint32_t id = (uint32_t)random_u64(random);

	if (version == 4) {
		struct ipv4 *ip = (struct ipv4 *)to;

		sample_udp(to, draw4(random), victim->ipv4, 1, 2, LENGTH - 4, (uint16_t)id);
		ip->fragment_be = bytes_swap16(IPV4_MF);
		ipv4_set_checksum(ip);
		return LENGTH - 4;
	}
	sample_ipv6(to, victim->b4, victim->br, IP_FRAGMENT, FRAGMENT_HEADER + LENGTH);
	*(struct ipv6_fragment *)(to + IPV6_HEADER) = (struct ipv6_fragment){ .next_header = IP_IPV4, .offset_be = bytes_swap16(1),
		.id_be = id };
	sample_udp(to + IPV6_HEADER + FRAGMENT_HEADER, victim->ipv4, draw4(random), 1, 2, LENGTH, 1);
	return IPV6_HEADER + FRAGMENT_HEADER + LENGTH;
}

static uint32_t write_unbound(int version, const struct lwaftr_softwire *victim, struct random *random, uint8_t *to)
{
	uint32_t nobody = NOBODY | random_below(random, 1 << 17);
	uint8_t b4[16];

	if (version == 4) {
		sample_udp(to, draw4(random), nobody, 1, (uint16_t)random_u64(random), LENGTH, 1);
		return LENGTH;
	}
	draw6(random, b4);
	sample_ipv6(to, b4, victim->br, IP_IPV4, LENGTH);
	sample_udp(to + IPV6_HEADER, nobody, draw4(random), (uint16_t)random_u64(random), 2, LENGTH, 1);
	return IPV6_HEADER + LENGTH;
}

/* About a packet of an address that is nobody's; about one in a tunnel that is nobody's. */
static uint32_t write_error(int version, const struct lwaftr_softwire *victim, struct random *random, uint8_t *to)
{
	uint8_t source[16], b4[16], *quoted = to + IPV6_HEADER + ICMP_HEADER;

	if (version == 4) {
		struct ipv4 *ip = (struct ipv4 *)to;

		sample_udp(to, draw4(random), NOBODY | random_below(random, 1 << 17), 0, 0, IPV4_HEADER + ICMP_HEADER + LENGTH, 1);
		ip->protocol = IP_ICMP;
		ipv4_set_checksum(ip);
		sample_udp(to + IPV4_HEADER + ICMP_HEADER, bytes_swap32(ip->dst_be), draw4(random), (uint16_t)random_u64(random), 2, LENGTH, 1);
		write_icmp(to + IPV4_HEADER, ICMP_UNREACHABLE, 1, LENGTH, 0);
		return IPV4_HEADER + ICMP_HEADER + LENGTH;
	}
	draw6(random, source);
	draw6(random, b4);
	sample_ipv6(to, source, victim->br, IP_ICMPV6, ICMP_HEADER + IPV6_HEADER + LENGTH);
	sample_ipv6(quoted, victim->br, b4, IP_IPV4, LENGTH);
	sample_udp(quoted + IPV6_HEADER, draw4(random), victim->ipv4, 1, (uint16_t)random_u64(random), LENGTH, 1);
	write_icmp(to + IPV6_HEADER, ICMPV6_UNREACHABLE, 0, IPV6_HEADER + LENGTH,
		ipv6_pseudo((const struct ipv6 *)to, IP_ICMPV6, ICMP_HEADER + IPV6_HEADER + LENGTH));
	return IPV6_HEADER + ICMP_HEADER + IPV6_HEADER + LENGTH;
}

/* Who has an address that is nobody's here? A whole frame. */
static uint32_t write_question(int version, struct random *random, uint8_t *to)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, none[6];
	uint8_t source[16], target[16], node[16], mac[6], sender[6] = { 2 };

	bytes_write32(sender + 1, (uint32_t)random_u64(random));
	if (version == 4) {
		bytes_write32(source, draw4(random));
		bytes_write32(target, draw4(random));
		arp_write(to, all, ARP_REQUEST, sender, source, none, target);
		return ARP_FRAME;
	}
	draw6(random, source);
	draw6(random, target);
	ndp_solicited_node(target, node, mac);
	ndp_write(to, &(struct ndp_message){ .dst_mac = mac, .src_mac = sender, .src = source, .dst = node, .target = target,
		.type = NDP_SOLICITATION });
	return NDP_FRAME;
}

uint32_t sample_flood(enum sample_flood flood, int version, const struct lwaftr_softwire *victim, struct random *random, uint8_t *to)
{
	if (flood == SAMPLE_NEIGHBORS)
		return write_question(version, random, to);
	sample_ethernet(to, version);
	to += ETHERNET_HEADER;
	switch (flood) {
	case SAMPLE_FRAGMENTS:
		return ETHERNET_HEADER + write_fragment(version, victim, random, to);
	case SAMPLE_UNBOUND:
		return ETHERNET_HEADER + write_unbound(version, victim, random, to);
	default:
		return ETHERNET_HEADER + write_error(version, victim, random, to);
	}
}
