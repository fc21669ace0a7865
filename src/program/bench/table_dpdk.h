#pragma once
/* table_dpdk -- DPDK's rte_hash for the benchmark `table`: a module of its own beside the binary, so that nf itself does not need
 * DPDK's libraries. It is built only where pkg-config finds libdpdk. */
#include <stdint.h>

struct table_dpdk {
	/* Make the table, for 8-byte keys; once per process. gives: 0, or -1 */
	int (*start)(uint32_t capacity, uint32_t value_bytes);
	int (*put)(uint64_t key, const void *value);            /* gives: 0, or -1 */
	/* Look up a burst of at most 64 keys and read the values of those that are there; gives a sum over them. */
	uint64_t (*find)(const uint64_t *key, uint32_t n);
};

extern const struct table_dpdk table_dpdk;
