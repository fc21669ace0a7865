/* cuckoo -- see cuckoo.h. */
#include "lib/lib.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
	STEPS = 1000,                   /* buckets that a search for a free place looks at */
	HUGE = 2 << 20,                 /* bytes of a huge page */
	LINE = 64
};
_Static_assert(sizeof(struct cuckoo_entry) * CUCKOO_BUCKET == LINE, "a bucket is a cache line");

/* Both halves of a product: each bit of it depends on all bits of both factors. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The two buckets of a key, which differ: the second one is one of the others. gives: the bit that stands for the key when it is away */
static inline uint32_t place(const struct cuckoo *cuckoo, uint64_t key, uint64_t *first, uint64_t *second)
{
	uint64_t hash = fold(fold(key ^ cuckoo->seed[0], cuckoo->seed[1]) ^ cuckoo->seed[1], cuckoo->seed[0]);

	*first = (uint32_t)hash * cuckoo->buckets >> 32;
	*second = (hash >> 32) * (cuckoo->buckets - 1) >> 32;
	*second += *second >= *first;
	return 1u << (hash & 31);
}

/* One more, or one less, entry of a first bucket lies in its second one. Bits of several entries may be the same, so they stay until
 * none is away any more; what they say too much costs a look into a second bucket. */
static void leave(struct cuckoo_entry *first, uint32_t bit)
{
	first[0].away++;
	first[1].away |= bit;
}

static void come_back(struct cuckoo_entry *first)
{
	if (--first[0].away == 0)
		first[1].away = 0;
}

static inline struct cuckoo_entry *bucket(const struct cuckoo *cuckoo, uint64_t number)
{
	return cuckoo->entry + number * CUCKOO_BUCKET;
}

/* Memory in whole huge pages when it is large, so that a look-up does not wait for a walk over page tables as well. */
static void *allocate(uint64_t *bytes)
{
	uint64_t unit = *bytes >= HUGE ? HUGE : LINE;
	void *memory;

	*bytes = (*bytes + unit - 1) / unit * unit;
	memory = aligned_alloc(unit, *bytes);
	if (memory == NULL)
		return NULL;
	if (unit == HUGE)
		madvise(memory, *bytes, MADV_HUGEPAGE);
	memset(memory, 0, *bytes);
	return memory;
}

int cuckoo_init(struct cuckoo *cuckoo, uint64_t capacity, const uint64_t seed[2])
{
	*cuckoo = (struct cuckoo){ .seed = { seed[0] | 1, seed[1] | 1 } };
	cuckoo->buckets = capacity / CUCKOO_BUCKET * 100 / CUCKOO_LOAD + 4;
	if (cuckoo->buckets >= UINT32_MAX)
		return -EINVAL;
	cuckoo->bytes = cuckoo->buckets * CUCKOO_BUCKET * sizeof(struct cuckoo_entry);
	cuckoo->entry = allocate(&cuckoo->bytes);
	return cuckoo->entry != NULL ? 0 : -ENOMEM;
}

void cuckoo_fini(struct cuckoo *cuckoo)
{
	free(cuckoo->entry);
	*cuckoo = (struct cuckoo){ 0 };
}

/* The entry of a key in one bucket, or NULL. No key is 0, so free entries do not match. */
static inline struct cuckoo_entry *match(struct cuckoo_entry *entry, uint64_t key)
{
	uint64_t second = entry[1].key == key;

	return (entry[0].key == key) | second ? entry + second : NULL;
}

struct cuckoo_entry *cuckoo_find(const struct cuckoo *cuckoo, uint64_t key)
{
	uint64_t first, second;
	struct cuckoo_entry *found;
	uint32_t bit;

	if (key == 0)
		return NULL;
	bit = place(cuckoo, key, &first, &second);
	found = match(bucket(cuckoo, first), key);
	if (found == NULL && (bucket(cuckoo, first)[1].away & bit) != 0)
		found = match(bucket(cuckoo, second), key);
	return found;
}

/* Up to CUCKOO_BURST keys. Their first buckets are asked for, then looked at; only those whose entry may lie elsewhere ask for
 * their second one. Which these are cannot be foreseen, so no branch depends on it: a wrong guess costs as much as a key. */
static inline void find(const struct cuckoo *table, const uint64_t *key, struct cuckoo_entry **found, uint32_t n)
{
	const struct cuckoo local = *table, *cuckoo = &local;   /* in registers: what is written may not change it */
	uint64_t first, second, zeros = 0;
	uint32_t other[CUCKOO_BURST], bit[CUCKOO_BURST], left = 0;
	uint8_t late[CUCKOO_BURST + 1];

	for (uint32_t i = 0; i < n; i++) {
		bit[i] = place(cuckoo, key[i], &first, &second);
		zeros |= key[i] == 0;
		found[i] = bucket(cuckoo, first);
		other[i] = (uint32_t)second;
		__builtin_prefetch(found[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct cuckoo_entry *entry = found[i];
		uint64_t one = entry[1].key == key[i], hit = (entry[0].key == key[i]) | one;

		found[i] = (struct cuckoo_entry *)(uintptr_t)((uintptr_t)(entry + one) & -hit);
		late[left] = (uint8_t)i;
		left += ((entry[1].away & bit[i]) != 0) & (hit ^ 1);
	}
	for (uint32_t i = 0; i < left; i++)
		__builtin_prefetch(bucket(cuckoo, other[late[i]]));
	for (uint32_t i = 0; i < left; i++)
		found[late[i]] = match(bucket(cuckoo, other[late[i]]), key[late[i]]);
	/* The key 0 meets free entries. */
	for (uint32_t i = 0; i < n && zeros; i++)
		found[i] = key[i] != 0 ? found[i] : NULL;
}

void cuckoo_find_burst(const struct cuckoo *cuckoo, const uint64_t *key, struct cuckoo_entry **found, uint32_t n)
{
	for (; n > CUCKOO_BURST; n -= CUCKOO_BURST, key += CUCKOO_BURST, found += CUCKOO_BURST)
		find(cuckoo, key, found, CUCKOO_BURST);
	find(cuckoo, key, found, n);
}

/* A bucket on the way from a key's two buckets to a free place: the entry `slot` of its parent's bucket could move here. */
struct step {
	uint64_t bucket;
	int16_t parent;                 /* -1: one of the key's own buckets */
	uint8_t slot;
};

/* Move an entry into a free place of its other bucket, and keep account of who is away. */
static void shift(struct cuckoo *cuckoo, struct cuckoo_entry *from, struct cuckoo_entry *to, uint64_t target)
{
	uint64_t first, second;
	uint32_t bit = place(cuckoo, from->key, &first, &second);

	if (target == second)
		leave(bucket(cuckoo, first), bit);
	else
		come_back(bucket(cuckoo, first));
	to->key = from->key;
	memcpy(to->value, from->value, CUCKOO_VALUE);
	from->key = 0;
}

static struct cuckoo_entry *free_place(struct cuckoo_entry *entry)
{
	return entry[0].key == 0 ? entry : entry[1].key == 0 ? entry + 1 : NULL;
}

/* Move the entries along a way, the last first, so that a place becomes free in the bucket where it began; gives the place. */
static struct cuckoo_entry *clear_way(struct cuckoo *cuckoo, const struct step *step, int16_t last, struct cuckoo_entry *place_free)
{
	while (step[last].parent >= 0) {
		struct cuckoo_entry *from = bucket(cuckoo, step[step[last].parent].bucket) + step[last].slot;

		shift(cuckoo, from, place_free, step[last].bucket);
		place_free = from;
		last = step[last].parent;
	}
	return place_free;
}

/* Find a free place for a new key, nearest first, and bring it into one of the key's buckets. gives: NULL when there is none */
static struct cuckoo_entry *make_place(struct cuckoo *cuckoo, uint64_t first, uint64_t second)
{
	struct step step[STEPS];
	int16_t count = 2;

	step[0] = (struct step){ first, -1, 0 };
	step[1] = (struct step){ second, -1, 0 };
	for (int16_t at = 0; at < count; at++) {
		struct cuckoo_entry *entry = bucket(cuckoo, step[at].bucket), *empty = free_place(entry);

		if (empty != NULL)
			return clear_way(cuckoo, step, at, empty);
		for (uint8_t i = 0; i < CUCKOO_BUCKET && count < STEPS; i++) {
			uint64_t one, other;

			place(cuckoo, entry[i].key, &one, &other);
			step[count] = (struct step){ one == step[at].bucket ? other : one, at, i };
			__builtin_prefetch(bucket(cuckoo, step[count].bucket));
			count++;
		}
	}
	return NULL;
}

int cuckoo_put(struct cuckoo *cuckoo, uint64_t key, const void *value)
{
	struct cuckoo_entry *entry = cuckoo_find(cuckoo, key);
	uint64_t first, second;
	uint32_t bit;

	if (entry != NULL) {
		memcpy(entry->value, value, CUCKOO_VALUE);
		return 1;
	}
	bit = place(cuckoo, key, &first, &second);
	entry = make_place(cuckoo, first, second);
	if (entry == NULL)
		return -ENOSPC;
	entry->key = key;
	memcpy(entry->value, value, CUCKOO_VALUE);
	if (entry < bucket(cuckoo, first) || entry >= bucket(cuckoo, first) + CUCKOO_BUCKET)
		leave(bucket(cuckoo, first), bit);
	cuckoo->count++;
	return 0;
}

int cuckoo_remove(struct cuckoo *cuckoo, uint64_t key)
{
	struct cuckoo_entry *entry = cuckoo_find(cuckoo, key);
	uint64_t first, second;

	if (entry == NULL)
		return 0;
	place(cuckoo, key, &first, &second);
	if (entry < bucket(cuckoo, first) || entry >= bucket(cuckoo, first) + CUCKOO_BUCKET)
		come_back(bucket(cuckoo, first));
	entry->key = 0;
	cuckoo->count--;
	return 1;
}

struct cuckoo_entry *cuckoo_next(const struct cuckoo *cuckoo, uint64_t *position)
{
	while (*position < cuckoo->buckets * CUCKOO_BUCKET) {
		struct cuckoo_entry *entry = &cuckoo->entry[(*position)++];

		if (entry->key != 0)
			return entry;
	}
	return NULL;
}

int cuckoo_copy(struct cuckoo *to, const struct cuckoo *from)
{
	const struct cuckoo_entry *entry;
	uint64_t position = 0;

	while ((entry = cuckoo_next(from, &position)) != NULL) {
		int code = cuckoo_put(to, entry->key, entry->value);

		if (code < 0)
			return code;
	}
	return 0;
}
