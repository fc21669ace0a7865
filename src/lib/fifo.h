#pragma once
/* fifo -- a bounded first-in first-out queue of pointers, each with a number of the caller's. The memory is the caller's. */

struct fifo_entry {
	void *item;                     /* NULL: no item */
	uint64_t key;
};

struct fifo {
	struct fifo_entry *entry;       /* fifo_slots(limit) of them */
	uint32_t limit, mask;
	uint64_t put, taken;            /* totals, free-running */
};

/* How many entries of memory a fifo of `limit` items needs. */
uint32_t fifo_slots(uint32_t limit);

/* needs: 0 < limit <= 2^31, entry[fifo_slots(limit)] all zero */
void fifo_init(struct fifo *fifo, struct fifo_entry *entry, uint32_t limit);

inline uint32_t fifo_count(const struct fifo *fifo)
{
	return (uint32_t)(fifo->put - fifo->taken);
}

inline uint32_t fifo_room(const struct fifo *fifo)
{
	return fifo->limit - fifo_count(fifo);
}

/* needs: fifo_room(fifo) > 0 */
inline void fifo_put(struct fifo *fifo, void *item, uint64_t key)
{
	struct fifo_entry *entry = &fifo->entry[fifo->put++ & fifo->mask];

	entry->item = item;
	entry->key = key;
}

/* The oldest entry, which stays. needs: fifo_count(fifo) > 0 */
inline const struct fifo_entry *fifo_first(const struct fifo *fifo)
{
	return &fifo->entry[fifo->taken & fifo->mask];
}

/* Take the oldest item. needs: fifo_count(fifo) > 0 */
inline void *fifo_take(struct fifo *fifo)
{
	struct fifo_entry *entry = &fifo->entry[fifo->taken++ & fifo->mask];
	void *item = entry->item;

	entry->item = 0;
	return item;
}

/* How many items really lie there, counted by walking from the oldest to the newest. cost: O(items) */
uint32_t fifo_walk(const struct fifo *fifo);
