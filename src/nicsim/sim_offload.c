/* sim_offload -- see sim_offload.h.
 * source: 82599 datasheet 7.2.4 "TCP and UDP Segmentation", 7.2.5 "Transmit Checksum Offloading in Non-segmentation Mode" */
#include "nicsim/sim_offload.h"

#include "lib/lib.h"

enum { SNAP = 1 << 9, IPV4 = 1 << 10, L4T_TCP = 1, L4T_SCTP = 2, IP_SCTP = 132, FIN_PSH = 0x09, CWR = 0x80, PADDED = 60 };

static void write16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void wrong(const struct sim_offload *o, const char *what)
{
	sim_judge(o->card, SIM_RULE_BAD_OFFLOAD, "transmit queue %u: %s", o->queue, what);
}

/* Insert a tag behind the addresses and send; short frames are padded. */
static void send_tagged(const struct sim_offload *o, uint8_t *data, uint32_t length)
{
	if (o->tags) {
		memmove(data + 16, data + 12, length - 12);
		write16(data + 12, o->vlan_type);
		write16(data + 14, o->vlan);
		length += 4;
	}
	if (length < PADDED) {
		memset(data + length, 0, PADDED - length);
		length = PADDED;
	}
	sim_transmit_frame(o->card, o->queue, data, length);
}

/* What is wrong with the headers, as the context says where they are; NULL: nothing. */
static const char *find_fault(const struct sim_offload *o, const uint8_t *data, uint32_t length)
{
	static const int protocols[] = { IP_UDP, IP_TCP, IP_SCTP, -1 };
	const struct sim_context *c = o->context;
	bool is_ipv4 = c->flags & IPV4, has_l4 = o->l4 || o->segments;
	uint32_t least = has_l4 ? 8 : 0;
	const uint8_t *ip = data + c->mac_length;
	uint8_t transport;

	if (c->mac_length < 14 || c->ip_length < (is_ipv4 ? 20 : 40) || c->mac_length + c->ip_length + least > length)
		return "MACLEN and IPLEN do not fit the packet";
	if (!(c->flags & SNAP) && bytes_read16(ip - 2) != (is_ipv4 ? ETHERNET_IPV4 : ETHERNET_IPV6))
		return "MACLEN does not lead to the IP header that the context names";
	if (ip[0] >> 4 != (is_ipv4 ? 4 : 6))
		return "the context says another version of IP";
	if (is_ipv4 && (ip[0] & 15) * 4 != c->ip_length)
		return "IPLEN is not the length of the IPv4 header";
	if (o->ip && !is_ipv4)
		return "IXSM with IPv6, which has no checksum";
	if (!has_l4)
		return NULL;
	if (is_ipv4 && bytes_read16(ip + 6) & 0x3fff)
		return "a fragment has no transport checksum of its own";
	transport = ip[9];
	if (!is_ipv4 && ipv6_transport(ip, length - c->mac_length, &transport) != c->ip_length)
		return "IPLEN does not lead to a transport header";
	return transport != protocols[sim_bits(c->flags, 11, 2)] ? "the context says another transport" : NULL;
}

/* Where headers begin. fails: false after a violation */
static bool places(const struct sim_offload *o, const uint8_t *data, uint32_t length, uint32_t *ip, uint32_t *l4)
{
	const char *fault = find_fault(o, data, length);

	*ip = o->context->mac_length;
	*l4 = *ip + o->context->ip_length;
	if (fault != NULL)
		wrong(o, fault);
	return fault == NULL;
}

/* The IPv4 header's checksum; its field must be zero, as it is part of the sum. */
static void insert_ip(const struct sim_offload *o, uint8_t *ip, uint32_t header)
{
	uint16_t sum;

	if (ip[10] != 0 || ip[11] != 0)
		wrong(o, "the IPv4 checksum's field is not zero");
	ip[10] = ip[11] = 0;
	sum = checksum_finish(checksum_add(0, ip, header));
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* CRC32c, least bit first. source: RFC 9260, appendix A "CRC32c Checksum Calculation" */
static uint32_t crc32c(const uint8_t *data, uint32_t length)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (uint32_t bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void insert_sctp(const struct sim_offload *o, uint8_t *l4, uint32_t length)
{
	uint32_t crc;

	if (length < 12) {
		wrong(o, "the transport header is cut off");
		return;
	}
	memset(l4 + 8, 0, sizeof(crc));
	crc = crc32c(l4, length);
	memcpy(l4 + 8, &crc, sizeof(crc));
}

/* A transport checksum, over a field in which the driver has put the sum of the pseudo header: it does not come out right else. */
static void insert_l4(const struct sim_offload *o, uint8_t *data, uint32_t length, uint32_t ip, uint32_t l4)
{
	uint32_t type = sim_bits(o->context->flags, 11, 2);
	bool is_ipv4 = o->context->flags & IPV4;
	uint64_t pseudo;

	if (type == L4T_SCTP) {
		insert_sctp(o, data + l4, length - l4);
		return;
	}
	if (length - l4 < (type == L4T_TCP ? TCP_HEADER : UDP_HEADER)) {
		wrong(o, "the transport header is cut off");
		return;
	}
	(void)checksum_complete(data, length, l4, type == L4T_TCP ? 16 : 6);
	/* Of the whole IP packet; padding behind it is zero. */
	pseudo = checksum_pseudo(data + ip + (is_ipv4 ? 12 : 8), is_ipv4 ? 8 : 32, type == L4T_TCP ? IP_TCP : IP_UDP,
		(is_ipv4 ? bytes_read16(data + ip + 2) : bytes_read16(data + ip + 4) + 40u) - (l4 - ip));
	if (checksum_finish(checksum_add(pseudo, data + l4, length - l4)) != 0)
		wrong(o, "the transport checksum's field did not hold the sum of the pseudo header");
}

/* --- segmentation ------------------------------------------------------------------------------------------------------- */

struct cut {
	uint32_t ip, l4, header, payload, mss;
	bool is_tcp, is_ipv4;
};

/* Headers of segment i, `bytes` of payload from `at`. */
static void write_headers(const struct sim_offload *o, const struct cut *cut, uint8_t *to, const uint8_t *data, uint32_t i, uint32_t at,
	uint32_t bytes)
{
	uint32_t transport = cut->header - cut->l4 + bytes;
	uint8_t *ip = to + cut->ip, *l4 = to + cut->l4;
	uint64_t pseudo;
	uint16_t sum;

	memcpy(to, data, cut->header);
	memcpy(to + cut->header, data + cut->header + at, bytes);
	if (cut->is_ipv4) {
		write16(ip + 2, cut->l4 - cut->ip + transport);
		write16(ip + 4, bytes_read16(ip + 4) + i);
		ip[10] = ip[11] = 0;
		insert_ip(o, ip, cut->l4 - cut->ip);
	} else {
		write16(ip + 4, cut->l4 - cut->ip - 40 + transport);
	}
	if (cut->is_tcp) {
		uint32_t sequence = bytes_swap32(bytes_read32(l4 + 4) + at);

		memcpy(l4 + 4, &sequence, sizeof(sequence));
		if (at + bytes < cut->payload)
			l4[13] &= (uint8_t)~FIN_PSH;
		if (i > 0)
			l4[13] &= (uint8_t)~CWR;
	} else {
		write16(l4 + 4, transport);
	}
	/* The driver put the pseudo header's sum without the length; the card begins anew, which is the same. */
	memset(l4 + (cut->is_tcp ? 16 : 6), 0, 2);
	pseudo = checksum_pseudo(ip + (cut->is_ipv4 ? 12 : 8), cut->is_ipv4 ? 8 : 32, cut->is_tcp ? IP_TCP : IP_UDP, transport);
	sum = checksum_finish(checksum_add(pseudo, l4, transport));
	memcpy(l4 + (cut->is_tcp ? 16 : 6), &sum, sizeof(sum));
}

static void segment(const struct sim_offload *o, const uint8_t *data, uint32_t length, uint32_t ip, uint32_t l4)
{
	static uint8_t frame[SIM_FRAME + 64];
	const struct sim_context *c = o->context;
	struct cut cut = { .ip = ip, .l4 = l4, .header = l4 + c->l4_length, .mss = c->mss, .is_ipv4 = c->flags & IPV4,
		.is_tcp = sim_bits(c->flags, 11, 2) == L4T_TCP };

	if (cut.mss == 0 || c->l4_length < (cut.is_tcp ? 20 : 8) || cut.header >= length || cut.header + cut.mss > SIM_FRAME - 8) {
		wrong(o, "MSS and L4LEN do not fit the packet");
		return;
	}
	cut.payload = length - cut.header;
	if (o->payload != cut.payload)
		sim_judge(o->card, SIM_RULE_PAYLEN, "transmit queue %u: PAYLEN %u, %u bytes behind the headers", o->queue, o->payload,
			cut.payload);
	for (uint32_t i = 0, at = 0; at < cut.payload; i++, at += cut.mss) {
		uint32_t bytes = cut.payload - at < cut.mss ? cut.payload - at : cut.mss;

		write_headers(o, &cut, frame, data, i, at, bytes);
		send_tagged(o, frame, cut.header + bytes);
	}
}

void sim_offload_send(const struct sim_offload *o, uint8_t *data, uint32_t length)
{
	uint32_t ip = 0, l4 = 0;

	if (o->context == NULL) {
		if (o->sums && !checksum_complete(data, length, o->sum_start, o->sum_at < o->sum_start ? length : (uint32_t)(o->sum_at - o->sum_start))) {
			wrong(o, "CSS and CSO do not fit the packet");
			return;
		}
		send_tagged(o, data, length);
		return;
	}
	if (o->needs_context && !o->context->valid) {
		sim_judge(o->card, SIM_RULE_NO_CONTEXT, "transmit queue %u", o->queue);
		return;
	}
	if ((o->ip || o->l4 || o->segments) && !places(o, data, length, &ip, &l4))
		return;
	if (o->segments) {
		segment(o, data, length, ip, l4);
		return;
	}
	if (o->ip && o->context->flags & IPV4)
		insert_ip(o, data + ip, l4 - ip);
	if (o->l4)
		insert_l4(o, data, length, ip, l4);
	send_tagged(o, data, length);
}
