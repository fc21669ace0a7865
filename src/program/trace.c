/* trace -- `nf trace`: the way of packets through a running graph.
 *
 * The worker tells of each call of an app which packets it took, which it sent, with their bytes and buffers, and how its counters
 * changed. A packet is followed by its buffer; one with the same bytes in another buffer is a copy. What was taken and not sent was
 * dropped, swallowed, given to the outside, or is held: the counters say which, when they leave only one possibility. */
#include "program/dissect.h"
#include "program/probing.h"
#include "program/reading.h"
#include "program/trace_path.h"

#include <inttypes.h>

enum { BUCKETS = 16384, PATHS_MOST = 65536, CALL_MOST = 65536 };

struct trace {
	struct probing probing;
	struct reading reading;
	uint32_t worker;
	struct trace_path *bucket[BUCKETS];
	uint32_t paths;                 /* in the buckets */
	uint64_t lost;                  /* packets that were too many to be followed */
	/* The call that is being read: what it sent, and what it took. */
	uint32_t sent_count, taken_count;
	struct probe_record *sent[CALL_MOST];
	struct trace_path *taken[CALL_MOST];
};

static struct trace_path **bucket(struct trace *t, bool on_link, uint32_t where, uint64_t key)
{
	return &t->bucket[((uint64_t)where * 2 + on_link + key * 0x9e3779b97f4a7c15ULL) >> 7 & (BUCKETS - 1)];
}

/* Take a path out of its bucket: by number on a link, by buffer in an app. NULL: it was not seen. */
static struct trace_path *take(struct trace *t, bool on_link, uint32_t where, uint64_t key)
{
	struct trace_path **at = bucket(t, on_link, where, key), *path;

	while ((path = *at) != NULL) {
		if (path->on_link == on_link && path->where == where && (on_link ? path->total : path->place) == key) {
			*at = path->next;
			t->paths--;
			return path;
		}
		at = &path->next;
	}
	return NULL;
}

static void put(struct trace *t, struct trace_path *path, bool on_link, uint32_t where, uint64_t key)
{
	struct trace_path **at = bucket(t, on_link, where, key);

	path->on_link = on_link;
	path->where = where;
	path->next = *at;
	*at = path;
	t->paths++;
}

/* The name of an app or link by number. */
static const char *name_of(const struct trace *t, enum stats_kind kind, uint32_t number)
{
	const struct reading_worker *w = &t->reading.worker[t->worker];

	for (uint32_t i = 0; i < w->count; i++)
		if (w->entry[i].kind == (uint32_t)kind && w->entry[i].owner_number == number)
			return w->entry[i].owner;
	return "?";
}

/* The name of an app's reason by its place. */
static const char *reason_of(const struct trace *t, uint32_t app, uint32_t place)
{
	const struct reading_worker *w = &t->reading.worker[t->worker];

	for (uint32_t i = 0; i < w->count; i++)
		if (w->entry[i].kind == STATS_REASON && w->entry[i].owner_number == app && place-- == 0)
			return w->entry[i].name;
	return "?";
}

/* The end of a link between workers, an app that no configuration names: "w2:b.input". */
static bool is_end(const struct trace *t, uint32_t app)
{
	return strchr(name_of(t, STATS_APP, app), ':') != NULL;
}

/* A path has ended, or is not seen any further: show it when it is wanted. */
static void finish(struct trace *t, struct trace_path *path)
{
	bool enough = t->probing.count > 0 && t->probing.taken >= t->probing.count;

	if (path->wanted && path->text != NULL && !enough)
		printf("packet %" PRIu64 "\n%s", ++t->probing.taken, path->text);
	trace_path_free(path);
}

static void finish_all(struct trace *t, uint64_t now)
{
	for (uint32_t i = 0; i < BUCKETS; i++) {
		while (t->bucket[i] != NULL) {
			struct trace_path *path = t->bucket[i];

			t->bucket[i] = path->next;
			trace_path_add(path, now, "", "not seen any further");
			finish(t, path);
		}
	}
	t->paths = 0;
}

/* What a sent packet is: one that was taken, one that was held, a copy, or a new one. Its line is added. */
static struct trace_path *recognise(struct trace *t, const struct probe_call *call, const struct probe_record *sent)
{
	const char *app = name_of(t, STATS_APP, call->app), *link = name_of(t, STATS_LINK, sent->link);
	struct trace_path *path = NULL, *twin = NULL;
	char changes[1024], line[256];

	for (uint32_t i = 0; i < t->taken_count && path == NULL; i++) {
		struct trace_path *one = t->taken[i];

		if (one != NULL && one->place == sent->place) {
			path = one;
			t->taken[i] = NULL;
		} else if (one != NULL && one->wire_length == sent->wire_length && one->length <= sent->length &&
			memcmp(one->data, sent + 1, one->length) == 0) {
			twin = one;
		}
	}
	if (path == NULL)
		path = take(t, false, call->app, sent->place);
	if (path != NULL) {
		trace_path_see(path, sent, changes, sizeof(changes));
		trace_path_add(path, sent->timestamp, app, "forwarded to %s%s%s%s", link, changes[0] ? ": " : "", changes,
			changes[0] && call->created > 0 ? " (or a new packet in its buffer)" : "");
		return path;
	}
	path = trace_path_new();
	if (path == NULL)
		return NULL;
	path->place = sent->place;
	trace_path_see(path, sent, changes, sizeof(changes));
	dissect_line((const uint8_t *)(sent + 1), sent->length, sent->wire_length, line, sizeof(line));
	if (twin != NULL && twin->text != NULL)
		path->text = strdup(twin->text);
	trace_path_add(path, sent->timestamp, app, "%s to %s: %s", twin != NULL ? "copied" : call->created == 0 && call->received > 0 ?
		is_end(t, call->app) ? "came from the other worker, sent" : "received, sent" : call->received == 0 && call->created > 0 ? "made, sent" : "sent", link, line);
	path->wanted = twin != NULL && twin->wanted;
	return path;
}

/* Add an outcome to a sentence; with its number when there are several. */
static void add_outcome(char *text, size_t size, bool certain, const char *what, const char *which, uint64_t count)
{
	size_t length = strlen(text);

	if (count > 0 && certain)
		snprintf(text + length, size - length, "%s%s", what, which);
	else if (count > 0)
		snprintf(text + length, size - length, " %" PRIu64 " %s%s", count, what, which);
}

/* What became of the packets that a call took and did not send; held: it keeps all of them. */
static void explain(const struct trace *t, const struct probe_call *call, uint64_t vanished, char *text, size_t size, bool *held)
{
	uint64_t sum = call->consumed + call->sent + call->full;
	uint32_t kinds = (call->consumed > 0) + (call->sent > 0) + (call->full > 0);
	bool certain;

	for (uint32_t i = 0; i < PROBE_REASONS; i++) {
		sum += call->reason[i];
		kinds += call->reason[i] > 0;
	}
	*held = sum == 0;
	certain = *held || (kinds == 1 && sum == vanished);
	snprintf(text, size, "%s", certain ? "" : "not sure which: of the call's packets");
	for (uint32_t i = 0; i < PROBE_REASONS; i++)
		if (call->reason[i] > 0)
			add_outcome(text, size, certain, "dropped as ", reason_of(t, call->app, i), call->reason[i]);
	add_outcome(text, size, certain, "consumed", "", call->consumed);
	add_outcome(text, size, certain, is_end(t, call->app) ? "sent to the other worker" : "sent to the outside", "", call->sent);
	add_outcome(text, size, certain, "dropped by a full link", "", call->full);
	add_outcome(text, size, certain, "held", "", sum < vanished ? vanished - sum : 0);
}

/* A call is complete: its packets, in order, and what is left of those that it took. */
static void on_call(struct trace *t, const struct probe_record *record, const struct probe_call *call)
{
	uint64_t taken = 0, continued = 0;
	char text[512];
	bool held;

	t->taken_count = 0;
	for (uint32_t i = 0; i < call->inputs; i++) {
		taken += call->span[i].count;
		for (uint32_t j = 0; j < call->span[i].count && t->taken_count < CALL_MOST; j++) {
			struct trace_path *path = take(t, true, call->span[i].link, call->span[i].first + j);

			if (path != NULL)
				t->taken[t->taken_count++] = path;
		}
	}
	for (uint32_t i = 0; i < t->sent_count; i++) {
		const struct probe_record *sent = t->sent[i];
		uint32_t before = 0, after = 0;
		struct trace_path *path;

		for (uint32_t j = 0; j < t->taken_count; j++)
			before += t->taken[j] != NULL;
		path = recognise(t, call, sent);
		for (uint32_t j = 0; j < t->taken_count; j++)
			after += t->taken[j] != NULL;
		continued += before - after;
		if (path == NULL || t->paths >= PATHS_MOST) {
			t->lost++;
			trace_path_free(path);
			continue;
		}
		path->wanted |= probing_wants(&t->probing, (const uint8_t *)(sent + 1), sent->length, sent->wire_length);
		path->total = sent->total;
		put(t, path, true, sent->link, sent->total);
	}
	explain(t, call, taken - continued, text, sizeof(text), &held);
	for (uint32_t i = 0; i < t->taken_count; i++) {
		struct trace_path *path = t->taken[i];

		if (path == NULL)
			continue;
		trace_path_add(path, record->timestamp, name_of(t, STATS_APP, call->app), "%s", text);
		if (held)
			put(t, path, false, call->app, path->place);
		else
			finish(t, path);
	}
}

static void forget_sent(struct trace *t)
{
	while (t->sent_count > 0)
		free(t->sent[--t->sent_count]);
}

static int follow(struct trace *t)
{
	const struct probe_record *record;
	struct probe_call call;
	uint64_t now = 0;
	bool sound = true;

	while (sound && (record = probing_next(&t->probing)) != NULL) {
		now = record->timestamp;
		if (record->kind == PROBE_PACKET && t->sent_count < CALL_MOST) {
			struct probe_record *copy = malloc(record->size);

			if (copy != NULL)
				t->sent[t->sent_count++] = memcpy(copy, record, record->size);
		} else if (record->kind == PROBE_CALL && (sound = probe_call_read(record, &call))) {
			on_call(t, record, &call);
			forget_sent(t);
			if (t->paths >= PATHS_MOST)
				finish_all(t, now);
		}
	}
	forget_sent(t);
	finish_all(t, now);
	if (!sound)
		fprintf(stderr, "nf trace: the worker wrote nonsense into the shared memory\n");
	if (t->probing.end[0] != '\0')
		fprintf(stderr, "nf trace: %s\n", t->probing.end);
	fprintf(stderr, "nf trace: %" PRIu64 " packets shown, %" PRIu64 " breaths left out", t->probing.taken,
		probe_reader_status(t->probing.reader).left_out);
	if (t->lost > 0)
		fprintf(stderr, ", %" PRIu64 " packets too many to be followed", t->lost);
	fprintf(stderr, "\n");
	return sound ? EXIT_DONE : EXIT_FAILED;
}

int program_trace(int argc, char **argv)
{
	struct options options;
	uint64_t worker = 1;
	char line[64];
	struct trace *t;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_number(&options, "--worker", 1, MEMORY_WORKERS, &worker))
		return EXIT_USAGE;
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		fprintf(stderr, "nf trace: not enough memory\n");
		return EXIT_FAILED;
	}
	t->worker = (uint32_t)worker - 1;
	code = probing_init(&t->probing, &options, 1);
	if (code == OPTIONS_GO) {
		snprintf(line, sizeof(line), "trace\t%d\t%u\n", TRACE_BYTES, (uint32_t)worker);
		code = probing_begin(&t->probing, options.argument[0], line);
		if (code == EXIT_DONE && reading_init(&t->reading, options.argument[0]) < 0) {
			fprintf(stderr, "nf trace: %s\n", nf_error());
			code = EXIT_FAILED;
		} else if (code == EXIT_DONE) {
			code = t->worker < t->reading.workers ? follow(t) : EXIT_FAILED;
			reading_fini(&t->reading);
		}
		probing_fini(&t->probing);
	}
	free(t);
	return code;
}
