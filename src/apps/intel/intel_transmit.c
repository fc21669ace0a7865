/* intel_transmit -- packets into a transmit ring. See intel_ring.h. */
#include "apps/intel/intel_ring.h"

#define STATUS_DD (1ull << 32)          /* written back: in the upper half, bit 32 of `high` */

/* How many descriptors are free; one always stays empty. */
static uint32_t room(const struct intel_transmit *t)
{
	return t->mask - (t->next - t->clean);
}

/* Give back a burst that passes the ring's end, or that begins with a context: the mark makes it look as if it passed the end, so that
 * for others nothing need be asked. gives: how many packets it was */
static __attribute__((noinline)) uint32_t free_odd(struct intel_transmit *t, uint32_t last)
{
	uint32_t end = last + 1, begin = t->clean, sent = 0;

	if (end - begin > t->mask) {
		end ^= INTEL_CONTEXT;
		begin++;
	}
	while (begin != end) {
		uint32_t first = begin & t->mask, before_end = t->mask + 1 - first, count = end - begin < before_end ? end - begin : before_end;

		packet_free_burst(&t->packet[first], count);
		begin += count;
		sent += count;
	}
	return sent;
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
		} else if (count <= mask) {
			packet_free_burst(&t->packet[first], before_end);
			packet_free_burst(t->packet, count - before_end);
		} else {
			count = free_odd(t, last);
			last ^= INTEL_CONTEXT;
		}
		t->clean = last + 1;
		app->sent += count;
	}
}

/* Write a packet's descriptor, with more bits. needs: room */
static void post(struct intel_transmit *t, uint32_t total, struct packet *p, uint64_t bits)
{
	volatile struct intel_descriptor *d = &t->ring[total & t->mask];
	t->packet[total & t->mask] = p;
	d->low = p->iova + (uint64_t)(p->data - (const uint8_t *)p);
	d->high = t->command | bits | p->length * t->unit;
}

/* Ask for a report on the last of the descriptors from `first` on. */
static inline void ask_report(struct intel_transmit *t, uint32_t first, uint32_t end)
{
	t->last[first & t->mask] = end - 1;
	t->ring[(end - 1) & t->mask].high |= t->command_last;
}

/* A report for every so many descriptors. */
static inline void ask_reports(struct intel_transmit *t, uint32_t first, uint32_t end)
{
	for (; end - first > INTEL_REPORT; first += INTEL_REPORT)
		ask_report(t, first, first + INTEL_REPORT);
	ask_report(t, first, end);
}

/* One doorbell for all that is new. */
static inline void ring(struct intel_transmit *t, uint32_t end)
{
	t->next = end;
	intel_write_barrier();
	*t->tail = end & t->mask;
}

/* Give the card what is new; for what lies before `first` reports are asked for already. */
static inline void commit(struct intel_transmit *t, uint32_t first, uint32_t end)
{
	if (end == first) {
		if (end != t->next)
			ring(t, end);
		return;
	}
	ask_reports(t, first, end);
	ring(t, end);
}

/* A packet that needs a context of its own: both get a report for themselves. needs: room for two. gives: the new total */
static uint32_t post_with_context(struct intel_transmit *t, uint32_t first, uint32_t next, const struct intel_context *context,
	struct packet *p, uint64_t bits)
{
	volatile struct intel_descriptor *d = &t->ring[next & t->mask];

	if (next != first)
		ask_reports(t, first, next);
	t->packet[next & t->mask] = NULL;
	d->low = context->low;
	d->high = context->high;
	t->context[context->high >> INTEL_CONTEXT_SLOT & 1] = *context;
	post(t, next + 1, p, bits);
	ask_report(t, next, next + 2);
	t->last[next & t->mask] += INTEL_CONTEXT;
	t->reported = next + 2;
	return next + 2;
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
		post(t, next, segment, 0);
	}
	if (t->cut_next == t->cut.count) {
		app->consumed++;
		packet_free(t->pending);
		t->pending = NULL;
	}
	return next;
}

/* Make a frame as long as one on the wire must be, when `more` bytes are put into it. fails: false: no room */
static bool pad(struct packet *p, uint32_t more)
{
	uint32_t short_by = p->length + more < INTEL_SHORTEST ? INTEL_SHORTEST - more - p->length : 0;
	uint8_t *behind = short_by > 0 ? packet_append(p, short_by) : p->data;

	if (behind != NULL && short_by > 0)
		memset(behind, 0, short_by);
	return behind != NULL;
}

/* Does the card know this context already? */
static bool is_remembered(const struct intel_transmit *t, const struct intel_context *context)
{
	const struct intel_context *known = &t->context[context->high >> INTEL_CONTEXT_SLOT & 1];

	return known->low == context->low && known->high == context->high;
}

/* What is not a plain frame of an ordinary length: let the card finish it, or finish it in software.
 *   first: from here on reports are to be asked for; in t->reported afterwards
 *   gives: the new total; owner: takes p */
static __attribute__((noinline)) uint32_t post_other(struct intel_transmit *t, struct app *app, uint32_t first, uint32_t next, uint32_t end,
	struct packet *p)
{
	/* With room for one descriptor there is none for a context. */
	bool can = end - next >= 2 && p->meta.gso == PACKET_GSO_NONE && p->length >= ETHERNET_HEADER && p->length + VLAN_TAG <= t->longest;
	struct intel_context context = { 0, 0 };
	uint64_t bits = 0;
	int reason = -1;

	t->reported = first;
	if (!(can && (t->offloads & INTEL_OFFLOAD_TAG)) && !offload_insert_tag(p))
		reason = INTEL_METADATA;
	else if (can)
		bits = intel_offload(t, p, &context);
	if (reason >= 0) {
		/* It goes below. */
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
	} else if (!pad(p, bits & INTEL_VLE ? VLAN_TAG : 0)) {
		reason = INTEL_METADATA;
	}
	if (reason >= 0) {
		app_drop(app, (uint32_t)reason, p);
		return next;
	}
	if (context.high != 0 && !is_remembered(t, &context))
		return post_with_context(t, first, next, &context, p, bits);
	post(t, next, p, bits);
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
static uint32_t post_burst(struct intel_transmit *t, struct app *app, struct link *input, uint32_t *first, uint32_t next, uint32_t end,
	uint32_t n)
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
	if (i < n) {
		next = post_other(t, app, *first, next, end, slot[i++]);
		*first = t->reported;
	}
	link_advance(input, i);
	return next;
}

void intel_send(struct intel_transmit *t, struct app *app, struct link *input)
{
	uint32_t next = t->next, first = next, n = link_waiting(input), end;
	uint64_t until;

	intel_reclaim(t, app);
	end = next + room(t);
	if (__builtin_expect(t->pending != NULL, 0))
		next = cut(t, app, next, end);
	/* Nothing goes from here to the output, whose room does not matter. */
	until = input->received + (n < BURST ? n : BURST);
	while (input->received != until && next != end && t->pending == NULL)
		next = post_burst(t, app, input, &first, next, end, (uint32_t)(until - input->received));
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
		if (t->packet[t->clean & t->mask] != NULL)
			app_drop(app, reason, t->packet[t->clean & t->mask]);
	if (t->pending != NULL)
		app_drop(app, reason, t->pending);
	t->pending = NULL;
	t->next = t->clean = 0;
	memset(t->context, 0, sizeof(t->context));      /* a queue that starts remembers nothing */
}
