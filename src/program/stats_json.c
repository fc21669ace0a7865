/* stats_json -- a reading as one JSON object. See stats.h. */
#include "program/stats.h"

#include <jansson.h>

/* All numbers of an app or link with its own names; an app's counters, gauges and reasons in objects of their own. */
static json_t *owner_object(const struct reading *before, const struct reading *now, uint32_t number, uint32_t first)
{
	const struct reading_worker *worker = &now->worker[number];
	enum stats_kind kind = worker->entry[first].kind;
	uint32_t owner = worker->entry[first].owner_number;
	uint32_t packets = reading_find(worker, kind, owner, kind == STATS_APP ? "packets" : "sent");
	json_t *object = json_object(), *counters = json_object(), *gauges = json_object(), *reasons = json_object();

	for (uint32_t i = first; i < worker->count && worker->entry[i].owner_number == owner; i++) {
		const struct stats_entry *entry = &worker->entry[i];
		json_t *value = json_integer((json_int_t)worker->value[i]);

		if (entry->kind == kind)
			json_object_set_new(object, entry->name, value);
		else if (kind == STATS_APP && entry->kind == STATS_COUNTER)
			json_object_set_new(counters, entry->name, value);
		else if (kind == STATS_APP && entry->kind == STATS_GAUGE)
			json_object_set_new(gauges, entry->name, value);
		else if (kind == STATS_APP && entry->kind == STATS_REASON)
			json_object_set_new(reasons, entry->name, value);
		else {
			json_decref(value);
			break;
		}
	}
	json_object_set_new(object, "packets_per_second", json_real(reading_rate(before, now, number, packets)));
	if (kind == STATS_APP) {
		json_object_set_new(object, "counters", counters);
		json_object_set_new(object, "gauges", gauges);
		json_object_set_new(object, "reasons", reasons);
	} else {
		json_decref(counters);
		json_decref(gauges);
		json_decref(reasons);
	}
	return object;
}

static json_t *owners_object(const struct reading *before, const struct reading *now, uint32_t number, enum stats_kind kind)
{
	const struct reading_worker *worker = &now->worker[number];
	json_t *object = json_object();

	for (uint32_t i = 0; i < worker->count; i++)
		if (reading_is_first(worker, i, kind))
			json_object_set_new(object, worker->entry[i].owner, owner_object(before, now, number, i));
	return object;
}

static json_t *ledger_object(const struct reading *reading, uint32_t number)
{
	struct ledger l;
	bool balanced;

	reading_ledger(reading, number, &l);
	/* Of several workers, packets of one may be with another: each has only the flow as an equation of its own. */
	balanced = ledger_flow_balances(&l) && (reading->workers > 1 || ledger_memory_balances(&l));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "taken", (json_int_t)l.taken, "returned",
		(json_int_t)l.returned, "on_links", (json_int_t)l.on_links, "held", (json_int_t)l.held, "received", (json_int_t)l.received,
		"created", (json_int_t)l.created, "sent", (json_int_t)l.sent, "consumed", (json_int_t)l.consumed, "dropped",
		(json_int_t)l.dropped, "lost_outside", (json_int_t)l.lost_outside, "between", (json_int_t)l.between, "posted",
		(json_int_t)l.posted, "balances", balanced);
}

static json_t *worker_object(const struct reading *before, const struct reading *now, uint32_t number)
{
	const struct reading_worker *worker = &now->worker[number];
	json_t *breath = json_pack("{s:I, s:I, s:I}", "p50", (json_int_t)reading_breath(now, number, 0.5), "p99",
		(json_int_t)reading_breath(now, number, 0.99), "p999", (json_int_t)reading_breath(now, number, 0.999));

	return json_pack("{s:I, s:i, s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "worker", (json_int_t)number + 1, "pid",
		(int)now->header.worker_pid[number], "state", stats_state_names[worker->state], "torn", worker->torn,
		"snapshot_ns", (json_int_t)worker->snapshot_ns,
		"breaths", (json_int_t)worker->value[reading_find(worker, STATS_ENGINE, 0, "breaths")],
		"sleeps", (json_int_t)worker->value[reading_find(worker, STATS_ENGINE, 0, "sleeps")], "breath_ns", breath,
		"apps", owners_object(before, now, number, STATS_APP), "links", owners_object(before, now, number, STATS_LINK),
		"ledger", ledger_object(now, number));
}

char *stats_json(const struct reading *before, const struct reading *now, uint32_t only)
{
	const struct stats_header *header = &now->header;
	json_t *workers = json_array(), *object;
	char *text;

	for (uint32_t w = 0; w < now->workers; w++)
		if (only == UINT32_MAX || only == w)
			json_array_append_new(workers, worker_object(before, now, w));
	object = json_pack("{s:s, s:s, s:b, s:i, s:I, s:I, s:f, s:o}", "name", now->name, "file", header->file, "running", now->runs,
		"pid", (int)header->supervisor, "started_ns", (json_int_t)header->started_ns, "generation",
		(json_int_t)header->generation, "clock_hz", header->clock_hz, "workers", workers);
	text = object != NULL ? json_dumps(object, 0) : NULL;
	json_decref(object);
	return text;
}

void stats_print_json(const struct reading *before, const struct reading *now, uint32_t only)
{
	char *text = stats_json(before, now, only);

	if (text == NULL)
		fprintf(stderr, "nf stats: a name is no UTF-8: no JSON can be made\n");
	else
		puts(text);
	free(text);
}
