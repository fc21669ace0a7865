/* bare -- see bare.h. What a graph source -> tee -> two sinks has to do for each frame of 60 bytes, and nothing else: one frame
 * is taken and filled from a template, one is taken and filled from the first, both pass a queue, both are given back. Frames,
 * queues and steps are fixed; there is no app, no port, no check of room, no counter but those of the queues. */
#include "program/bench/bare.h"

#include <sys/mman.h>

enum { FRAMES = 4096, QUEUE = 1024, LENGTH = 60 };

/* As large as a packet and, as there, an odd number of cache lines. */
struct frame {
	uint8_t *at;
	uint32_t length;
	uint8_t head[180], bytes[2048];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct frame) % 128 == 64, "an odd number of cache lines");

struct queue {
	struct frame *frame[QUEUE];
	uint32_t in, out;               /* totals */
	uint64_t frames, bytes;
} __attribute__((aligned(64)));

static struct frame *unused[FRAMES], *template;
static uint32_t unused_count;
static struct queue fresh, left, right;

int bare_start(const struct bench_case *c)
{
	size_t size = FRAMES * sizeof(struct frame);
	struct frame *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	(void)c;
	if (all == MAP_FAILED)
		all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return nf_fail(errno, "no memory for %d frames: %s", FRAMES, strerror(errno));
	for (uint32_t i = FRAMES; i-- > 1;)
		unused[unused_count++] = &all[i];
	template = &all[0];
	template->at = template->bytes;
	template->length = LENGTH;
	for (uint32_t i = 0; i < LENGTH; i++)
		template->bytes[i] = (uint8_t)i;
	return 0;
}

static inline void enter(struct queue *queue, struct frame *frame)
{
	queue->frame[queue->in++ % QUEUE] = frame;
	queue->frames++;
	queue->bytes += frame->length;
}

static inline struct frame *leave(struct queue *queue)
{
	return queue->frame[queue->out++ % QUEUE];
}

static inline struct frame *duplicate(const struct frame *from)
{
	struct frame *frame = unused[--unused_count];

	frame->at = frame->bytes;
	frame->length = from->length;
	memcpy(frame->at, from->at, from->length);
	return frame;
}

static __attribute__((noinline)) void fill(uint32_t burst)
{
	for (uint32_t i = 0; i < burst; i++)
		enter(&fresh, duplicate(template));
}

static __attribute__((noinline)) void fork_frames(void)
{
	while (fresh.out != fresh.in) {
		struct frame *frame = leave(&fresh);

		enter(&left, duplicate(frame));
		enter(&right, frame);
	}
}

static __attribute__((noinline)) void discard(struct queue *queue)
{
	while (queue->out != queue->in)
		unused[unused_count++] = leave(queue);
}

int bare_run(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t done = 0;

	for (; done < sample->packets; done += c->argument) {
		fill(c->argument);
		fork_frames();
		discard(&left);
		discard(&right);
	}
	sample->packets = done;
	return 0;
}
