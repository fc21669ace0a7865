#pragma once
/* flow_table -- flows of a fixed number, found by the ends of their packets in either direction.
 *
 * A table is four arrays, all allocated when it is made:
 *
 *      bucket     of one cache line: for each of 8 flows 16 bits of its hash, and which one it is; a full one goes on in a spare
 *      flow       one cache line each
 *      order      the numbers of all flows: half-open ones, then settled ones, then free ones
 *      place      where a flow stands in order
 *
 * A flow is half-open until both sides have agreed to it; only half-open flows may have to go for new ones, and there is a limit
 * of their own for them. So whoever opens flows without end displaces others of that kind, never a settled one.
 * The hash is keyed (SipHash-1-3): who does not know the key cannot fill a bucket on purpose.
 * Flows that have been silent for too long are there until somebody removes them: see flow_table_is_expired, flow_table_sweep.
 *
 * A burst is looked up in three loops, so that its cache misses overlap:
 *
 *      flow_table_hash, flow_table_prefetch     for all;    then
 *      flow_table_prefetch_flow                 for all;    then
 *      flow_table_find                          one by one, as the packets are dealt with */

enum {
	FLOW_TABLE_SLOTS = 8,           /* flows of a bucket */
	FLOW_TABLE_LEAST = 16, FLOW_TABLE_MOST = 1 << 24,       /* flows of a table */
	FLOW_TABLE_TIMEOUTS = 16,       /* kinds of time-outs */
	FLOW_KEY_IPV4 = 0xff            /* first byte of an address in a key of IPv4, followed by 7 zeros */
};

/* Both ends, the protocol and the zone (what tells equal addresses of separate networks apart). Made by flow_key_ipv4 and
 * flow_key_ipv6, which put the ends in order. */
struct flow_key {
	uint64_t word[5];               /* lower address, higher address; ports << 32 | zone << 8 | protocol. An IPv4 address is the
	                                 * second word of two, the first of which says so */
};

struct flow {
	struct flow_key key;
	uint32_t seen_ms;               /* when it was last heard of, on the user's clock, which may wrap */
	uint8_t timeout;                /* which of the table's time-outs it has */
	uint8_t mark[3];                /* the user's, 0 in a new flow */
	uint32_t data[4];               /* the user's, 0 in a new flow */
} __attribute__((aligned(64)));

struct flow_bucket {
	uint16_t tag[FLOW_TABLE_SLOTS]; /* bits of the hash; 0: the slot is free. Slots are filled from the front */
	uint32_t flow[FLOW_TABLE_SLOTS];
	uint32_t next;                  /* the spare bucket that goes on, counted from 1; 0: none */
	uint32_t unused[3];
} __attribute__((aligned(64)));

struct flow_table {
	struct flow_bucket *bucket;     /* mask + 1, then the spare ones */
	struct flow *flow;
	uint32_t *order, *place;
	uint32_t mask;                  /* of the hash: the bucket */
	uint32_t capacity;
	uint32_t used;                  /* flows; the first half_open of them are half-open */
	uint32_t half_open, half_open_most;
	uint32_t spare, spare_count;    /* the first free spare bucket, as bucket->next says it; how many there are */
	uint32_t cursor;                /* where the sweep goes on */
	uint32_t timeout_ms[FLOW_TABLE_TIMEOUTS];       /* the user's, at most 2^31 */
	struct siphash_key key;
	void *memory;
	uint64_t bytes;
};

/* The last word of a key; inner part of flow_key_ipv4 and flow_key_ipv6. */
inline uint64_t flow_key_last(uint16_t low_port, uint16_t high_port, uint8_t protocol, uint32_t zone)
{
	return (uint64_t)low_port << 48 | (uint64_t)high_port << 32 | (uint64_t)(zone & 0xffffff) << 8 | protocol;
}

/* Make the key of an IPv4 packet's flow. Addresses in network order, ports in host order; zone: 24 bits.
 *   gives: 1 when the source is the higher end, else 0. When both ends are equal nobody can tell them apart: 0 */
inline uint32_t flow_key_ipv4(struct flow_key *key, uint32_t src_be, uint32_t dst_be, uint16_t src_port, uint16_t dst_port,
	uint8_t protocol, uint32_t zone)
{
	uint32_t swap = src_be != dst_be ? src_be > dst_be : src_port > dst_port;

	key->word[0] = key->word[2] = bytes_swap64((uint64_t)FLOW_KEY_IPV4 << 56);
	key->word[1] = swap ? dst_be : src_be;
	key->word[3] = swap ? src_be : dst_be;
	key->word[4] = swap ? flow_key_last(dst_port, src_port, protocol, zone) : flow_key_last(src_port, dst_port, protocol, zone);
	return swap;
}

/* The same for IPv6; addresses of 16 bytes at any place.
 *   needs: not both addresses are below ff00::/64, where the keys of IPv4 lie: a multicast address is nobody's source */
uint32_t flow_key_ipv6(struct flow_key *key, const void *src, const void *dst, uint16_t src_port, uint16_t dst_port, uint8_t protocol,
	uint32_t zone);

/* Make an empty table for `capacity` flows, FLOW_TABLE_LEAST .. FLOW_TABLE_MOST, of which half_open_most may be half-open.
 *   fails: NULL when there is no memory
 *   cost:  about 90 bytes a flow, touched here once; in huge pages when the system gives some
 *   undo:  flow_table_free */
struct flow_table *flow_table_new(uint32_t capacity, uint32_t half_open_most, const struct siphash_key *key);
void flow_table_free(struct flow_table *table);         /* NULL: nothing */

/* The hash of a key in this table, and in all with the same siphash_key. */
uint64_t flow_table_hash(const struct flow_table *table, const struct flow_key *key);

/* The same for four keys; all at once when they are of one family. */
void flow_table_hash_four(const struct flow_table *table, const struct flow_key *const key[4], uint64_t hash[4]);

/* Have the bucket of a hash fetched into the cache; and, when it is there, the first flow that has the bits of the hash. */
inline void flow_table_prefetch(const struct flow_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->bucket[hash & table->mask]);
}

void flow_table_prefetch_flow(const struct flow_table *table, uint64_t hash);

/* The flow of a key, of which `hash` is the hash; NULL when there is none. */
struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key, uint64_t hash);

/* The flow that has to go before another one can be added: by chance one of the half-open ones, when these have reached their
 * limit or the table is full. NULL: none has to go, or none may (then flow_table_add fails).
 *   random: any number, a new one each time */
struct flow *flow_table_victim(const struct flow_table *table, uint32_t random);

/* Have fetched what it takes to find the victim of a number and to take it out, some victims beforehand, in three steps: 0: which flow
 * it is; 1: the flow, when step 0 was some time ago; 2: its bucket, when step 1 was. In a flood there is a victim for each packet.
 *   needs: a half-open flow */
void flow_table_prefetch_victim(const struct flow_table *table, uint32_t random, uint32_t step);

/* Add a half-open flow; the caller fills in all but its key.
 *   needs: the key is not in the table
 *   fails: NULL when the table is full, or the half-open ones have reached their limit; nothing is changed */
struct flow *flow_table_add(struct flow_table *table, const struct flow_key *key, uint64_t hash);

/* Take a flow out. Pointers to others stay good. */
void flow_table_remove(struct flow_table *table, struct flow *flow);

/* The flow is not half-open any more. Does nothing when it was settled before. */
void flow_table_settle(struct flow_table *table, struct flow *flow);

bool flow_table_is_settled(const struct flow_table *table, const struct flow *flow);

/* Has the flow been silent for as long as its time-out says? */
bool flow_table_is_expired(const struct flow_table *table, const struct flow *flow, uint32_t now_ms);

/* Look at up to *steps flows and free places for one that has expired, beginning where the last call ended. Each must be looked
 * at before the user's clock has gone round half.
 *   gives: the flow, *steps less what was looked at; NULL: *steps is 0
 *   cost:  about 4 bytes read for a free place, a cache line for a flow */
struct flow *flow_table_sweep(struct flow_table *table, uint32_t now_ms, uint32_t *steps);

/* Change the limit of half-open flows, at most the capacity. When there are more than that already, they stay. */
void flow_table_limit(struct flow_table *table, uint32_t half_open_most);
