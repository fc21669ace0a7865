/* history -- see history.h. A change is, in numbers of seven bits a byte (the lowest first; the top bit: more follow):
 *
 *      time_ns, runs, then for each worker: state and torn, process, snapshot_ns, and its values
 *
 * where all but the flags are differences to the reading before, with the sign in the lowest bit. Among the values a zero is
 * followed by how many zeros there are. */
#include "program/top/history.h"

enum { NUMBER_BYTES = 10 };             /* of 64 bits, seven a byte */

struct chunk {
	struct chunk *next;             /* younger */
	struct reading first;           /* whole */
	uint32_t count;                 /* readings, the first counted */
	uint8_t *data;                  /* changes of the others */
	size_t length, size;
};

struct history {
	struct chunk *oldest, *newest;
	struct reading last;            /* what the next change is a change to; workers 0: nothing was added yet */
	uint32_t count;
	uint64_t forgotten, bytes;
};

struct history *history_new(void)
{
	return calloc(1, sizeof(struct history));
}

static void chunk_free(struct chunk *chunk)
{
	reading_fini(&chunk->first);
	free(chunk->data);
	free(chunk);
}

void history_free(struct history *history)
{
	struct chunk *next;

	if (history == NULL)
		return;
	for (struct chunk *chunk = history->oldest; chunk != NULL; chunk = next) {
		next = chunk->next;
		chunk_free(chunk);
	}
	reading_fini(&history->last);
	free(history);
}

/* A copy without the open file. */
static int copy(struct reading *to, const struct reading *from)
{
	*to = *from;
	to->stats = NULL;
	to->workers = 0;
	for (uint32_t w = 0; w < from->workers; w++) {
		const struct reading_worker *worker = &from->worker[w];

		to->workers = w + 1;
		to->worker[w].entry = calloc(worker->count + 1, sizeof(*worker->entry));
		to->worker[w].value = calloc(worker->count + 1, sizeof(*worker->value));
		if (to->worker[w].entry == NULL || to->worker[w].value == NULL) {
			reading_fini(to);
			return nf_fail(ENOMEM, "not enough memory for the history");
		}
		memcpy(to->worker[w].entry, worker->entry, worker->count * sizeof(*worker->entry));
		memcpy(to->worker[w].value, worker->value, worker->count * sizeof(*worker->value));
	}
	return 0;
}

/* Can `b` be told as a change to `a`? */
static bool is_alike(const struct reading *a, const struct reading *b)
{
	if (a->workers != b->workers || a->header.generation != b->header.generation || a->header.started_ns != b->header.started_ns ||
		a->header.supervisor != b->header.supervisor)
		return false;
	for (uint32_t w = 0; w < a->workers; w++)
		if (a->worker[w].count != b->worker[w].count || memcmp(a->worker[w].entry, b->worker[w].entry,
			a->worker[w].count * sizeof(struct stats_entry)) != 0)
			return false;
	return true;
}

static void put(struct chunk *chunk, uint64_t number)
{
	while (number >= 128) {
		chunk->data[chunk->length++] = (uint8_t)(number | 128);
		number >>= 7;
	}
	chunk->data[chunk->length++] = (uint8_t)number;
}

static uint64_t get(const struct chunk *chunk, size_t *at)
{
	uint64_t number = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t byte = chunk->data[(*at)++];

		number |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			break;
	}
	return number;
}

/* A difference with its sign in the lowest bit, so that small ones of either sign are short. */
static void put_change(struct chunk *chunk, uint64_t from, uint64_t to)
{
	uint64_t change = to - from;

	put(chunk, change << 1 ^ (uint64_t)((int64_t)change >> 63));
}

static uint64_t signed_change(uint64_t number)
{
	return number >> 1 ^ (0 - (number & 1));
}

static void put_values(struct chunk *chunk, const struct reading_worker *from, const struct reading_worker *to)
{
	for (uint32_t i = 0; i < to->count;) {
		uint32_t zeros = 0;

		while (i + zeros < to->count && to->value[i + zeros] == from->value[i + zeros])
			zeros++;
		if (zeros > 0) {
			put(chunk, 0);
			put(chunk, zeros);
			i += zeros;
		} else {
			put_change(chunk, from->value[i], to->value[i]);
			i++;
		}
	}
}

static void get_values(const struct chunk *chunk, size_t *at, struct reading_worker *worker)
{
	for (uint32_t i = 0; i < worker->count;) {
		uint64_t number = get(chunk, at);

		if (number == 0)
			i += (uint32_t)get(chunk, at);
		else
			worker->value[i++] += signed_change(number);
	}
}

/* Room for the longest change that there may be. */
static bool reserve(struct chunk *chunk, const struct reading *reading)
{
	size_t most = 2 * NUMBER_BYTES;
	uint8_t *data;

	for (uint32_t w = 0; w < reading->workers; w++)
		most += ((size_t)reading->worker[w].count + 4) * NUMBER_BYTES;
	if (chunk->size - chunk->length >= most)
		return true;
	data = realloc(chunk->data, chunk->length * 2 + most);
	if (data == NULL)
		return false;
	chunk->data = data;
	chunk->size = chunk->length * 2 + most;
	return true;
}

static void put_reading(struct chunk *chunk, const struct reading *from, const struct reading *to)
{
	put_change(chunk, from->time_ns, to->time_ns);
	put(chunk, to->runs);
	for (uint32_t w = 0; w < to->workers; w++) {
		const struct reading_worker *a = &from->worker[w], *b = &to->worker[w];

		put(chunk, (uint64_t)b->state << 1 | b->torn);
		put_change(chunk, (uint64_t)from->header.worker_pid[w], (uint64_t)to->header.worker_pid[w]);
		put_change(chunk, a->snapshot_ns, b->snapshot_ns);
		put_values(chunk, a, b);
	}
}

/* Change a reading to the one behind it. */
static void get_reading(const struct chunk *chunk, size_t *at, struct reading *reading)
{
	reading->time_ns += signed_change(get(chunk, at));
	reading->runs = get(chunk, at) != 0;
	for (uint32_t w = 0; w < reading->workers; w++) {
		struct reading_worker *worker = &reading->worker[w];
		uint64_t flags = get(chunk, at);

		worker->state = (enum engine_state)(flags >> 1);
		worker->torn = flags & 1;
		reading->header.worker_pid[w] += (int32_t)signed_change(get(chunk, at));
		worker->snapshot_ns += signed_change(get(chunk, at));
		get_values(chunk, at, worker);
	}
}

/* The newest chunk is complete: no more room is kept than it needs. */
static void close_chunk(struct chunk *chunk)
{
	uint8_t *data = chunk->length > 0 ? realloc(chunk->data, chunk->length) : NULL;

	if (data != NULL) {
		chunk->data = data;
		chunk->size = chunk->length;
	}
}

static int begin_chunk(struct history *history, const struct reading *reading)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (chunk == NULL || copy(&chunk->first, reading) < 0) {
		free(chunk);
		return nf_fail(ENOMEM, "not enough memory for the history");
	}
	chunk->count = 1;
	if (history->newest != NULL) {
		close_chunk(history->newest);
		history->newest->next = chunk;
	} else {
		history->oldest = chunk;
	}
	history->newest = chunk;
	return 0;
}

/* The oldest chunk goes when the others hold an hour. */
static void forget(struct history *history)
{
	struct chunk *chunk = history->oldest;

	if (history->count < HISTORY_MOST + chunk->count)
		return;
	history->oldest = chunk->next;
	history->count -= chunk->count;
	history->forgotten += chunk->count;
	history->bytes -= chunk->length;
	chunk_free(chunk);
}

int history_add(struct history *history, const struct reading *reading)
{
	struct chunk *chunk = history->newest;
	struct reading last;
	int code = copy(&last, reading);

	if (code < 0)
		return code;
	if (chunk != NULL && chunk->count < HISTORY_CHUNK && is_alike(&history->last, reading) && reserve(chunk, reading)) {
		size_t before = chunk->length;

		put_reading(chunk, &history->last, reading);
		history->bytes += chunk->length - before;
		chunk->count++;
	} else {
		code = begin_chunk(history, reading);
		if (code < 0) {
			reading_fini(&last);
			return code;
		}
	}
	reading_fini(&history->last);
	history->last = last;
	history->count++;
	forget(history);
	return 0;
}

uint32_t history_count(const struct history *history)
{
	return history->count;
}

uint64_t history_forgotten(const struct history *history)
{
	return history->forgotten;
}

uint64_t history_bytes(const struct history *history)
{
	return history->bytes;
}

int history_get(const struct history *history, uint32_t i, struct reading *reading)
{
	const struct chunk *chunk = history->oldest;
	size_t at = 0;
	int code;

	nf_assert(i < history->count, "reading %u of %u", i, history->count);
	while (i >= chunk->count) {
		i -= chunk->count;
		chunk = chunk->next;
	}
	code = copy(reading, &chunk->first);
	for (; code == 0 && i > 0; i--)
		get_reading(chunk, &at, reading);
	return code;
}
