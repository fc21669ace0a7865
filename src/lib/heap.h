#pragma once
/* heap -- a bounded priority queue of pointers: the least key first, among equal keys the one that was put first. The memory
 * is the caller's. */

struct heap_entry {
	uint64_t key, number;           /* number: how many were put before */
	void *item;
};

struct heap {
	struct heap_entry *entry;
	uint32_t count, limit;
	uint64_t numbered;
};

/* needs: entry[limit] */
void heap_init(struct heap *heap, struct heap_entry *entry, uint32_t limit);

/* needs: heap->count < heap->limit; cost: O(log count) */
void heap_put(struct heap *heap, void *item, uint64_t key);

/* Take the item with the least key. needs: heap->count > 0; cost: O(log count) */
void *heap_take(struct heap *heap);
