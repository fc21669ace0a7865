/* random -- see random.h. */
#include "core/core.h"

uint64_t random_seed;

/* splitmix64 (Steele, Lea, Flood 2014): spreads a seed over a state, as the authors of xoshiro advise. */
static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void random_init(struct random *random, uint64_t seed, const char *name)
{
	uint64_t x = seed;

	for (; *name != '\0'; name++)
		x = (x ^ (uint8_t)*name) * 0x100000001b3ULL;    /* FNV-1a's step */
	for (int i = 0; i < 4; i++)
		random->state[i] = splitmix(&x);
}

static uint64_t rotate(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

uint64_t random_u64(struct random *random)
{
	uint64_t *s = random->state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint32_t random_below(struct random *random, uint32_t limit)
{
	return (uint32_t)(((random_u64(random) >> 32) * limit) >> 32);
}

bool random_chance(struct random *random, double probability)
{
	return (double)(random_u64(random) >> 11) * 0x1p-53 < probability;
}
