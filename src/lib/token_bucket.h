#pragma once
/* token_bucket -- how much may pass now: `per_second` tokens come in, at most `capacity` are kept. A token is a bit, a byte or a
 * packet, as the caller likes. Time is what the caller says, so a run under a virtual clock is repeatable. */

struct token_bucket {
	double per_ns, capacity, tokens;        /* tokens < 0: a debt */
	uint64_t filled_ns;                     /* until when tokens have come in */
};

/* A capacity where the user named none: what comes in within 10 ms, but no less than `least`. */
double token_bucket_capacity(double per_second, double least);

/* Make a bucket that is full at `now_ns`. needs: per_second > 0, capacity > 0 */
void token_bucket_init(struct token_bucket *bucket, double per_second, double capacity, uint64_t now_ns);

/* Change rate and capacity; the tokens that are there stay, as far as they fit. */
void token_bucket_change(struct token_bucket *bucket, double per_second, double capacity, uint64_t now_ns);

/* Let in what came until `now_ns`; nothing when that lies in the past. Once per burst is enough. */
void token_bucket_fill(struct token_bucket *bucket, uint64_t now_ns);

/* Whether `amount` may be taken. More than the capacity may when the bucket is full: it leaves a debt, so that the rate is
 * kept and nothing is too large for ever. A billionth of a token is forgiven: sums of fractions do not come out even.
 *   gives: 0 or 1 (LuaJIT does not read an inline function that gives a bool) */
inline int token_bucket_has(const struct token_bucket *bucket, double amount)
{
	return ((amount < bucket->capacity ? amount : bucket->capacity) - bucket->tokens) * 1000000000 <= 1;
}

/* Take `amount`; 0 when it is not there, and nothing is taken. */
inline int token_bucket_take(struct token_bucket *bucket, double amount)
{
	if (!token_bucket_has(bucket, amount))
		return 0;
	bucket->tokens -= amount;
	return 1;
}

/* When `amount` can be taken: a time as in token_bucket_fill, UINT64_MAX when that is more than a century away. */
uint64_t token_bucket_ready(const struct token_bucket *bucket, double amount);
