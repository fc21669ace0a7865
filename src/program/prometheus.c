/* prometheus -- see prometheus.h.
 * source: Prometheus, "Exposition formats", "Text-based format": all samples of a family stand together behind its HELP and TYPE;
 * in values of labels, \ " and the end of a line are escaped. */
#include "program/prometheus.h"

#include <inttypes.h>

/* A family that takes one number of each app, link or worker. */
struct family {
	const char *name, *type, *help;
	enum stats_kind kind;
	const char *entry;
};

static const struct family families[] = {
	{ "nf_app_packets_total", "counter", "Packets that the app handled.", STATS_APP, "packets" },
	{ "nf_app_received_packets_total", "counter", "Packets that the app brought in from outside.", STATS_APP, "received" },
	{ "nf_app_created_packets_total", "counter", "Packets that the app made.", STATS_APP, "created" },
	{ "nf_app_sent_packets_total", "counter", "Packets that the app gave to the outside.", STATS_APP, "sent" },
	{ "nf_app_consumed_packets_total", "counter", "Packets that the app swallowed on purpose.", STATS_APP, "consumed" },
	{ "nf_app_dropped_packets_total", "counter", "Packets that the app dropped, for any reason.", STATS_APP, "dropped" },
	{ "nf_app_lost_outside_packets_total", "counter", "Packets that never reached nf: dropped by a card or the kernel.",
		STATS_APP, "lost-outside" },
	{ "nf_app_cycles_total", "counter", "Cycles of the time-stamp counter that the app took.", STATS_APP, "cycles" },
	{ "nf_app_calls_total", "counter", "Calls of the app.", STATS_APP, "calls" },
	{ "nf_app_held_packets", "gauge", "Packets that the app holds now.", STATS_APP, "held" },
	{ "nf_app_down", "gauge", "1 while the device of the app is not there.", STATS_APP, "down" },
	{ "nf_link_packets_total", "counter", "Packets sent on the link.", STATS_LINK, "sent" },
	{ "nf_link_bytes_total", "counter", "Bytes of the packets sent on the link.", STATS_LINK, "bytes" },
	{ "nf_link_dropped_packets_total", "counter", "Packets dropped because the link was full.", STATS_LINK, "dropped" },
	{ "nf_link_residence_p50_nanoseconds", "gauge", "How long half of the packets stay on the link at most, sampled.", STATS_LINK,
		"residence-p50" },
	{ "nf_link_residence_p99_nanoseconds", "gauge", "How long 99 % of the packets stay on the link at most, sampled.", STATS_LINK,
		"residence-p99" },
	{ "nf_worker_breaths_total", "counter", "Breaths of the engine.", STATS_ENGINE, "breaths" },
	{ "nf_worker_sleeps_total", "counter", "Breaths after which the engine slept.", STATS_ENGINE, "sleeps" },
	{ "nf_ledger_taken_total", "counter", "Packet buffers taken.", STATS_ENGINE, "ledger.taken" },
	{ "nf_ledger_returned_total", "counter", "Packet buffers given back.", STATS_ENGINE, "ledger.returned" },
	{ "nf_ledger_on_links", "gauge", "Packets that wait on links now.", STATS_ENGINE, "ledger.on_links" },
	{ "nf_ledger_held", "gauge", "Packets that apps hold now.", STATS_ENGINE, "ledger.held" },
	{ "nf_ledger_received_total", "counter", "Packets brought in from outside.", STATS_ENGINE, "ledger.received" },
	{ "nf_ledger_created_total", "counter", "Packets made.", STATS_ENGINE, "ledger.created" },
	{ "nf_ledger_sent_total", "counter", "Packets given to the outside.", STATS_ENGINE, "ledger.sent" },
	{ "nf_ledger_consumed_total", "counter", "Packets swallowed on purpose.", STATS_ENGINE, "ledger.consumed" },
	{ "nf_ledger_dropped_total", "counter", "Packets dropped by apps and full links.", STATS_ENGINE, "ledger.dropped" },
	{ "nf_ledger_lost_outside_total", "counter", "Packets that never reached nf.", STATS_ENGINE, "ledger.lost_outside" },
};

struct writer {
	const struct reading *reading;
	uint32_t only;
	FILE *out;
};

static void begin(const struct writer *w, const char *name, const char *type, const char *help)
{
	fprintf(w->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The value of a label, escaped. */
static void write_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || *text == '"')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
	}
}

static void write_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, ",%s=\"", name);
	write_text(out, value);
	fputc('"', out);
}

/* "name{instance="x",worker="1"": the labels stay open. */
static void write_name(const struct writer *w, const char *name, uint32_t worker)
{
	fprintf(w->out, "%s{instance=\"", name);
	write_text(w->out, w->reading->name);
	fprintf(w->out, "\",worker=\"%u\"", worker + 1);
}

static bool is_shown(const struct writer *w, uint32_t worker)
{
	return w->only == UINT32_MAX || w->only == worker;
}

static void write_owner(const struct writer *w, const struct stats_entry *entry)
{
	if (entry->kind != STATS_ENGINE)
		write_label(w->out, entry->kind == STATS_LINK ? "link" : "app", entry->owner);
}

static void write_family(const struct writer *w, const struct family *family)
{
	begin(w, family->name, family->type, family->help);
	for (uint32_t n = 0; n < w->reading->workers; n++) {
		const struct reading_worker *worker = &w->reading->worker[n];

		for (uint32_t i = 0; i < worker->count && is_shown(w, n); i++) {
			if (worker->entry[i].kind != family->kind || strcmp(worker->entry[i].name, family->entry) != 0)
				continue;
			write_name(w, family->name, n);
			write_owner(w, &worker->entry[i]);
			fprintf(w->out, "} %" PRIu64 "\n", worker->value[i]);
		}
	}
}

/* All entries of a kind, their own names in a label. */
static void write_named(const struct writer *w, enum stats_kind kind, const char *family, const char *label, const char *help)
{
	begin(w, family, kind == STATS_GAUGE ? "gauge" : "counter", help);
	for (uint32_t n = 0; n < w->reading->workers; n++) {
		const struct reading_worker *worker = &w->reading->worker[n];

		for (uint32_t i = 0; i < worker->count && is_shown(w, n); i++) {
			if (worker->entry[i].kind != kind)
				continue;
			write_name(w, family, n);
			write_owner(w, &worker->entry[i]);
			write_label(w->out, label, worker->entry[i].name);
			fprintf(w->out, "} %" PRIu64 "\n", worker->value[i]);
		}
	}
}

static void write_waiting(const struct writer *w)
{
	begin(w, "nf_link_waiting_packets", "gauge", "Packets that wait on the link now, of at most 1024.");
	for (uint32_t n = 0; n < w->reading->workers; n++) {
		const struct reading_worker *worker = &w->reading->worker[n];

		for (uint32_t i = 0; i < worker->count && is_shown(w, n); i++) {
			uint32_t owner = worker->entry[i].owner_number;
			uint64_t sent, received;

			if (!reading_is_first(worker, i, STATS_LINK))
				continue;
			sent = worker->value[reading_find(worker, STATS_LINK, owner, "sent")];
			received = worker->value[reading_find(worker, STATS_LINK, owner, "received")];
			write_name(w, "nf_link_waiting_packets", n);
			write_owner(w, &worker->entry[i]);
			fprintf(w->out, "} %" PRIu64 "\n", sent > received ? sent - received : 0);
		}
	}
}

/* The histogram of breaths, in powers of two: four buckets of the engine are one here. No sum of them is kept. */
static void write_breaths(const struct writer *w)
{
	begin(w, "nf_worker_breath_seconds", "histogram", "How long breaths took that moved packets; there is no sum.");
	for (uint32_t n = 0; n < w->reading->workers; n++) {
		const struct reading_worker *worker = &w->reading->worker[n];
		uint32_t first = reading_find(worker, STATS_ENGINE, 0, "breath_ns.0");
		uint64_t sum = 0;

		for (uint32_t b = 0; b < STATS_BUCKETS && first + b < worker->count && is_shown(w, n); b++) {
			sum += worker->value[first + b];
			if (b % 4 != 3 || b == STATS_BUCKETS - 1)
				continue;
			write_name(w, "nf_worker_breath_seconds_bucket", n);
			fprintf(w->out, ",le=\"%.9g\"} %" PRIu64 "\n", (double)stats_bucket_low(b + 1) / 1e9, sum);
		}
		if (!is_shown(w, n))
			continue;
		write_name(w, "nf_worker_breath_seconds_bucket", n);
		fprintf(w->out, ",le=\"+Inf\"} %" PRIu64 "\n", sum);
		write_name(w, "nf_worker_breath_seconds_count", n);
		fprintf(w->out, "} %" PRIu64 "\n", sum);
	}
}

/* A family of one number. */
static void write_number(const struct writer *w, const char *name, const char *help, double number)
{
	begin(w, name, "gauge", help);
	fprintf(w->out, "%s{instance=\"", name);
	write_text(w->out, w->reading->name);
	fprintf(w->out, "\"} %.15g\n", number);
}

/* What belongs to the instance as a whole, and whether its workers run. */
static void write_instance(const struct writer *w)
{
	const struct stats_header *header = &w->reading->header;

	begin(w, "nf_info", "gauge", "The instance: its version and configuration; always 1.");
	fputs("nf_info{instance=\"", w->out);
	write_text(w->out, w->reading->name);
	fputs("\",version=\"" NF_VERSION "\"", w->out);
	write_label(w->out, "file", header->file);
	fputs("} 1\n", w->out);
	write_number(w, "nf_start_time_seconds", "When the instance was started, in seconds since 1970.", (double)header->started_ns / 1e9);
	write_number(w, "nf_generation", "Goes up with each reload.", (double)header->generation);
	write_number(w, "nf_clock_hz", "Cycles of the time-stamp counter per second.", header->clock_hz);
	begin(w, "nf_worker_up", "gauge", "1 while the process of the worker runs.");
	for (uint32_t n = 0; n < w->reading->workers; n++) {
		if (!is_shown(w, n))
			continue;
		write_name(w, "nf_worker_up", n);
		fprintf(w->out, "} %d\n", w->reading->runs && header->worker_pid[n] != 0);
	}
}

void prometheus_write(const struct reading *reading, uint32_t worker, FILE *out)
{
	struct writer w = { reading, worker, out };

	write_instance(&w);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		write_family(&w, &families[i]);
	write_named(&w, STATS_REASON, "nf_app_drops_total", "reason", "Packets that the app dropped, by reason.");
	write_named(&w, STATS_COUNTER, "nf_app_counter_total", "counter", "Counters of the app, by name.");
	write_named(&w, STATS_GAUGE, "nf_app_gauge", "gauge", "What the app has now, by name.");
	write_waiting(&w);
	write_breaths(&w);
}
