/* sim_offload -- see sim_offload.h.
 * source: 82599 datasheet 7.2.4 "TCP and UDP Segmentation", 7.2.5 "Transmit Checksum Offloading in Non-segmentation Mode" */
#include "nicsim/sim_offload.h"

#include "lib/lib.h"
#include "nicsim/sim_wire.h"

enum { IPV4 = 1 << 10, L4T_TCP = 1, L4T_SCTP = 2, FIN_PSH = 0x09, CWR = 0x80, PADDED = 60 };

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
	sim_wire_send(o->card, data, length);
}

/* Where headers begin, as the context says. fails: false after a violation */
static bool places(const struct sim_offload *o, const uint8_t *data, uint32_t length, uint32_t *ip, uint32_t *l4)
{
	const struct sim_context *c = o->context;
	uint32_t type = sim_bits(c->flags, 11, 2);

	*ip = c->mac_length;
	*l4 = *ip + c->ip_length;
	if (c->mac_length < 14 || c->ip_length < 20 || *l4 + (o->l4 || o->segments ? 8 : 0) > length) {
		wrong(o, "MACLEN and IPLEN do not fit the packet");
		return false;
	}
	if (data[*ip] >> 4 != (c->flags & IPV4 ? 4 : 6)) {
		wrong(o, "the context says another version of IP");
		return false;
	}
	if (c->flags & IPV4 && (data[*ip] & 15) * 4 != c->ip_length) {
		wrong(o, "IPLEN is not the length of the IPv4 header");
		return false;
	}
	if ((o->l4 || o->segments) && c->flags & IPV4 && data[*ip + 9] != (type == L4T_TCP ? IP_TCP : type == L4T_SCTP ? 132 : IP_UDP)) {
		wrong(o, "the context says another transport");
		return false;
	}
	return true;
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

/* A transport checksum over a field that holds the pseudo header's sum. */
static void insert_l4(const struct sim_offload *o, uint8_t *data, uint32_t length, uint32_t l4)
{
	bool is_tcp = sim_bits(o->context->flags, 11, 2) == L4T_TCP;

	if (!checksum_complete(data, length, l4, is_tcp ? 16 : 6))
		wrong(o, "the transport header is cut off");
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
	if (!o->context->valid) {
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
		insert_l4(o, data, length, l4);
	send_tagged(o, data, length);
}
