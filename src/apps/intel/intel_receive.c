/* intel_receive -- packets from a receive ring. See intel_ring.h. */
#include "apps/intel/intel_ring.h"

/* Written back, low 64 bits: RSS type 3:0, hash 63:32. High 64 bits: status 19:0, errors 31:20, length 47:32, VLAN tag 63:48. */
#define STATUS_DD (1u << 0)
#define STATUS_EOP (1u << 1)
#define STATUS_VP (1u << 3)
#define STATUS_L4I (1u << 5)            /* the transport checksum was verified */

/* The flags of a packet with a tag, or with a wrong checksum. */
static __attribute__((noinline)) void set_flags(struct packet *p, uint32_t status, uint32_t wrong)
{
	p->meta.flags = status & STATUS_VP ? PACKET_VLAN : 0;
	if ((status & (STATUS_L4I | wrong)) == STATUS_L4I)
		p->meta.flags |= PACKET_CHECKSUM_VALID;
}

/* What the card found out: written as whole words, as packet_clear would. The place of a tag counts only with its flag. */
static inline void set_meta(struct packet *p, uint32_t status, uint64_t low, uint64_t high, uint64_t port, uint32_t wrong)
{
	uint64_t *meta = (uint64_t *)(void *)&p->meta;

	meta[0] = 0;                                            /* timestamp */
	meta[1] = (low & 0xf) != 0 ? low >> 32 : 0;             /* hash, checksum_start, checksum_offset */
	meta[2] = high >> 48 | port;                            /* vlan, port, gso_bytes, gso_header */
	meta[3] = (status & STATUS_L4I) << 4;                   /* gso, flags */
	if (__builtin_expect((status & (STATUS_VP | wrong)) != 0, 0))
		set_flags(p, status, wrong);
}

_Static_assert(offsetof(struct packet_meta, hash) == 8 && offsetof(struct packet_meta, vlan) == 16 &&
	offsetof(struct packet_meta, port) == 18 && offsetof(struct packet_meta, flags) == 25, "set_meta knows the places");
_Static_assert(STATUS_L4I << 4 == PACKET_CHECKSUM_VALID << 8, "set_meta knows the flag");

/* A frame in several buffers, longer than its buffer, or empty: none that the card was told to receive. */
static __attribute__((noinline, cold)) void drop_odd(struct intel_receive *r, struct app *app, struct packet *p, uint32_t status)
{
	p->length = 0;
	packet_free(p);
	if (status & STATUS_EOP) {
		app->received++;
		app->reason[INTEL_MALFORMED]++;
	}
	r->skipping = !(status & STATUS_EOP);
}

/* What the loop uses stands in locals, as each write to a packet could, for all that the compiler knows, change it; and it ends
 * where the ring does: together that is a third of the instructions. The frame itself is not asked for: whoever looks into it does that,
 * and a card that only forwards keeps its lines, which it would else have to get back from this processor to write the next frame. */
uint32_t intel_receive(struct intel_receive *r, struct app *app, struct packet **burst, uint32_t n, uint64_t *bytes)
{
	const uint32_t at = r->next & r->mask, ready = r->filled - r->next, before_end = r->mask + 1 - at;
	volatile struct intel_descriptor *d = r->ring + at;
	struct packet **packet = r->packet + at, **const first = packet, **last, **const begin = burst;
	const uint64_t port = (uint64_t)r->port << 16;
	const uint32_t wrong = r->wrong;
	uint32_t room = r->skipping ? 0 : r->room;
	uint64_t sum = 0;

	n = n < ready ? n : ready;
	for (last = packet + (n < before_end ? n : before_end); packet != last; packet++, d++) {
		uint32_t status = *(volatile uint32_t *)&d->high, length;
		uint64_t low, high;
		struct packet *p;

		if (!(status & STATUS_DD))
			break;
		intel_read_barrier();
		high = d->high;
		low = d->low;
		p = *packet;
		__builtin_prefetch(packet[PACKET_PREFETCH], 1);
		length = (uint32_t)(high >> 32) & 0xffff;
		/* An empty one, too: 0 - 1 is more than any room. */
		if (__builtin_expect(!(status & STATUS_EOP) || length - 1 >= room, 0)) {
			drop_odd(r, app, p, status);
			room = r->skipping ? 0 : r->room;
			continue;
		}
		p->data = (uint8_t *)(p + 1) + PACKET_HEADROOM;
		p->length = length;
		sum += length;
		set_meta(p, status, low, high, port, wrong);
		*burst++ = p;
	}
	r->next += (uint32_t)(packet - first);
	*bytes += sum;
	app->received += (uint64_t)(burst - begin);
	return (uint32_t)(burst - begin);
}

/* Enter n packets from `filled` on. needs: they do not pass the ring's end */
static void enter(struct intel_receive *r, uint32_t filled, struct packet *const *burst, uint32_t n)
{
	volatile struct intel_descriptor *d = r->ring + (filled & r->mask);
	struct packet **packet = r->packet + (filled & r->mask);

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];

		packet[i] = p;
		d[i].low = p->iova + sizeof(struct packet) + PACKET_HEADROOM;
		d[i].high = 0;                  /* no header buffer, and no DD of the last lap */
	}
}

void intel_refill(struct intel_receive *r, bool all)
{
	struct packet *burst[INTEL_REFILL];
	uint32_t filled = r->filled, mask = r->mask, missing = mask - (filled - r->next);

	if (__builtin_expect(missing < INTEL_REFILL && !all, 1))
		return;
	while (missing >= INTEL_REFILL || (all && missing > 0)) {
		uint32_t wanted = missing < INTEL_REFILL ? missing : INTEL_REFILL, before_end = mask + 1 - (filled & mask);
		uint32_t n = packet_take_burst((enum packet_size)r->size, burst, wanted < before_end ? wanted : before_end);

		enter(r, filled, burst, n);
		filled += n;
		missing -= n;
		if (n == 0)
			break;
	}
	if (filled == r->filled)
		return;
	r->filled = filled;
	intel_write_barrier();
	*r->tail = filled & mask;
}

uint32_t intel_posted(const struct intel_receive *r)
{
	uint32_t count = 0;

	for (uint32_t i = r->next; i != r->filled; i++)
		count += r->packet[i & r->mask] != NULL;
	return count;
}

void intel_receive_empty(struct intel_receive *r)
{
	for (; r->next != r->filled; r->next++)
		packet_free(r->packet[r->next & r->mask]);
	r->next = r->filled = 0;
	r->skipping = false;
}
