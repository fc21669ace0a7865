/* siphash -- see siphash.h. */
#include "lib/lib.h"

struct state {
	uint64_t v[4];
};

static inline uint64_t rotate(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* The paper's SipRound (section 2.1), `n` times. */
static inline void rounds(struct state *s, int n)
{
	uint64_t *v = s->v;

	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static inline void absorb(struct state *s, uint64_t word, int compression)
{
	s->v[3] ^= word;
	rounds(s, compression);
	s->v[0] ^= word;
}

/* A little-endian number of up to 8 bytes. */
static inline uint64_t little(const uint8_t *at, size_t bytes)
{
	uint64_t word = 0;

	memcpy(&word, at, bytes);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

/* Section 2.1 to 2.3: initialization, compression of whole words and of the rest with the length, finalization. */
static inline uint64_t hash(const struct siphash_key *key, const uint8_t *data, size_t length, int compression, int finalization)
{
	struct state s = { { key->word[0] ^ 0x736f6d6570736575ULL, key->word[1] ^ 0x646f72616e646f6dULL,
		key->word[0] ^ 0x6c7967656e657261ULL, key->word[1] ^ 0x7465646279746573ULL } };
	size_t rest = length % 8;
	const uint8_t *end = data + length - rest;

	for (; data != end; data += 8)
		absorb(&s, little(data, 8), compression);
	absorb(&s, little(data, rest) | (uint64_t)length << 56, compression);
	s.v[2] ^= 0xff;
	rounds(&s, finalization);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

uint64_t siphash_2_4(const struct siphash_key *key, const void *data, size_t length)
{
	return hash(key, data, length, 2, 4);
}

uint64_t siphash_1_3(const struct siphash_key *key, const void *data, size_t length)
{
	return hash(key, data, length, 1, 3);
}

uint64_t siphash_1_3_pair(const struct siphash_key *key, uint64_t first, uint64_t second)
{
	struct state s = { { key->word[0] ^ 0x736f6d6570736575ULL, key->word[1] ^ 0x646f72616e646f6dULL,
		key->word[0] ^ 0x6c7967656e657261ULL, key->word[1] ^ 0x7465646279746573ULL } };

	absorb(&s, first, 1);
	absorb(&s, second, 1);
	absorb(&s, (uint64_t)16 << 56, 1);
	s.v[2] ^= 0xff;
	rounds(&s, 3);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* Four states side by side. Handed on by pointer: how vectors are passed depends on the processor. */
typedef uint64_t lanes __attribute__((vector_size(32), may_alias));
struct four {
	lanes v[4];
};

static inline void spread(lanes *x, uint64_t word)
{
	*x = (lanes){ word, word, word, word };
}

static inline void turn(lanes *x, int bits)
{
	*x = (*x << bits) | (*x >> (64 - bits));
}

/* The same steps as `rounds`. */
static inline void rounds_four(struct four *s, int n)
{
	lanes *v = s->v;

	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		turn(&v[1], 13);
		v[1] ^= v[0];
		turn(&v[3], 16);
		v[3] ^= v[2];
		turn(&v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		turn(&v[1], 17);
		v[1] ^= v[2];
		turn(&v[3], 21);
		v[3] ^= v[0];
		turn(&v[2], 32);
	}
}

static inline void absorb_four(struct four *s, const lanes *word)
{
	s->v[3] ^= *word;
	rounds_four(s, 1);
	s->v[0] ^= *word;
}

void siphash_1_3_four(const struct siphash_key *key, const uint64_t *words, uint32_t count, uint64_t hash[4])
{
	struct four s;
	lanes word;

	spread(&s.v[0], key->word[0] ^ 0x736f6d6570736575ULL);
	spread(&s.v[1], key->word[1] ^ 0x646f72616e646f6dULL);
	spread(&s.v[2], key->word[0] ^ 0x6c7967656e657261ULL);
	spread(&s.v[3], key->word[1] ^ 0x7465646279746573ULL);
	for (uint32_t i = 0; i < count; i++) {
		memcpy(&word, words + 4 * i, sizeof(word));
		absorb_four(&s, &word);
	}
	spread(&word, (uint64_t)count * 8 << 56);
	absorb_four(&s, &word);
	s.v[2] ^= 0xff;
	rounds_four(&s, 3);
	word = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
	memcpy(hash, &word, sizeof(word));
}
