/* table_dpdk -- see table_dpdk.h. The data of an entry is a pointer to its value in an array, as with DPDK's own users.
 *   source: DPDK 22.11 Programmer's Guide, "Hash Library" */
#include "program/bench/table_dpdk.h"

#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BURST = 64 };

static struct rte_hash *hash;
static uint8_t *values;
static uint32_t bytes, used;

static int start(uint32_t capacity, uint32_t value_bytes)
{
	struct rte_hash_parameters parameters = {
		.name = "table", .entries = capacity + capacity / 4,     /* a full table of DPDK refuses some keys */
		.key_len = sizeof(uint64_t), .hash_func = rte_hash_crc, .hash_func_init_val = 1,
	};
	char memory[32], program[] = "nf", no_huge[] = "--no-huge", no_pci[] = "--no-pci", alone[] = "--no-shconf",
		silent[] = "--log-level=error", amount[] = "-m";
	char *arguments[] = { program, no_huge, no_pci, alone, silent, amount, memory, NULL };

	snprintf(memory, sizeof(memory), "%u", 256 + capacity / 4096);
	if (rte_eal_init(7, arguments) < 0)
		return -1;
	hash = rte_hash_create(&parameters);
	bytes = value_bytes;
	values = calloc(capacity, bytes);
	return hash != NULL && values != NULL ? 0 : -1;
}

static int put(uint64_t key, const void *value)
{
	uint8_t *data = values + (uint64_t)used * bytes;

	memcpy(data, value, bytes);
	used++;
	return rte_hash_add_key_data(hash, &key, data) == 0 ? 0 : -1;
}

static uint64_t find(const uint64_t *key, uint32_t n)
{
	const void *pointer[BURST];
	void *data[BURST];
	uint64_t hit = 0, sum = 0;

	for (uint32_t i = 0; i < n; i++)
		pointer[i] = &key[i];
	if (rte_hash_lookup_bulk_data(hash, pointer, n, &hit, data) < 0)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		sum += hit >> i & 1 ? *(const uint8_t *)data[i] + 1u : 0;
	return sum;
}

const struct table_dpdk table_dpdk = { start, put, find };
