/* reading -- see reading.h. */
#include "program/reading.h"

#include <time.h>
#include <unistd.h>

static int read_worker(struct reading *reading, uint32_t number)
{
	struct reading_worker *worker = &reading->worker[number];
	uint32_t state;

	worker->count = stats_entry_count(reading->stats, number);
	worker->value = calloc(worker->count + 1, sizeof(*worker->value));
	worker->entry = calloc(worker->count + 1, sizeof(*worker->entry));
	if (worker->value == NULL || worker->entry == NULL)
		return nf_fail(ENOMEM, "not enough memory for %u numbers", worker->count);
	memcpy(worker->entry, stats_entries(reading->stats, number), worker->count * sizeof(*worker->entry));
	for (uint32_t i = 0; i < worker->count; i++)
		worker->entry[i].owner[STATS_OWNER - 1] = worker->entry[i].name[STATS_NAME - 1] = '\0';
	/* Of one that does not run any more nothing better will come. */
	worker->torn = reading->runs ? stats_read(reading->stats, number, worker->value, &worker->snapshot_ns) < 0 :
		!stats_try(reading->stats, number, worker->value, &worker->snapshot_ns);
	state = __atomic_load_n(&stats_block(reading->stats, number)->state, __ATOMIC_RELAXED);
	worker->state = state <= ENGINE_ENDED ? (enum engine_state)state : ENGINE_NEW;
	return 0;
}

int reading_init(struct reading *reading, const char *name)
{
	char path[INSTANCE_PATH];
	struct timespec now;
	int code;

	memset(reading, 0, sizeof(*reading));
	code = instance_find(name);
	reading->runs = code == 0;
	if (code == -ESRCH)
		code = 0;
	if (code == 0)
		code = instance_path(path, name, "stats");
	if (code < 0)
		return code;
	code = stats_open(&reading->stats, path);
	if (code < 0)
		return code;
	snprintf(reading->name, sizeof(reading->name), "%s", name);
	reading->header = *stats_header(reading->stats);
	reading->header.file[sizeof(reading->header.file) - 1] = '\0';
	clock_gettime(CLOCK_REALTIME, &now);
	reading->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	reading->workers = stats_worker_count(reading->stats);
	for (uint32_t i = 0; i < reading->workers && code == 0; i++)
		code = read_worker(reading, i);
	if (code < 0)
		reading_fini(reading);
	return code;
}

void reading_fini(struct reading *reading)
{
	for (uint32_t i = 0; i < reading->workers; i++) {
		free(reading->worker[i].value);
		free(reading->worker[i].entry);
	}
	stats_close(reading->stats);
	memset(reading, 0, sizeof(*reading));
}

uint32_t reading_find(const struct reading_worker *worker, enum stats_kind kind, uint32_t owner_number, const char *name)
{
	for (uint32_t i = 0; i < worker->count; i++)
		if (worker->entry[i].kind == kind && worker->entry[i].owner_number == owner_number &&
			strcmp(worker->entry[i].name, name) == 0)
			return i;
	return worker->count;
}

bool reading_is_first(const struct reading_worker *worker, uint32_t i, enum stats_kind kind)
{
	const struct stats_entry *entry = &worker->entry[i];

	return entry->kind == kind && (i == 0 || entry[-1].kind != kind || entry[-1].owner_number != entry->owner_number);
}

/* A number of the engine. */
static uint64_t engine_value(const struct reading *reading, uint32_t number, const char *name)
{
	const struct reading_worker *worker = &reading->worker[number];

	return worker->value[reading_find(worker, STATS_ENGINE, 0, name)];
}

double reading_rate(const struct reading *before, const struct reading *now, uint32_t number, uint32_t i)
{
	const struct reading_worker *a, *b;

	if (number >= before->workers || number >= now->workers)
		return 0;
	a = &before->worker[number];
	b = &now->worker[number];
	/* A reload has made other entries: the old numbers say nothing about the new ones. */
	if (before->header.generation != now->header.generation || i >= a->count || a->count != b->count ||
		b->snapshot_ns <= a->snapshot_ns || b->value[i] < a->value[i])
		return 0;
	return (double)(b->value[i] - a->value[i]) * 1e9 / (double)(b->snapshot_ns - a->snapshot_ns);
}

double reading_packet_rate(const struct reading *before, const struct reading *now)
{
	double sum = 0;

	for (uint32_t w = 0; w < now->workers; w++)
		for (uint32_t i = 0; i < now->worker[w].count; i++) {
			const struct stats_entry *entry = &now->worker[w].entry[i];

			if (entry->kind == STATS_APP && (strcmp(entry->name, "received") == 0 || strcmp(entry->name, "created") == 0))
				sum += reading_rate(before, now, w, i);
		}
	return sum;
}

void reading_ledger(const struct reading *reading, uint32_t worker, struct ledger *ledger)
{
	*ledger = (struct ledger){
		.taken = engine_value(reading, worker, "ledger.taken"),
		.returned = engine_value(reading, worker, "ledger.returned"),
		.on_links = engine_value(reading, worker, "ledger.on_links"),
		.held = engine_value(reading, worker, "ledger.held"),
		.received = engine_value(reading, worker, "ledger.received"),
		.created = engine_value(reading, worker, "ledger.created"),
		.sent = engine_value(reading, worker, "ledger.sent"),
		.consumed = engine_value(reading, worker, "ledger.consumed"),
		.dropped = engine_value(reading, worker, "ledger.dropped"),
		.lost_outside = engine_value(reading, worker, "ledger.lost_outside"),
		.between = engine_value(reading, worker, "ledger.between"),
		.posted = engine_value(reading, worker, "ledger.posted"),
	};
}

uint64_t reading_breath(const struct reading *reading, uint32_t number, double share)
{
	uint64_t bucket[STATS_BUCKETS];
	char name[STATS_NAME];

	for (uint32_t i = 0; i < STATS_BUCKETS; i++) {
		snprintf(name, sizeof(name), "breath_ns.%u", i);
		bucket[i] = engine_value(reading, number, name);
	}
	return stats_percentile(bucket, share);
}
