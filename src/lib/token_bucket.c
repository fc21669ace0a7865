/* token_bucket -- see token_bucket.h. */
#include "lib/lib.h"

#include <math.h>

extern inline int token_bucket_has(const struct token_bucket *bucket, double amount);
extern inline int token_bucket_take(struct token_bucket *bucket, double amount);

double token_bucket_capacity(double per_second, double least)
{
	return per_second / 100 > least ? per_second / 100 : least;
}

void token_bucket_init(struct token_bucket *bucket, double per_second, double capacity, uint64_t now_ns)
{
	*bucket = (struct token_bucket){ .per_ns = per_second / 1e9, .capacity = capacity, .tokens = capacity,
		.filled_ns = now_ns };
}

void token_bucket_change(struct token_bucket *bucket, double per_second, double capacity, uint64_t now_ns)
{
	token_bucket_fill(bucket, now_ns);
	bucket->per_ns = per_second / 1e9;
	bucket->capacity = capacity;
	if (bucket->tokens > capacity)
		bucket->tokens = capacity;
}

void token_bucket_fill(struct token_bucket *bucket, uint64_t now_ns)
{
	if (now_ns <= bucket->filled_ns)
		return;
	bucket->tokens += (double)(now_ns - bucket->filled_ns) * bucket->per_ns;
	if (bucket->tokens > bucket->capacity)
		bucket->tokens = bucket->capacity;
	bucket->filled_ns = now_ns;
}

uint64_t token_bucket_ready(const struct token_bucket *bucket, double amount)
{
	double missing = (amount < bucket->capacity ? amount : bucket->capacity) - bucket->tokens, wait;

	if (token_bucket_has(bucket, amount))
		return bucket->filled_ns;
	wait = ceil(missing / bucket->per_ns);
	return wait < 0x1p62 && (uint64_t)wait < UINT64_MAX - bucket->filled_ns ? bucket->filled_ns + (uint64_t)wait : UINT64_MAX;
}
