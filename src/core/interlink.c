/* interlink -- see interlink.h. */
#include "core/core.h"

#include <sys/mman.h>

static struct interlink *table;

int interlink_init(void)
{
	void *at = table;

	if (table == NULL)
		at = mmap(NULL, sizeof(*table) * INTERLINKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return nf_fail(ENOMEM, "no memory for links between workers: %s", strerror(errno));
	table = at;
	for (uint32_t i = 0; i < INTERLINKS; i++)
		if (table[i].name[0] != '\0')
			memset(&table[i], 0, sizeof(table[i]));
	return 0;
}

struct interlink *interlink_table(uint32_t i)
{
	return table != NULL && i < INTERLINKS && table[i].name[0] != '\0' ? &table[i] : NULL;
}

struct interlink *interlink_find(const char *name)
{
	for (uint32_t i = 0; i < INTERLINKS && table != NULL; i++)
		if (name[0] != '\0' && strncmp(table[i].name, name, INTERLINK_NAME) == 0)
			return &table[i];
	return NULL;
}

struct interlink *interlink_make(const char *name, uint8_t from, uint8_t to)
{
	struct interlink *ring = interlink_find(name);

	for (uint32_t i = 0; i < INTERLINKS && table != NULL && ring == NULL; i++) {
		if (table[i].name[0] != '\0')
			continue;
		ring = &table[i];
		memset(ring, 0, sizeof(*ring));
		ring->from = from;
		ring->to = to;
		snprintf(ring->name, sizeof(ring->name), "%s", name);
	}
	if (ring == NULL && nf_fail(ENOSPC, "no more than %d links between workers", INTERLINKS) < 0)
		return NULL;
	return ring;
}

uint32_t interlink_count(const struct interlink *ring)
{
	uint64_t received = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE);
	uint64_t count = __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE) - received;

	return count <= INTERLINK_SLOTS ? (uint32_t)count : 0;
}

uint64_t interlink_count_all(void)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < INTERLINKS; i++)
		if (interlink_table(i) != NULL)
			count += interlink_count(&table[i]);
	return count;
}

uint32_t interlink_remove(struct interlink *ring)
{
	struct packet *burst[BURST];
	uint64_t seen = ring->received, bad = 0;
	uint32_t count = 0, n;

	while (interlink_count(ring) > 0) {
		n = interlink_receive(ring, &seen, burst, BURST, &bad);
		for (uint32_t i = 0; i < n; i++)
			packet_free(burst[i]);
		count += n;
	}
	ring->name[0] = '\0';
	return count;
}

uint32_t interlink_send(struct interlink *ring, uint64_t *seen, struct packet *const *burst, uint32_t n)
{
	uint64_t sent = ring->sent;
	uint8_t place = (uint8_t)(PACKET_SENT | packet_worker);

	if (__atomic_load_n(&ring->closed, __ATOMIC_RELAXED))
		return 0;
	if (sent - *seen + n > INTERLINK_SLOTS)
		*seen = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE);
	/* A consumer that writes nonsense there gets nothing. */
	if (sent - *seen > INTERLINK_SLOTS)
		return 0;
	if (n > INTERLINK_SLOTS - (sent - *seen))
		n = (uint32_t)(INTERLINK_SLOTS - (sent - *seen));
	for (uint32_t i = 0; i < n; i++) {
		if (PACKET_DEBUG)
			packet_debug_check(burst[i]);
		burst[i]->place = place;
		ring->slot[(sent + i) % INTERLINK_SLOTS] = memory_offset(burst[i]);
	}
	__atomic_store_n(&ring->sent, sent + n, __ATOMIC_RELEASE);
	return n;
}

uint32_t interlink_receive(struct interlink *ring, uint64_t *seen, struct packet **burst, uint32_t n, uint64_t *bad)
{
	uint64_t received = ring->received, first = received;
	uint8_t place = (uint8_t)(PACKET_SENT | ring->from);
	uint32_t count = 0;

	if (*seen - received < n)
		*seen = __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE);
	if (*seen - received > INTERLINK_SLOTS) {
		(*bad)++;               /* no worker of ours writes that: take nothing, believe the next one */
		__atomic_store_n(&ring->received, *seen, __ATOMIC_RELEASE);
		return 0;
	}
	if (n > *seen - received)
		n = (uint32_t)(*seen - received);
	for (; received != first + n; received++) {
		struct packet *p = memory_packet(ring->slot[received % INTERLINK_SLOTS]);

		if (p == NULL || p->place != place) {
			(*bad)++;
			continue;
		}
		p->place = p->worker == packet_worker ? (uint8_t)PACKET_HOME : (uint8_t)(PACKET_HELD | packet_worker);
		burst[count++] = p;
	}
	__atomic_store_n(&ring->received, received, __ATOMIC_RELEASE);
	return count;
}
