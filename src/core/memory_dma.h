#pragma once
/* memory_dma -- memory that cards reach: packets and rings in named files of huge pages, with the addresses that cards have for
 * them. Supervisor only; workers find the addresses in the packets and rings themselves.
 *
 * The files carry the owner's name and are removed only after bus mastering of all its cards is off. What a killed nf leaves
 * behind stays where it is until a later one has switched its cards off: no card ever writes to memory that somebody else got. */

enum { MEMORY_DMA_OWNER = 64 };

enum memory_dma_mode {
	MEMORY_DMA_NONE,                /* no card yet */
	MEMORY_DMA_DIRECT,              /* physical addresses; huge pages are a must */
	MEMORY_DMA_VFIO                 /* addresses of an IOMMU: a constant plus the offset in the window of packet memory */
};

/* From here on memory is made for cards; first clean up after an nf that was killed. Before the first segment.
 *   fails: -errno with nf_error() */
int memory_dma_start(void) __attribute__((warn_unused_result));
bool memory_dma_is_on(void);

/* Cards are off: remove the files, unless one of the cards could not be switched off. */
void memory_dma_stop(void);

/* This process's name in files and records. */
const char *memory_dma_owner(void);

/* A card will reach all this memory, in this mode; the first card decides the mode. Fills in the packets' addresses.
 *   fails: -EPERM: another mode is in use; -ENOMEM: no huge pages; -EINVAL: packet memory was not made for cards */
int memory_dma_attach(enum memory_dma_mode mode, const char *card) __attribute__((warn_unused_result));

/* A file for memory of whole huge pages. gives: a descriptor, locked as long as anybody has it mapped; -errno without a message */
int memory_dma_file(uint64_t bytes, char **path) __attribute__((warn_unused_result));

/* Enter memory that is mapped in the window (memory_window_take); takes path. Pages that are not huge have path NULL.
 *   fails: -errno with nf_error(); path was freed, the file removed */
int memory_dma_add(uint8_t *base, uint64_t bytes, char *path) __attribute__((warn_unused_result));
/* Take it out, and remove the file. needs: no card uses it */
void memory_dma_remove(const uint8_t *base);

/* A card's address for this place; 0 when there is none. */
uint64_t memory_dma_address(const void *at);

/* Memory for descriptor rings, zeroed: mapped in this process, its first 8 bytes are its address for the card.
 *   gives: its descriptor, *base; memory_dma_ring_free gives it back, the descriptor stays the caller's
 *   fails: -errno with nf_error() */
int memory_dma_ring(uint64_t bytes, int node, uint8_t **base) __attribute__((warn_unused_result));
void memory_dma_ring_free(uint8_t *base, uint64_t bytes);
