/* memory_home -- packets that another worker freed come home: one single-producer, single-consumer ring in shared memory for
 * each ordered pair of workers (and from the supervisor to each), carrying window offsets. What does not fit yet waits in a list
 * threaded through the packets.
 *
 * Each packet that has left its owner says where it is (packet.place). The order of the writes is such that whoever takes the
 * place of a dead worker can tell what it had, at whatever instruction it died:
 *
 *      SENT by w    set before the interlink's index is published; what says so and is in no ring of w was never published
 *      HELD by w    set before the interlink's other index is: what is in the ring again is set back first
 *      FREED by w   set before it enters the list; what says so and is in no ring home was in the list, or never published
 *      HOME         set by the owner before it publishes that it has taken the packet out of the ring */
#include "core/core.h"

#include <sys/mman.h>

struct ring {
	_Alignas(64) uint64_t sent;     /* written by the worker that freed */
	_Alignas(64) uint64_t received; /* written by the owner */
	_Alignas(64) uint64_t offset[MEMORY_HOME];
};

static struct ring *rings;              /* (workers + 1) x workers: ring[from * workers + to] */
static uint32_t workers;

struct waiting {                        /* lies behind the metadata of a packet on its way home */
	struct packet *next;
};
static struct packet *first[MEMORY_WORKERS], **last[MEMORY_WORKERS];
static uint64_t waiting;                /* in all lists */

static struct packet **next_of(struct packet *p)
{
	return &((struct waiting *)(void *)(p + 1))->next;
}

int memory_home_init(uint32_t count)
{
	void *at;

	if (rings != NULL)
		munmap(rings, sizeof(struct ring) * (workers + 1) * workers);
	rings = NULL;
	workers = 0;
	waiting = 0;
	memset(first, 0, sizeof(first));
	if (count < 2)
		return 0;
	at = mmap(NULL, sizeof(struct ring) * (count + 1) * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
	p->place = (uint8_t)(PACKET_FREED | packet_worker);
	if (first[owner] == NULL)
		last[owner] = &first[owner];
	*next_of(p) = NULL;
	*last[owner] = p;
	last[owner] = next_of(p);
	waiting++;
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
		waiting--;
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

		if (p == NULL || p->worker != packet_worker || p->place == PACKET_HOME || p->size >= PACKET_SIZES ||
			packet_pool[p->size].count >= packet_pool[p->size].capacity)
			continue;
		p->place = PACKET_HOME;
		packet_free(p);
		count++;
	}
	__atomic_store_n(&ring->received, received, __ATOMIC_RELEASE);
	return count;
}

uint32_t memory_home(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i <= workers && workers > 0; i++) {
		if (i == packet_worker)
			continue;
		if (i < workers && first[i] != NULL)
			send_home(i);
		if (packet_worker < workers)
			count += take_home(i);
	}
	return count;
}

static uint64_t ring_count(uint32_t from, uint32_t to)
{
	const struct ring *ring = &rings[from * workers + to];
	/* In this order: what is taken out meanwhile must not make it negative. */
	uint64_t received = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE) - received;
}

uint64_t memory_home_own(void)
{
	return waiting;
}

uint64_t memory_home_to(uint32_t worker)
{
	uint64_t count = 0;

	for (uint32_t from = 0; from <= workers && worker < workers; from++)
		count += ring_count(from, worker);
	return count;
}

uint64_t memory_home_incoming(void)
{
	return memory_home_to(packet_worker);
}

uint64_t memory_home_all(void)
{
	uint64_t count = 0;

	for (uint32_t from = 0; from <= workers; from++)
		for (uint32_t to = 0; to < workers; to++)
			count += ring_count(from, to);
	return count;
}

/* What a dead worker had published: sorted offsets. */
static uint64_t *published;
static uint32_t published_count, published_room;

static int by_offset(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_published(const struct packet *p)
{
	uint64_t offset = memory_offset(p);

	return published_count > 0 && bsearch(&offset, published, published_count, sizeof(offset), by_offset) != NULL;
}

static int publish(const uint64_t *slot, uint32_t slots, uint64_t from, uint64_t to)
{
	for (; from != to; from++) {
		if (published_count == published_room) {
			uint32_t room = published_room * 2 + MEMORY_HOME;
			uint64_t *more = realloc(published, room * sizeof(*more));

			if (more == NULL)
				return nf_fail(ENOMEM, "no memory to look for packets of a worker that died");
			published = more;
			published_room = room;
		}
		published[published_count++] = slot[from % slots];
	}
	return 0;
}

/* Collect what `worker` had published in its rings, and set back what it was about to take out of an interlink. */
static int collect(uint8_t worker)
{
	int code = 0;

	published_count = 0;
	for (uint32_t to = 0; to < workers && code == 0; to++) {
		const struct ring *ring = &rings[worker * workers + to];
		uint64_t received = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE), sent = ring->sent;

		if (sent - received <= MEMORY_HOME)
			code = publish(ring->offset, MEMORY_HOME, received, sent);
	}
	for (uint32_t i = 0; i < INTERLINKS && code == 0; i++) {
		struct interlink *ring = interlink_table(i);
		uint64_t received, sent;

		if (ring == NULL || (ring->from != worker && ring->to != worker))
			continue;
		received = __atomic_load_n(&ring->received, __ATOMIC_ACQUIRE);
		sent = __atomic_load_n(&ring->sent, __ATOMIC_ACQUIRE);
		if (sent - received > INTERLINK_SLOTS)
			continue;
		if (ring->from == worker)
			code = publish(ring->slot, INTERLINK_SLOTS, received, sent);
		for (; ring->to == worker && received != sent; received++) {
			struct packet *p = memory_packet(ring->slot[received % INTERLINK_SLOTS]);

			if (p != NULL)
				p->place = (uint8_t)(PACKET_SENT | ring->from);
		}
	}
	if (published_count > 0)
		qsort(published, published_count, sizeof(*published), by_offset);
	return code;
}

bool memory_is_away(const struct packet *p)
{
	uint8_t with = p->place & PACKET_PLACE_WORKER;

	if (p->place == PACKET_HOME || (p->place & ~PACKET_PLACE_WORKER) == PACKET_HOME)
		return false;
	return with != packet_worker || ((p->place & ~PACKET_PLACE_WORKER) == PACKET_SENT && is_published(p));
}

static void recover(struct packet *p, void *context)
{
	uint32_t *count = context;
	uint8_t what = p->place & (uint8_t)~PACKET_PLACE_WORKER;

	if (p->worker == packet_worker || p->place == PACKET_HOME || (p->place & PACKET_PLACE_WORKER) != packet_worker ||
		p->worker >= workers || (what != PACKET_HELD && is_published(p)))
		return;
	packet_free_foreign(p);
	(*count)++;
}

int memory_recover(uint8_t worker)
{
	uint32_t count = 0;
	int code;

	packet_worker = worker;
	waiting = 0;
	memset(first, 0, sizeof(first));
	code = collect(worker);
	if (code < 0)
		return code;
	memory_walk_all(recover, &count);
	return (int)count;
}
