/* b4_tunnel -- see b4.h: IPv4 packets into IPv6, to the lwAFTR. source: RFC 2473 sections 3 and 7, RFC 6333 section 5.3 */
#include "apps/lwaftr/b4.h"

enum { HOPS = 64, LEAST_MTU = 1280 };   /* RFC 8200 section 5: no IPv6 link has less */

uint32_t b4_tunnel_mtu(const struct b4 *b4)
{
	const struct b4_state *state = b4->state;

	return state->mtu != 0 && state->mtu < b4->mtu && clock_now() < state->mtu_until_ns ? state->mtu : b4->mtu;
}

/* RFC 8201 section 4: never below what every link has; a larger one is no news. */
void b4_tunnel_learn(struct b4 *b4, uint32_t mtu)
{
	struct b4_state *state = b4->state;

	if (mtu < LEAST_MTU)
		mtu = LEAST_MTU;
	if (mtu > b4_tunnel_mtu(b4) || mtu >= b4->mtu)
		return;
	if (mtu < b4_tunnel_mtu(b4))
		b4->app.counter[B4_LOWERED]++;
	state->mtu = mtu;
	state->mtu_until_ns = clock_now() + b4->mtu_expiry_ns;
}

/* Traffic class as the inner TOS, ECN with it (RFC 2473 section 6.4, RFC 6040 section 4.1). Whoever knows the next hop writes the
 * Ethernet addresses. */
static void write_outer(const struct b4 *b4, struct packet *p)
{
	const struct ipv4 *inner = b4_ipv4(p);
	uint32_t word = 6u << 28 | (uint32_t)inner->tos << 20;
	uint16_t length_be = inner->total_be;
	struct ipv6 *outer;

	p->data -= IPV6_HEADER;
	p->length += IPV6_HEADER;
	memset(p->data, 0, 2 * ETHERNET_ADDRESS);
	bytes_write16(p->data + 2 * ETHERNET_ADDRESS, ETHERNET_IPV6);
	outer = (struct ipv6 *)(p->data + ETHERNET_HEADER);
	outer->version_class_label_be = bytes_swap32(word);
	outer->payload_be = length_be;
	outer->next_header = IP_IPV4;
	outer->hop_limit = HOPS;
	memcpy(outer->src, b4->b4, sizeof(outer->src));
	memcpy(outer->dst, b4->br, sizeof(outer->dst));
}

/* The outer packet is cut, never the inner one: RFC 2473 section 7.2 (b). */
static void send_cut(struct b4 *b4, struct packet *p, uint32_t mtu)
{
	uint32_t id = ident_next(&b4->state->ident, b4->br, sizeof(b4->br)), count;
	struct packet *later[TUNNEL_FRAGMENTS];
	struct app *app = &b4->app;

	count = tunnel_cut(p, mtu, id, later);
	if (count == 0) {
		app_drop(app, B4_NO_PACKET, p);
		return;
	}
	app->created += count - 1;
	app->counter[B4_CUT]++;
	link_send(app->output[B4_TUNNEL], p);
	link_send_burst(app->output[B4_TUNNEL], later, count - 1);
}

void b4_tunnel_send(struct b4 *b4, struct packet *p)
{
	uint32_t mtu = b4_tunnel_mtu(b4);

	if (packet_headroom(p) < IPV6_HEADER) {
		app_drop(&b4->app, B4_NO_PACKET, p);
		return;
	}
	write_outer(b4, p);
	b4->app.counter[B4_OUT_PACKETS]++;
	b4->app.counter[B4_OUT_BYTES] += p->length;
	if (p->length - ETHERNET_HEADER > mtu)
		send_cut(b4, p, mtu);
	else
		link_send(b4->app.output[B4_TUNNEL], p);
}
