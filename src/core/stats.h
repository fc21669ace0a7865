#pragma once
/* stats -- what runs, in numbers, readable from outside without a lock and without help.
 *
 * One file per running nf: a header, then a block per worker. A block has entries (what each number is) and a snapshot of their
 * values, which the worker takes between two breaths, each millisecond, under a sequence number. The live numbers are plain
 * fields of apps and links in the worker's own memory; as a snapshot is taken at a breath boundary, it is consistent in itself,
 * also when the worker dies right after it. */

enum stats_kind {
	STATS_APP,              /* owner: an app. names: received created sent consumed dropped lost-outside cycles packets calls held down */
	STATS_COUNTER,          /* owner: an app; its class's counters, but for its gauges */
	STATS_REASON,           /* owner: an app; drops by reason */
	STATS_LINK,             /* owner: a link. names: sent received bytes dropped, residence-p50 residence-p99 (nanoseconds, sampled) */
	STATS_ENGINE,           /* owner: "engine". names: stats_engine_names, and the breath histogram, one number per bucket */
	STATS_GAUGE             /* owner: an app; its class's gauges, which stand among its counters */
};

enum { STATS_NAME = 48, STATS_OWNER = 112, STATS_MAGIC = 0x7374666e, STATS_VERSION = 1, STATS_BUCKETS = 128 };

struct stats_entry {
	uint32_t kind;          /* enum stats_kind */
	uint32_t owner_number;  /* of the app or link in its worker */
	char owner[STATS_OWNER];
	char name[STATS_NAME];
};

struct stats_header {
	uint32_t magic, version;
	uint64_t bytes;                 /* of the whole file */
	uint64_t started_ns;            /* wall clock */
	uint64_t generation;            /* goes up with each reload */
	uint32_t replaced;              /* 1: open the file of this name again, a reload has made a new one */
	uint32_t workers;
	int32_t supervisor;             /* process id */
	int32_t worker_pid[64];         /* 0: not running */
	uint64_t block[64];             /* offsets of struct stats_block */
	double clock_hz;                /* cycles per second */
	char name[64], file[1024];      /* of the instance, of the configuration */
};

struct stats_block {
	uint64_t sequence;              /* odd while a snapshot is being written */
	uint64_t snapshot_ns;           /* monotonic time of the snapshot */
	uint32_t count;                 /* entries */
	uint32_t state;                 /* enum engine_state of the worker */
	uint64_t entry, snapshot;       /* offsets in the file: count struct stats_entry, count uint64_t */
	uint64_t breaths;               /* the watchdog's heartbeat: written in each breath, also when virtual time stands still */
};
struct stats;                           /* an open file */

/* The entries of a worker, in this order: for each app STATS_APP x stats_app_names, its counters, its reasons with those that
 * every app has; for each link stats_link_names; then stats_engine_names, then breath_ns.0 .. breath_ns.127. */
extern const char *const stats_app_names[], *const stats_link_names[], *const stats_engine_names[], *const stats_reason_names[];

/* Opened by the supervisor for a checked graph; path NULL: anonymous. fails: -errno */
struct graph;
int stats_create(struct stats **stats, const char *path, const struct graph *graph) __attribute__((warn_unused_result));
/* Opened by a reader; every offset and count of the file is checked. fails: -errno with nf_error() */
int stats_open(struct stats **stats, const char *path) __attribute__((warn_unused_result));
void stats_close(struct stats *stats);

/* For a reload: make the file under another name, hand its descriptor to the workers, and put it into its place at the commit.
 * stats_descriptor: of a file that stats_create made; stays with `stats`.
 * stats_map: a worker's view of the supervisor's file. fails: -errno with nf_error() */
int stats_descriptor(const struct stats *stats);
int stats_map(struct stats **stats, int fd) __attribute__((warn_unused_result));

struct stats_header *stats_header(struct stats *stats);
/* As they were when the file was opened or made: those of the header and the blocks may be changed by a worker. */
uint32_t stats_worker_count(const struct stats *stats);
uint32_t stats_entry_count(const struct stats *stats, uint32_t worker);
struct stats_block *stats_block(struct stats *stats, uint32_t worker);
const struct stats_entry *stats_entries(struct stats *stats, uint32_t worker);

/* Writer: begin a snapshot; gives the values, in the order of the entries, to be written until stats_end. */
uint64_t *stats_begin(struct stats *stats, uint32_t worker);
void stats_end(struct stats *stats, uint32_t worker);

/* Reader: a consistent copy of a worker's snapshot into values[count].
 *   gives: 0
 *   fails: -EAGAIN when the writer stayed in the middle of one (it died there): values are copied as they are */
int stats_read(struct stats *stats, uint32_t worker, uint64_t *values, uint64_t *snapshot_ns);
/* The same, tried once. gives: whether the copy is consistent; it waits for nobody */
bool stats_try(struct stats *stats, uint32_t worker, uint64_t *values, uint64_t *snapshot_ns);

/* The value of an entry of a worker by owner and name, from values that stats_read gave; 0 when there is none. */
uint64_t stats_value(struct stats *stats, uint32_t worker, const uint64_t *values, const char *owner, const char *name);

/* The bucket of a duration: 4 per power of two, and the lower bound of a bucket. */
uint32_t stats_bucket(uint64_t ns);
uint64_t stats_bucket_low(uint32_t bucket);
/* The value below which `share` (0..1) of the counted ones lie. */
uint64_t stats_percentile(const uint64_t buckets[STATS_BUCKETS], double share);
