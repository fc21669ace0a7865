/* path -- tunnels whose way takes shorter packets than our own interface: what routers of the way have said in packets too big about
 * packets of ours. source: RFC 2473 sections 6.7 and 7.1, RFC 8201
 *
 * Who wants to lower the MTU of a tunnel must have seen a packet in it: what is quoted is compared with the table of softwires. */
#include "apps/lwaftr/lwaftr.h"
#include "apps/lwaftr/tunnel.h"

enum { LEAST_MTU6 = 1280 };             /* RFC 8200 section 5: no IPv6 link has less */

/* The paths where that of a B4 can be. */
static struct lwaftr_path *ways(const struct lwaftr *lwaftr, const uint8_t b4[16])
{
	uint64_t words[2];

	memcpy(words, b4, sizeof(words));
	return lwaftr->path + siphash_1_3_pair(&lwaftr->track_key, words[0], words[1]) % (LWAFTR_PATHS / LWAFTR_WAYS) * LWAFTR_WAYS;
}

static struct lwaftr_path *find(const struct lwaftr *lwaftr, const uint8_t b4[16])
{
	struct lwaftr_path *path = ways(lwaftr, b4);

	for (uint32_t i = 0; i < LWAFTR_WAYS; i++)
		if (path[i].until_ns > clock_now() && memcmp(path[i].b4, b4, sizeof(path[i].b4)) == 0)
			return &path[i];
	return NULL;
}

/* What is no longer than this needs no look at the table. */
static void set_least(struct lwaftr *lwaftr)
{
	lwaftr->mtu_least = lwaftr->path_until_ns > clock_now() && lwaftr->mtu6 > LEAST_MTU6 ? LEAST_MTU6 : lwaftr->mtu6;
}

uint32_t lwaftr_path_mtu(const struct lwaftr *lwaftr, const uint8_t b4[16])
{
	const struct lwaftr_path *path = lwaftr->path != NULL ? find(lwaftr, b4) : NULL;

	return path != NULL && path->mtu < lwaftr->mtu6 ? path->mtu : lwaftr->mtu6;
}

/* The oldest one of those where it can be goes for a new one. */
void lwaftr_path_learn(struct lwaftr *lwaftr, const uint8_t b4[16], uint32_t mtu)
{
	struct lwaftr_path *path, *best;

	if (mtu < LEAST_MTU6)
		mtu = LEAST_MTU6;
	if (!lwaftr->learns || mtu >= lwaftr->mtu6 || mtu > lwaftr_path_mtu(lwaftr, b4))
		return;
	path = find(lwaftr, b4);
	best = path != NULL ? path : ways(lwaftr, b4);
	for (uint32_t i = 1; path == NULL && i < LWAFTR_WAYS; i++)
		if (ways(lwaftr, b4)[i].until_ns < best->until_ns)
			best = &ways(lwaftr, b4)[i];
	memcpy(best->b4, b4, sizeof(best->b4));
	best->mtu = mtu;
	best->until_ns = lwaftr->path_until_ns = clock_now() + lwaftr->mtu_expiry_ns;
	lwaftr->app.counter[LWAFTR_LEARNED]++;
	set_least(lwaftr);
}

void lwaftr_path_send(struct lwaftr *lwaftr, struct packet *p, uint32_t mtu)
{
	const struct ipv6 *outer = (const struct ipv6 *)(p->data + ETHERNET_HEADER);
	uint32_t id = ident_next(lwaftr->ident, outer->src, sizeof(outer->src) + sizeof(outer->dst));
	struct packet *later[TUNNEL_FRAGMENTS];
	uint32_t count = tunnel_cut(p, mtu, id, later);

	/* Without packets for the others it leaves whole, and is told about once more. */
	lwaftr_send(lwaftr, LWAFTR_V6, p);
	for (uint32_t i = 1; i < count; i++)
		lwaftr_send(lwaftr, LWAFTR_V6, later[i - 1]);
	if (count == 0)
		return;
	lwaftr->app.created += count - 1;
	lwaftr->app.counter[LWAFTR_CUT]++;
}

void lwaftr_path_tick(struct lwaftr *lwaftr)
{
	set_least(lwaftr);
}
