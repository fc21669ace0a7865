/* memory -- see memory.h. */
#include "core/core.h"

#include "core/memory_window.h"

#include <linux/memfd.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>


struct segment memory_segment[MEMORY_SEGMENTS];
uint32_t memory_segment_count;

/* The window: addresses only, no memory. 64 GiB where the address space allows, less where it is limited. */
static uint8_t *window;
static uint64_t window_bytes, window_used;
static uint64_t away;                   /* packets of this worker that others had when it started */

/* Bytes of a packet with its metadata and headroom: an odd number of cache lines, so that neighbouring packets fall into
 * different sets of the first-level cache (with 2,048 bytes a third of the speed is left, see docs/performance.md). */
static const uint32_t strides[PACKET_SIZES] = {
	[PACKET_STANDARD] = 35 * 64,            /* 64 + 128 + 2,048 */
	[PACKET_JUMBO] = 163 * 64,              /* 64 + 128 + 10,240 */
	[PACKET_GSO] = 1029 * 64,               /* 64 + 128 + 65,664 */
};

int memory_reserve(void)
{
	if (window != NULL)
		return 0;
	for (window_bytes = 64ULL << 30; window_bytes >= 1ULL << 30; window_bytes /= 2) {
		void *at = mmap(NULL, window_bytes + MEMORY_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at == MAP_FAILED)
			continue;
		window = (uint8_t *)(((uintptr_t)at + MEMORY_PAGE - 1) & ~(uintptr_t)(MEMORY_PAGE - 1));
		return 0;
	}
	return nf_fail(ENOMEM, "no room for packet memory: the address space is limited to less than 1 GiB (ulimit -v)");
}

/* Single pages that were given back, to be taken again before new addresses are. */
static uint8_t *spare[64];
static uint32_t spare_count;

uint8_t *memory_window_take(uint64_t bytes)
{
	uint8_t *at = window + window_used;

	if (bytes == MEMORY_PAGE && spare_count > 0)
		return spare[--spare_count];
	if (window == NULL || bytes > window_bytes - window_used)
		return NULL;
	window_used += bytes;
	return at;
}

void memory_window_give(uint8_t *at, uint64_t bytes)
{
	/* The addresses stay reserved; the newest are used again. */
	mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (at + bytes == window + window_used)
		window_used -= bytes;
	else if (bytes == MEMORY_PAGE && spare_count < sizeof(spare) / sizeof(spare[0]))
		spare[spare_count++] = at;
}

uint64_t memory_window_offset(const void *at)
{
	return (uint64_t)((const uint8_t *)at - window);
}

uint64_t memory_window_bytes(void)
{
	return window_bytes;
}

static uint32_t packets_per_page(uint32_t stride)
{
	return MEMORY_PAGE / stride;
}

static struct packet *segment_packet(const struct segment *s, uint32_t i)
{
	uint32_t per_page = packets_per_page(s->stride);

	return (struct packet *)(s->base + (uint64_t)(i / per_page) * MEMORY_PAGE + (uint64_t)(i % per_page) * s->stride);
}

/* Write the addresses that cards have for a segment's packets, when there is a card. */
static void write_addresses(const struct segment *s)
{
	uint32_t per_page = packets_per_page(s->stride);

	for (uint32_t i = 0; i < s->count; i++) {
		struct packet *p = segment_packet(s, i);

		/* No packet crosses a huge page, within which addresses go on. */
		p->iova = i % per_page == 0 ? memory_dma_address(p) : segment_packet(s, i - 1)->iova + s->stride;
	}
}

void memory_addresses(void)
{
	for (uint32_t i = 0; i < memory_segment_count; i++)
		if (memory_segment[i].base != NULL)
			write_addresses(&memory_segment[i]);
}

/* A memory file: named and of huge pages when cards are to reach it, of huge pages, of ordinary ones. */
static int make_file(const struct segment *s, int attempt, char **path)
{
	if (attempt == 0)
		return memory_dma_is_on() ? memory_dma_file(s->bytes, path) : -1;
	return memfd_create("nf-packets", MFD_CLOEXEC | (attempt == 1 ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
}

/* Make the memory file and map it at `at`. */
static int map_segment(struct segment *s, uint8_t *at, int node)
{
	for (int attempt = 0; attempt < 3; attempt++) {
		char *path = NULL;
		int fd = make_file(s, attempt, &path);

		if (fd < 0)
			continue;
		if (ftruncate(fd, (off_t)s->bytes) == 0 &&
			mmap(at, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED) {
			unsigned long mask = node >= 0 && node < 64 ? 1UL << node : 0;

			/* A preference: memory of another node is slower, not wrong. */
			if (mask != 0 && mbind(at, s->bytes, MPOL_PREFERRED, &mask, 64, 0) != 0)
				log_debug("segment %u: no preference for node %d: %s", s->number, node, strerror(errno));
			s->base = at;
			s->fd = fd;
			s->huge = attempt < 2;
			return memory_dma_is_on() ? memory_dma_add(at, s->bytes, path) : 0;
		}
		close(fd);
		if (path != NULL)
			unlink(path);
		free(path);
	}
	return nf_fail(ENOMEM, "no %llu MiB for packets: %s", (unsigned long long)(s->bytes >> 20), strerror(errno));
}

int memory_segment_add(uint8_t worker, enum packet_size size, uint32_t count, int node)
{
	uint32_t stride = strides[size], number = 0, per_page = packets_per_page(stride);
	uint32_t pages = (count + per_page - 1) / per_page;
	struct segment *s;
	uint8_t *at;
	int code;

	while (number < MEMORY_SEGMENTS && memory_segment[number].base != NULL)
		number++;
	if (number == MEMORY_SEGMENTS)
		return nf_fail(ENOSPC, "no more than %d segments of packets", MEMORY_SEGMENTS);
	if (pages == 0)
		pages = 1;
	at = memory_window_take((uint64_t)pages * MEMORY_PAGE);
	if (at == NULL)
		return nf_fail(ENOSPC, "no room for %u more packets in the %llu GiB reserved for packet memory", count,
			(unsigned long long)(window_bytes >> 30));
	s = &memory_segment[number];
	*s = (struct segment){ .bytes = (uint64_t)pages * MEMORY_PAGE, .stride = stride, .count = pages * per_page,
		.number = (uint16_t)number, .size = (uint8_t)size, .worker = worker, .fd = -1 };
	code = map_segment(s, at, node);
	if (code < 0) {
		if (s->fd >= 0)
			close(s->fd);
		s->base = NULL;
		memory_window_give(at, s->bytes);
		return code;
	}
	if (PACKET_DEBUG)
		packet_debug_segment(s);
	if (memory_dma_is_on())
		write_addresses(s);
	if (number >= memory_segment_count)
		memory_segment_count = number + 1;
	return (int)number;
}

void memory_segment_remove(uint16_t number)
{
	struct segment *s = &memory_segment[number];

	if (s->base == NULL)
		return;
	memory_dma_remove(s->base);
	memory_window_give(s->base, s->bytes);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct segment){ .fd = -1 };
	while (memory_segment_count > 0 && memory_segment[memory_segment_count - 1].base == NULL)
		memory_segment_count--;
}

/* A packet of a segment as its owner makes it: whatever a worker that died left there, the fixed fields are written anew. */
static struct packet *make_packet(const struct segment *s, uint32_t i)
{
	struct packet *p = segment_packet(s, i);

	/* The card's address is the supervisor's (memory_addresses). */
	*p = (struct packet){ .data = (uint8_t *)(p + 1) + PACKET_HEADROOM, .room = s->stride - (uint32_t)sizeof(*p), .iova = p->iova,
		.segment = (uint8_t)s->number, .size = s->size, .worker = s->worker };
	if (PACKET_DEBUG)
		packet_debug_free(p);
	return p;
}

int memory_growth_prepare(struct memory_growth *growth, const uint16_t *segment, uint32_t count)
{
	*growth = (struct memory_growth){ 0 };
	for (uint32_t i = 0; i < count; i++)
		growth->count[memory_segment[segment[i]].size] += memory_segment[segment[i]].count;
	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		if (growth->count[size] == 0)
			continue;
		growth->capacity[size] = packet_pool[size].capacity + growth->count[size];
		growth->stack[size] = malloc(growth->capacity[size] * sizeof(struct packet *));
		if (growth->stack[size] == NULL) {
			memory_growth_free(growth);
			return nf_fail(ENOMEM, "no memory for a list of %u packets", growth->capacity[size]);
		}
		growth->count[size] = 0;
	}
	/* From the last to the first, so that the first ones are taken first. */
	for (uint32_t i = count; i-- > 0;) {
		const struct segment *s = &memory_segment[segment[i]];

		for (uint32_t j = s->count; j-- > 0;)
			if (!memory_is_away(segment_packet(s, j)))
				growth->stack[s->size][growth->count[s->size]++] = make_packet(s, j);
			else
				growth->away[s->size]++;
	}
	return 0;
}

void memory_growth_commit(struct memory_growth *growth)
{
	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		struct packet_pool *pool = &packet_pool[size];
		struct packet **old = pool->stack;

		if (growth->stack[size] == NULL)
			continue;
		/* The present ones, which are in the caches, stay on top. */
		if (pool->count > 0)
			memcpy(growth->stack[size] + growth->count[size], old, pool->count * sizeof(*old));
		pool->stack = growth->stack[size];
		pool->count += growth->count[size];
		/* What others have of a predecessor's packets is in use, and comes home as if this worker had sent it. */
		pool->taken += growth->away[size];
		away += growth->away[size];
		pool->capacity = growth->capacity[size];
		growth->stack[size] = old;
	}
}

uint64_t memory_away(void)
{
	return away;
}

void memory_growth_free(struct memory_growth *growth)
{
	for (uint32_t size = 0; size < PACKET_SIZES; size++)
		free(growth->stack[size]);
	*growth = (struct memory_growth){ 0 };
}

int memory_worker_add(uint16_t segment)
{
	struct memory_growth growth;
	int code = memory_growth_prepare(&growth, &segment, 1);

	if (code < 0)
		return code;
	memory_growth_commit(&growth);
	memory_growth_free(&growth);
	return 0;
}

int memory_segment_attach(const struct segment *segment, int fd)
{
	struct segment *s = &memory_segment[segment->number];
	int code;

	if (segment->number >= MEMORY_SEGMENTS || s->base != NULL || segment->size >= PACKET_SIZES ||
		segment->stride != strides[segment->size] || segment->base < window || segment->bytes > window_bytes ||
		(uint64_t)(segment->base - window) > window_bytes - segment->bytes ||
		(uint64_t)segment->count * segment->stride > segment->bytes) {
		close(fd);
		return nf_fail(EINVAL, "segment %u is not one of this window", segment->number);
	}
	if (mmap(segment->base, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		code = nf_fail(errno, "segment %u cannot be mapped: %s", segment->number, strerror(errno));
		close(fd);
		return code;
	}
	*s = *segment;
	s->fd = fd;
	if (PACKET_DEBUG)
		packet_debug_segment(s);
	if (segment->number >= memory_segment_count)
		memory_segment_count = segment->number + 1u;
	return 0;
}

int memory_worker_start(uint8_t worker)
{
	packet_worker = worker;
	away = 0;
	for (uint32_t i = 0; i < memory_segment_count; i++) {
		int code;

		if (memory_segment[i].base == NULL || memory_segment[i].worker != worker)
			continue;
		code = memory_worker_add((uint16_t)i);
		if (code < 0) {
			memory_worker_stop();
			return code;
		}
	}
	return 0;
}

void memory_worker_stop(void)
{
	for (uint32_t size = 0; size < PACKET_SIZES; size++) {
		free(packet_pool[size].stack);
		packet_pool[size] = (struct packet_pool){ 0 };
	}
}

uint64_t memory_in_use(void)
{
	uint64_t used = 0;

	for (uint32_t size = 0; size < PACKET_SIZES; size++)
		used += packet_pool[size].taken - packet_pool[size].returned;
	return used;
}

void memory_walk(void (*visit)(struct packet *p, void *context), void *context)
{
	for (uint32_t i = 0; i < memory_segment_count; i++) {
		const struct segment *s = &memory_segment[i];

		if (s->base == NULL || s->worker != packet_worker)
			continue;
		for (uint32_t j = 0; j < s->count; j++)
			visit(segment_packet(s, j), context);
	}
}

void memory_walk_all(void (*visit)(struct packet *p, void *context), void *context)
{
	for (uint32_t i = 0; i < memory_segment_count; i++)
		for (uint32_t j = 0; memory_segment[i].base != NULL && j < memory_segment[i].count; j++)
			visit(segment_packet(&memory_segment[i], j), context);
}

uint64_t memory_offset(const struct packet *p)
{
	return (uint64_t)((const uint8_t *)p - window);
}

struct packet *memory_packet(uint64_t offset)
{
	for (uint32_t i = 0; i < memory_segment_count; i++) {
		const struct segment *s = &memory_segment[i];
		uint64_t within, index;

		if (s->base == NULL || offset < (uint64_t)(s->base - window) || offset >= (uint64_t)(s->base - window) + s->bytes)
			continue;
		within = offset - (uint64_t)(s->base - window);
		index = within % MEMORY_PAGE / s->stride;
		if (within % MEMORY_PAGE % s->stride != 0 || index >= packets_per_page(s->stride))
			return NULL;
		return (struct packet *)(window + offset);
	}
	return NULL;
}
