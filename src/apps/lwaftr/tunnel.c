/* tunnel -- see tunnel.h. */
#include "apps/lwaftr/tunnel.h"

enum { OPTIONS_MOST = 4 };              /* destination options headers before the inner packet */

/* Destination options that we do not know may be passed over when they say so. source: RFC 8200 section 4.2 */
static bool may_skip(const uint8_t *options, uint32_t length)
{
	enum { PAD1 = 0, ACTION = 0xc0 };

	for (uint32_t at = 0; at < length; ) {
		if (options[at] == PAD1) {
			at++;
			continue;
		}
		if (length - at < 2 || length - at - 2 < options[at + 1] || (options[at] & ACTION) != 0)
			return false;
		at += 2u + options[at + 1];
	}
	return true;
}

uint8_t tunnel_skip_options(const uint8_t *data, uint32_t length, uint8_t next, uint32_t *at)
{
	for (uint32_t i = 0; i < OPTIONS_MOST && next == IP_DESTINATION; i++) {
		uint32_t bytes;

		if (length - *at < 8)
			return IP_NO_NEXT;
		bytes = (data[*at + 1] + 1u) * 8;
		if (bytes > length - *at || !may_skip(data + *at + 2, bytes - 2))
			return IP_NO_NEXT;
		next = data[*at];
		*at += bytes;
	}
	return next;
}

bool tunnel_combine_ecn(struct ipv4 *inner, const struct ipv6 *outer)
{
	enum { NOT_ECT, ECT1, ECT0, CE, MASK = 3 };
	uint8_t in = inner->tos & MASK, out = ipv6_traffic_class(outer) & MASK, result = in;
	uint16_t before = *(const uint16_t *)(const void *)inner;

	if (out == CE && in == NOT_ECT)
		return false;
	if (out == CE || (out == ECT1 && in == ECT0))
		result = out;
	inner->tos = (uint8_t)((inner->tos & ~MASK) | result);
	inner->checksum_be = checksum_update16(inner->checksum_be, before, *(const uint16_t *)(const void *)inner);
	return true;
}

/* Take n empty packets for later fragments. gives: false when there are not so many; none was taken then */
static bool take(struct packet **burst, uint32_t n, uint32_t length, const struct packet *model)
{
	for (uint32_t i = 0; i < n; i++) {
		burst[i] = packet_alloc_length(length);
		if (burst[i] == NULL) {
			packet_free_burst(burst, i);
			return false;
		}
		burst[i]->meta = model->meta;
		memcpy(burst[i]->data, model->data, ETHERNET_HEADER);
	}
	return true;
}

uint32_t tunnel_cut(struct packet *p, uint32_t mtu, uint32_t id, struct packet **later)
{
	uint8_t *data = p->data + ETHERNET_HEADER;
	struct fragment plan;

	if (fragment6_plan(&plan, data, p->length - ETHERNET_HEADER, mtu) != FRAGMENT_CUT || plan.count > TUNNEL_FRAGMENTS ||
		packet_headroom(p) < FRAGMENT_HEADER || !take(later, plan.count - 1, ETHERNET_HEADER + mtu, p))
		return 0;
	for (uint32_t i = 1; i < plan.count; i++) {
		fragment6_write(&plan, data, i, id, later[i - 1]->data + ETHERNET_HEADER);
		later[i - 1]->length = ETHERNET_HEADER + fragment_length(&plan, i) + FRAGMENT_HEADER;
	}
	p->data -= FRAGMENT_HEADER;
	memmove(p->data, p->data + FRAGMENT_HEADER, ETHERNET_HEADER + plan.header);
	fragment6_first(&plan, p->data + ETHERNET_HEADER, id);
	p->length = ETHERNET_HEADER + fragment_length(&plan, 0) + FRAGMENT_HEADER;
	return plan.count;
}
