#pragma once
/* sim_dma -- the card's way to memory: see sim_dma.c. */
#include "nicsim/sim.h"

enum { SIM_DMA_CACHE = 1024 };

/* Huge pages that were used last, by frame: key is the frame plus 1; 0: none. */
struct sim_dma_page { uint64_t key; uint8_t *at; };
extern struct sim_dma_page sim_dma_cache[SIM_DMA_CACHE];

/* What sim_dma does with an address that is not in the cache, or must be judged. */
void *sim_dma_search(struct sim_card *card, uint64_t address, uint32_t length, const char *what);

/* Where the driver's memory at a physical address lies here, at least `length` bytes within one page.
 *   gives: NULL after a violation was named: `what` says who wanted it */
static inline void *sim_dma(struct sim_card *card, uint64_t address, uint32_t length, const char *what)
{
	const struct sim_dma_page *page = &sim_dma_cache[address / SIM_HUGE % SIM_DMA_CACHE];

	if (__builtin_expect(page->key == address / SIM_HUGE + 1 && card->config[4] & 4 && card->faults.forbidden_bytes == 0, 1))
		return page->at + address % SIM_HUGE;
	return sim_dma_search(card, address, length, what);
}

/* The same without judging; NULL when it is not in the cache. */
static inline const void *sim_dma_peek(uint64_t address)
{
	const struct sim_dma_page *page = &sim_dma_cache[address / SIM_HUGE % SIM_DMA_CACHE];

	return page->key == address / SIM_HUGE + 1 ? page->at + address % SIM_HUGE : NULL;
}

/* Copy from and to the driver's memory, over pages. fails: false after a violation was named */
bool sim_dma_read(struct sim_card *card, uint64_t address, void *to, uint32_t length, const char *what);
bool sim_dma_write(struct sim_card *card, uint64_t address, const void *from, uint32_t length, const char *what);

void sim_dma_begin(const struct sim *sim);

/* See which drivers came and went; at most every millisecond. */
void sim_dma_watch(struct sim *sim);

void sim_dma_end(void);
