#pragma once
/* memory -- segments of packet buffers in shared memory, at the same address in every process.
 *
 * The supervisor reserves one window of addresses before the first fork; every segment is a memory file (huge pages when there
 * are any) mapped somewhere in it. Each segment belongs to one worker, whose free packets lie on its stacks (packet_pool).
 * A packet freed by another worker goes home through a ring for each pair of workers. */

enum {
	MEMORY_SEGMENTS = 256,          /* at most, of all workers */
	MEMORY_WORKERS = 63,            /* at most; one number more stands for the supervisor */
	MEMORY_PAGE = 2 << 20,          /* no packet crosses a boundary of this many bytes: a huge page is contiguous */
	MEMORY_HOME = 1024              /* packets in the ring from one worker to another */
};

struct segment {
	uint8_t *base;                  /* NULL: not in use */
	uint64_t bytes;
	uint32_t stride;                /* bytes from packet to packet: an odd number of cache lines */
	uint32_t count;                 /* packets */
	uint16_t number;
	uint8_t size;                   /* enum packet_size; GSO packets take several pages and lie where they lie */
	uint8_t worker;
	bool huge;
	int fd;                         /* of the memory file; -1: not open in this process */
};
extern struct segment memory_segment[MEMORY_SEGMENTS];
extern uint32_t memory_segment_count;

/* Reserve the window of addresses. Once per process, before the first segment and the first fork.
 *   fails: -ENOMEM */
int memory_reserve(void) __attribute__((warn_unused_result));

/* Make a segment of `count` packets (rounded up to whole pages) for a worker, which makes packets of it in memory_worker_start.
 * Huge pages when enough are free on the node, else ordinary pages. node: NUMA node, -1: any.
 *   gives: the segment's number
 *   fails: -ENOMEM, -ENOSPC (no segment number, no window left); nothing is left behind */
int memory_segment_add(uint8_t worker, enum packet_size size, uint32_t count, int node) __attribute__((warn_unused_result));

/* Give a segment's memory back. needs: none of its packets is in use */
void memory_segment_remove(uint16_t number);

/* Become worker `worker`: build the free stacks from its segments. After fork, or in the only process. The stacks have
 * room for segments added later.
 *   fails: -ENOMEM */
int memory_worker_start(uint8_t worker) __attribute__((warn_unused_result));
/* Put a segment that was added after the start onto the stacks; while the packet thread does not run. */
int memory_worker_add(uint16_t segment) __attribute__((warn_unused_result));
void memory_worker_stop(void);

/* A segment that the supervisor made after this process was forked: enter it here, at the same address. Takes fd.
 *   fails: -EINVAL, -ENOMEM with nf_error(): not a place in the window, or in use */
int memory_segment_attach(const struct segment *segment, int fd) __attribute__((warn_unused_result));

/* More packets for a worker that runs: the house-keeping thread prepares the longer stacks, the packet thread takes them over
 * between two breaths (bounded: a copy of the stacks), the house-keeping thread frees the old ones, or all when it was given up. */
struct memory_growth {
	struct packet **stack[PACKET_SIZES];    /* NULL: this size does not grow. New packets first, then room for the present */
	uint32_t count[PACKET_SIZES];           /* new packets */
	uint32_t capacity[PACKET_SIZES];        /* of both */
	uint32_t away[PACKET_SIZES];            /* of the new segments, with other workers: after a death */
};
int memory_growth_prepare(struct memory_growth *growth, const uint16_t *segment, uint32_t count) __attribute__((warn_unused_result));
void memory_growth_commit(struct memory_growth *growth);        /* packet thread; afterwards `stack` holds the old ones */
void memory_growth_free(struct memory_growth *growth);

/* Set up the rings home between `workers` workers, and from the supervisor to each; before the first fork. With 1 there is none.
 * The supervisor is number `workers` in packet_worker. fails: -ENOMEM */
int memory_home_init(uint32_t workers) __attribute__((warn_unused_result));

/* Take in what other workers sent home, and send what is collected for them. Engine, each tick and when idle.
 *   gives: packets that came home */
uint32_t memory_home(void);

/* Packets between workers, walked. own: freed here, and not in a ring yet. incoming: in the rings to this worker. */
uint64_t memory_home_own(void);
uint64_t memory_home_incoming(void);
/* In the rings to any worker. */
uint64_t memory_home_to(uint32_t worker);
/* In all rings; while no worker runs. */
uint64_t memory_home_all(void);

/* What a worker that died left behind, for its successor, after memory_reserve and interlink_init and before
 * memory_worker_start: packets of others that it had are sent home; its own that nobody else has are free again, which
 * memory_worker_start finds out by their place.
 *   gives: packets that go home to others
 *   fails: -ENOMEM
 *   cost:  O(all packets) */
int memory_recover(uint8_t worker) __attribute__((warn_unused_result));
/* Is a packet of this worker's with another one? Only after memory_recover, before the worker runs. */
bool memory_is_away(const struct packet *p);
/* How many were found to be away by memory_worker_start. */
uint64_t memory_away(void);

/* Packets of this worker in use: taken - returned, all sizes. */
uint64_t memory_in_use(void);

/* Call for each packet of this worker's segments (free or not), house-keeping and debugging; cost: O(all packets). */
void memory_walk(void (*visit)(struct packet *p, void *context), void *context);

/* The same for the segments of all workers. */
void memory_walk_all(void (*visit)(struct packet *p, void *context), void *context);

/* The place of a packet in the window and back. memory_packet checks: NULL unless `offset` is exactly where a packet of a
 * segment begins. For offsets that another process wrote. */
uint64_t memory_offset(const struct packet *p);
struct packet *memory_packet(uint64_t offset);

/* Debug builds: print each packet in use with the app that had it last; gives their number. */
uint32_t memory_report_leaks(void);
