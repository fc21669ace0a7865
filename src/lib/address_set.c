/* address_set -- see address_set.h. */
#include "lib/lib.h"

#include <stdlib.h>

void address_set_init(struct address_set *set, struct address_range *range, uint32_t bytes)
{
	*set = (struct address_set){ .range = range, .bytes = bytes };
}

void address_set_add(struct address_set *set, const uint8_t *address, uint32_t bits)
{
	struct address_range *range = &set->range[set->count++];

	*range = (struct address_range){ { 0 }, { 0 } };
	for (uint32_t i = 0; i < set->bytes; i++) {
		uint32_t of_prefix = bits > i * 8 ? bits - i * 8 : 0;
		uint8_t host = of_prefix >= 8 ? 0 : (uint8_t)(0xff >> of_prefix);

		range->first[i] = address[i] & (uint8_t)~host;
		range->last[i] = address[i] | host;
	}
}

/* Bytes that are not used are zero, so whole addresses may be compared. */
static int compare(const void *a, const void *b)
{
	return memcmp(((const struct address_range *)a)->first, ((const struct address_range *)b)->first, ADDRESS_SET_MOST);
}

void address_set_sort(struct address_set *set)
{
	uint32_t kept = 0;

	qsort(set->range, set->count, sizeof(*set->range), compare);
	for (uint32_t i = 0; i < set->count; i++) {
		/* Prefixes overlap only when one contains the other: the larger one comes first or has the same beginning. */
		if (kept > 0 && memcmp(set->range[i].first, set->range[kept - 1].last, ADDRESS_SET_MOST) <= 0) {
			if (memcmp(set->range[i].last, set->range[kept - 1].last, ADDRESS_SET_MOST) > 0)
				set->range[kept - 1] = set->range[i];
			continue;
		}
		set->range[kept++] = set->range[i];
	}
	set->count = kept;
}

bool address_set_has(const struct address_set *set, const uint8_t *address)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(address, set->range[middle].first, set->bytes) < 0)
			high = middle;
		else if (memcmp(address, set->range[middle].last, set->bytes) > 0)
			low = middle + 1;
		else
			return true;
	}
	return false;
}
