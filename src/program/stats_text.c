/* stats_text -- a reading as text. See stats.h. */
#include "program/stats.h"
#include "program/figure.h"
#include "program/table.h"

#include <inttypes.h>
#include <time.h>

static void print_head(const struct reading *reading)
{
	const struct stats_header *header = &reading->header;
	time_t started = (time_t)(header->started_ns / 1000000000);
	char since[FIGURE_SIZE];
	struct tm local;

	strftime(since, sizeof(since), "%F %T", localtime_r(&started, &local));
	if (reading->runs)
		printf("%s: process %d, %u worker%s, since %s\n", reading->name, header->supervisor, reading->workers,
			reading->workers == 1 ? "" : "s", since);
	else
		printf("%s: does not run any more; the last numbers of process %d, started %s\n", reading->name, header->supervisor, since);
	printf("%s\n", header->file);
}

/* Everything about an app that is seldom: other counters, reasons of drops, a device that is down. gives: malloc'ed; NULL when memory is
 * short */
static char *remark(const struct reading_worker *worker, uint32_t owner)
{
	uint64_t lost = worker->value[reading_find(worker, STATS_APP, owner, "lost-outside")];
	const char *between = "";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	if (worker->value[reading_find(worker, STATS_APP, owner, "down")] != 0) {
		fputs("down", out);
		between = ", ";
	}
	if (lost > 0) {
		fprintf(out, "%slost outside %" PRIu64, between, lost);
		between = ", ";
	}
	for (uint32_t i = 0; i < worker->count; i++) {
		const struct stats_entry *entry = &worker->entry[i];

		if ((entry->kind != STATS_COUNTER && entry->kind != STATS_GAUGE && entry->kind != STATS_REASON) ||
			entry->owner_number != owner || worker->value[i] == 0)
			continue;
		fprintf(out, "%s%s%s %" PRIu64, between, entry->kind == STATS_REASON ? "dropped as " : "", entry->name, worker->value[i]);
		between = ", ";
	}
	fclose(out);
	return text;
}

/* Cycles per packet between two readings, or since the start when there is one reading. */
static double cost(const struct reading *before, const struct reading *now, uint32_t number, uint32_t owner)
{
	const struct reading_worker *worker = &now->worker[number];
	uint32_t cycles = reading_find(worker, STATS_APP, owner, "cycles"), packets = reading_find(worker, STATS_APP, owner, "packets");
	double rate = reading_rate(before, now, number, packets);

	if (rate > 0)
		return reading_rate(before, now, number, cycles) / rate;
	return worker->value[packets] > 0 ? (double)worker->value[cycles] / (double)worker->value[packets] : 0;
}

static void print_apps(const struct reading *before, const struct reading *now, uint32_t number)
{
	static const char *const titles[] = { "app", "packets", "per second", "cycles each", "received", "created", "sent", "consumed",
		"dropped", "held", "" };
	static const char *const shown[] = { "received", "created", "sent", "consumed", "dropped", "held" };
	const struct reading_worker *worker = &now->worker[number];
	struct table table;
	char rate[FIGURE_SIZE], *text;

	table_init(&table, "lrrrrrrrrrl", titles);
	for (uint32_t i = 0; i < worker->count; i++) {
		uint32_t owner = worker->entry[i].owner_number, packets = reading_find(worker, STATS_APP, owner, "packets");

		if (!reading_is_first(worker, i, STATS_APP))
			continue;
		table_add(&table, "%s", worker->entry[i].owner);
		table_add(&table, "%" PRIu64, worker->value[packets]);
		table_add(&table, "%s", figure_rate(reading_rate(before, now, number, packets), rate));
		table_add(&table, "%.1f", cost(before, now, number, owner));
		for (size_t j = 0; j < sizeof(shown) / sizeof(shown[0]); j++)
			table_add(&table, "%" PRIu64, worker->value[reading_find(worker, STATS_APP, owner, shown[j])]);
		text = remark(worker, owner);
		table_add(&table, "%s", text != NULL ? text : "");
		free(text);
	}
	table_print(&table, 2, stdout);
}

static void print_links(const struct reading *before, const struct reading *now, uint32_t number)
{
	static const char *const titles[] = { "link", "packets", "per second", "bytes", "waiting", "dropped", "stays (half)", "(99 %)" };
	const struct reading_worker *worker = &now->worker[number];
	struct table table;
	char rate[FIGURE_SIZE];

	table_init(&table, "lrrrrrrr", titles);
	for (uint32_t i = 0; i < worker->count; i++) {
		uint32_t owner = worker->entry[i].owner_number, sent = reading_find(worker, STATS_LINK, owner, "sent");

		if (!reading_is_first(worker, i, STATS_LINK))
			continue;
		table_add(&table, "%s", worker->entry[i].owner);
		table_add(&table, "%" PRIu64, worker->value[sent]);
		table_add(&table, "%s", figure_rate(reading_rate(before, now, number, sent), rate));
		table_add(&table, "%" PRIu64, worker->value[reading_find(worker, STATS_LINK, owner, "bytes")]);
		table_add(&table, "%" PRIu64, worker->value[sent] - worker->value[reading_find(worker, STATS_LINK, owner, "received")]);
		table_add(&table, "%" PRIu64, worker->value[reading_find(worker, STATS_LINK, owner, "dropped")]);
		table_add(&table, "%s", figure_duration(worker->value[reading_find(worker, STATS_LINK, owner, "residence-p50")], rate));
		table_add(&table, "%s", figure_duration(worker->value[reading_find(worker, STATS_LINK, owner, "residence-p99")], rate));
	}
	if (table.count > table.columns)
		putchar('\n');
	table_print(&table, 2, stdout);
}

/* What devices have to receive into; nothing when no device has any. */
static void posted_text(char *text, size_t size, const struct ledger *l)
{
	text[0] = '\0';
	if (l->posted > 0)
		snprintf(text, size, " + %" PRIu64 " posted to devices", l->posted);
}

/* Both equations, as the design has them, with what they say. */
static void print_ledger(const struct reading *reading, uint32_t number)
{
	struct ledger l;
	char posted[48];
	uint64_t queued;

	reading_ledger(reading, number, &l);
	queued = l.on_links + l.held;
	putchar('\n');
	posted_text(posted, sizeof(posted), &l);
	if (reading->workers == 1)
		printf("  ledger  memory: %" PRIu64 " taken - %" PRIu64 " returned = %" PRIu64 " on links + %" PRIu64 " held%s: %s\n", l.taken,
			l.returned, l.on_links, l.held, posted, ledger_memory_balances(&l) ? "balances" : "DOES NOT BALANCE");
	printf("  ledger  flow:   %" PRIu64 " received + %" PRIu64 " created = %" PRIu64 " sent + %" PRIu64 " consumed + %" PRIu64
		" dropped + %" PRIu64 " queued: %s\n", l.received, l.created, l.sent, l.consumed, l.dropped, queued,
		ledger_flow_balances(&l) ? "balances" : "DOES NOT BALANCE");
	if (l.lost_outside > 0)
		printf("  lost outside of nf (by cards, the kernel): %" PRIu64 "\n", l.lost_outside);
}

/* Packets go from worker to worker, so that their memory is one equation for all. Each worker publishes its part at an instant of
 * its own: while packets move, the sum may be off by what was on its way. */
static void print_memory(const struct reading *reading)
{
	struct ledger sum = { 0 }, l;
	char posted[48];

	for (uint32_t w = 0; w < reading->workers; w++) {
		reading_ledger(reading, w, &l);
		ledger_add(&sum, &l);
	}
	posted_text(posted, sizeof(posted), &sum);
	printf("\nall workers\n  ledger  memory: %" PRIu64 " taken - %" PRIu64 " returned = %" PRIu64 " on links + %" PRIu64 " held%s + %" PRIu64
		" between workers: %s\n", sum.taken, sum.returned, sum.on_links, sum.held, posted, sum.between, ledger_memory_balances(&sum) ?
		"balances" : "in flux (the workers' numbers are of different instants)");
}

static void print_worker(const struct reading *before, const struct reading *now, uint32_t number)
{
	const struct reading_worker *worker = &now->worker[number];
	char half[FIGURE_SIZE], most[FIGURE_SIZE], nearly[FIGURE_SIZE];
	int32_t pid = now->header.worker_pid[number];

	printf("\nworker %u: ", number + 1);
	if (now->runs && pid != 0)
		printf("process %d, ", pid);
	printf("%s; %" PRIu64 " breaths, %" PRIu64 " sleeps; a breath takes %s (half), %s (99 %%), %s (99.9 %%)\n",
		stats_state_names[worker->state], worker->value[reading_find(worker, STATS_ENGINE, 0, "breaths")],
		worker->value[reading_find(worker, STATS_ENGINE, 0, "sleeps")], figure_duration(reading_breath(now, number, 0.5), half),
		figure_duration(reading_breath(now, number, 0.99), most), figure_duration(reading_breath(now, number, 0.999), nearly));
	if (worker->torn)
		printf("  this worker died in the middle of a snapshot: numbers may not fit together\n");
	print_apps(before, now, number);
	print_links(before, now, number);
	print_ledger(now, number);
}

void stats_print_text(const struct reading *before, const struct reading *now, uint32_t worker)
{
	print_head(now);
	for (uint32_t w = 0; w < now->workers; w++)
		if (worker == UINT32_MAX || worker == w)
			print_worker(before, now, w);
	if (now->workers > 1 && worker == UINT32_MAX)
		print_memory(now);
}
