/* intel_transmit -- packets into a transmit ring. See intel_ring.h. */
#include "apps/intel/intel_ring.h"

#define STATUS_DD (1ull << 32)          /* written back: in the upper half, bit 32 of `high` */

/* How many descriptors are free; one always stays empty. */
static uint32_t room(const struct intel_transmit *t)
{
	return t->mask - (t->next - t->clean);
}

void intel_reclaim(struct intel_transmit *t, struct app *app)
{
	uint32_t mask = t->mask;

	while (t->clean != t->next) {
		uint32_t first = t->clean & mask, last = t->last[first], count = last - t->clean + 1, before_end = mask + 1 - first;

		if (!(t->ring[last & mask].high & STATUS_DD))
			return;
		intel_read_barrier();
		if (count <= before_end) {
			packet_free_burst(&t->packet[first], count);
		} else {
			packet_free_burst(&t->packet[first], before_end);
			packet_free_burst(t->packet, count - before_end);
		}
		t->clean = last + 1;
		app->sent += count;
	}
}

/* Write a packet's descriptor. needs: room */
static void post(struct intel_transmit *t, uint32_t total, struct packet *p)
{
	volatile struct intel_descriptor *d = &t->ring[total & t->mask];
	t->packet[total & t->mask] = p;
	d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p);
	d->high = t->command | p->length * t->unit;
}

/* Ask for a report on the last of the descriptors from `first` on. */
static inline void ask_report(struct intel_transmit *t, uint32_t first, uint32_t end)
{
	t->last[first & t->mask] = end - 1;
	t->ring[(end - 1) & t->mask].high |= t->command_last;
}

/* Give the card what is new: a report for every so many descriptors, one doorbell. */
static inline void commit(struct intel_transmit *t, uint32_t first, uint32_t end)
{
	if (end == first)
		return;
	for (; end - first > INTEL_REPORT; first += INTEL_REPORT)
		ask_report(t, first, first + INTEL_REPORT);
	ask_report(t, first, end);
	t->next = end;
	intel_write_barrier();
	*t->tail = end & t->mask;
}

/* The segments of a GSO packet, as far as there is room. gives: the new total */
static uint32_t cut(struct intel_transmit *t, struct app *app, uint32_t next, uint32_t end)
{
	for (; next != end && t->cut_next < t->cut.count; t->cut_next++, next++) {
		struct packet *segment = packet_alloc_length(gso_segment_length(&t->cut, t->cut_next));

		if (segment == NULL) {
			app->reason[INTEL_NO_PACKET]++;
			app->created++;
			next--;
			continue;
		}
		gso_segment(&t->cut, t->pending->data, t->cut_next, segment->data);
		if (segment->length < INTEL_SHORTEST) {
			uint32_t short_by = INTEL_SHORTEST - segment->length;

			memset(packet_append(segment, short_by), 0, short_by);
		}
		app->created++;
		post(t, next, segment);
	}
	if (t->cut_next == t->cut.count) {
		app->consumed++;
		packet_free(t->pending);
		t->pending = NULL;
	}
	return next;
}

/* What is not a plain frame of an ordinary length: finish it in software. owner: takes p. gives: the new total */
static __attribute__((noinline)) uint32_t post_other(struct intel_transmit *t, struct app *app, uint32_t next, uint32_t end,
	struct packet *p)
{
	int reason = -1;

	if ((p->meta.flags & PACKET_VLAN) && !offload_insert_tag(p)) {
		reason = INTEL_METADATA;
	} else if (p->meta.gso != PACKET_GSO_NONE) {
		if (offload_cut(p, &t->cut) && gso_segment_length(&t->cut, 0) <= t->longest) {
			t->pending = p;
			t->cut_next = 0;
			return cut(t, app, next, end);
		}
		reason = INTEL_GSO;
	} else if (!offload_complete(p)) {
		reason = INTEL_METADATA;
	} else if (p->length > t->longest) {
		reason = INTEL_TOO_LONG;
	} else if (p->length < INTEL_SHORTEST) {
		uint32_t short_by = INTEL_SHORTEST - p->length;
		uint8_t *behind = packet_append(p, short_by);

		if (behind != NULL)
			memset(behind, 0, short_by);
		else
			reason = INTEL_METADATA;
	}
	if (reason >= 0) {
		app_drop(app, (uint32_t)reason, p);
		return next;
	}
	post(t, next, p);
	return next + 1;
}

/* A frame that goes as it is: nothing left undone (gso and flags are neighbours), of a length that the card takes. */
static inline bool is_plain(const struct packet *p, uint32_t span)
{
	uint16_t undone = *(const uint16_t *)(const void *)&p->meta.gso;

	return (undone & ((PACKET_VLAN | PACKET_CHECKSUM_PARTIAL) << 8 | 0xff)) == 0 && p->length - INTEL_SHORTEST <= span;
}

_Static_assert(offsetof(struct packet_meta, flags) == offsetof(struct packet_meta, gso) + 1, "is_plain reads both");

/* Up to n of what waits on the link, as far as it lies in one piece in link and ring. gives: the new total */
static uint32_t post_burst(struct intel_transmit *t, struct app *app, struct link *input, uint32_t next, uint32_t end, uint32_t n)
{
	const uint32_t span = t->longest - INTEL_SHORTEST, at = link_slot(input, input->received);
	const uint64_t command = t->command, unit = t->unit;
	struct packet **const slot = input->slot + at, **packet = t->packet + (next & t->mask);
	volatile struct intel_descriptor *d = t->ring + (next & t->mask);
	uint32_t i, before_end = t->mask + 1 - (next & t->mask);

	n = n < end - next ? n : end - next;
	n = n < before_end ? n : before_end;
	n = n < LINK_SLOTS - at ? n : LINK_SLOTS - at;
	for (i = 0; i < n; i++, d++) {
		struct packet *p = slot[i];

		if (__builtin_expect(!is_plain(p, span), 0))
			break;
		packet[i] = p;
		d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p);
		d->high = command | p->length * unit;
	}
	next += i;
	if (i < n)
		next = post_other(t, app, next, end, slot[i++]);
	link_advance(input, i);
	return next;
}

void intel_send(struct intel_transmit *t, struct app *app, struct link *input)
{
	uint32_t next = t->next, first = next, n = link_waiting(input), end, left;

	intel_reclaim(t, app);
	end = next + room(t);
	if (__builtin_expect(t->pending != NULL, 0))
		next = cut(t, app, next, end);
	/* Nothing goes from here to the output, whose room does not matter. */
	for (left = n < BURST ? n : BURST; left > 0 && next != end && t->pending == NULL;) {
		uint64_t before = input->received;

		next = post_burst(t, app, input, next, end, left);
		left -= (uint32_t)(input->received - before);
	}
	commit(t, first, next);
}

uint32_t intel_held(const struct intel_transmit *t)
{
	uint32_t count = t->pending != NULL;

	for (uint32_t i = t->clean; i != t->next; i++)
		count += t->packet[i & t->mask] != NULL;
	return count;
}

void intel_transmit_empty(struct intel_transmit *t, struct app *app, uint32_t reason)
{
	intel_reclaim(t, app);
	for (; t->clean != t->next; t->clean++)
		app_drop(app, reason, t->packet[t->clean & t->mask]);
	if (t->pending != NULL)
		app_drop(app, reason, t->pending);
	t->pending = NULL;
	t->next = t->clean = 0;
}
