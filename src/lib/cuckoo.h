#pragma once
/* cuckoo -- a hash table from a 64-bit key to 20 bytes, made for look-ups in bursts that miss every cache.
 *
 * Cuckoo hashing: an entry lies in its first or in its second bucket, never elsewhere. A bucket is a cache line of two entries;
 * what stands in it besides keys and values tells whether the entry looked for may be in its second bucket, so most look-ups,
 * also of keys that are not there, touch one line. The hash is keyed: who does not know the seed cannot choose keys that meet.
 * One thread; others may read while nobody writes.
 *   source: Pagh and Rodler, "Cuckoo Hashing" (2001); Dietzfelbinger and Weidling, "Balanced allocation and dictionaries with
 *           tightly packed constant size bins" (2007): two buckets of two hold a load of 0.89 */

enum {
	CUCKOO_VALUE = 20,               /* bytes of a value */
	CUCKOO_BUCKET = 2,               /* entries of a bucket */
	CUCKOO_LOAD = 80,                /* percent of the entries that are in use when the announced number is there */
	CUCKOO_BURST = 64                /* keys that a burst looks up at once */
};

struct cuckoo_entry {
	uint64_t key;                   /* 0: free */
	uint8_t value[CUCKOO_VALUE];
	uint32_t away;                  /* first of a bucket: how many of its own lie in their second one; second: bits of these */
};

struct cuckoo {
	struct cuckoo_entry *entry;      /* buckets * CUCKOO_BUCKET of them */
	uint64_t buckets, count;        /* count: entries in use */
	uint64_t seed[2];
	uint64_t bytes;                 /* of memory */
};

/* Make a table for `capacity` entries; a few percent more fit before cuckoo_put fails.
 *   needs: seed from a good source when keys come from outside
 *   fails: -ENOMEM, -EINVAL (more than 2^32 buckets); nothing to undo
 *   cost:  capacity * 40 bytes
 *   undo:  cuckoo_fini */
int cuckoo_init(struct cuckoo *cuckoo, uint64_t capacity, const uint64_t seed[2]) __attribute__((warn_unused_result));
void cuckoo_fini(struct cuckoo *cuckoo);

/* Set the value of a key.
 *   needs: key != 0; value of CUCKOO_VALUE bytes
 *   gives: 0 when the key is new, 1 when its value was replaced
 *   fails: -ENOSPC: no place was found; the table is as it was. Copy it into a larger one with another seed
 *   cost:  bounded: 1,000 cache lines at most, three on average up to the announced number */
int cuckoo_put(struct cuckoo *cuckoo, uint64_t key, const void *value) __attribute__((warn_unused_result));

/* Remove a key. gives: 1, or 0 when it was not there */
int cuckoo_remove(struct cuckoo *cuckoo, uint64_t key);

/* The entry of a key, or NULL; valid until the next cuckoo_put or cuckoo_remove. */
struct cuckoo_entry *cuckoo_find(const struct cuckoo *cuckoo, uint64_t key);

/* Look up n keys at once: memory is asked for all of them before the first is waited for. found[i] is the entry of key[i], or
 * NULL. A key of 0 is not found. */
void cuckoo_find_burst(const struct cuckoo *cuckoo, const uint64_t *key, struct cuckoo_entry **found, uint32_t n);

/* Walk over all entries, in no order: begin with *position 0, until NULL. */
struct cuckoo_entry *cuckoo_next(const struct cuckoo *cuckoo, uint64_t *position);

/* Put all entries of another table into this one: how a table grows.
 *   needs: the keys of `from` are not in `to`
 *   fails: -ENOSPC */
int cuckoo_copy(struct cuckoo *to, const struct cuckoo *from) __attribute__((warn_unused_result));
