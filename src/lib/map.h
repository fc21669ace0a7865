#pragma once
/* map -- a compact hash from one 32-bit number to another, 8 bytes each: an IPv4 address to what is known about it.
 * Open addressing, linear probing, a keyed hash; eight entries share a cache line. Beside the entries there is a bit for each 16th of a
 * place: set when a number's search begins there, so that most numbers that are not in the map are known by one bit. One thread;
 * others may read while nobody writes. */

enum { MAP_LOAD = 75 };                 /* percent of the entries that are in use when the announced number is there */

struct map {
	uint64_t *entry;                /* number << 32 | value; 0: free */
	uint64_t size, count;           /* entries; those in use */
	uint16_t *begins;               /* for each entry, which of its 16ths numbers begin at */
	uint64_t seed;
	uint64_t bytes;
};

/* Make a map for `capacity` numbers. fails: -ENOMEM, -EINVAL; cost: capacity * 13.4 bytes; undo: map_fini */
int map_init(struct map *map, uint64_t capacity, uint64_t seed) __attribute__((warn_unused_result));
void map_fini(struct map *map);

/* Set the value of a number.
 *   needs: value != 0
 *   fails: -ENOSPC: the announced number is there */
int map_put(struct map *map, uint32_t number, uint32_t value) __attribute__((warn_unused_result));

/* Remove a number; those behind it move up. gives: 1, or 0 when it was not there */
int map_remove(struct map *map, uint32_t number);

/* The value of a number, or 0. It has 64 bits since LuaJIT takes what else lies in the register for a part of 32. */
uint64_t map_find(const struct map *map, uint32_t number);

/* Look up n numbers at once; value[i] is that of number[i], or 0. */
void map_find_burst(const struct map *map, const uint32_t *number, uint32_t *value, uint32_t n);

/* Which of n numbers are there: there[i] is 1, or 0. For numbers of which most are not. */
void map_has_burst(const struct map *map, const uint32_t *number, uint8_t *there, uint32_t n);

/* Walk over all numbers, in no order: begin with *position 0. gives: the value, 0 behind the last; *number */
uint64_t map_next(const struct map *map, uint64_t *position, uint32_t *number);
