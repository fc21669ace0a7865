/* memory_home -- packets that another worker freed come home: one single-producer, single-consumer ring in shared memory for
 * each ordered pair of workers, carrying window offsets. What does not fit yet waits in a list threaded through the packets. */
#include "core/core.h"

#include <sys/mman.h>

struct ring {
	_Alignas(64) uint64_t sent;     /* written by the worker that freed */
	_Alignas(64) uint64_t received; /* written by the owner */
	_Alignas(64) uint64_t offset[MEMORY_HOME];
};

static struct ring *rings;              /* workers x workers: ring[from * workers + to] */
static uint32_t workers;

struct waiting {                        /* lies behind the metadata of a packet on its way home */
	struct packet *next;
};
static struct packet *first[MEMORY_WORKERS], **last[MEMORY_WORKERS];

static struct packet **next_of(struct packet *p)
{
	return &((struct waiting *)(void *)(p + 1))->next;
}

int memory_home_init(uint32_t count)
{
	void *at;

	workers = 0;
	if (count < 2)
		return 0;
	at = mmap(NULL, sizeof(struct ring) * count * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return nf_fail(ENOMEM, "no memory for the rings between %u workers", count);
	rings = at;
	workers = count;
	return 0;
}

void packet_free_foreign(struct packet *p)
{
	uint8_t owner = p->worker;

	nf_assert(owner < workers, "packet %p belongs to worker %u, which does not exist", (void *)p, owner);
	if (first[owner] == NULL)
		last[owner] = &first[owner];
	*next_of(p) = NULL;
	*last[owner] = p;
	last[owner] = next_of(p);
}

/* Put what waits for `owner` into its ring, as much as fits. */
static void send_home(uint32_t owner)
{
	struct ring *ring = &rings[packet_worker * workers + owner];
	uint64_t sent = ring->sent, received = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE);

	while (first[owner] != NULL && sent - received < MEMORY_HOME) {
		struct packet *p = first[owner];

		first[owner] = *next_of(p);
		ring->offset[sent++ % MEMORY_HOME] = memory_offset(p);
	}
	__atomic_store_n(&ring->sent, sent, __ATOMIC_RELEASE);
}

/* Take in what `from` freed. The ring is another process's memory: each offset is checked. */
static uint32_t take_home(uint32_t from)
{
	struct ring *ring = &rings[from * workers + packet_worker];
	uint64_t received = ring->received, sent = __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE);
	uint32_t count = 0;

	if (sent - received > MEMORY_HOME)
		return 0;               /* no worker of ours writes that */
	for (; received != sent; received++) {
		struct packet *p = memory_packet(ring->offset[received % MEMORY_HOME]);

		if (p == NULL || p->worker != packet_worker || packet_pool[p->size].count >= packet_pool[p->size].capacity)
			continue;
		packet_free(p);
		count++;
	}
	__atomic_store_n(&ring->received, received, __ATOMIC_RELEASE);
	return count;
}

uint32_t memory_home(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < workers; i++) {
		if (i == packet_worker)
			continue;
		if (first[i] != NULL)
			send_home(i);
		count += take_home(i);
	}
	return count;
}
