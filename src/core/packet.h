#pragma once
/* packet -- a frame and what is known about it. One cache line of metadata, then headroom, then data.
 *
 *      struct packet      headroom          data                       tail room
 *     |<---- 64 B ---->|<-- 128 B or more -->|<------ length ------>|             |
 *     p                p + 1                 p->data                              p + 1 + p->room
 *
 * Packets are owned: whoever receives one must send it, keep it or free it. All calls below belong to the packet thread
 * of a worker; another thread must not touch packets. */

enum {
	PACKET_HEADROOM = 128,          /* bytes before the data of a new packet */
	PACKET_PREFETCH = 4             /* how many packets ahead a loop prefetches */
};

/* The sizes of packet buffers. A worker always has standard ones, the others only when an app asks for them. */
enum packet_size {
	PACKET_STANDARD,                /* 2,048 bytes of data: a frame of an ordinary MTU */
	PACKET_JUMBO,                   /* 10,240 bytes: jumbo frames, reassembled datagrams */
	PACKET_GSO,                     /* 65,664 bytes: a frame that the sender left to be segmented (GSO) */
	PACKET_SIZES
};

enum packet_flags {
	PACKET_CHECKSUM_PARTIAL = 1,    /* the checksum at start + offset covers only the pseudo header: complete it over
	                                 * data[checksum_start .. length), as virtio-net has it */
	PACKET_CHECKSUM_VALID = 2,      /* whoever received it has verified the transport checksum */
	PACKET_VLAN = 4                 /* meta.vlan holds a tag that is not in the data */
};

/* What a sender left to be cut into segments: virtio-net's gso_type, see its specification 5.1.6. */
enum packet_gso { PACKET_GSO_NONE = 0, PACKET_GSO_TCP4 = 1, PACKET_GSO_UDP = 3, PACKET_GSO_TCP6 = 4, PACKET_GSO_UDP_L4 = 5,
	PACKET_GSO_ECN = 0x80 };

/* Where a packet is, as seen by its owner: six bits of a worker's number, and what that worker does with it. A worker that takes
 * the place of a dead one finds by this what its predecessor had. */
enum packet_place {
	PACKET_HOME = 0,                /* with its owner */
	PACKET_HELD = 1 << 6,           /* received by that worker, another than the owner */
	PACKET_SENT = 2 << 6,           /* put into an interlink by that worker */
	PACKET_FREED = 3 << 6,          /* freed by that worker, on its way home */
	PACKET_PLACE_WORKER = 63
};

/* What is known about the frame; travels with it and is copied with it. Offsets count from data: whoever moves `data`
 * (packet_prepend, packet_strip) moves them too, which those calls do. */
struct packet_meta {
	uint64_t timestamp;             /* when it arrived, nanoseconds since 1970 (CLOCK_REALTIME); 0: unknown */
	uint32_t hash;                  /* flow hash from a card or app; 0: none */
	uint16_t checksum_start;        /* with PACKET_CHECKSUM_PARTIAL, bytes from data */
	uint16_t checksum_offset;       /* from checksum_start to the 16-bit checksum field */
	uint16_t vlan;                  /* TCI in host order, with PACKET_VLAN */
	uint16_t port;                  /* number of the port it arrived on; 0: none */
	uint16_t gso_bytes;             /* payload bytes of each segment, with gso != PACKET_GSO_NONE */
	uint16_t gso_header;            /* bytes of headers that each segment repeats; a hint of the sender, not checked */
	uint8_t gso;                    /* enum packet_gso */
	uint8_t flags;                  /* enum packet_flags */
	uint16_t spare[3];
};

struct packet {
	uint8_t *data;                  /* first byte of the frame (Ethernet header, no FCS) */
	uint32_t length;                /* bytes of the frame */
	uint32_t room;                  /* bytes of the buffer behind this struct; fixed */
	uint64_t iova;                  /* address of this struct for a card; fixed */
	uint8_t segment;                /* number of its segment; fixed */
	uint8_t place;                  /* PACKET_HOME or, when another worker has to do with it, who: see memory_home.c */
	uint8_t size;                   /* enum packet_size; fixed */
	uint8_t worker;                 /* number of the worker that owns the segment; fixed */
	uint32_t holder;                /* free for the app that holds it (Lua apps: slot number) */
	struct packet_meta meta;
} __attribute__((aligned(64)));

/* The free packets of this worker, one stack for each size. The most recently freed is the next one taken. */
struct packet_pool {
	struct packet **stack;          /* capacity slots, the first count of them free packets */
	uint32_t count, capacity;
	uint64_t taken, returned;       /* totals; taken - returned = packets in use */
	uint64_t exhausted;             /* how often a packet was wanted and none was there */
};
extern struct packet_pool packet_pool[PACKET_SIZES];
extern uint8_t packet_worker;           /* number of the worker that this process is */

/* Slow paths and debug hooks behind the inline calls; not for apps. */
void packet_pool_bug(const struct packet *p);
void packet_free_foreign(struct packet *p);
struct segment;
void packet_debug_segment(const struct segment *segment);
void packet_debug_alloc(struct packet *p);
void packet_debug_free(struct packet *p);
/* Debug builds: stop with the holder's name when p is not a packet in use. Release builds: nothing. */
void packet_debug_check(const struct packet *p);
/* Debug builds: from now on app `name` is the holder of what is taken, sent or freed. */
void packet_debug_hold(const char *name);

/* Make a packet empty: length 0, headroom PACKET_HEADROOM, no metadata. */
inline void packet_clear(struct packet *p)
{
	typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));

	p->data = (uint8_t *)(p + 1) + PACKET_HEADROOM;
	p->length = 0;
	*(vector *)&p->meta = (vector){ 0, 0, 0, 0 };
}

/* Take an empty packet of a size: length 0, headroom PACKET_HEADROOM, no metadata.
 *   fails: NULL when the worker has none left (the pool counts it)
 *   owner: the caller
 *   cost:  no allocation, no system call */
inline struct packet *packet_alloc_size(enum packet_size size)
{
	struct packet_pool *pool = &packet_pool[size];
	struct packet *p;

	if (__builtin_expect(pool->count == 0, 0)) {
		pool->exhausted++;
		return 0;
	}
	p = pool->stack[--pool->count];
	pool->taken++;
	if (PACKET_DEBUG)
		packet_debug_alloc(p);
	packet_clear(p);
	return p;
}

inline struct packet *packet_alloc(void)
{
	return packet_alloc_size(PACKET_STANDARD);
}

/* Take up to n packets of a size as they are; the caller makes each of them empty with packet_clear, where it fills it.
 * Gives how many.
 *   owner: the caller */
inline uint32_t packet_take_burst(enum packet_size size, struct packet **burst, uint32_t n)
{
	struct packet_pool *pool = &packet_pool[size];
	struct packet **top;

	if (__builtin_expect(n > pool->count, 0)) {
		pool->exhausted++;
		n = pool->count;
	}
	pool->count -= n;
	pool->taken += n;
	top = pool->stack + pool->count;
	for (uint32_t i = 0; i < n; i++) {
		burst[i] = top[i];
		if (PACKET_DEBUG)
			packet_debug_alloc(burst[i]);
	}
	return n;
}

/* Take up to n empty packets of a size, as packet_alloc_size does; gives how many.
 *   owner: the caller */
inline uint32_t packet_alloc_burst(enum packet_size size, struct packet **burst, uint32_t n)
{
	n = packet_take_burst(size, burst, n);
	for (uint32_t i = 0; i < n; i++)
		packet_clear(burst[i]);
	return n;
}

/* Take the smallest packet that has room for `length` bytes of data behind the usual headroom; length is set.
 *   fails: NULL when no size of this worker is large enough or that pool is empty */
struct packet *packet_alloc_length(uint32_t length);

/* Give a packet back.
 *   owner: takes p, which must not be used afterwards */
inline void packet_free(struct packet *p)
{
	struct packet_pool *pool = &packet_pool[p->size];

	if (PACKET_DEBUG)
		packet_debug_free(p);
	if (__builtin_expect(p->worker != packet_worker, 0)) {
		packet_free_foreign(p);
		return;
	}
	if (__builtin_expect(pool->count >= pool->capacity, 0))
		packet_pool_bug(p);
	pool->stack[pool->count++] = p;
	pool->returned++;
}

/* Give n packets back. Nearly always all are standard packets of this worker: then they go back together, and whether they are
 * is found out without a branch for each. */
inline void packet_free_burst(struct packet *const *burst, uint32_t n)
{
	struct packet_pool *pool = &packet_pool[PACKET_STANDARD];
	struct packet **top = pool->stack + pool->count;
	uint32_t different = 0, worker = packet_worker;

	if (__builtin_expect(n <= pool->capacity - pool->count && !PACKET_DEBUG, 1)) {
		for (uint32_t i = 0; i < n; i++) {
			struct packet *p = burst[i];

			different |= (p->size ^ (uint32_t)PACKET_STANDARD) | (p->worker ^ worker);
			top[i] = p;
		}
		if (__builtin_expect(different == 0, 1)) {
			pool->count += n;
			pool->returned += n;
			return;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		packet_free(burst[i]);
}

/* Bytes that may be prepended, and appended. */
inline uint32_t packet_headroom(const struct packet *p)
{
	return (uint32_t)(p->data - (const uint8_t *)(p + 1));
}

inline uint32_t packet_tailroom(const struct packet *p)
{
	return p->room - packet_headroom(p) - p->length;
}

/* Set the frame's bytes. fails: false when they do not fit behind the present headroom; p unchanged. */
bool packet_set(struct packet *p, const void *bytes, uint32_t length);

/* Add n bytes before the frame; their content is undefined. Offsets in the metadata move along.
 *   fails: NULL when there is less headroom; p unchanged */
uint8_t *packet_prepend(struct packet *p, uint32_t n);

/* Take n bytes off the front. fails: false when the frame is shorter; p unchanged.
 * An unfinished checksum whose start is cut off is no longer there: complete it first (checksum.h). */
bool packet_strip(struct packet *p, uint32_t n);

/* Add n bytes behind the frame; undefined content. fails: NULL when there is less room; p unchanged */
uint8_t *packet_append(struct packet *p, uint32_t n);

/* Copy 64 bytes in vector registers as wide as the build has them; a compiler tuned for any processor takes narrow ones for
 * memcpy. */
inline void packet_block(void *to, const void *from)
{
	typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));
	vector first = ((const vector *)from)[0], second = ((const vector *)from)[1];

	((vector *)to)[0] = first;
	((vector *)to)[1] = second;
}

/* Make `to`, a packet just taken from the same size of buffer, a copy of `from`; what packet_copy is made of. Gives the length.
 * All of a small frame is read before anything is written: in a burst a packet and its copy often lie a multiple of 4 KiB
 * apart, and a load behind a store to the same place in its page waits for it. */
inline uint32_t packet_copy_to(struct packet *to, const struct packet *from)
{
	typedef uint64_t vector __attribute__((vector_size(32), aligned(1), may_alias));
	uint32_t offset = packet_headroom(from), room = from->room - offset, length = from->length, done;
	const uint8_t *source = from->data;
	uint8_t *target = (uint8_t *)(to + 1) + offset;
	vector meta = *(const vector *)&from->meta;

	if (__builtin_expect(length <= 64 && room >= 64, 1)) {
		vector first = ((const vector *)source)[0], second = ((const vector *)source)[1];

		to->data = target;
		to->length = length;
		*(vector *)&to->meta = meta;
		((vector *)target)[0] = first;
		((vector *)target)[1] = second;
		return length;
	}
	to->data = target;
	to->length = length;
	*(vector *)&to->meta = meta;
	/* Whole blocks of 64 bytes are cheaper than an exact memcpy of a small frame. Both buffers have the same room; the last
	 * block may pass the frame's end but not the room's. */
	for (done = 0; done < length && done + 64 <= room; done += 64)
		packet_block(target + done, source + done);
	if (__builtin_expect(done < length, 0))
		__builtin_memcpy(target + done, source + done, length - done);
	return length;
}

/* A copy with the same bytes and metadata, from the same size of buffer.
 *   fails: NULL when that pool is empty */
inline struct packet *packet_copy(const struct packet *from)
{
	struct packet_pool *pool = &packet_pool[from->size];
	struct packet *to;

	if (PACKET_DEBUG)
		packet_debug_check(from);
	if (__builtin_expect(pool->count == 0, 0)) {
		pool->exhausted++;
		return 0;
	}
	to = pool->stack[--pool->count];
	pool->taken++;
	if (PACKET_DEBUG)
		packet_debug_alloc(to);
	packet_copy_to(to, from);
	return to;
}

/* Copies of n packets, in order; gives how many were made before a pool was empty. */
inline uint32_t packet_copy_burst(struct packet *const *from, struct packet **to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((to[i] = packet_copy(from[i])) == 0)
			return i;
	return n;
}
