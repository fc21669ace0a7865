/* heap -- see heap.h. A binary heap: the children of entry i are 2 i + 1 and 2 i + 2. */
#include "lib/lib.h"

void heap_init(struct heap *heap, struct heap_entry *entry, uint32_t limit)
{
	*heap = (struct heap){ .entry = entry, .limit = limit };
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->key != b->key ? a->key < b->key : a->number < b->number;
}

void heap_put(struct heap *heap, void *item, uint64_t key)
{
	struct heap_entry entry = { .key = key, .number = heap->numbered++, .item = item };
	uint32_t at = heap->count++;

	for (; at > 0 && is_before(&entry, &heap->entry[(at - 1) / 2]); at = (at - 1) / 2)
		heap->entry[at] = heap->entry[(at - 1) / 2];
	heap->entry[at] = entry;
}

void *heap_take(struct heap *heap)
{
	void *item = heap->entry[0].item;
	struct heap_entry last = heap->entry[--heap->count];
	uint32_t at = 0, child;

	heap->entry[heap->count].item = NULL;
	for (; (child = 2 * at + 1) < heap->count; at = child) {
		if (child + 1 < heap->count && is_before(&heap->entry[child + 1], &heap->entry[child]))
			child++;
		if (!is_before(&heap->entry[child], &last))
			break;
		heap->entry[at] = heap->entry[child];
	}
	if (heap->count > 0)
		heap->entry[at] = last;
	return item;
}
