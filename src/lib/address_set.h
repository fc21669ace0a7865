#pragma once
/* address_set -- a set of addresses of equal size, given as prefixes: sorted ranges that do not touch, found by halving. */

enum { ADDRESS_SET_MOST = 16 };         /* bytes of an address, at most */

struct address_range {
	uint8_t first[16], last[16];    /* the first `bytes` of each are used */
};

struct address_set {
	struct address_range *range;    /* the caller's memory */
	uint32_t count, bytes;          /* ranges; bytes of an address, 4 or 16 */
};

/* Begin an empty set. needs: range has room for as many ranges as prefixes will be added */
void address_set_init(struct address_set *set, struct address_range *range, uint32_t bytes);

/* Add a prefix of `bits` bits. Then, when all are added, sort them once.
 *   needs: bits <= 8 * bytes */
void address_set_add(struct address_set *set, const uint8_t *address, uint32_t bits);
void address_set_sort(struct address_set *set);

/* Is the address in the set? needs: address_set_sort was called; cost: O(log count) */
bool address_set_has(const struct address_set *set, const uint8_t *address);
