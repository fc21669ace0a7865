/* probe -- see probe.h. */
#include "core/core.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE = 4096, FILE_BYTES = PAGE + PROBE_RING,
	BUSY_PAUSE = 15                 /* a busy thread that copied for a time does not copy for so many times as long */
};

struct probe_reader {
	struct probe_shared *shared;
	uint64_t read;
	uint64_t buffer[(sizeof(struct probe_record) + PROBE_SNAPLEN + PROBE_ALIGN) / sizeof(uint64_t)];
};

_Static_assert(sizeof(struct probe_shared) <= PAGE, "the ring begins in the second page");
_Static_assert(sizeof(struct probe_record) % PROBE_ALIGN == 0, "the bytes of a record are aligned as the record is");

static uint8_t *ring(struct probe_shared *shared, uint64_t position)
{
	return (uint8_t *)shared + PAGE + position % PROBE_RING;
}

int probe_create(void)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("nf-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return nf_fail(errno, "no memory file: %s", strerror(errno));
	if (ftruncate(fd, FILE_BYTES) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0) {
		int code = nf_fail(errno, "no memory file of %d bytes: %s", FILE_BYTES, strerror(errno));

		close(fd);
		return code;
	}
	return fd;
}

/* Map the file, all of it at once: the packet thread must not wait for pages. */
static int map(int fd, struct probe_shared **shared)
{
	struct stat status;
	void *base;

	if (fstat(fd, &status) != 0 || status.st_size != FILE_BYTES)
		return nf_fail(EBADMSG, "the shared memory of a capture did not arrive");
	base = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED)
		return nf_fail(errno, "the shared memory of a capture cannot be mapped: %s", strerror(errno));
	*shared = base;
	return 0;
}

int probe_open(struct probe **result, int fd, uint32_t number, uint32_t snaplen)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int code = probe == NULL ? nf_fail(ENOMEM, "no memory for a capture") : map(fd, &probe->shared);

	*result = NULL;
	if (code < 0) {
		free(probe);
		return code;
	}
	probe->number = number;
	probe->snaplen = snaplen < PROBE_SNAPLEN ? snaplen : PROBE_SNAPLEN;
	probe->shared->magic = PROBE_MAGIC;
	*result = probe;
	return 0;
}

static void set_state(struct probe *probe, enum probe_state state)
{
	__atomic_store_n(&probe->shared->state, (uint32_t)state, __ATOMIC_RELEASE);
}

void probe_close(struct probe *probe, enum probe_state state)
{
	if (probe == NULL)
		return;
	if (probe->shared->state <= PROBE_RUNNING)
		set_state(probe, state);
	munmap(probe->shared, FILE_BYTES);
	free(probe->before);
	free(probe);
}

void probe_set_link(struct probe *probe, struct link *link, const struct app *from)
{
	if (probe->link != link)
		probe->copied = link->sent;
	probe->link = link;
	probe->from = from;
	set_state(probe, PROBE_RUNNING);
}

void probe_lose_link(struct probe *probe, enum probe_state state)
{
	probe->link = NULL;
	probe->from = NULL;
	set_state(probe, state);
}

/* Room for a record of `size` bytes in one piece, with padding before it when it does not fit before the ring's end.
 *   gives: its place; NULL when the reader has not read enough yet */
static struct probe_record *reserve(struct probe *probe, uint32_t size)
{
	uint64_t used = probe->written - __atomic_load_n(&probe->shared->read, __ATOMIC_ACQUIRE);
	uint64_t rest = PROBE_RING - probe->written % PROBE_RING, wanted = size <= rest ? size : size + rest;
	struct probe_record *record = (struct probe_record *)(void *)ring(probe->shared, probe->written);

	if (used > PROBE_RING || wanted > PROBE_RING - used)
		return NULL;
	if (size <= rest)
		return record;
	record->size = (uint32_t)rest;
	record->kind = PROBE_PADDING;
	probe->written += rest;
	return (struct probe_record *)(void *)ring(probe->shared, probe->written);
}

/* One packet into the ring. gives: false when it has no room */
static bool copy_packet(struct probe *probe, const struct link *l, uint64_t total, uint64_t now)
{
	const struct packet *p = l->slot[link_slot(l, total)];
	uint32_t length = p->length < probe->snaplen ? p->length : probe->snaplen;
	uint32_t size = (uint32_t)(sizeof(struct probe_record) + length + PROBE_ALIGN - 1) & ~(uint32_t)(PROBE_ALIGN - 1);
	struct probe_record *record = reserve(probe, size);

	if (record == NULL)
		return false;
	*record = (struct probe_record){ .size = size, .kind = PROBE_PACKET, .length = length, .wire_length = p->length,
		.link = l->number, .worker = packet_worker, .timestamp = now, .total = total, .place = memory_offset(p) };
	memcpy(record + 1, p->data, length);
	probe->written += size;
	return true;
}

void probe_publish(struct probe *probe)
{
	__atomic_store_n(&probe->shared->seen, probe->seen, __ATOMIC_RELAXED);
	__atomic_store_n(&probe->shared->left_out, probe->left_out, __ATOMIC_RELAXED);
	__atomic_store_n(&probe->shared->written, probe->written, __ATOMIC_RELEASE);
}

int probe_trace(struct probe *probe)
{
	probe->before = calloc(1, sizeof(*probe->before));
	if (probe->before == NULL)
		return nf_fail(ENOMEM, "no memory for a trace");
	set_state(probe, PROBE_RUNNING);
	return 0;
}

uint64_t probe_room(const struct probe *probe)
{
	uint64_t used = probe->written - __atomic_load_n(&probe->shared->read, __ATOMIC_ACQUIRE);

	return used > PROBE_RING ? 0 : PROBE_RING - used;
}

void probe_copy_from(struct probe *probe, const struct link *l, uint64_t total)
{
	uint64_t now = clock_wall();

	if (total < l->received)
		total = l->received;
	for (; total < l->sent; total++)
		probe->seen += copy_packet(probe, l, total, now);
}

void probe_call(struct probe *probe, const struct probe_call *call)
{
	uint32_t length = (uint32_t)(offsetof(struct probe_call, span) + (call->inputs + call->outputs) * sizeof(struct probe_span));
	uint32_t size = (uint32_t)(sizeof(struct probe_record) + length + PROBE_ALIGN - 1) & ~(uint32_t)(PROBE_ALIGN - 1);
	struct probe_record *record = reserve(probe, size);

	if (record == NULL)
		return;
	*record = (struct probe_record){ .size = size, .kind = PROBE_CALL, .length = length, .worker = packet_worker,
		.timestamp = clock_wall() };
	memcpy(record + 1, call, length);
	probe->written += size;
}

void probe_copy(struct probe *probe, bool busy)
{
	const struct link *l = probe->link;
	uint64_t total = probe->copied, now = clock_wall(), start;

	if (l == NULL || total == l->sent)
		return;
	start = clock_cycles();
	probe->seen += l->sent - total;
	if (total < l->received) {
		probe->left_out += l->received - total;
		total = l->received;
	}
	if (!busy || start >= probe->resume_cycles) {
		while (total < l->sent && copy_packet(probe, l, total, now))
			total++;
		probe->resume_cycles = clock_cycles() * (1 + BUSY_PAUSE) - start * BUSY_PAUSE;
	}
	probe->left_out += l->sent - total;
	probe->copied = l->sent;
	probe_publish(probe);
}

int probe_reader_open(struct probe_reader **result, int fd)
{
	struct probe_reader *reader = calloc(1, sizeof(*reader));
	int code = reader == NULL ? nf_fail(ENOMEM, "not enough memory") : map(fd, &reader->shared);

	*result = NULL;
	if (code < 0) {
		free(reader);
		return code;
	}
	reader->read = reader->shared->read;
	*result = reader;
	return 0;
}

void probe_reader_close(struct probe_reader *reader)
{
	if (reader == NULL)
		return;
	munmap(reader->shared, FILE_BYTES);
	free(reader);
}

/* Is it a record that lies in what was written, in one piece? The header is a copy: it cannot change any more. */
static bool is_sound(const struct probe_reader *reader, const struct probe_record *record, uint64_t waiting)
{
	uint64_t rest = PROBE_RING - reader->read % PROBE_RING;

	if (record->size == 0 || record->size % PROBE_ALIGN != 0 || record->size > waiting || record->size > rest)
		return false;
	if (record->kind == PROBE_PADDING)
		return true;
	return record->size >= sizeof(*record) && record->length <= record->size - sizeof(*record) &&
		record->size <= sizeof(reader->buffer);
}

const struct probe_record *probe_reader_next(struct probe_reader *reader, bool *broken)
{
	struct probe_record *record = (struct probe_record *)(void *)reader->buffer;

	*broken = false;
	for (;;) {
		uint64_t waiting = __atomic_load_n(&reader->shared->written, __ATOMIC_ACQUIRE) - reader->read;
		uint64_t rest = PROBE_RING - reader->read % PROBE_RING;

		if (waiting == 0)
			return NULL;
		*broken = waiting > PROBE_RING || waiting % PROBE_ALIGN != 0;
		if (*broken)
			return NULL;
		*record = (struct probe_record){ 0 };
		memcpy(record, ring(reader->shared, reader->read), rest < sizeof(*record) ? rest : sizeof(*record));
		*broken = !is_sound(reader, record, waiting);
		if (*broken)
			return NULL;
		if (record->kind != PROBE_PADDING)
			memcpy(record + 1, ring(reader->shared, reader->read) + sizeof(*record), record->size - sizeof(*record));
		reader->read += record->size;
		__atomic_store_n(&reader->shared->read, reader->read, __ATOMIC_RELEASE);
		if (record->kind != PROBE_PADDING)
			return record;
	}
}

bool probe_call_read(const struct probe_record *record, struct probe_call *call)
{
	const size_t fixed = offsetof(struct probe_call, span);

	if (record->kind != PROBE_CALL || record->length < fixed || record->length > sizeof(*call))
		return false;
	memcpy(call, record + 1, record->length);
	if (call->inputs > PROBE_PORTS || call->outputs > PROBE_PORTS ||
		record->length != fixed + (call->inputs + call->outputs) * sizeof(struct probe_span))
		return false;
	/* A reader goes through them: more than a link holds no call takes or sends. */
	for (uint32_t i = 0; i < call->inputs + call->outputs; i++)
		if (call->span[i].count > LINK_SLOTS)
			return false;
	return true;
}

struct probe_status probe_reader_status(const struct probe_reader *reader)
{
	return (struct probe_status){ (enum probe_state)__atomic_load_n(&reader->shared->state, __ATOMIC_ACQUIRE),
		__atomic_load_n(&reader->shared->seen, __ATOMIC_RELAXED), __atomic_load_n(&reader->shared->left_out, __ATOMIC_RELAXED) };
}
