/* b4_ports -- see b4.h: which ports belong to the set, and which client has which of them. source: RFC 7597 section 5.1 */
#include "apps/lwaftr/b4.h"

#include <errno.h>
#include <stdlib.h>

enum { PORT_BITS = 16, WELL_KNOWN = 1024 };

/* Bits of a port behind the PSID. */
static uint32_t low_bits(const struct b4_ports *ports)
{
	return PORT_BITS - ports->offset - ports->length;
}

/* The i-th port of the set. With bits before the PSID these are not all zero. */
static uint16_t nth(const struct b4_ports *ports, uint32_t i)
{
	uint32_t low = low_bits(ports), high = (i >> low) + (ports->offset > 0);

	return (uint16_t)(high << (PORT_BITS - ports->offset) | ports->psid << low | (i & ((1u << low) - 1)));
}

/* How many ports there are, and which of them clients get: none of the well-known ones unless there are no others (RFC 4787
 * REQ-3), and never 0. */
static void measure(struct b4_ports *ports)
{
	ports->count = (ports->offset > 0 ? (1u << ports->offset) - 1 : 1) << low_bits(ports);
	while (ports->first < ports->count && nth(ports, ports->first) < WELL_KNOWN)
		ports->first++;
	if (ports->first == ports->count)
		ports->first = nth(ports, 0) == 0;
}

int b4_ports_init(struct b4_ports *ports, uint32_t psid, uint32_t length, uint32_t offset, struct random *random)
{
	const uint64_t seed[2] = { random_u64(random), random_u64(random) };
	bool good;

	*ports = (struct b4_ports){ .psid = psid, .length = length, .offset = offset };
	measure(ports);
	ports->mapping = calloc((size_t)ports->count * B4_KINDS, sizeof(*ports->mapping));
	good = cuckoo_init(&ports->client, (uint64_t)ports->count * B4_KINDS, seed) == 0 && ports->mapping != NULL;
	for (uint32_t kind = 0; kind < B4_KINDS; kind++) {
		ports->spare[kind] = calloc(ports->count, sizeof(*ports->spare[kind]));
		if (ports->spare[kind] == NULL)
			good = false;
		for (uint32_t i = ports->first; ports->spare[kind] != NULL && i < ports->count; i++)
			ports->spare[kind][ports->spare_count[kind]++] = (uint16_t)i;
	}
	if (good)
		return 0;
	b4_ports_fini(ports);
	return -ENOMEM;
}

void b4_ports_fini(struct b4_ports *ports)
{
	for (uint32_t kind = 0; kind < B4_KINDS; kind++)
		free(ports->spare[kind]);
	free(ports->mapping);
	cuckoo_fini(&ports->client);
	*ports = (struct b4_ports){ 0 };
}

int32_t b4_ports_index(const struct b4_ports *ports, enum b4_kind kind, uint16_t port)
{
	uint32_t low = low_bits(ports), high = (uint32_t)port >> (PORT_BITS - ports->offset);

	if (((uint32_t)port >> low & ((1u << ports->length) - 1)) != ports->psid || (ports->offset > 0 && high == 0))
		return -1;
	high -= ports->offset > 0;
	return (int32_t)(kind * ports->count + (high << low | (port & ((1u << low) - 1))));
}

uint16_t b4_ports_number(const struct b4_ports *ports, uint32_t index)
{
	return nth(ports, index % ports->count);
}

enum b4_kind b4_ports_kind(const struct b4_ports *ports, uint32_t index)
{
	return (enum b4_kind)(index / ports->count);
}

uint64_t b4_ports_key(enum b4_kind kind, uint32_t client_be, uint16_t port)
{
	return 1ull << 56 | (uint64_t)kind << 48 | (uint64_t)client_be << 16 | port;
}

int32_t b4_ports_find(const struct b4_ports *ports, uint64_t key)
{
	const struct cuckoo_entry *entry = cuckoo_find(&ports->client, key);
	int32_t index = -1;

	if (entry != NULL)
		memcpy(&index, entry->value, sizeof(index));
	return index;
}

int32_t b4_ports_take(struct b4_ports *ports, enum b4_kind kind, uint32_t client_be, uint16_t port, struct random *random)
{
	uint8_t value[CUCKOO_VALUE] = { 0 };
	uint32_t lot, index;

	if (ports->spare_count[kind] == 0)
		return -1;
	lot = random_below(random, ports->spare_count[kind]);
	index = kind * ports->count + ports->spare[kind][lot];
	memcpy(value, &index, sizeof(index));
	if (cuckoo_put(&ports->client, b4_ports_key(kind, client_be, port), value) < 0)
		return -1;
	ports->spare[kind][lot] = ports->spare[kind][--ports->spare_count[kind]];
	ports->mapping[index] = (struct b4_mapping){ .client_be = client_be, .port = port };
	return (int32_t)index;
}

void b4_ports_release(struct b4_ports *ports, uint32_t index)
{
	struct b4_mapping *mapping = &ports->mapping[index];
	enum b4_kind kind = b4_ports_kind(ports, index);

	cuckoo_remove(&ports->client, b4_ports_key(kind, mapping->client_be, mapping->port));
	*mapping = (struct b4_mapping){ 0 };
	ports->spare[kind][ports->spare_count[kind]++] = (uint16_t)(index % ports->count);
}
