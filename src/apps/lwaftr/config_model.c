/* config_model -- the keys of a configuration: names, types, ranges, defaults. The data model is that of the YANG module
 * snabb-softwire-v3; what is stricter here than there is said where it stands. */
#include "apps/lwaftr/config_decode.h"
#include "lib/lib.h"

enum { MTU4_LEAST = 68, MTU6_LEAST = 1280 };    /* RFC 791 section 3.2; RFC 8200 section 5 */
enum { VLAN_MOST_ID = 4094 };                   /* 4095 is reserved: IEEE 802.1Q, table 9-2 */
enum { LABEL_MOST = (1 << 20) - 1 };            /* 20 bits: RFC 8200 section 7 */

/* Room for one more element of an array in the arena. */
static void *append(struct lwaftr_config *config, void **array, uint32_t *count, size_t size)
{
	if ((*count & (*count - 1)) == 0) {             /* 0, 1, 2, 4, 8: it is full */
		void *larger = arena_alloc(&config->arena, (*count == 0 ? 1 : *count * 2) * size);

		if (*count > 0)
			memcpy(larger, *array, *count * size);
		*array = larger;
	}
	return (uint8_t *)*array + size * (*count)++;
}

static void *instance_begin(struct lwaftr_config *config, void *parent)
{
	(void)parent;
	return append(config, (void **)&config->instance, &config->instance_count, sizeof(*config->instance));
}

static void instance_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	(void)config, (void)parent;
	((struct lwaftr_instance *)entry)->place = place;
}

static void *queue_begin(struct lwaftr_config *config, void *parent)
{
	struct lwaftr_instance *instance = parent;

	return append(config, (void **)&instance->queue, &instance->queue_count, sizeof(*instance->queue));
}

static void queue_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	(void)config, (void)parent;
	((struct lwaftr_queue *)entry)->place = place;
}

static void port_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	struct lwaftr_port *port = entry;

	(void)parent;
	port->place = place;
	if (port->next_hop.has_ip && memcmp(port->next_hop.ip, port->ip, sizeof(port->ip)) == 0)
		lwaftr_config_mistake(config, place, "'next-hop': its ip is the own one");
}

static void next_hop_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	const struct lwaftr_next_hop *next_hop = entry;

	(void)parent;
	if (next_hop->has_ip == next_hop->has_mac)
		lwaftr_config_mistake(config, place, "'next-hop': %s", next_hop->has_ip ? "'ip' and 'mac' exclude each other" :
			"'ip' or 'mac' must be given");
}

static void version_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	(void)parent, (void)entry, (void)place;
	config->has_version = true;
}

static void *softwire_begin(struct lwaftr_config *config, void *parent)
{
	struct lwaftr_softwire *softwire = &config->discarded;

	(void)parent;
	if (!(config->flags & LWAFTR_WITHOUT_SOFTWIRES)) {
		if (config->softwire_count == config->softwire_room) {
			uint64_t room = config->softwire_room * 2 + 1024;
			void *larger = realloc(config->softwire, room * sizeof(*softwire));

			if (larger == NULL)
				return memset(softwire, 0, sizeof(*softwire));
			config->softwire = larger;
			config->softwire_room = room;
		}
		softwire = &config->softwire[config->softwire_count];
	}
	return memset(softwire, 0, sizeof(*softwire));
}

/* k + a <= 16, psid < 2^k. gives: false after a mistake */
static bool check_port_set(struct lwaftr_config *config, const struct lwaftr_softwire *softwire, uint64_t place)
{
	uint32_t k = softwire->psid_length, a = softwire->reserved;

	if (k + a > 16)
		lwaftr_config_mistake(config, place, "'port-set': psid-length %u and reserved-ports-bit-count %u are more than 16 bits together",
			k, a);
	else if (softwire->psid >> k != 0)
		lwaftr_config_mistake(config, place, "'psid': %u does not fit psid-length %u: at most %u", softwire->psid, k, (1u << k) - 1);
	return k + a <= 16 && softwire->psid >> k == 0;
}

/* Keep it when it is right. */
static void softwire_end(struct lwaftr_config *config, void *parent, void *entry, uint64_t place)
{
	struct lwaftr_softwire *softwire = entry;

	(void)parent;
	if (!(config->flags & LWAFTR_KEYS_ALONE) && !check_port_set(config, softwire, place))
		return;
	softwire->ipv4 = bytes_swap32(softwire->ipv4);
	softwire->place = place;
	if (softwire == &config->discarded && !(config->flags & LWAFTR_WITHOUT_SOFTWIRES))
		lwaftr_config_mistake(config, place, "'softwire': out of memory");
	else
		config->softwire_count++;
}

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct config_node next_hop4[] = {
	{ "ip", CONFIG_IPV4, AT(lwaftr_next_hop, ip), .host = true, .present = offsetof(struct lwaftr_next_hop, has_ip) + 1 },
	{ "mac", CONFIG_MAC, AT(lwaftr_next_hop, mac), .host = true, .present = offsetof(struct lwaftr_next_hop, has_mac) + 1 },
	{ 0 }
};

static const struct config_node next_hop6[] = {
	{ "ip", CONFIG_IPV6, AT(lwaftr_next_hop, ip), .host = true, .present = offsetof(struct lwaftr_next_hop, has_ip) + 1 },
	{ "mac", CONFIG_MAC, AT(lwaftr_next_hop, mac), .host = true, .present = offsetof(struct lwaftr_next_hop, has_mac) + 1 },
	{ 0 }
};

#define PORT(address, next_hop_) { \
	{ "ip", address, AT(lwaftr_port, ip), .mandatory = true, .host = true }, \
	{ "mac", CONFIG_MAC, AT(lwaftr_port, mac), .mandatory = true, .host = true }, \
	{ "vlan-tag", CONFIG_U16, AT(lwaftr_port, vlan), .max = VLAN_MOST_ID, .present = offsetof(struct lwaftr_port, has_vlan) + 1 }, \
	{ "next-hop", CONFIG_BLOCK, AT(lwaftr_port, next_hop), .mandatory = true, .children = next_hop_, .end = next_hop_end }, \
	{ 0 } }
static const struct config_node port4[] = PORT(CONFIG_IPV4, next_hop4), port6[] = PORT(CONFIG_IPV6, next_hop6);

static const struct config_node queue[] = {
	{ "id", CONFIG_U8, AT(lwaftr_queue, id), .mandatory = true },
	{ "external-interface", CONFIG_BLOCK, AT(lwaftr_queue, external), .mandatory = true, .children = port4, .end = port_end },
	{ "internal-interface", CONFIG_BLOCK, AT(lwaftr_queue, internal), .mandatory = true, .children = port6, .end = port_end },
	{ 0 }
};

static const struct config_node instance[] = {
	{ "device", CONFIG_STRING, AT(lwaftr_instance, device), .mandatory = true },
	{ "external-device", CONFIG_STRING, AT(lwaftr_instance, external_device) },
	{ "queue", CONFIG_LIST, .children = queue, .begin = queue_begin, .end = queue_end },
	{ 0 }
};

static const struct config_node limiting[] = {
	{ "packets", CONFIG_U32, AT(lwaftr_side, error_packets), .initial = 200 },
	{ "period", CONFIG_U32, AT(lwaftr_side, error_period), .min = 1, .initial = 2 },
	{ 0 }
};

static const struct config_node reassembly[] = {
	{ "max-fragments-per-packet", CONFIG_U32, AT(lwaftr_side, max_fragments), .min = 1, .initial = 20 },
	{ "max-packets", CONFIG_U32, AT(lwaftr_side, max_packets), .min = 1, .initial = 20000 },
	{ 0 }
};

#define SIDE(least, usual) \
	{ "mtu", CONFIG_U16, AT(lwaftr_side, mtu), .min = least, .initial = usual }, \
	{ "mru", CONFIG_U16, AT(lwaftr_side, mru), .initial = 1460 }, \
	{ "ingress-filter", CONFIG_FILTER, AT(lwaftr_side, ingress_filter), .place = offsetof(struct lwaftr_side, ingress_place) + 1 }, \
	{ "egress-filter", CONFIG_FILTER, AT(lwaftr_side, egress_filter), .place = offsetof(struct lwaftr_side, egress_place) + 1 }, \
	{ "allow-incoming-icmp", CONFIG_BOOL, AT(lwaftr_side, allow_incoming_icmp), .initial = true }, \
	{ "generate-icmp-errors", CONFIG_BOOL, AT(lwaftr_side, generate_icmp_errors), .initial = true }, \
	{ "error-rate-limiting", CONFIG_BLOCK, .children = limiting }, \
	{ "reassembly", CONFIG_BLOCK, .children = reassembly }

static const struct config_node external[] = { SIDE(MTU4_LEAST, 1460), { 0 } };

static const struct config_node internal[] = {
	SIDE(MTU6_LEAST, 1500),
	{ "flow-label", CONFIG_U32, AT(lwaftr_side, flow_label), .max = LABEL_MOST },
	{ "hairpinning", CONFIG_BOOL, AT(lwaftr_side, hairpinning), .initial = true },
	{ "vlan-tag", CONFIG_U16, AT(lwaftr_side, vlan), .max = VLAN_MOST_ID, .present = offsetof(struct lwaftr_side, has_vlan) + 1 },
	{ 0 }
};

static const struct config_node port_set[] = {
	{ "psid-length", CONFIG_U8, AT(lwaftr_softwire, psid_length), .mandatory = true, .max = 16 },
	{ "reserved-ports-bit-count", CONFIG_U8, AT(lwaftr_softwire, reserved), .max = 16 },
	{ 0 }
};

static const struct config_node softwire[] = {
	{ "ipv4", CONFIG_IPV4, AT(lwaftr_softwire, ipv4), .mandatory = true },
	{ "psid", CONFIG_U16, AT(lwaftr_softwire, psid), .mandatory = true },
	{ "b4-ipv6", CONFIG_IPV6, AT(lwaftr_softwire, b4), .mandatory = true },
	{ "br-address", CONFIG_IPV6, AT(lwaftr_softwire, br), .mandatory = true },
	{ "port-set", CONFIG_BLOCK, .mandatory = true, .children = port_set },
	{ "padding", CONFIG_U16, .offset = CONFIG_NOWHERE },
	{ 0 }
};

/* A softwire that is named, not described: what else is said of it is checked and not used. */
static const struct config_node port_set_named[] = {
	{ "psid-length", CONFIG_U8, AT(lwaftr_softwire, psid_length), .max = 16 },
	{ "reserved-ports-bit-count", CONFIG_U8, AT(lwaftr_softwire, reserved), .max = 16 },
	{ 0 }
};

static const struct config_node softwire_named[] = {
	{ "ipv4", CONFIG_IPV4, AT(lwaftr_softwire, ipv4), .mandatory = true },
	{ "psid", CONFIG_U16, AT(lwaftr_softwire, psid), .mandatory = true },
	{ "b4-ipv6", CONFIG_IPV6, AT(lwaftr_softwire, b4) },
	{ "br-address", CONFIG_IPV6, AT(lwaftr_softwire, br) },
	{ "port-set", CONFIG_BLOCK, .children = port_set_named },
	{ "padding", CONFIG_U16, .offset = CONFIG_NOWHERE },
	{ 0 }
};

const struct config_node config_model_softwires[] = {
	{ "softwire", CONFIG_LIST, .children = softwire, .begin = softwire_begin, .end = softwire_end },
	{ 0 }
};

const struct config_node config_model_keys[] = {
	{ "softwire", CONFIG_LIST, .children = softwire_named, .begin = softwire_begin, .end = softwire_end },
	{ 0 }
};

static const struct config_node version[] = {
	{ "number", CONFIG_U64, AT(lwaftr_config, version_number), .present = offsetof(struct lwaftr_config, has_version_number) + 1 },
	{ "date", CONFIG_DATE, AT(lwaftr_config, version_date) },
	{ 0 }
};

static const struct config_node table[] = {
	{ "softwire", CONFIG_LIST, .children = softwire, .begin = softwire_begin, .end = softwire_end },
	{ "version", CONFIG_BLOCK, .children = version, .end = version_end },
	{ 0 }
};

static const struct config_node top[] = {
	{ "name", CONFIG_STRING, AT(lwaftr_config, name) },
	{ "instance", CONFIG_LIST, .children = instance, .begin = instance_begin, .end = instance_end },
	{ "external-interface", CONFIG_BLOCK, AT(lwaftr_config, external), .children = external },
	{ "internal-interface", CONFIG_BLOCK, AT(lwaftr_config, internal), .children = internal },
	{ "binding-table", CONFIG_BLOCK, .children = table },
	{ 0 }
};

const struct config_node config_model[] = {
	{ "softwire-config", CONFIG_BLOCK, .mandatory = true, .children = top },
	{ 0 }
};
