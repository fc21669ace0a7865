/* script_memory -- see script_app.h. Blocks of an address range, in classes of size with a list of free blocks each.
 *
 * Lua tells the size of what it frees, so blocks have no header. The range is twice the limit: the limit counts what is in
 * use, and the other half is for blocks that lie free in classes that nobody asks for any more. Pages that were never
 * touched cost nothing. All of it goes with one munmap, in whatever state it is: that is what a state left halfway needs. */
#include "core/script_app.h"

#include <sys/mman.h>

enum { GRAIN = 16, SMALL = 1024, SMALL_CLASSES = SMALL / GRAIN, SMALL_BITS = 10, STEPS = 8, CLASSES = SMALL_CLASSES + STEPS * 26 };

struct block {
	struct block *next;
};

struct script_memory {
	uint8_t *base;
	size_t bytes, end;              /* of the range; what of it has been given out once */
	size_t used, limit;
	struct block *free[CLASSES];
};

/* The class of a size, and the bytes of its blocks: multiples of 16, then 8 classes for each power of two. */
static uint32_t class_of(size_t size, size_t *bytes)
{
	uint32_t power, step;

	if (size <= SMALL) {
		uint32_t class = (uint32_t)((size - 1) / GRAIN);

		*bytes = (size_t)(class + 1) * GRAIN;
		return class;
	}
	power = 63 - (uint32_t)__builtin_clzll(size - 1);
	step = (uint32_t)((size - 1) >> (power - 3)) - STEPS;
	*bytes = (size_t)(STEPS + step + 1) << (power - 3);
	return SMALL_CLASSES + (power - SMALL_BITS) * STEPS + step;
}

struct script_memory *script_memory_new(size_t limit)
{
	struct script_memory *memory = calloc(1, sizeof(*memory));

	if (memory == NULL)
		return NULL;
	memory->limit = limit;
	memory->bytes = 2 * limit;
	memory->base = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->base == MAP_FAILED) {
		free(memory);
		return NULL;
	}
	return memory;
}

void script_memory_delete(struct script_memory *memory)
{
	if (memory == NULL)
		return;
	munmap(memory->base, memory->bytes);
	free(memory);
}

static void *take(struct script_memory *memory, size_t size)
{
	size_t bytes;
	uint32_t class;
	struct block *block;

	if (size > memory->limit)
		return NULL;
	class = class_of(size, &bytes);
	if (bytes > memory->limit - memory->used)
		return NULL;
	block = memory->free[class];
	if (block != NULL) {
		memory->free[class] = block->next;
	} else {
		if (bytes > memory->bytes - memory->end)
			return NULL;
		block = (struct block *)(memory->base + memory->end);
		memory->end += bytes;
	}
	memory->used += bytes;
	return block;
}

static void give(struct script_memory *memory, struct block *block, size_t size)
{
	size_t bytes;
	uint32_t class = class_of(size, &bytes);

	block->next = memory->free[class];
	memory->free[class] = block;
	memory->used -= bytes;
}

void *script_memory_alloc(void *context, void *block, size_t old, size_t size)
{
	struct script_memory *memory = context;
	size_t old_bytes, bytes;
	void *moved;

	if (size == 0) {
		if (block != NULL && old > 0)
			give(memory, block, old);
		return NULL;
	}
	if (block == NULL || old == 0)
		return take(memory, size);
	if (class_of(old, &old_bytes) == class_of(size, &bytes))
		return block;
	moved = take(memory, size);
	if (moved == NULL) {
		/* Lua does not expect that less memory is refused: the block stays, its end is lost. */
		if (size > old)
			return NULL;
		memory->used -= old_bytes - bytes;
		return block;
	}
	memcpy(moved, block, old < size ? old : size);
	give(memory, block, old);
	return moved;
}
