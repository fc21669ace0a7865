/* difference -- see difference.h. */
#include "apps/lwaftr/difference.h"

enum { SHAPE_MASK = (1 << 10) - 1, SEEN = 1 << 10 };

struct search {
	struct lwaftr_difference *difference;
	struct lwaftr_config *config;
	const struct lwaftr_binding *binding;
	uint64_t *kept;                         /* a bit for each entry of the table that the configuration has */
	struct map shape;                       /* IPv4 address -> SEEN | shape of its port sets in the configuration */
	struct cuckoo fresh;                    /* keys that the table does not have */
};

static int append(struct lwaftr_difference *difference, const struct lwaftr_softwire *softwire, enum lwaftr_op op)
{
	if (difference->count == difference->room) {
		uint64_t room = difference->room * 2 + 1024;
		void *larger = realloc(difference->change, room * sizeof(*difference->change));

		if (larger == NULL)
			return -ENOMEM;
		difference->change = larger;
		difference->room = room;
	}
	difference->change[difference->count++] = (struct lwaftr_change){ .softwire = *softwire, .op = op };
	return 0;
}

/* All port sets of an address are of one shape. gives: false after a mistake */
static bool fits_address(struct search *search, const struct lwaftr_softwire *softwire)
{
	uint32_t shape = lwaftr_binding_shape(softwire), known = (uint32_t)map_find(&search->shape, softwire->ipv4);

	if (known != 0 && (known & SHAPE_MASK) != shape) {
		lwaftr_binding_refuse(search->config, softwire, -EINVAL);
		return false;
	}
	if (known == 0 && map_put(&search->shape, softwire->ipv4, SEEN | shape) < 0)
		nf_bug(__FILE__, __LINE__, "a map of the announced size is full");
	return true;
}

/* An entry stands for the first softwire of its key. gives: false after a mistake */
static bool keep(struct search *search, const struct cuckoo_entry *entry, const struct lwaftr_softwire *softwire)
{
	uint64_t number = (uint64_t)(entry - search->binding->softwire.entry);

	if (search->kept[number / 64] >> number % 64 & 1) {
		lwaftr_binding_refuse(search->config, softwire, -EEXIST);
		return false;
	}
	search->kept[number / 64] |= 1ull << number % 64;
	return true;
}

static bool same_tunnel(const struct lwaftr_binding *binding, const struct cuckoo_entry *entry, const struct lwaftr_softwire *softwire)
{
	const struct lwaftr_tunnel *tunnel = (const struct lwaftr_tunnel *)entry->value;

	return memcmp(tunnel->b4, softwire->b4, sizeof(tunnel->b4)) == 0 &&
		memcmp(binding->br[tunnel->br].address, softwire->br, sizeof(softwire->br)) == 0;
}

/* Removals: what the configuration does not have, and what has another port set, which cannot change under others. */
static int find_removed(struct search *search)
{
	const struct cuckoo *table = &search->binding->softwire;
	const struct cuckoo_entry *entry;
	uint64_t position = 0;
	int code = 0;

	while (code == 0 && (entry = cuckoo_next(table, &position)) != NULL) {
		uint64_t number = (uint64_t)(entry - table->entry);
		uint32_t ipv4 = (uint32_t)(entry->key >> 16);
		struct lwaftr_softwire softwire = { .ipv4 = ipv4, .psid = (uint16_t)entry->key };

		if (!(search->kept[number / 64] >> number % 64 & 1) ||
			((map_find(&search->shape, ipv4) ^ map_find(&search->binding->address, ipv4)) & SHAPE_MASK) != 0)
			code = append(search->difference, &softwire, LWAFTR_REMOVE);
	}
	search->difference->removed = search->difference->count;
	return code;
}

/* Look at each softwire once: mistakes, and which entries stay. */
static void look(struct search *search)
{
	for (uint64_t i = 0; i < search->config->softwire_count; i++) {
		const struct lwaftr_softwire *softwire = &search->config->softwire[i];
		const struct cuckoo_entry *entry = cuckoo_find(&search->binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid));

		if (fits_address(search, softwire) && entry != NULL)
			keep(search, entry, softwire);
	}
}

/* Those with another tunnel. */
static int find_replaced(struct search *search)
{
	int code = 0;

	for (uint64_t i = 0; i < search->config->softwire_count && code == 0; i++) {
		const struct lwaftr_softwire *softwire = &search->config->softwire[i];
		const struct cuckoo_entry *entry = cuckoo_find(&search->binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid));
		uint64_t shape = map_find(&search->binding->address, softwire->ipv4) & SHAPE_MASK;

		if (entry != NULL && shape == lwaftr_binding_shape(softwire) && !same_tunnel(search->binding, entry, softwire))
			code = append(search->difference, softwire, LWAFTR_REPLACE);
	}
	search->difference->replaced = search->difference->count - search->difference->removed;
	return code;
}

static int find_added(struct search *search)
{
	uint64_t before = search->difference->count;
	int code = 0;

	for (uint64_t i = 0; i < search->config->softwire_count && code == 0; i++) {
		const struct lwaftr_softwire *softwire = &search->config->softwire[i];
		uint64_t shape = map_find(&search->binding->address, softwire->ipv4) & SHAPE_MASK;

		if (cuckoo_find(&search->binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid)) == NULL ||
			shape != lwaftr_binding_shape(softwire))
			code = append(search->difference, softwire, LWAFTR_ADD);
	}
	search->difference->added = search->difference->count - before;
	return code;
}

/* New ones that stand twice in the configuration. fails: -ENOMEM; -ENOSPC: another seed is needed */
static int find_twice(struct search *search, const struct lwaftr_change *added, uint64_t salt)
{
	static const uint8_t nothing[CUCKOO_VALUE];
	const uint64_t seed[2] = { search->binding->seed[0] + salt, search->binding->seed[1] };
	uint64_t mistakes = search->config->mistake_count;
	int code = cuckoo_init(&search->fresh, search->difference->added, seed);

	for (uint64_t i = 0; i < search->difference->added && code >= 0; i++) {
		const struct lwaftr_softwire *softwire = &added[i].softwire;

		/* Entries with another port set were looked at before. */
		if (cuckoo_find(&search->binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid)) != NULL)
			continue;
		code = cuckoo_put(&search->fresh, lwaftr_binding_key(softwire->ipv4, softwire->psid), nothing);
		if (code == 1)
			lwaftr_binding_refuse(search->config, softwire, -EEXIST);
	}
	cuckoo_fini(&search->fresh);
	if (code == -ENOSPC)
		lwaftr_config_forget(search->config, mistakes);
	return code < 0 ? code : 0;
}

static int find(struct search *search)
{
	struct lwaftr_difference *difference = search->difference;
	uint64_t salt = 0;
	int code;

	look(search);
	code = find_removed(search);
	if (code == 0)
		code = find_replaced(search);
	if (code == 0)
		code = find_added(search);
	while (code == 0 || code == -ENOSPC) {
		code = find_twice(search, difference->change + difference->count - difference->added, salt++);
		if (code == 0)
			break;
	}
	return code;
}

int lwaftr_difference_find(struct lwaftr_difference *difference, struct lwaftr_config *config, const struct lwaftr_binding *binding)
{
	struct search search = { .difference = difference, .config = config, .binding = binding };
	int code = -ENOMEM;

	*difference = (struct lwaftr_difference){ 0 };
	search.kept = calloc(binding->softwire.buckets * CUCKOO_BUCKET / 64 + 1, sizeof(*search.kept));
	if (search.kept != NULL && map_init(&search.shape, config->softwire_count, binding->seed[0]) == 0)
		code = find(&search);
	map_fini(&search.shape);
	free(search.kept);
	if (code < 0)
		lwaftr_difference_free(difference);
	return code < 0 ? nf_fail(-code, "no memory for the difference of two tables") : 0;
}

void lwaftr_difference_free(struct lwaftr_difference *difference)
{
	free(difference->change);
	*difference = (struct lwaftr_difference){ 0 };
}
