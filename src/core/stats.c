/* stats -- see stats.h: the file's layout, writing and reading. */
#include "core/core.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *const stats_app_names[] = { "received", "created", "sent", "consumed", "dropped", "lost-outside", "cycles", "packets",
	"calls", "held", "down", NULL };
const char *const stats_link_names[] = { "sent", "received", "bytes", "dropped", "residence-p50", "residence-p99", NULL };
const char *const stats_engine_names[] = { "breaths", "sleeps", "ledger.taken", "ledger.returned", "ledger.on_links",
	"ledger.held", "ledger.received", "ledger.created", "ledger.sent", "ledger.consumed", "ledger.dropped",
	"ledger.lost_outside", "ledger.between", "retired.received", "retired.created", "retired.sent", "retired.consumed",
	"retired.dropped", "retired.lost_outside", "ledger.posted", NULL };
const char *const stats_reason_names[] = { "reload", "stop", "quarantined", "crash", NULL };

enum { READ_TRIES = 1000, ALIGNMENT = 64, FILE_MOST = 1 << 30 };

/* Where things are, checked once: a worker can write to the file afterwards. */
struct place {
	uint64_t block, entry, snapshot;
	uint32_t count;
};

struct stats {
	uint8_t *base;
	uint64_t bytes;
	bool writable;
	int fd;                         /* of a file made here; -1 */
	uint32_t workers;
	struct place place[MEMORY_WORKERS];
};

static uint64_t align(uint64_t n)
{
	return (n + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* How many entries a worker has. */
static uint32_t count_entries(const struct graph_worker *worker)
{
	uint32_t count = app_name_count(stats_engine_names) + STATS_BUCKETS;

	for (uint32_t i = 0; i < worker->app_count; i++)
		count += app_name_count(stats_app_names) + app_name_count(worker->app[i].class->counters) +
			app_name_count(worker->app[i].class->reasons) + APP_REASONS;
	return count + worker->link_count * app_name_count(stats_link_names);
}

static struct stats_entry *add(struct stats_entry *entry, enum stats_kind kind, uint32_t number, const char *owner,
	const char *const *names)
{
	for (; names != NULL && *names != NULL; names++, entry++) {
		entry->kind = kind;
		entry->owner_number = number;
		snprintf(entry->owner, sizeof(entry->owner), "%s", owner);
		snprintf(entry->name, sizeof(entry->name), "%s", *names);
	}
	return entry;
}

static void write_entries(struct stats_entry *entry, const struct graph_worker *worker)
{
	for (uint32_t i = 0; i < worker->app_count; i++) {
		const struct graph_app *app = &worker->app[i];

		entry = add(entry, STATS_APP, i, app->name, stats_app_names);
		entry = add(entry, STATS_COUNTER, i, app->name, app->class->counters);
		for (uint32_t c = 0, n = app_name_count(app->class->counters); c < n; c++)
			if (app_is_gauge(app->class, c))
				(entry - n + c)->kind = STATS_GAUGE;
		entry = add(entry, STATS_REASON, i, app->name, app->class->reasons);
		entry = add(entry, STATS_REASON, i, app->name, stats_reason_names);
	}
	for (uint32_t i = 0; i < worker->link_count; i++)
		entry = add(entry, STATS_LINK, i, worker->link[i].name, stats_link_names);
	entry = add(entry, STATS_ENGINE, 0, "engine", stats_engine_names);
	for (uint32_t i = 0; i < STATS_BUCKETS; i++, entry++) {
		entry->kind = STATS_ENGINE;
		snprintf(entry->owner, sizeof(entry->owner), "engine");
		snprintf(entry->name, sizeof(entry->name), "breath_ns.%u", i);
	}
}

/* Make and map a new file of that size under a temporary name: put_in_place gives it its own when it is complete. */
static int map_new(struct stats *stats, const char *path, const char *temporary)
{
	int code;

	if (path != NULL) {
		unlink(temporary);
		stats->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	} else {
		stats->fd = memfd_create("nf-stats", MFD_CLOEXEC);
	}
	if (stats->fd < 0)
		return nf_fail(errno, "cannot make the statistics file %s: %s", path ? path : "", strerror(errno));
	if (ftruncate(stats->fd, (off_t)stats->bytes) == 0)
		stats->base = mmap(NULL, stats->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, stats->fd, 0);
	if (stats->base != MAP_FAILED)
		return 0;
	code = nf_fail(errno, "cannot write the statistics file %s: %s", path ? path : "", strerror(errno));
	if (path != NULL)
		unlink(temporary);
	return code;
}

/* A file of the same name is not written to but replaced: its readers keep the old one. */
static int put_in_place(const char *path, const char *temporary)
{
	int code;

	if (path == NULL || rename(temporary, path) == 0)
		return 0;
	code = nf_fail(errno, "cannot make the statistics file %s: %s", path, strerror(errno));
	unlink(temporary);
	return code;
}

/* Does [offset, offset + bytes) lie in the file, aligned? */
static bool inside(const struct stats *stats, uint64_t offset, uint64_t bytes)
{
	return offset % 8 == 0 && offset <= stats->bytes && bytes <= stats->bytes - offset;
}

/* Read once where a worker's block and its parts are. gives: false when they are not in the file */
static bool find_block(struct stats *stats, uint32_t worker)
{
	struct place *place = &stats->place[worker];
	const struct stats_block *block;
	const struct stats_entry *entry;

	place->block = __atomic_load_n(&stats_header(stats)->block[worker], __ATOMIC_RELAXED);
	if (!inside(stats, place->block, sizeof(*block)))
		return false;
	block = stats_block(stats, worker);
	place->count = __atomic_load_n(&block->count, __ATOMIC_RELAXED);
	place->entry = __atomic_load_n(&block->entry, __ATOMIC_RELAXED);
	place->snapshot = __atomic_load_n(&block->snapshot, __ATOMIC_RELAXED);
	if (!inside(stats, place->entry, (uint64_t)place->count * sizeof(*entry)) ||
		!inside(stats, place->snapshot, (uint64_t)place->count * sizeof(uint64_t)))
		return false;
	entry = stats_entries(stats, worker);
	for (uint32_t i = 0; i < place->count; i++)
		if (entry[i].kind > STATS_GAUGE || memchr(entry[i].owner, 0, STATS_OWNER) == NULL ||
			memchr(entry[i].name, 0, STATS_NAME) == NULL)
			return false;
	return true;
}

/* A file from somewhere else: believe nothing. */
static bool is_sound(struct stats *stats)
{
	const struct stats_header *header = stats_header(stats);

	stats->workers = __atomic_load_n(&header->workers, __ATOMIC_RELAXED);
	if (header->magic != STATS_MAGIC || header->version != STATS_VERSION || header->bytes != stats->bytes ||
		stats->workers > MEMORY_WORKERS || memchr(header->name, 0, sizeof(header->name)) == NULL ||
		memchr(header->file, 0, sizeof(header->file)) == NULL)
		return false;
	for (uint32_t i = 0; i < stats->workers; i++)
		if (!find_block(stats, i))
			return false;
	return true;
}

int stats_create(struct stats **result, const char *path, const struct graph *graph)
{
	struct stats *stats = calloc(1, sizeof(*stats));
	struct stats_header *header;
	struct timespec now;
	uint64_t offset = align(sizeof(struct stats_header)), block[MEMORY_WORKERS];
	char temporary[4200];
	int code;

	*result = NULL;
	if (stats == NULL || graph->worker_count > MEMORY_WORKERS) {
		free(stats);
		return nf_fail(ENOMEM, "no statistics for %u workers", graph->worker_count);
	}
	for (uint32_t i = 0; i < graph->worker_count; i++) {
		uint32_t count = count_entries(&graph->worker[i]);

		block[i] = offset;
		offset += align(sizeof(struct stats_block)) + align(count * sizeof(struct stats_entry)) +
			align(count * sizeof(uint64_t));
	}
	stats->bytes = offset;
	stats->writable = true;
	stats->base = MAP_FAILED;
	snprintf(temporary, sizeof(temporary), "%s.new", path != NULL ? path : "");
	code = map_new(stats, path, temporary);
	if (code < 0) {
		stats_close(stats);
		return code;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	header = stats_header(stats);
	*header = (struct stats_header){ .magic = STATS_MAGIC, .version = STATS_VERSION, .bytes = stats->bytes,
		.started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, .generation = 1,
		.workers = graph->worker_count, .supervisor = getpid(), .clock_hz = clock_hz };
	snprintf(header->file, sizeof(header->file), "%s", graph->file);
	for (uint32_t i = 0; i < graph->worker_count; i++) {
		struct stats_block *b = (struct stats_block *)(void *)(stats->base + block[i]);

		header->block[i] = block[i];
		b->count = count_entries(&graph->worker[i]);
		b->entry = block[i] + align(sizeof(*b));
		b->snapshot = b->entry + align(b->count * sizeof(struct stats_entry));
		write_entries((struct stats_entry *)(void *)(stats->base + b->entry), &graph->worker[i]);
	}
	nf_assert(is_sound(stats), "the new statistics file %s is not sound", path != NULL ? path : "");
	code = put_in_place(path, temporary);
	if (code < 0) {
		stats_close(stats);
		return code;
	}
	*result = stats;
	return 0;
}

int stats_descriptor(const struct stats *stats)
{
	return stats->fd;
}

/* Map a file of a size that may be right, and check it. */
static int map_file(struct stats **result, int fd, int protection)
{
	struct stats *stats = calloc(1, sizeof(*stats));
	struct stat status;

	*result = NULL;
	if (stats == NULL)
		return -ENOMEM;
	stats->fd = -1;
	stats->base = MAP_FAILED;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= (off_t)sizeof(struct stats_header) &&
		status.st_size <= FILE_MOST) {
		stats->bytes = (uint64_t)status.st_size;
		stats->base = mmap(NULL, stats->bytes, protection, MAP_SHARED, fd, 0);
	}
	if (stats->base == MAP_FAILED || !is_sound(stats)) {
		stats_close(stats);
		return -EBADMSG;
	}
	*result = stats;
	return 0;
}

int stats_map(struct stats **stats, int fd)
{
	return map_file(stats, fd, PROT_READ | PROT_WRITE) < 0 ? nf_fail(EBADMSG, "the new statistics did not arrive") : 0;
}

int stats_open(struct stats **stats, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), code;

	*stats = NULL;
	if (fd < 0)
		return nf_fail(errno, "cannot open %s: %s", path, strerror(errno));
	code = map_file(stats, fd, PROT_READ);
	close(fd);
	return code < 0 ? nf_fail(EBADMSG, "%s is no statistics file of this version of nf", path) : 0;
}

void stats_close(struct stats *stats)
{
	if (stats == NULL)
		return;
	if (stats->base != MAP_FAILED)
		munmap(stats->base, stats->bytes);
	if (stats->fd >= 0)
		close(stats->fd);
	free(stats);
}

struct stats_header *stats_header(struct stats *stats)
{
	return (struct stats_header *)(void *)stats->base;
}

uint32_t stats_worker_count(const struct stats *stats)
{
	return stats->workers;
}

uint32_t stats_entry_count(const struct stats *stats, uint32_t worker)
{
	return stats->place[worker].count;
}

struct stats_block *stats_block(struct stats *stats, uint32_t worker)
{
	return (struct stats_block *)(void *)(stats->base + stats->place[worker].block);
}

const struct stats_entry *stats_entries(struct stats *stats, uint32_t worker)
{
	return (const struct stats_entry *)(void *)(stats->base + stats->place[worker].entry);
}

static uint64_t *snapshot(struct stats *stats, uint32_t worker)
{
	return (uint64_t *)(void *)(stats->base + stats->place[worker].snapshot);
}

uint64_t *stats_begin(struct stats *stats, uint32_t worker)
{
	struct stats_block *block = stats_block(stats, worker);

	__atomic_store_n(&block->sequence, block->sequence | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	block->snapshot_ns = clock_now();
	return snapshot(stats, worker);
}

void stats_end(struct stats *stats, uint32_t worker)
{
	struct stats_block *block = stats_block(stats, worker);

	__atomic_store_n(&block->sequence, (block->sequence | 1) + 1, __ATOMIC_RELEASE);
}

bool stats_try(struct stats *stats, uint32_t worker, uint64_t *values, uint64_t *snapshot_ns)
{
	const struct stats_block *block = stats_block(stats, worker);
	uint64_t before = __atomic_load_n(&block->sequence, __ATOMIC_ACQUIRE);

	memcpy(values, snapshot(stats, worker), stats->place[worker].count * sizeof(*values));
	if (snapshot_ns != NULL)
		*snapshot_ns = block->snapshot_ns;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return before % 2 == 0 && __atomic_load_n(&block->sequence, __ATOMIC_RELAXED) == before;
}

int stats_read(struct stats *stats, uint32_t worker, uint64_t *values, uint64_t *snapshot_ns)
{
	for (int i = 0; i < READ_TRIES; i++) {
		if (stats_try(stats, worker, values, snapshot_ns))
			return 0;
		sched_yield();
	}
	return nf_fail(EAGAIN, "worker %u stopped in the middle of a snapshot", worker);
}

uint64_t stats_value(struct stats *stats, uint32_t worker, const uint64_t *values, const char *owner, const char *name)
{
	const struct stats_entry *entry = stats_entries(stats, worker);

	for (uint32_t i = 0; i < stats->place[worker].count; i++)
		if (strcmp(entry[i].name, name) == 0 && strcmp(entry[i].owner, owner) == 0)
			return values[i];
	return 0;
}

/* Four buckets per power of two: 0..3 exactly, then 4-4.99, 5-5.99, ... as (exponent, two bits of mantissa). */
uint32_t stats_bucket(uint64_t ns)
{
	uint32_t exponent, bucket;

	if (ns < 4)
		return (uint32_t)ns;
	exponent = 63 - (uint32_t)__builtin_clzll(ns);
	bucket = (exponent - 1) * 4 + (uint32_t)(ns >> (exponent - 2) & 3);
	return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

uint64_t stats_bucket_low(uint32_t bucket)
{
	if (bucket < 4)
		return bucket;
	return (4ULL + bucket % 4) << (bucket / 4 - 1);
}

uint64_t stats_percentile(const uint64_t buckets[STATS_BUCKETS], double share)
{
	uint64_t total = 0, below = 0;

	for (uint32_t i = 0; i < STATS_BUCKETS; i++)
		total += buckets[i];
	for (uint32_t i = 0; i < STATS_BUCKETS; i++) {
		below += buckets[i];
		if (total > 0 && (double)below >= share * (double)total)
			return stats_bucket_low(i + 1);
	}
	return 0;
}
