/* bytes -- see bytes.h. */
#include "lib/lib.h"

extern inline uint16_t bytes_swap16(uint16_t value);
extern inline uint32_t bytes_swap32(uint32_t value);
extern inline uint64_t bytes_swap64(uint64_t value);
extern inline uint16_t bytes_read16(const void *at);
extern inline uint32_t bytes_read32(const void *at);
extern inline uint64_t bytes_read64(const void *at);
extern inline void bytes_write16(void *at, uint16_t value);
extern inline void bytes_write32(void *at, uint32_t value);
extern inline void bytes_write64(void *at, uint64_t value);
