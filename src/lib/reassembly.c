/* reassembly -- see reassembly.h. */
#include "lib/lib.h"

enum { ALIGNMENT = 16 };

static size_t aligned(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Buckets for so many datagrams: about one for each. */
static uint32_t bucket_count(uint32_t datagrams)
{
	uint32_t count = 1;

	while (count < datagrams)
		count *= 2;
	return count;
}

size_t reassembly_size(uint32_t datagrams, uint32_t pieces)
{
	return aligned(datagrams * sizeof(struct reassembly_datagram)) + aligned(pieces * sizeof(struct reassembly_piece)) +
		aligned(bucket_count(datagrams) * sizeof(int32_t)) + aligned(datagrams * sizeof(int32_t));
}

void reassembly_init(struct reassembly *r, void *memory, uint32_t datagrams, uint32_t pieces, const struct siphash_key *key)
{
	uint8_t *at = memory;
	uint32_t buckets = bucket_count(datagrams);

	*r = (struct reassembly){ .datagrams = datagrams, .pieces = pieces, .mask = buckets - 1, .hash_key = *key,
		.oldest = REASSEMBLY_NONE, .newest = REASSEMBLY_NONE };
	r->datagram = (struct reassembly_datagram *)at;
	at += aligned(datagrams * sizeof(struct reassembly_datagram));
	r->piece = (struct reassembly_piece *)at;
	at += aligned(pieces * sizeof(struct reassembly_piece));
	r->bucket = (int32_t *)at;
	at += aligned(buckets * sizeof(int32_t));
	r->use = (int32_t *)at;
	for (uint32_t i = 0; i < buckets; i++)
		r->bucket[i] = REASSEMBLY_NONE;
	for (uint32_t i = 0; i < datagrams; i++)
		r->use[i] = (int32_t)i;
	for (uint32_t i = 0; i < pieces; i++)
		r->piece[i].next = i + 1 < pieces ? (int32_t)i + 1 : REASSEMBLY_NONE;
}

static uint32_t bucket_of(const struct reassembly *r, const uint8_t *key)
{
	return (uint32_t)siphash_1_3(&r->hash_key, key, REASSEMBLY_KEY) & r->mask;
}

static int32_t number_of(const struct reassembly *r, const struct reassembly_datagram *datagram)
{
	return (int32_t)(datagram - r->datagram);
}

struct reassembly_datagram *reassembly_find(const struct reassembly *r, const uint8_t *key)
{
	for (int32_t i = r->bucket[bucket_of(r, key)]; i != REASSEMBLY_NONE; i = r->datagram[i].chain)
		if (memcmp(r->datagram[i].key, key, REASSEMBLY_KEY) == 0)
			return &r->datagram[i];
	return NULL;
}

struct reassembly_datagram *reassembly_begin(struct reassembly *r, const uint8_t *key, uint64_t now_ns)
{
	int32_t number = r->use[r->count];
	struct reassembly_datagram *datagram = &r->datagram[number];

	*datagram = (struct reassembly_datagram){ .since_ns = now_ns, .piece = REASSEMBLY_NONE, .tail = REASSEMBLY_NONE,
		.bucket = bucket_of(r, key), .place = r->count++, .older = r->newest, .newer = REASSEMBLY_NONE };
	memcpy(datagram->key, key, REASSEMBLY_KEY);
	datagram->chain = r->bucket[datagram->bucket];
	r->bucket[datagram->bucket] = number;
	if (r->newest != REASSEMBLY_NONE)
		r->datagram[r->newest].newer = number;
	else
		r->oldest = number;
	r->newest = number;
	return datagram;
}

/* Where a piece that begins there is to be put in: the link to the first one that does not begin before it. Most come in order. */
static int32_t *find_place(struct reassembly *r, struct reassembly_datagram *datagram, uint32_t begin, uint32_t *end_before)
{
	int32_t *at = &datagram->piece;

	*end_before = 0;
	if (datagram->tail != REASSEMBLY_NONE && r->piece[datagram->tail].end <= begin) {
		*end_before = r->piece[datagram->tail].end;
		return &r->piece[datagram->tail].next;
	}
	while (*at != REASSEMBLY_NONE && r->piece[*at].begin < begin) {
		*end_before = r->piece[*at].end;
		at = &r->piece[*at].next;
	}
	return at;
}

/* Whether a piece says the same as one that is there already. */
static bool is_same(const struct reassembly_piece *piece, const uint8_t *data, uint32_t begin, uint32_t end)
{
	return piece->begin == begin && piece->end == end && memcmp(piece->data, data, end - begin) == 0;
}

enum reassembly_verdict reassembly_put(struct reassembly *r, struct reassembly_datagram *datagram, void *item, const uint8_t *data,
	uint32_t begin, uint32_t end, bool last)
{
	uint32_t end_before;
	int32_t *place = find_place(r, datagram, begin, &end_before), number;

	if (*place != REASSEMBLY_NONE && is_same(&r->piece[*place], data, begin, end))
		return !last || datagram->total == end ? REASSEMBLY_DUPLICATE : REASSEMBLY_ENDS_TWICE;
	if (datagram->total != 0 && (end > datagram->total || (last && end != datagram->total)))
		return REASSEMBLY_ENDS_TWICE;
	if (last && datagram->tail != REASSEMBLY_NONE && r->piece[datagram->tail].end > end)
		return REASSEMBLY_ENDS_TWICE;
	if (end_before > begin || (*place != REASSEMBLY_NONE && r->piece[*place].begin < end))
		return REASSEMBLY_OVERLAP;
	number = r->free_piece;
	r->free_piece = r->piece[number].next;
	r->piece[number] = (struct reassembly_piece){ .item = item, .data = data, .begin = begin, .end = end, .next = *place };
	if (*place == REASSEMBLY_NONE)
		datagram->tail = number;
	*place = number;
	r->piece_count++;
	if (datagram->pieces++ == 0)
		datagram->first = item;
	datagram->bytes += end - begin;
	if (last)
		datagram->total = end;
	return datagram->bytes == datagram->total ? REASSEMBLY_COMPLETE : REASSEMBLY_KEPT;
}

const struct reassembly_piece *reassembly_first(const struct reassembly *r, const struct reassembly_datagram *datagram)
{
	return datagram->piece == REASSEMBLY_NONE ? NULL : &r->piece[datagram->piece];
}

const struct reassembly_piece *reassembly_next(const struct reassembly *r, const struct reassembly_piece *piece)
{
	return piece->next == REASSEMBLY_NONE ? NULL : &r->piece[piece->next];
}

void reassembly_give_up(struct reassembly *r, struct reassembly_datagram *datagram)
{
	while (datagram->piece != REASSEMBLY_NONE) {
		int32_t number = datagram->piece;

		datagram->piece = r->piece[number].next;
		r->piece[number].next = r->free_piece;
		r->free_piece = number;
	}
	r->piece_count -= datagram->pieces;
	datagram->pieces = datagram->bytes = datagram->total = 0;
	datagram->tail = REASSEMBLY_NONE;
	datagram->first = NULL;
	datagram->given_up = true;
}

/* Take a datagram out of the chain of its bucket. */
static void unchain(struct reassembly *r, const struct reassembly_datagram *datagram)
{
	int32_t *at = &r->bucket[datagram->bucket], number = number_of(r, datagram);

	while (*at != number)
		at = &r->datagram[*at].chain;
	*at = datagram->chain;
}

void reassembly_end(struct reassembly *r, struct reassembly_datagram *datagram)
{
	int32_t number = number_of(r, datagram), last;

	reassembly_give_up(r, datagram);
	unchain(r, datagram);
	if (datagram->older != REASSEMBLY_NONE)
		r->datagram[datagram->older].newer = datagram->newer;
	else
		r->oldest = datagram->newer;
	if (datagram->newer != REASSEMBLY_NONE)
		r->datagram[datagram->newer].older = datagram->older;
	else
		r->newest = datagram->older;
	/* The last one in use takes its place. */
	last = r->use[--r->count];
	r->use[datagram->place] = last;
	r->datagram[last].place = datagram->place;
	r->use[r->count] = number;
}

struct reassembly_datagram *reassembly_oldest(const struct reassembly *r)
{
	return r->oldest == REASSEMBLY_NONE ? NULL : &r->datagram[r->oldest];
}

struct reassembly_datagram *reassembly_draw(const struct reassembly *r, uint64_t random)
{
	return &r->datagram[r->use[(uint32_t)(((random >> 32) * r->count) >> 32)]];
}
