/* table -- what a look-up in the hash table costs, per key, in bursts of 64: 1,024 to 16 million entries, keys that are there and
 * keys that are not, in random order; beside DPDK's rte_hash bulk look-up where that is installed (see table_dpdk.c). */
#include "program/bench/rig.h"

#include "lib/lib.h"
#include "program/bench/table_dpdk.h"

#include <dlfcn.h>
#include <unistd.h>

enum {
	KEYS = 1 << 20,                 /* keys that are looked up in turn, at most */
	MODULE_PATH = 4096
};

static struct cuckoo cuckoo;
static const struct table_dpdk *dpdk;
static uint64_t *keys;
static uint32_t key_mask;
static uint32_t next;

static struct random numbers;

/* The keys of an address and a port set, 64 on each address. Those that are missing are on other addresses. */
static uint64_t key_of(uint32_t i, bool missing)
{
	return 1ull << 48 | (uint64_t)((missing ? 0xc0000000u : 0x0a000000u) + i / 64 * 5) << 16 | i % 64;
}

static int make_keys(const struct bench_case *c)
{
	uint32_t count = c->argument < KEYS ? c->argument : KEYS;

	random_init(&numbers, 1, "table");
	keys = calloc(count, sizeof(*keys));
	if (keys == NULL)
		return nf_fail(ENOMEM, "no memory for %u keys", count);
	for (uint32_t i = 0; i < count; i++)
		keys[i] = key_of(random_below(&numbers, c->argument), c->second);
	key_mask = count - 1;
	return 0;
}

static int start(const struct bench_case *c)
{
	uint8_t value[CUCKOO_VALUE] = { 0 };
	uint64_t seed[2];
	int code = make_keys(c);

	seed[0] = random_u64(&numbers);
	seed[1] = random_u64(&numbers);
	if (code >= 0)
		code = cuckoo_init(&cuckoo, c->argument, seed);
	for (uint32_t i = 0; i < c->argument && code >= 0; i++)
		code = cuckoo_put(&cuckoo, key_of(i, false), value);
	return code < 0 ? nf_fail(-code, "the table of %u entries: %s", c->argument, strerror(-code)) : 0;
}

/* The value of what was found is read, as an application would. */
static int run(const struct bench_case *c, struct bench_sample *sample)
{
	struct cuckoo_entry *found[CUCKOO_BURST];
	volatile uint64_t result = 0;
	uint64_t done = 0, sum = 0;

	(void)c;
	for (; done < sample->packets; done += CUCKOO_BURST) {
		cuckoo_find_burst(&cuckoo, keys + next, found, CUCKOO_BURST);
		for (uint32_t i = 0; i < CUCKOO_BURST; i++)
			sum += found[i] != NULL ? found[i]->value[0] + 1u : 0;
		next = (next + CUCKOO_BURST) & key_mask;
	}
	result = result + sum;
	sample->packets = done;
	return 0;
}

/* The module beside the binary, built only where DPDK's headers are. */
static bool module_path(char path[MODULE_PATH])
{
	static const char name[] = "table_dpdk.so";
	ssize_t length = readlink("/proc/self/exe", path, MODULE_PATH - sizeof(name));
	char *slash;

	path[length < 0 ? 0 : length] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		memcpy(slash + 1, name, sizeof(name));
	return slash != NULL;
}

static int open_dpdk(void)
{
	char path[MODULE_PATH];
	void *module = module_path(path) ? dlopen(path, RTLD_NOW) : NULL;

	dpdk = module != NULL ? dlsym(module, "table_dpdk") : NULL;
	return dpdk != NULL ? 0 : nf_fail(ENOENT, "%s", dlerror());
}

static int start_dpdk(const struct bench_case *c)
{
	uint8_t value[CUCKOO_VALUE] = { 0 };
	int code = open_dpdk();

	if (code >= 0)
		code = make_keys(c);
	if (code >= 0 && dpdk->start(c->argument, sizeof(value)) != 0)
		code = nf_fail(ENOMEM, "DPDK cannot make a table of %u entries", c->argument);
	for (uint32_t i = 0; i < c->argument && code >= 0; i++)
		if (dpdk->put(key_of(i, false), value) != 0)
			code = nf_fail(ENOSPC, "DPDK's table is full after %u of %u entries", i, c->argument);
	return code;
}

static int run_dpdk(const struct bench_case *c, struct bench_sample *sample)
{
	volatile uint64_t result = 0;
	uint64_t done = 0, sum = 0;

	(void)c;
	for (; done < sample->packets; done += CUCKOO_BURST) {
		sum += dpdk->find(keys + next, CUCKOO_BURST);
		next = (next + CUCKOO_BURST) & key_mask;
	}
	result = result + sum;
	sample->packets = done;
	return 0;
}

#define SIZE(name_, count) \
	{ .name = "rte-hash-hit-" name_, .start = start_dpdk, .run = run_dpdk, .argument = count }, \
	{ .name = "hit-" name_, .against = "rte-hash-hit-" name_, .start = start, .run = run, .argument = count }, \
	{ .name = "rte-hash-miss-" name_, .start = start_dpdk, .run = run_dpdk, .argument = count, .second = true }, \
	{ .name = "miss-" name_, .against = "rte-hash-miss-" name_, .start = start, .run = run, .argument = count, .second = true }
#define ALONE(name_, count) \
	{ .name = "hit-" name_, .start = start, .run = run, .argument = count }, \
	{ .name = "miss-" name_, .start = start, .run = run, .argument = count, .second = true }

#define SMALL(X) X("1k", 1 << 10), X("32k", 1 << 15), X("256k", 1 << 18), { 0 }
#define LARGE(X) X("1M", 1 << 20), X("4M", 1 << 22), X("16M", 1 << 24), { 0 }

static const struct bench_case small_both[] = { SMALL(SIZE) }, small_alone[] = { SMALL(ALONE) };
static const struct bench_case large_both[] = { LARGE(SIZE) }, large_alone[] = { LARGE(ALONE) };
static struct bench_case small[sizeof(small_both) / sizeof(small_both[0])], large[sizeof(large_both) / sizeof(large_both[0])];

/* Compare with DPDK when its module is there. */
static int prepare(void)
{
	char path[MODULE_PATH];
	bool compare = module_path(path) && access(path, R_OK) == 0;

	memcpy(small, compare ? small_both : small_alone, compare ? sizeof(small_both) : sizeof(small_alone));
	memcpy(large, compare ? large_both : large_alone, compare ? sizeof(large_both) : sizeof(large_alone));
	return 0;
}

const struct benchmark table_benchmark = {
	.name = "table", .cases = small, .prepare = prepare,
	.help = "Look up keys in the hash table: 1k to 256k entries, hit and miss; against DPDK's rte_hash where it is installed.",
};

/* All cases are set up at once: some 10 GB. */
const struct benchmark tables_benchmark = {
	.name = "tables", .cases = large, .prepare = prepare,
	.help = "The same with 1M to 16M entries; it takes gigabytes.",
};
