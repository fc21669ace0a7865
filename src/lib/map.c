/* map -- see map.h. */
#include "lib/lib.h"

#include <errno.h>
#include <stdlib.h>

enum { LINE = 64, CHUNK = 64 };

enum { PARTS = 16 };                    /* of a place */

/* Where the search for a number begins, in 16ths of a place. */
static inline uint64_t part(const struct map *map, uint32_t number)
{
	__uint128_t product = (__uint128_t)(number ^ map->seed) * (map->seed | 1);
	uint32_t hash = (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64));

	return hash * (map->size * PARTS) >> 32;
}

static inline uint64_t home(const struct map *map, uint32_t number)
{
	return part(map, number) / PARTS;
}

static inline uint64_t after(const struct map *map, uint64_t at)
{
	return at + 1 == map->size ? 0 : at + 1;
}

int map_init(struct map *map, uint64_t capacity, uint64_t seed)
{
	uint64_t entries;

	*map = (struct map){ .seed = seed };
	map->size = capacity / MAP_LOAD * 100 + capacity % MAP_LOAD * 100 / MAP_LOAD + 8;
	if (map->size >= UINT32_MAX / PARTS)
		return -EINVAL;
	entries = (map->size * sizeof(*map->entry) + LINE - 1) / LINE * LINE;
	map->bytes = (entries + map->size * sizeof(*map->begins) + LINE - 1) / LINE * LINE;
	map->entry = aligned_alloc(LINE, map->bytes);
	if (map->entry == NULL)
		return -ENOMEM;
	map->begins = (uint16_t *)(void *)((uint8_t *)map->entry + entries);
	memset(map->entry, 0, map->bytes);
	return 0;
}

void map_fini(struct map *map)
{
	free(map->entry);
	*map = (struct map){ 0 };
}

/* The place of a number, or the free one where it would be put. */
static inline uint64_t locate(const struct map *map, uint32_t number)
{
	uint64_t at = home(map, number);

	while (map->entry[at] != 0 && map->entry[at] >> 32 != number)
		at = after(map, at);
	return at;
}

int map_put(struct map *map, uint32_t number, uint32_t value)
{
	uint64_t at = locate(map, number);

	if (map->entry[at] == 0) {
		if (map->count * 100 >= map->size * 90)
			return -ENOSPC;
		map->count++;
	}
	map->entry[at] = (uint64_t)number << 32 | value;
	at = part(map, number);
	map->begins[at / PARTS] |= (uint16_t)(1u << at % PARTS);
	return 0;
}

/* A number has been removed: no search begins where its did, unless that of another one does, which lies behind. */
static void end(struct map *map, uint64_t gone)
{
	for (uint64_t at = gone / PARTS; map->entry[at] != 0; at = after(map, at))
		if (part(map, (uint32_t)(map->entry[at] >> 32)) == gone)
			return;
	map->begins[gone / PARTS] &= (uint16_t)~(1u << gone % PARTS);
}

/* A gap would end searches too early: fill it with the next entry that may lie there, and go on with the gap that this leaves. */
int map_remove(struct map *map, uint32_t number)
{
	uint64_t gap = locate(map, number);

	if (map->entry[gap] == 0)
		return 0;
	for (uint64_t at = after(map, gap); map->entry[at] != 0; at = after(map, at)) {
		uint64_t begin = home(map, (uint32_t)(map->entry[at] >> 32));

		/* Its search passes the gap when it begins there or before, seen from where it lies. */
		if ((at + map->size - begin) % map->size >= (at + map->size - gap) % map->size) {
			map->entry[gap] = map->entry[at];
			gap = at;
		}
	}
	map->entry[gap] = 0;
	map->count--;
	end(map, part(map, number));
	return 1;
}

uint64_t map_find(const struct map *map, uint32_t number)
{
	return map->entry[locate(map, number)] & UINT32_MAX;
}

void map_find_burst(const struct map *map, const uint32_t *number, uint32_t *value, uint32_t n)
{
	uint32_t begin[CHUNK];

	while (n > 0) {
		uint32_t part = n < CHUNK ? n : CHUNK;

		for (uint32_t i = 0; i < part; i++) {
			begin[i] = (uint32_t)home(map, number[i]);
			__builtin_prefetch(&map->entry[begin[i]]);
		}
		for (uint32_t i = 0; i < part; i++) {
			uint64_t at = begin[i];

			while (map->entry[at] != 0 && map->entry[at] >> 32 != number[i])
				at = after(map, at);
			value[i] = (uint32_t)map->entry[at];
		}
		number += part;
		value += part;
		n -= part;
	}
}

/* Up to CHUNK numbers. Those whose bit is set are looked for; whether there are any decides no branch for each number. */
static inline void has(const struct map *map, const uint32_t *number, uint8_t *there, uint32_t n)
{
	uint8_t late[CHUNK + 1];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = part(map, number[i]);

		there[i] = map->begins[at / PARTS] >> at % PARTS & 1;
		late[left] = (uint8_t)i;
		left += there[i];
	}
	for (uint32_t i = 0; i < left; i++)
		there[late[i]] = map->entry[locate(map, number[late[i]])] != 0;
}

void map_has_burst(const struct map *map, const uint32_t *number, uint8_t *there, uint32_t n)
{
	for (; n > CHUNK; n -= CHUNK, number += CHUNK, there += CHUNK)
		has(map, number, there, CHUNK);
	has(map, number, there, n);
}

uint64_t map_next(const struct map *map, uint64_t *position, uint32_t *number)
{
	while (*position < map->size) {
		uint64_t entry = map->entry[(*position)++];

		if (entry != 0) {
			*number = (uint32_t)(entry >> 32);
			return entry & UINT32_MAX;
		}
	}
	return 0;
}
