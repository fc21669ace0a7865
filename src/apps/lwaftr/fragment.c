/* fragment -- IPv4 fragments inside of tunnels. A host behind a B4 may send them, and a B4 need not put them together. Only the
 * first one has the ports by which its softwire is found; what was found is remembered for the others, and those that come
 * before the first one wait for it.
 *
 * A track is entered only when the first fragment's softwire was right, so nobody else can fill the table. */
#include "apps/lwaftr/lwaftr.h"

static const uint64_t TRACK_NS = 30000000000, WAIT_NS = 1000000000;

static bool is_track(const struct lwaftr_track *track, const struct ipv4 *ip)
{
	return track->until_ns > clock_now() && track->src == ip->src_be && track->dst == ip->dst_be && track->id == ip->id_be &&
		track->protocol == ip->protocol;
}

/* The tracks where that of a packet can be. */
static struct lwaftr_track *ways(const struct lwaftr *lwaftr, const struct ipv4 *ip)
{
	uint32_t words[3] = { ip->src_be, ip->dst_be, (uint32_t)ip->id_be << 8 | ip->protocol };
	uint64_t hash = siphash_1_3(&lwaftr->track_key, words, sizeof(words));

	return lwaftr->track + hash % (LWAFTR_TRACKS / LWAFTR_WAYS) * LWAFTR_WAYS;
}

static const struct lwaftr_track *find(const struct lwaftr *lwaftr, const struct ipv4 *ip)
{
	const struct lwaftr_track *track = ways(lwaftr, ip);

	for (uint32_t i = 0; i < LWAFTR_WAYS; i++)
		if (is_track(&track[i], ip))
			return &track[i];
	return NULL;
}

/* Take a packet out of those that wait. */
static struct packet *take(struct lwaftr *lwaftr, uint32_t i)
{
	struct packet *p = lwaftr->wait[i];

	lwaftr->waiting--;
	memmove(&lwaftr->wait[i], &lwaftr->wait[i + 1], (lwaftr->waiting - i) * sizeof(lwaftr->wait[0]));
	memmove(&lwaftr->wait_until_ns[i], &lwaftr->wait_until_ns[i + 1], (lwaftr->waiting - i) * sizeof(lwaftr->wait_until_ns[0]));
	return p;
}

/* The inner packet of one that waits: whoever kept it looked at it. */
static const struct ipv4 *inner_of(const struct packet *p)
{
	return (const struct ipv4 *)(p->data + p->meta.spare[0]);
}

static void wait(struct lwaftr *lwaftr, struct packet *p, const struct ipv4 *ip)
{
	if (lwaftr->waiting == LWAFTR_WAITING)
		lwaftr_drop6(lwaftr, take(lwaftr, 0), LWAFTR_INNER_FRAGMENT);
	p->meta.spare[0] = (uint16_t)((const uint8_t *)ip - p->data);
	lwaftr->wait[lwaftr->waiting] = p;
	lwaftr->wait_until_ns[lwaftr->waiting++] = clock_now() + WAIT_NS;
}

bool lwaftr_fragment(struct lwaftr *lwaftr, struct packet *p, const struct ipv4 *ip, int32_t *src_port, int32_t *dst_port)
{
	const struct lwaftr_track *track;

	if (ipv4_is_first(ip)) {
		*src_port = lwaftr_port_from_b4(lwaftr, ip, ipv4_total_length(ip));
		*dst_port = lwaftr_port_to_b4(lwaftr, ip, ipv4_total_length(ip));
		return true;
	}
	track = find(lwaftr, ip);
	if (track == NULL) {
		wait(lwaftr, p, ip);
		return false;
	}
	*src_port = track->src_port;
	*dst_port = track->dst_port;
	return true;
}

void lwaftr_fragment_accept(struct lwaftr *lwaftr, const struct ipv4 *ip, int32_t src_port, int32_t dst_port)
{
	struct lwaftr_track *track = ways(lwaftr, ip), *best = track;

	for (uint32_t i = 0; i < LWAFTR_WAYS; i++) {
		if (is_track(&track[i], ip)) {
			best = &track[i];
			break;
		}
		if (track[i].until_ns < best->until_ns)
			best = &track[i];
	}
	*best = (struct lwaftr_track){ .src = ip->src_be, .dst = ip->dst_be, .id = ip->id_be, .protocol = ip->protocol, .src_port = src_port,
		.dst_port = dst_port, .until_ns = clock_now() + TRACK_NS };
}

struct packet *lwaftr_fragment_next(struct lwaftr *lwaftr)
{
	for (uint32_t i = 0; i < lwaftr->waiting; i++)
		if (find(lwaftr, inner_of(lwaftr->wait[i])) != NULL)
			return take(lwaftr, i);
	return NULL;
}

void lwaftr_fragment_tick(struct lwaftr *lwaftr)
{
	while (lwaftr->waiting > 0 && lwaftr->wait_until_ns[0] <= clock_now())
		lwaftr_drop6(lwaftr, take(lwaftr, 0), LWAFTR_INNER_FRAGMENT);
}
