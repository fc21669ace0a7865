#pragma once
/* siphash -- a keyed hash of 64 bits: who does not know the key cannot choose inputs that collide. SipHash-2-4 is the one its
 * authors recommend; SipHash-1-3 is faster and enough for hash tables, where nobody sees the result.
 * source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012) */

struct siphash_key {
	uint64_t word[2];               /* the key's 16 bytes as two numbers, each in little-endian order */
};

uint64_t siphash_2_4(const struct siphash_key *key, const void *data, size_t length);
uint64_t siphash_1_3(const struct siphash_key *key, const void *data, size_t length);

/* siphash_1_3 of 16 bytes: two numbers, each in little-endian order. Faster than by a length. */
uint64_t siphash_1_3_pair(const struct siphash_key *key, uint64_t first, uint64_t second);

/* siphash_1_3 of four messages of `count` words at once, with vectors: half of the instructions.
 *   needs: words[4 * count]: the first words of all four, then the second ones, ... */
void siphash_1_3_four(const struct siphash_key *key, const uint64_t *words, uint32_t count, uint64_t hash[4]);
