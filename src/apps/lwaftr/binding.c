/* binding -- see binding.h. */
#include "apps/lwaftr/binding.h"

#include <sys/random.h>

enum { SHAPE_BITS = 10, SHAPE_MASK = (1 << SHAPE_BITS) - 1, BR_SPARE = 256, BURST_MOST = CUCKOO_BURST };
_Static_assert(sizeof(struct lwaftr_tunnel) == CUCKOO_VALUE, "a tunnel is the value of a softwire");

/* The key of a port on an address whose port sets have this shape: RFC 7597 section 5.1. The lowest ports may be nobody's. */
static inline uint64_t key_of(const struct lwaftr_binding *binding, uint32_t shape, uint32_t ipv4, uint32_t port)
{
	uint32_t k = shape & 31, a = shape >> 5 & 31, m = 16 - k - a;
	uint32_t lowest = a == 0 ? 0 : binding->reserved_rule == LWAFTR_RESERVED_RFC7597 ? 1u << (16 - a) : 1u << a;
	uint64_t key = lwaftr_binding_key(ipv4, (uint16_t)(port >> m & ((1u << k) - 1)));

	return port < lowest ? 0 : key;
}

uint64_t lwaftr_binding_port_key(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t port)
{
	uint64_t known;

	if (binding->shapes == 1)
		return key_of(binding, binding->shape, ipv4, port);
	known = map_find(&binding->address, ipv4);
	return known == 0 ? 0 : key_of(binding, (uint32_t)known & SHAPE_MASK, ipv4, port);
}

/* Where addresses do not agree on the shape, it is looked up first, for all of them at once. */
static void find(const struct lwaftr_binding *binding, const uint32_t *ipv4, const uint16_t *port, struct cuckoo_entry **found, uint32_t n)
{
	uint64_t key[BURST_MOST];
	uint32_t known[BURST_MOST];

	if (binding->shapes == 1) {
		for (uint32_t i = 0; i < n; i++)
			key[i] = key_of(binding, binding->shape, ipv4[i], port[i]);
	} else {
		map_find_burst(&binding->address, ipv4, known, n);
		for (uint32_t i = 0; i < n; i++)
			key[i] = known[i] != 0 ? key_of(binding, known[i] & SHAPE_MASK, ipv4[i], port[i]) : 0;
	}
	cuckoo_find_burst(&binding->softwire, key, found, n);
}

void lwaftr_binding_find_burst(const struct lwaftr_binding *binding, const uint32_t *ipv4, const uint16_t *port,
	struct cuckoo_entry **found, uint32_t n)
{
	for (; n > BURST_MOST; n -= BURST_MOST, ipv4 += BURST_MOST, port += BURST_MOST, found += BURST_MOST)
		find(binding, ipv4, port, found, BURST_MOST);
	find(binding, ipv4, port, found, n);
}

const struct lwaftr_tunnel *lwaftr_binding_find(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t port)
{
	const struct cuckoo_entry *entry = cuckoo_find(&binding->softwire, lwaftr_binding_port_key(binding, ipv4, port));

	return entry != NULL ? (const struct lwaftr_tunnel *)entry->value : NULL;
}

/* 32 bits of a keyed hash of an address. */
static uint32_t br_hash(const struct lwaftr_binding *binding, const uint8_t address[16])
{
	struct siphash_key key = { { binding->seed[0], binding->seed[1] } };

	return (uint32_t)siphash_1_3(&key, address, 16);
}

/* The place of an address in the index: 1 + its number; 0 and *hash, under which it may be entered: it is not there. Addresses of one
 * hash lie at the next numbers. */
static uint64_t br_look(const struct lwaftr_binding *binding, const uint8_t address[16], uint32_t *hash)
{
	uint64_t found;

	*hash = br_hash(binding, address);
	while ((found = map_find(&binding->br_index, *hash)) != 0 && memcmp(binding->br[found - 1].address, address, 16) != 0)
		(*hash)++;
	return found;
}

bool lwaftr_binding_has_br(const struct lwaftr_binding *binding, const uint8_t address[16])
{
	uint32_t hash;

	return br_look(binding, address, &hash) != 0;
}

/* The index of an address, entered when it is new; -ENOMEM when there is no room. */
static int64_t br_find(struct lwaftr_binding *binding, const uint8_t address[16])
{
	uint32_t hash;
	uint64_t found = br_look(binding, address, &hash);

	if (found != 0)
		return (int64_t)found - 1;
	if (binding->br_count == binding->br_room || map_put(&binding->br_index, hash, binding->br_count + 1) < 0)
		return -ENOMEM;
	memcpy(binding->br[binding->br_count].address, address, 16);
	binding->br[binding->br_count].users = 0;
	return binding->br_count++;
}

/* Room for `spare` more br-addresses. */
static int br_grow(struct lwaftr_binding *binding, uint32_t spare)
{
	uint32_t room = binding->br_count + spare;
	struct lwaftr_br *br;
	struct map index;

	if (map_init(&index, room, binding->seed[0]) < 0)
		return nf_fail(ENOMEM, "no memory for %u br-addresses", room);
	br = realloc(binding->br, room * sizeof(*br));
	if (br == NULL) {
		map_fini(&index);
		return nf_fail(ENOMEM, "no memory for %u br-addresses", room);
	}
	map_fini(&binding->br_index);
	binding->br = br;
	binding->br_room = room;
	binding->br_index = index;
	for (uint32_t i = 0; i < binding->br_count; i++) {
		uint32_t hash = br_hash(binding, br[i].address);

		while (map_find(&binding->br_index, hash) != 0)
			hash++;
		if (map_put(&binding->br_index, hash, i + 1) < 0)
			return nf_fail(ENOMEM, "no memory for %u br-addresses", room);
	}
	return 0;
}

/* One more, or one less, address has port sets of this shape. */
static void shape_use(struct lwaftr_binding *binding, uint32_t shape, bool more)
{
	uint32_t *users = &binding->shape_users[shape];

	if (more && (*users)++ == 0) {
		binding->shapes++;
		binding->shape = shape;
	} else if (!more && --(*users) == 0) {
		binding->shapes--;
		for (uint32_t i = 0; i < sizeof(binding->shape_users) / sizeof(*users); i++)
			if (binding->shape_users[i] > 0)
				binding->shape = i;
	}
}

int lwaftr_binding_add(struct lwaftr_binding *binding, const struct lwaftr_softwire *softwire)
{
	uint64_t key = lwaftr_binding_key(softwire->ipv4, softwire->psid), known = map_find(&binding->address, softwire->ipv4);
	struct lwaftr_tunnel tunnel;
	uint32_t shape = lwaftr_binding_shape(softwire);
	int64_t br;
	int code;

	if (known != 0 && (known & SHAPE_MASK) != shape)
		return -EINVAL;
	if (known != 0 && cuckoo_find(&binding->softwire, key) != NULL)
		return -EEXIST;
	br = br_find(binding, softwire->br);
	if (br < 0)
		return (int)br;
	memcpy(tunnel.b4, softwire->b4, sizeof(tunnel.b4));
	tunnel.br = (uint32_t)br;
	code = map_put(&binding->address, softwire->ipv4, (uint32_t)(known | shape) + (1 << SHAPE_BITS));
	if (code < 0)
		return code;
	code = cuckoo_put(&binding->softwire, key, &tunnel);
	if (code < 0) {
		if (known != 0)
			code = map_put(&binding->address, softwire->ipv4, (uint32_t)known) < 0 ? -ENOSPC : code;
		else
			map_remove(&binding->address, softwire->ipv4);
		return code;
	}
	binding->br[br].users++;
	if (known == 0)
		shape_use(binding, shape, true);
	return 0;
}

int lwaftr_binding_remove(struct lwaftr_binding *binding, uint32_t ipv4, uint16_t psid)
{
	uint64_t key = lwaftr_binding_key(ipv4, psid), known = map_find(&binding->address, ipv4);
	const struct cuckoo_entry *entry = cuckoo_find(&binding->softwire, key);

	if (entry == NULL)
		return -ENOENT;
	binding->br[((const struct lwaftr_tunnel *)entry->value)->br].users--;
	cuckoo_remove(&binding->softwire, key);
	if (known >> SHAPE_BITS > 1)
		return map_put(&binding->address, ipv4, (uint32_t)known - (1 << SHAPE_BITS));
	map_remove(&binding->address, ipv4);
	shape_use(binding, (uint32_t)known & SHAPE_MASK, false);
	return 0;
}

int lwaftr_binding_replace(struct lwaftr_binding *binding, const struct lwaftr_softwire *softwire)
{
	struct cuckoo_entry *entry = cuckoo_find(&binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid));
	uint32_t known = (uint32_t)map_find(&binding->address, softwire->ipv4), shape = lwaftr_binding_shape(softwire);
	struct lwaftr_tunnel *tunnel;
	int64_t br;

	if (entry == NULL)
		return lwaftr_binding_add(binding, softwire);
	if ((known & SHAPE_MASK) != shape && known >> SHAPE_BITS > 1)
		return -EINVAL;
	br = br_find(binding, softwire->br);
	if (br < 0)
		return (int)br;
	tunnel = (struct lwaftr_tunnel *)entry->value;
	binding->br[tunnel->br].users--;
	binding->br[br].users++;
	memcpy(tunnel->b4, softwire->b4, sizeof(tunnel->b4));
	tunnel->br = (uint32_t)br;
	if ((known & SHAPE_MASK) == shape)
		return 0;
	shape_use(binding, known & SHAPE_MASK, false);
	shape_use(binding, shape, true);
	return map_put(&binding->address, softwire->ipv4, 1u << SHAPE_BITS | shape) < 0 ? -ENOSPC : 0;
}

/* needs: `to` has room */
static void copy_map(struct map *to, const struct map *from)
{
	uint64_t position = 0, value;
	uint32_t number;

	while ((value = map_next(from, &position, &number)) != 0)
		if (map_put(to, number, (uint32_t)value) < 0)
			nf_bug(__FILE__, __LINE__, "a map of the announced size is full");
}

/* Make the map of addresses as small as their number allows: what is looked up for each packet shall stay in a cache. */
static int shrink(struct lwaftr_binding *binding, uint64_t room)
{
	uint64_t count = binding->address.count + room;
	struct map smaller;

	if (map_init(&smaller, count, binding->seed[1]) < 0)
		return nf_fail(ENOMEM, "no memory for %llu addresses", (unsigned long long)count);
	copy_map(&smaller, &binding->address);
	map_fini(&binding->address);
	binding->address = smaller;
	binding->address_room = count;
	return 0;
}

void lwaftr_binding_refuse(struct lwaftr_config *config, const struct lwaftr_softwire *softwire, int code)
{
	const uint32_t ip = softwire->ipv4;

	if (code == -EEXIST)
		lwaftr_config_mistake(config, softwire->place, "'softwire': there is another one with ipv4 %u.%u.%u.%u and psid %u",
			ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, softwire->psid);
	else
		lwaftr_config_mistake(config, softwire->place, "'port-set': another softwire of ipv4 %u.%u.%u.%u has a different one",
			ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

/* Enter all softwires. fails: -ENOSPC: with another seed they will fit */
static int fill(struct lwaftr_binding *binding, struct lwaftr_config *config)
{
	for (uint64_t i = 0; i < config->softwire_count; i++) {
		const struct lwaftr_softwire *softwire = &config->softwire[i];
		int code = binding->br_count == binding->br_room ? br_grow(binding, binding->br_count + BR_SPARE) : 0;

		if (code == 0)
			code = lwaftr_binding_add(binding, softwire);
		if (code == -EEXIST || code == -EINVAL)
			lwaftr_binding_refuse(config, softwire, code);
		else if (code < 0)
			return code;
	}
	return binding->br_room - binding->br_count >= BR_SPARE ? 0 : br_grow(binding, BR_SPARE);
}

int lwaftr_binding_init(struct lwaftr_binding *binding, struct lwaftr_config *config, uint64_t room, enum lwaftr_reserved rule)
{
	uint64_t mistakes = config->mistake_count;
	int code;

	do {
		*binding = (struct lwaftr_binding){ .reserved_rule = rule, .softwire_room = config->softwire_count + room };
		if (getrandom(binding->seed, sizeof(binding->seed), 0) != (ssize_t)sizeof(binding->seed))
			return nf_fail(EIO, "no random numbers for the binding table");
		if (cuckoo_init(&binding->softwire, config->softwire_count + room, binding->seed) < 0 ||
			map_init(&binding->address, config->softwire_count + room, binding->seed[0]) < 0)
			code = nf_fail(ENOMEM, "no memory for %llu softwires", (unsigned long long)(config->softwire_count + room));
		else
			code = fill(binding, config);
		if (code == 0)
			code = shrink(binding, room);
		if (code < 0)
			lwaftr_binding_fini(binding);
		if (code == -ENOSPC)
			lwaftr_config_forget(config, mistakes);
	} while (code == -ENOSPC);
	return code;
}

/* The copy's own memory, with what is in it. */
static int fill_copy(struct lwaftr_binding *copy, const struct lwaftr_binding *from, uint64_t brs)
{
	int code;

	if (cuckoo_init(&copy->softwire, copy->softwire_room, copy->seed) < 0 ||
		map_init(&copy->address, copy->address_room, copy->seed[1]) < 0)
		return nf_fail(ENOMEM, "no memory for %llu softwires", (unsigned long long)copy->softwire_room);
	code = br_grow(copy, (uint32_t)brs);
	if (code < 0)
		return code;
	for (uint32_t i = 0; i < from->br_count; i++)
		if (br_find(copy, from->br[i].address) != (int64_t)i)
			nf_bug(__FILE__, __LINE__, "a copy numbers br-addresses in another way");
		else
			copy->br[i].users = from->br[i].users;
	copy_map(&copy->address, &from->address);
	return cuckoo_copy(&copy->softwire, &from->softwire);
}

int lwaftr_binding_copy(struct lwaftr_binding *copy, const struct lwaftr_binding *from, uint64_t softwires, uint64_t addresses, uint64_t brs)
{
	int code;

	*copy = (struct lwaftr_binding){ .reserved_rule = from->reserved_rule, .shapes = from->shapes, .shape = from->shape,
		.softwire_room = softwires, .address_room = addresses };
	memcpy(copy->shape_users, from->shape_users, sizeof(copy->shape_users));
	if (getrandom(copy->seed, sizeof(copy->seed), 0) != (ssize_t)sizeof(copy->seed))
		return nf_fail(EIO, "no random numbers for the binding table");
	code = fill_copy(copy, from, brs);
	if (code < 0)
		lwaftr_binding_fini(copy);
	return code;
}

void lwaftr_binding_fini(struct lwaftr_binding *binding)
{
	cuckoo_fini(&binding->softwire);
	map_fini(&binding->address);
	map_fini(&binding->br_index);
	free(binding->br);
	*binding = (struct lwaftr_binding){ 0 };
}

/* What stands in an entry and in its address's. */
static void describe(const struct lwaftr_binding *binding, const struct cuckoo_entry *entry, struct lwaftr_softwire *softwire)
{
	const struct lwaftr_tunnel *tunnel = (const struct lwaftr_tunnel *)entry->value;
	uint64_t known;

	*softwire = (struct lwaftr_softwire){ .ipv4 = (uint32_t)(entry->key >> 16), .psid = (uint16_t)entry->key };
	known = map_find(&binding->address, softwire->ipv4);
	softwire->psid_length = known & 31;
	softwire->reserved = known >> 5 & 31;
	memcpy(softwire->b4, tunnel->b4, sizeof(softwire->b4));
	memcpy(softwire->br, binding->br[tunnel->br].address, sizeof(softwire->br));
}

bool lwaftr_binding_get(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t psid, struct lwaftr_softwire *softwire)
{
	const struct cuckoo_entry *entry = cuckoo_find(&binding->softwire, lwaftr_binding_key(ipv4, psid));

	if (entry != NULL)
		describe(binding, entry, softwire);
	return entry != NULL;
}

bool lwaftr_binding_next(const struct lwaftr_binding *binding, uint64_t *position, struct lwaftr_softwire *softwire)
{
	const struct cuckoo_entry *entry = cuckoo_next(&binding->softwire, position);

	if (entry != NULL)
		describe(binding, entry, softwire);
	return entry != NULL;
}

uint64_t lwaftr_binding_bytes(const struct lwaftr_binding *binding)
{
	return binding->softwire.bytes + binding->address.bytes + binding->br_index.bytes + binding->br_room * sizeof(*binding->br);
}
