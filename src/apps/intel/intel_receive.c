/* intel_receive -- packets from a receive ring. See intel_ring.h. */
#include "apps/intel/intel_ring.h"

/* Written back, low 64 bits: RSS type 3:0, hash 63:32. High 64 bits: status 19:0, errors 31:20, length 47:32, VLAN tag 63:48. */
#define STATUS_DD (1u << 0)
#define STATUS_EOP (1u << 1)
#define STATUS_VP (1u << 3)
#define STATUS_L4I (1u << 5)            /* the transport checksum was verified */
#define ERROR_L4E (1u << 30)
#define ERROR_IPE (1u << 31)

/* What the card found out: written as whole words, as packet_clear would. */
static inline void set_meta(struct packet *p, uint32_t status, uint64_t low, uint64_t high, uint16_t port)
{
	uint64_t *meta = (uint64_t *)(void *)&p->meta;
	uint32_t tagged = status / STATUS_VP & 1, valid = status & STATUS_L4I && !(status & (ERROR_L4E | ERROR_IPE));

	meta[0] = 0;                                            /* timestamp */
	meta[1] = (low & 0xf) != 0 ? low >> 32 : 0;             /* hash, checksum_start, checksum_offset */
	meta[2] = (tagged ? high >> 48 : 0) | (uint64_t)port << 16;     /* vlan, port, gso_bytes, gso_header */
	meta[3] = (uint64_t)(valid * PACKET_CHECKSUM_VALID + tagged * PACKET_VLAN) << 8;        /* gso, flags */
}

_Static_assert(offsetof(struct packet_meta, hash) == 8 && offsetof(struct packet_meta, vlan) == 16 &&
	offsetof(struct packet_meta, port) == 18 && offsetof(struct packet_meta, flags) == 25, "set_meta knows the places");

/* A frame in several buffers, or longer than its buffer: none that the card was told to receive. */
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

uint32_t intel_receive(struct intel_receive *r, struct app *app, struct packet **burst, uint32_t n)
{
	uint32_t next = r->next, ready = r->filled - next, count = 0, mask = r->mask;

	if (n > ready)
		n = ready;
	while (n-- > 0) {
		volatile struct intel_descriptor *d = &r->ring[next & mask];
		uint32_t status = *(volatile uint32_t *)&d->high, length;
		uint64_t low, high;
		struct packet *p;

		if (!(status & STATUS_DD))
			break;
		intel_read_barrier();
		low = d->low;
		high = d->high;
		p = r->packet[next & mask];
		next++;
		__builtin_prefetch(r->packet[(next + PACKET_PREFETCH) & mask], 1);
		length = (uint32_t)(high >> 32) & 0xffff;
		if (__builtin_expect(!(status & STATUS_EOP) || r->skipping || length > r->room, 0)) {
			drop_odd(r, app, p, status);
			continue;
		}
		p->data = (uint8_t *)(p + 1) + PACKET_HEADROOM;
		__builtin_prefetch(p->data);
		p->length = length;
		set_meta(p, status, low, high, r->port);
		burst[count++] = p;
	}
	r->next = next;
	app->received += count;
	return count;
}


void intel_refill(struct intel_receive *r, bool all)
{
	struct packet *burst[INTEL_REFILL];
	uint32_t filled = r->filled, mask = r->mask, missing = mask - (filled - r->next);

	if (__builtin_expect(missing < INTEL_REFILL && !all, 1))
		return;
	while (missing >= INTEL_REFILL || (all && missing > 0)) {
		uint32_t wanted = missing < INTEL_REFILL ? missing : INTEL_REFILL;
		uint32_t n = packet_take_burst((enum packet_size)r->size, burst, wanted);

		for (uint32_t i = 0; i < n; i++, filled++) {
			volatile struct intel_descriptor *d = &r->ring[filled & mask];

			r->packet[filled & mask] = burst[i];
			d->low = burst[i]->iova + sizeof(struct packet) + PACKET_HEADROOM;
			d->high = 0;                    /* no header buffer, and no DD of the last lap */
		}
		missing -= n;
		if (n < wanted)
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
