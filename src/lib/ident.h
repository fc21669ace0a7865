#pragma once
/* ident -- identifications of datagrams that are cut into fragments: different for the datagrams between two hosts, and not to be
 * guessed by a third. source: RFC 7739, 5.3 (a counter per destination, behind a secret offset) */

enum { IDENT_COUNTERS = 4096 };

struct ident {
	struct siphash_key key;
	bool plain;                     /* one counter for all, for tests */
	uint32_t counter[4096];         /* IDENT_COUNTERS; with `plain` the first one alone */
};

/* Begin with a secret key. The counters begin anywhere. */
void ident_init(struct ident *ident, uint64_t key0, uint64_t key1);

/* Begin with a number that everybody may know: first, first + 1, ... */
void ident_init_plain(struct ident *ident, uint32_t first);

/* The identification of the next datagram between these addresses.
 *   needs: `length` bytes that name them */
uint32_t ident_next(struct ident *ident, const void *addresses, uint32_t length);
