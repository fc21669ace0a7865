/* ident -- see ident.h. */
#include "lib/lib.h"

void ident_init(struct ident *ident, uint64_t key0, uint64_t key1)
{
	memset(ident, 0, sizeof(*ident));
	ident->key = (struct siphash_key){ { key0, key1 } };
}

void ident_init_plain(struct ident *ident, uint32_t first)
{
	memset(ident, 0, sizeof(*ident));
	ident->plain = true;
	ident->counter[0] = first;
}

uint32_t ident_next(struct ident *ident, const void *addresses, uint32_t length)
{
	uint64_t hash;

	if (ident->plain)
		return ident->counter[0]++;
	hash = siphash_2_4(&ident->key, addresses, length);
	return (uint32_t)hash + ident->counter[(hash >> 32) % IDENT_COUNTERS]++;
}
