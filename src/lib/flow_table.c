/* flow_table -- see flow_table.h. */
#include "lib/lib.h"

#include <stdlib.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

extern inline uint64_t flow_key_last(uint16_t low_port, uint16_t high_port, uint8_t protocol, uint32_t zone);
extern inline uint32_t flow_key_ipv4(struct flow_key *key, uint32_t src_be, uint32_t dst_be, uint16_t src_port, uint16_t dst_port,
	uint8_t protocol, uint32_t zone);
extern inline void flow_table_prefetch(const struct flow_table *table, uint64_t hash);

enum {
	PER_BUCKET = 4,                 /* flows of a bucket on average, at most: then 1 bucket in 50 needs a spare one */
	SPARE_SHARE = 8,                /* one spare bucket for so many others, three times what is needed on average */
	SPARE_LEAST = 16,
	HUGE_PAGE = 2 << 20
};

_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");
_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

uint32_t flow_key_ipv6(struct flow_key *key, const void *src, const void *dst, uint16_t src_port, uint16_t dst_port, uint8_t protocol,
	uint32_t zone)
{
	uint64_t from[2], to[2];
	bool swap;

	memcpy(from, src, sizeof(from));
	memcpy(to, dst, sizeof(to));
	swap = from[0] != to[0] ? from[0] > to[0] : from[1] != to[1] ? from[1] > to[1] : src_port > dst_port;
	key->word[0] = swap ? to[0] : from[0];
	key->word[1] = swap ? to[1] : from[1];
	key->word[2] = swap ? from[0] : to[0];
	key->word[3] = swap ? from[1] : to[1];
	key->word[4] = swap ? flow_key_last(dst_port, src_port, protocol, zone) : flow_key_last(src_port, dst_port, protocol, zone);
	return swap;
}

/* Bytes of an array, so that the next one begins at a cache line. */
static uint64_t array_bytes(uint64_t count, uint64_t size)
{
	return (count * size + 63) & ~(uint64_t)63;
}

/* The least power of two of buckets for so many flows. */
static uint32_t bucket_count(uint32_t capacity)
{
	uint32_t count = 1;

	while ((uint64_t)count * PER_BUCKET < capacity)
		count *= 2;
	return count;
}

/* Zeroed memory that begins at a huge page, touched so that no packet waits for it; NULL when there is none. */
static void *map(uint64_t bytes, uint64_t *mapped)
{
	uint8_t *memory, *start;
	uint64_t before;

	*mapped = (bytes + HUGE_PAGE - 1) & ~(uint64_t)(HUGE_PAGE - 1);
	memory = mmap(NULL, *mapped + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)memory & (HUGE_PAGE - 1);
	start = memory + before;
	if (before > 0)
		munmap(memory, before);
	munmap(start + *mapped, HUGE_PAGE - before);
	/* With ordinary pages each packet costs misses of the address translation: see docs/performance.md. */
	madvise(start, *mapped, MADV_HUGEPAGE);
	memset(start, 0, bytes);
	return start;
}

/* Put all flows into the free part of the order, all spare buckets into their list. */
static void fill(struct flow_table *table)
{
	for (uint32_t i = 0; i < table->capacity; i++)
		table->order[i] = table->place[i] = i;
	for (uint32_t i = 0; i < table->spare_count; i++)
		table->bucket[table->mask + 1 + i].next = i + 1 < table->spare_count ? i + 2 : 0;
	table->spare = 1;
}

struct flow_table *flow_table_new(uint32_t capacity, uint32_t half_open_most, const struct siphash_key *key)
{
	struct flow_table *table = calloc(1, sizeof(*table));
	uint32_t buckets = bucket_count(capacity), spare = buckets / SPARE_SHARE + SPARE_LEAST;
	uint64_t flows = array_bytes(capacity, sizeof(struct flow)), numbers = array_bytes(capacity, sizeof(uint32_t));
	uint64_t lines = array_bytes((uint64_t)buckets + spare, sizeof(struct flow_bucket));
	uint8_t *memory;

	if (table == NULL)
		return NULL;
	memory = map(lines + flows + 2 * numbers, &table->bytes);
	if (memory == NULL) {
		free(table);
		return NULL;
	}
	table->memory = memory;
	table->bucket = (struct flow_bucket *)memory;
	table->flow = (struct flow *)(memory + lines);
	table->order = (uint32_t *)(memory + lines + flows);
	table->place = (uint32_t *)(memory + lines + flows + numbers);
	table->mask = buckets - 1;
	table->capacity = capacity;
	table->spare_count = spare;
	table->key = *key;
	flow_table_limit(table, half_open_most);
	fill(table);
	return table;
}

void flow_table_free(struct flow_table *table)
{
	if (table == NULL)
		return;
	munmap(table->memory, table->bytes);
	free(table);
}

void flow_table_limit(struct flow_table *table, uint32_t half_open_most)
{
	table->half_open_most = half_open_most < table->capacity ? half_open_most : table->capacity;
}

static inline bool is_ipv4(const struct flow_key *key)
{
	uint64_t mark = bytes_swap64((uint64_t)FLOW_KEY_IPV4 << 56);

	return key->word[0] == mark && key->word[2] == mark;
}

/* Of IPv4 both addresses are one word. Lengths differ, so keys of both kinds are never hashed alike. */
uint64_t flow_table_hash(const struct flow_table *table, const struct flow_key *key)
{
	if (__builtin_expect(is_ipv4(key), 1))
		return siphash_1_3_pair(&table->key, key->word[1] << 32 | key->word[3], key->word[4]);
	return siphash_1_3(&table->key, key->word, sizeof(key->word));
}

void flow_table_hash_four(const struct flow_table *table, const struct flow_key *const key[4], uint64_t hash[4])
{
	uint64_t words[5][4];
	uint32_t ipv4 = 0;

	for (uint32_t i = 0; i < 4; i++)
		ipv4 += is_ipv4(key[i]);
	if (ipv4 == 4) {
		for (uint32_t i = 0; i < 4; i++) {
			words[0][i] = key[i]->word[1] << 32 | key[i]->word[3];
			words[1][i] = key[i]->word[4];
		}
		siphash_1_3_four(&table->key, words[0], 2, hash);
	} else if (ipv4 == 0) {
		for (uint32_t i = 0; i < 4; i++)
			for (uint32_t j = 0; j < 5; j++)
				words[j][i] = key[i]->word[j];
		siphash_1_3_four(&table->key, words[0], 5, hash);
	} else {
		for (uint32_t i = 0; i < 4; i++)
			hash[i] = flow_table_hash(table, key[i]);
	}
}

/* The bits of a hash that a bucket keeps: others than those that choose the bucket, never 0. */
static inline uint16_t tag_of(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag != 0 ? tag : 1;
}

/* Which slots have the tag: bit 2 * i for slot i. */
static inline uint32_t matches(const struct flow_bucket *bucket, uint16_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)bucket->tag);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((int16_t)tag))) & 0x5555;
#else
	uint32_t found = 0;

	for (uint32_t i = 0; i < FLOW_TABLE_SLOTS; i++)
		found |= (uint32_t)(bucket->tag[i] == tag) << 2 * i;
	return found;
#endif
}

void flow_table_prefetch_flow(const struct flow_table *table, uint64_t hash)
{
	const struct flow_bucket *bucket = &table->bucket[hash & table->mask];
	uint32_t found = matches(bucket, tag_of(hash));

	if (found != 0)
		__builtin_prefetch(&table->flow[bucket->flow[__builtin_ctz(found) / 2]], 1);
}

static inline bool is_key(const struct flow_key *a, const struct flow_key *b)
{
	return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) | (a->word[3] ^ b->word[3]) |
		(a->word[4] ^ b->word[4])) == 0;
}

struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	const struct flow_bucket *bucket = &table->bucket[hash & table->mask];
	uint16_t tag = tag_of(hash);

	for (;;) {
		for (uint32_t found = matches(bucket, tag); found != 0; found &= found - 1) {
			struct flow *flow = &table->flow[bucket->flow[__builtin_ctz(found) / 2]];

			if (is_key(&flow->key, key))
				return flow;
		}
		if (__builtin_expect(bucket->next == 0, 1))
			return NULL;
		bucket = &table->bucket[table->mask + bucket->next];
	}
}

/* Where in the order the half-open flow of a random number stands. */
static const uint32_t *lot(const struct flow_table *table, uint32_t random)
{
	return &table->order[(uint64_t)random * table->half_open >> 32];
}

struct flow *flow_table_victim(const struct flow_table *table, uint32_t random)
{
	if (table->half_open == 0 || (table->half_open < table->half_open_most && table->used < table->capacity))
		return NULL;
	return &table->flow[*lot(table, random)];
}

void flow_table_prefetch_victim(const struct flow_table *table, uint32_t random, uint32_t step)
{
	const uint32_t *number = lot(table, random);

	if (step == 0) {
		__builtin_prefetch(number, 1);
	} else if (step == 1) {
		__builtin_prefetch(&table->flow[*number], 1);
		__builtin_prefetch(&table->place[*number], 1);
	} else {
		flow_table_prefetch(table, flow_table_hash(table, &table->flow[*number].key));
	}
}

/* Exchange two places of the order. */
static void swap(struct flow_table *table, uint32_t a, uint32_t b)
{
	uint32_t at_a = table->order[a], at_b = table->order[b];

	table->order[a] = at_b;
	table->place[at_b] = a;
	table->order[b] = at_a;
	table->place[at_a] = b;
}

/* A free slot in the bucket of a hash, or in those that it goes on in; a spare bucket is added when all are full. NULL: there is
 * none left. */
static struct flow_bucket *free_slot(struct flow_table *table, uint64_t hash, uint32_t *slot)
{
	struct flow_bucket *bucket = &table->bucket[hash & table->mask];
	uint32_t spare;

	for (;;) {
		for (*slot = 0; *slot < FLOW_TABLE_SLOTS; (*slot)++)
			if (bucket->tag[*slot] == 0)
				return bucket;
		if (bucket->next == 0)
			break;
		bucket = &table->bucket[table->mask + bucket->next];
	}
	spare = table->spare;
	if (spare == 0)
		return NULL;
	bucket->next = spare;
	bucket = &table->bucket[table->mask + spare];
	table->spare = bucket->next;
	bucket->next = 0;
	*slot = 0;
	return bucket;
}

struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key, uint64_t hash)
{
	struct flow_bucket *bucket;
	uint32_t slot, number;

	if (table->used == table->capacity || table->half_open >= table->half_open_most)
		return NULL;
	bucket = free_slot(table, hash, &slot);
	if (bucket == NULL)
		return NULL;
	number = table->order[table->used];
	bucket->tag[slot] = tag_of(hash);
	bucket->flow[slot] = number;
	swap(table, table->used++, table->half_open++);
	table->flow[number] = (struct flow){ .key = *key };
	return &table->flow[number];
}

static uint32_t number_of(const struct flow_table *table, const struct flow *flow)
{
	return (uint32_t)(flow - table->flow);
}

/* The number's slot. needs: it is in the table */
static struct flow_bucket *slot_of(const struct flow_table *table, uint64_t hash, uint32_t number, uint32_t *slot)
{
	struct flow_bucket *bucket = &table->bucket[hash & table->mask];

	for (;; bucket = &table->bucket[table->mask + bucket->next])
		for (*slot = 0; *slot < FLOW_TABLE_SLOTS && bucket->tag[*slot] != 0; (*slot)++)
			if (bucket->flow[*slot] == number)
				return bucket;
}

/* Fill a slot with the last one of its chain of buckets, which `first` begins; a spare bucket that is empty then goes back. */
static void close_gap(struct flow_table *table, struct flow_bucket *first, struct flow_bucket *gap, uint32_t slot)
{
	struct flow_bucket *before = NULL, *last = first;
	uint32_t end = 0;

	while (last->next != 0) {
		before = last;
		last = &table->bucket[table->mask + last->next];
	}
	while (end + 1 < FLOW_TABLE_SLOTS && last->tag[end + 1] != 0)
		end++;
	gap->tag[slot] = last->tag[end];
	gap->flow[slot] = last->flow[end];
	last->tag[end] = 0;
	if (end == 0 && before != NULL) {
		uint32_t spare = before->next;

		before->next = 0;
		last->next = table->spare;
		table->spare = spare;
	}
}

void flow_table_settle(struct flow_table *table, struct flow *flow)
{
	uint32_t place = table->place[number_of(table, flow)];

	if (place < table->half_open)
		swap(table, place, --table->half_open);
}

bool flow_table_is_settled(const struct flow_table *table, const struct flow *flow)
{
	return table->place[number_of(table, flow)] >= table->half_open;
}

void flow_table_remove(struct flow_table *table, struct flow *flow)
{
	uint64_t hash = flow_table_hash(table, &flow->key);
	uint32_t slot, number = number_of(table, flow);
	struct flow_bucket *bucket = slot_of(table, hash, number, &slot);

	close_gap(table, &table->bucket[hash & table->mask], bucket, slot);
	flow_table_settle(table, flow);
	swap(table, table->place[number], --table->used);
}

bool flow_table_is_expired(const struct flow_table *table, const struct flow *flow, uint32_t now_ms)
{
	return now_ms - flow->seen_ms >= table->timeout_ms[flow->timeout];
}

struct flow *flow_table_sweep(struct flow_table *table, uint32_t now_ms, uint32_t *steps)
{
	while (*steps > 0) {
		uint32_t number = table->cursor;

		(*steps)--;
		table->cursor = number + 1 < table->capacity ? number + 1 : 0;
		if (table->place[number] < table->used && flow_table_is_expired(table, &table->flow[number], now_ms))
			return &table->flow[number];
	}
	return NULL;
}
