/* conntrack_fragment -- see conntrack.h: which datagrams' first fragments have passed, so that the later ones may follow. A name has
 * CONNTRACK_WAYS places where it may stand; the oldest there makes room. */
#include "apps/filter/conntrack.h"

size_t conntrack_fragment_bytes(struct conntrack *c)
{
	uint32_t sets = 1;

	while (sets * CONNTRACK_WAYS < c->fragments)
		sets *= 2;
	c->datagram_mask = sets - 1;
	return (size_t)sets * CONNTRACK_WAYS * sizeof(struct conntrack_datagram);
}

static struct conntrack_datagram *ways(const struct conntrack *c, uint64_t name)
{
	return &c->datagram[(name >> 32 & c->datagram_mask) * CONNTRACK_WAYS];
}

void conntrack_fragment_remember(struct conntrack *c, uint64_t datagram)
{
	struct conntrack_datagram *way = ways(c, datagram), *oldest = way;

	for (uint32_t i = 0; i < CONNTRACK_WAYS; i++) {
		if (way[i].name == datagram || way[i].name == 0) {
			oldest = &way[i];
			break;
		}
		if (c->now_ms - way[i].seen_ms > c->now_ms - oldest->seen_ms)
			oldest = &way[i];
	}
	*oldest = (struct conntrack_datagram){ .name = datagram, .seen_ms = c->now_ms };
}

bool conntrack_fragment_is_known(struct conntrack *c, uint64_t datagram)
{
	struct conntrack_datagram *way = ways(c, datagram);

	for (uint32_t i = 0; i < CONNTRACK_WAYS; i++)
		if (way[i].name == datagram)
			return c->now_ms - way[i].seen_ms < c->timeout_ms[FRAGMENTS];
	return false;
}
