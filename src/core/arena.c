/* arena -- memory that is freed in one go. See param.h. */
#include "core/core.h"

enum { ARENA_BLOCK = 4096, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;              /* bytes behind this struct */
} __attribute__((aligned(16)));

/* A block for at least `bytes`; large pieces get one of their own behind the first, which may have room left. */
static struct arena_block *block_new(struct arena *arena, size_t bytes)
{
	size_t size = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
	struct arena_block *block = calloc(1, sizeof(*block) + size);

	nf_assert(block != NULL, "no memory for %zu bytes", size);
	block->size = size;
	if (bytes > ARENA_BLOCK && arena->block != NULL) {
		block->next = arena->block->next;
		arena->block->next = block;
	} else {
		block->next = arena->block;
		arena->block = block;
	}
	return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->block;
	void *piece;

	nf_assert(bytes <= SIZE_MAX / 2, "%zu bytes are asked for", bytes);
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (block == NULL || block->size - block->used < bytes)
		block = block_new(arena, bytes);
	piece = (uint8_t *)(block + 1) + block->used;
	block->used += bytes;
	return piece;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

void arena_free(struct arena *arena)
{
	while (arena->block != NULL) {
		struct arena_block *next = arena->block->next;

		free(arena->block);
		arena->block = next;
	}
}
