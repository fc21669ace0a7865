/* packet_debug -- debug builds: each packet's state and last holder, in a table beside the packets; freed packets are filled
 * with a pattern and, under the address sanitizer, poisoned. Release builds compile none of it into the data path. */
#include "core/core.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { FREE_PATTERN = 0xdb, PATTERN_BYTES = 256 };      /* of the data, checked when the packet is taken again */

const char *packet_debug_holder = "set-up";

struct state {
	bool used;
	const char *holder;
};
static struct state *table[MEMORY_SEGMENTS];

/* The state of a packet; NULL when p is no packet at all. */
static struct state *state_of(const struct packet *p)
{
	const struct segment *s;
	uint64_t offset = memory_offset(p), within;
	uint32_t per_page;

	if (memory_packet(offset) == NULL)
		return NULL;
	for (s = memory_segment; s < memory_segment + memory_segment_count; s++)
		if (s->base != NULL && (const uint8_t *)p >= s->base && (const uint8_t *)p < s->base + s->bytes)
			break;
	if (s->number >= MEMORY_SEGMENTS)
		return NULL;
	if (table[s->number] == NULL) {
		table[s->number] = calloc(s->count, sizeof(struct state));
		nf_assert(table[s->number] != NULL, "no memory for the debug table");
		for (uint32_t i = 0; i < s->count; i++)
			table[s->number][i].used = true;        /* not on a free list yet */
	}
	within = (uint64_t)((const uint8_t *)p - s->base);
	per_page = MEMORY_PAGE / s->stride;
	return &table[s->number][within / MEMORY_PAGE * per_page + within % MEMORY_PAGE / s->stride];
}

/* A segment is made: whatever was known of its number, and poisoned at its addresses, belongs to one that is gone. */
void packet_debug_segment(const struct segment *segment)
{
	free(table[segment->number]);
	table[segment->number] = NULL;
	ASAN_UNPOISON_MEMORY_REGION(segment->base, segment->bytes);
}

void packet_debug_hold(const char *name)
{
	/* The names of apps that are gone must stay readable: a leak of a few bytes, in debug builds only. */
	static const char *known[4096];
	static uint32_t count;

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(known[i], name) == 0) {
			packet_debug_holder = known[i];
			return;
		}
	}
	if (count < 4096 && (known[count] = strdup(name)) != NULL)
		packet_debug_holder = known[count++];
}

void packet_debug_alloc(struct packet *p)
{
	struct state *state = state_of(p);
	const uint8_t *data = (const uint8_t *)(p + 1);

	nf_assert(state != NULL && !state->used, "a packet in use is on the free list; app '%s' had it last",
		state ? state->holder : "?");
	ASAN_UNPOISON_MEMORY_REGION(p + 1, p->room);
	for (uint32_t i = 0; i < PATTERN_BYTES; i++)
		nf_assert(data[i] == FREE_PATTERN, "a packet was written to after it was freed; app '%s' had it last",
			state->holder);
	state->used = true;
	state->holder = packet_debug_holder;
}

void packet_debug_free(struct packet *p)
{
	struct state *state = state_of(p);

	nf_assert(state != NULL, "%p was freed and is no packet", (void *)p);
	nf_assert(state->used, "a packet was freed twice: first by app '%s', now by app '%s'", state->holder,
		packet_debug_holder);
	state->holder = packet_debug_holder;
	/* Another worker's packet goes home and may come again: this process never sees it being taken. */
	if (p->worker != packet_worker)
		return;
	state->used = false;
	memset(p + 1, FREE_PATTERN, PATTERN_BYTES);
	ASAN_POISON_MEMORY_REGION(p + 1, p->room);
}

void packet_debug_check(const struct packet *p)
{
	struct state *state;

	if (!PACKET_DEBUG)
		return;
	state = state_of(p);
	nf_assert(state != NULL, "app '%s' passed on %p, which is no packet", packet_debug_holder, (const void *)p);
	nf_assert(state->used, "app '%s' passed on a packet that app '%s' had freed", packet_debug_holder, state->holder);
	state->holder = packet_debug_holder;
}

static void report(struct packet *p, void *context)
{
	struct state *state = state_of(p);
	uint32_t *count = context;

	if (state == NULL || !state->used)
		return;
	if ((*count)++ < 10)
		fprintf(stderr, "nf: leak: a packet of %u bytes; app '%s' had it last\n", p->length, state->holder);
}

uint32_t memory_report_leaks(void)
{
	uint32_t count = 0;

	if (PACKET_DEBUG)
		memory_walk(report, &count);
	return count;
}
