#pragma once
/* random -- every random number of a run comes from one seed, so that a run can be repeated.
 * xoshiro256** (Blackman and Vigna 2018). Not for secrets. Packet thread only, except a state of one's own. */

struct random {
	uint64_t state[4];
};

/* Make a generator: the seed of the run and a name (an app's) give independent, repeatable streams. */
void random_init(struct random *random, uint64_t seed, const char *name);

uint64_t random_u64(struct random *random);

/* Uniform in 0 .. limit - 1. needs: limit > 0 */
uint32_t random_below(struct random *random, uint32_t limit);

/* True with a probability of 0.0 .. 1.0. */
bool random_chance(struct random *random, double probability);

/* The seed of this run; set by `--seed`, else taken from the system once. */
extern uint64_t random_seed;
