/* fifo -- see fifo.h. */
#include "lib/lib.h"

extern inline uint32_t fifo_count(const struct fifo *fifo);
extern inline uint32_t fifo_room(const struct fifo *fifo);
extern inline void fifo_put(struct fifo *fifo, void *item, uint64_t key);
extern inline const struct fifo_entry *fifo_first(const struct fifo *fifo);
extern inline void *fifo_take(struct fifo *fifo);

uint32_t fifo_slots(uint32_t limit)
{
	uint32_t slots = 1;

	while (slots < limit)
		slots *= 2;
	return slots;
}

void fifo_init(struct fifo *fifo, struct fifo_entry *entry, uint32_t limit)
{
	*fifo = (struct fifo){ .entry = entry, .limit = limit, .mask = fifo_slots(limit) - 1 };
}

uint32_t fifo_walk(const struct fifo *fifo)
{
	uint32_t count = 0;

	for (uint64_t i = fifo->taken; i != fifo->put; i++)
		count += fifo->entry[i & fifo->mask].item != NULL;
	return count;
}
