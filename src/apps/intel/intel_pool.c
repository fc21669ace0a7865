/* intel_pool -- the parameter vmdq. See intel_pool.h; what the cards do with it is in ixgbe_pool.c and igb_pool.c. */
#include "apps/intel/intel_port.h"

static const struct param vlan_item = { .type = PARAM_U32, .max = 4094 };
static const struct param mirrored_vlan_item = { .type = PARAM_U32, .min = 1, .max = 4094 };
static const struct param pool_item = { .type = PARAM_U32, .max = INTEL_POOLS - 1 };
static const char *const all_pools[] = { "all", NULL };

static const struct param mirror_params[] = {
	{ "pools", PARAM_LIST, offsetof(struct intel_mirror, pools), .item = &pool_item, .max = INTEL_POOLS, .choices = all_pools, .optional = true,
		.help = "of what these pools receive" },
	{ "vlan", PARAM_LIST, offsetof(struct intel_mirror, vlan), .item = &mirrored_vlan_item, .max = INTEL_POOL_VLANS, .optional = true,
		.help = "of what is received in these VLANs" },
	{ "wire", PARAM_BOOL, offsetof(struct intel_mirror, wire), .initial = false, .help = "of all that came from the wire to any pool" },
	{ 0 }
};

const struct param intel_pool_params[] = {
	{ "pool", PARAM_U32, offsetof(struct intel_pool, number), .max = INTEL_POOLS - 1, .initial = 0, .help = "number of the pool" },
	{ "queues", PARAM_U32, offsetof(struct intel_pool, queues), .min = 1, .max = 4, .initial = 1,
		.help = "queues of each pool: 1, 2 or 4, the same in all pools of the card. The parameter queue counts within the pool, and RSS "
			"spreads over those in use" },
	{ "mac", PARAM_MAC, offsetof(struct intel_pool, mac), .optional = true, .present = offsetof(struct intel_pool, has_mac),
		.help = "frames to this address come to the pool; without it frames to the card's own" },
	{ "vlan", PARAM_LIST, offsetof(struct intel_pool, vlan), .item = &vlan_item, .min = 1, .max = INTEL_POOL_VLANS, .initial_text = "0",
		.help = "VLANs whose frames the pool takes; 0: those without a tag" },
	{ "mirror", PARAM_TABLE, offsetof(struct intel_pool, mirror), .optional = true, .present = offsetof(struct intel_pool, has_mirror),
		.fields = mirror_params, .size = sizeof(struct intel_mirror), .help = "the pool gets copies besides" },
	{ 0 }
};

static bool list_has(const struct param_list *list, uint32_t value)
{
	const uint32_t *items = list->items;

	for (uint32_t i = 0; i < list->count; i++)
		if (items[i] == value)
			return true;
	return false;
}

static bool same_list(const struct param_list *a, const struct param_list *b)
{
	const uint32_t *items = a->items;

	for (uint32_t i = 0; i < a->count; i++)
		if (!list_has(b, items[i]))
			return false;
	items = b->items;
	for (uint32_t i = 0; i < b->count; i++)
		if (!list_has(a, items[i]))
			return false;
	return (a->items == NULL) == (b->items == NULL);
}

bool intel_pool_has_vlan(const struct intel_pool *pool, uint32_t vlan)
{
	return list_has(&pool->vlan, vlan);
}

bool intel_pool_mirrors_vlan(const struct intel_pool *pool, uint32_t vlan)
{
	return pool->has_mirror && list_has(&pool->mirror.vlan, vlan);
}

uint64_t intel_pool_mirrored(const struct intel_pool *pool)
{
	const struct param_list *list = &pool->mirror.pools;
	const uint32_t *items = list->items;
	uint64_t pools = 0;

	if (!pool->has_mirror || list->items == NULL)
		return 0;
	for (uint32_t i = 0; i < list->count; i++)
		pools |= 1ULL << items[i];
	/* The word "all". A pool has no need of a copy of what it gets. */
	return (list->count == 0 ? UINT64_MAX : pools) & ~(1ULL << pool->number);
}

void intel_pool_check(const struct intel_port *port, struct errors *errors)
{
	const struct intel_pool *pool = &port->pool;
	const char *app = port->app.name;

	if (!pool->wanted)
		return;
	if (pool->queues == 3)
		errors_add(errors, "app '%s': key 'vmdq.queues': pools have 1, 2 or 4 queues, not 3", app);
	else if (port->queue >= pool->queues)
		errors_add(errors, "app '%s': key 'queue': %u, but each pool has %u queue%s (key 'vmdq.queues'); it counts within the pool", app,
			port->queue, pool->queues, pool->queues > 1 ? "s" : "");
	if (pool->has_mac && ethernet_is_group(pool->mac))
		errors_add(errors, "app '%s': key 'vmdq.mac': a group address, accepted is one of a single station", app);
	if (pool->has_mirror && !pool->mirror.wire && pool->mirror.vlan.count == 0 && intel_pool_mirrored(pool) == 0)
		errors_add(errors, "app '%s': key 'vmdq.mirror': copies of nothing; accepted: other pools, vlan or wire = true", app);
}

/* The key in which two instances of the same pool differ; NULL: none. */
static const char *difference(const struct intel_port *port, const struct intel_port *other)
{
	const struct intel_pool *a = &port->pool, *b = &other->pool;

	if (a->has_mac != b->has_mac || memcmp(a->mac, b->mac, sizeof(a->mac)) != 0)
		return "vmdq.mac";
	if (!same_list(&a->vlan, &b->vlan))
		return "vmdq.vlan";
	if (a->has_mirror != b->has_mirror || a->mirror.wire != b->mirror.wire || !same_list(&a->mirror.pools, &b->mirror.pools) ||
		!same_list(&a->mirror.vlan, &b->mirror.vlan))
		return "vmdq.mirror";
	return intel_port_is_promiscuous(port) != intel_port_is_promiscuous(other) ? "promiscuous" : NULL;
}

/* 7.10.3.3: a frame to a single station must not come to several pools by its address; VLANs may tell them apart. */
static bool want_the_same(const struct intel_pool *a, const struct intel_pool *b)
{
	const uint32_t *items = a->vlan.items;
	bool both = false;

	for (uint32_t i = 0; i < a->vlan.count; i++)
		both |= list_has(&b->vlan, items[i]);
	return both && a->has_mac == b->has_mac && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

void intel_pool_compare(const struct intel_port *port, const struct intel_port *other, bool first, struct errors *errors)
{
	const char *app = port->app.name, *with = other->app.name, *key;

	if (port->pool.wanted != other->pool.wanted) {
		if (!first)
			return;
		errors_add(errors, "app '%s': key 'vmdq': app '%s' has the same card %s with%s pools: all instances of a card have them, or RSS "
			"alone spreads over its queues", app, with, port->pci, other->pool.wanted ? "" : "out");
		return;
	}
	if (!port->pool.wanted)
		return;
	if (port->pool.queues != other->pool.queues) {
		if (first)
			errors_add(errors, "app '%s': key 'vmdq.queues': app '%s' has the same card %s with another value", app, with, port->pci);
	} else if (port->pool.number == other->pool.number) {
		key = difference(port, other);
		if (key != NULL)
			errors_add(errors, "app '%s': key '%s': app '%s' has the same pool %u of card %s with another value", app, key, with,
				port->pool.number, port->pci);
	} else if (want_the_same(&port->pool, &other->pool)) {
		errors_add(errors, "app '%s': key 'vmdq.mac': app '%s', another pool of card %s, has the same address in the same VLAN", app, with,
			port->pci);
	} else if (intel_port_is_promiscuous(port) && intel_port_is_promiscuous(other)) {
		errors_add(errors, "app '%s': key 'promiscuous': app '%s' is the pool of card %s that gets what no other takes; there can be one",
			app, with, port->pci);
	}
}

static void add_list(const struct param_list *list, uint64_t *vlan)
{
	const uint32_t *items = list->items;

	for (uint32_t i = 0; i < list->count; i++)
		vlan[items[i] / 64] |= 1ULL << items[i] % 64;
}

void intel_pool_add_up(const struct intel_port *port, struct intel_pool_needs *needs)
{
	const struct intel_pool *pool = &port->pool;

	if (!pool->wanted)
		return;
	add_list(&pool->vlan, needs->vlan);
	if (!pool->has_mirror)
		return;
	add_list(&pool->mirror.vlan, needs->vlan);
	needs->mirrors |= 1ULL << pool->number;
}

void intel_pool_check_needs(const struct intel_port *port, const struct intel_pool_needs *needs, uint32_t vlans, struct errors *errors)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 4096 / 64; i++)
		count += (uint32_t)__builtin_popcountll(needs->vlan[i]);
	if (count > vlans)
		errors_add(errors, "app '%s': key 'vmdq.vlan': the pools of card %s have %u VLANs together, the card sorts out %u", port->app.name,
			port->pci, count, vlans);
	if (__builtin_popcountll(needs->mirrors) > INTEL_MIRRORS)
		errors_add(errors, "app '%s': key 'vmdq.mirror': %u pools of card %s have mirrors, the card has %u", port->app.name,
			(uint32_t)__builtin_popcountll(needs->mirrors), port->pci, INTEL_MIRRORS);
}

int intel_pool_check_card(const struct intel_port *port, const char *card, uint32_t kind)
{
	const struct intel_pool *pool = &port->pool;
	uint32_t queues = kind <= INTEL_X553 ? 4 : kind == INTEL_82576 ? 2 : 1, pools = kind > INTEL_X553 ? 8 : pool->queues == 4 ? 32 : 64;

	if (!pool->wanted)
		return 0;
	if (kind > INTEL_I350)
		return nf_fail(EINVAL, "app '%s': key 'vmdq': card %s, %s, has no pools; its queues can be shared by RSS", port->app.name, port->pci, card);
	if (pool->queues > queues)
		return nf_fail(EINVAL, "app '%s': key 'vmdq.queues': card %s, %s, has at most %u queue%s in each pool", port->app.name, port->pci, card,
			queues, queues > 1 ? "s" : "");
	if (pool->number >= pools)
		return nf_fail(EINVAL, "app '%s': key 'vmdq.pool': card %s, %s, has pools 0..%u with %u queue%s each", port->app.name, port->pci, card,
			pools - 1, pool->queues, pool->queues > 1 ? "s" : "");
	for (uint32_t i = 0; i < pool->mirror.pools.count; i++)
		if (((const uint32_t *)pool->mirror.pools.items)[i] >= pools)
			return nf_fail(EINVAL, "app '%s': key 'vmdq.mirror.pools': card %s, %s, has pools 0..%u", port->app.name, port->pci, card, pools - 1);
	return 0;
}
