#pragma once
/* memory_window -- places in the window of packet memory (memory.h) for other memory that cards reach. C only. */
#include <stdint.h>

/* Addresses for whole huge pages. gives: NULL when there is no room; give back with memory_window_give, which also unmaps */
uint8_t *memory_window_take(uint64_t bytes);
void memory_window_give(uint8_t *at, uint64_t bytes);

/* Bytes from the window's beginning, and how long the window is. */
uint64_t memory_window_offset(const void *at);
uint64_t memory_window_bytes(void);

/* Write the cards' addresses into all packets, anew when a worker that may have spoilt them has died. */
void memory_addresses(void);
