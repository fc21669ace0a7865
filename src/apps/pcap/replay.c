/* replay -- the packets of a capture file out of memory: read once, when the app is made, then sent as fast as they are taken. */
#include "core/core.h"
#include "lib/lib.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 64, AHEAD = 2 * BURST * BLOCK, HUGE = 2 << 20, STANDARD_ROOM = 2048, JUMBO_ROOM = 10240, GSO_ROOM = 65664 };

/* A frame of the store. */
struct frame {
	uint32_t block, length;         /* it begins at store + block * BLOCK */
};

struct replay {
	struct app app;
	const char *file;
	uint64_t loop;
	uint64_t rounds;
	uint32_t count, next;           /* frames; the one to be sent next */
	bool has_long;                  /* frames that do not fit standard packets */
	struct frame *frame;
	uint8_t *store;
	uint64_t used, room;            /* bytes of the store */
};

enum { ROUNDS };

static const struct param params[] = {
	{ "file", PARAM_FILE, offsetof(struct replay, file), .required = true, .help = "pcap or pcapng file" },
	{ "loop", PARAM_U64, offsetof(struct replay, loop), .initial = 1, .help = "how often it is sent; 0: for ever" },
	{ 0 }
};

static void replay_resources(const struct app *app, struct resources *resources)
{
	resources_add(resources, "read:%s", ((const struct replay *)app)->file);
}

static void replay_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	(void)app;
	holds[PACKET_JUMBO] = BURST;
	holds[PACKET_GSO] = BURST;
}

/* Room for one more frame, and for the last block that a copy of it takes. */
static int make_room(struct replay *replay, uint32_t length)
{
	if ((replay->count & (replay->count - 1)) == 0) {
		uint64_t room = replay->count > 0 ? replay->count * 2ull : 1;
		void *larger = realloc(replay->frame, room * sizeof(*replay->frame));

		if (larger == NULL)
			return -ENOMEM;
		replay->frame = larger;
	}
	if (replay->used + length + BLOCK > replay->room) {
		uint64_t room = replay->room * 2 + length + BLOCK;
		void *larger = realloc(replay->store, room);

		if (larger == NULL)
			return -ENOMEM;
		replay->store = larger;
		replay->room = room;
	}
	return 0;
}

/* A frame that fits a standard packet in whole blocks. */
static inline bool is_short(uint32_t length)
{
	return length <= STANDARD_ROOM - BLOCK;
}

static int keep(struct replay *replay, const struct capture_record *record)
{
	if (replay->used / BLOCK > UINT32_MAX)
		return nf_fail(EFBIG, "%s: more than %llu GiB", replay->file, (unsigned long long)UINT32_MAX * BLOCK >> 30);
	if (record->length > GSO_ROOM)
		return nf_fail(EINVAL, "%s: a frame of %u bytes is too long", replay->file, record->length);
	if (make_room(replay, record->length) < 0)
		return nf_fail(ENOMEM, "no memory for %s", replay->file);
	replay->frame[replay->count++] = (struct frame){ (uint32_t)(replay->used / BLOCK), record->length };
	replay->has_long = replay->has_long || !is_short(record->length);
	memcpy(replay->store + replay->used, record->data, record->length);
	replay->used += (record->length + BLOCK - 1) / BLOCK * BLOCK;
	return 0;
}

/* Move the store into huge pages, where there are some: else each 4 KiB of frames wait for a walk over page tables. It stays where it is
 * when there is no memory. */
static void settle(struct replay *replay)
{
	uint64_t bytes = (replay->used + BLOCK + HUGE - 1) / HUGE * HUGE;
	uint8_t *store = aligned_alloc(HUGE, bytes);

	if (store == NULL)
		return;
	madvise(store, bytes, MADV_HUGEPAGE);
	memcpy(store, replay->store, replay->used);
	free(replay->store);
	replay->store = store;
	replay->room = bytes;
}

/* Take all packets of a file's bytes into the store. */
static int read_all(struct replay *replay, const uint8_t *data, uint64_t length)
{
	struct capture_reader *reader = malloc(sizeof(*reader));
	struct capture_record record[BURST];
	uint32_t n = BURST;
	int code = 0;

	if (reader == NULL)
		return nf_fail(ENOMEM, "no memory for %s", replay->file);
	capture_reader_init(reader);
	while (n == BURST && code == 0) {
		size_t used;

		n = capture_read(reader, data, length, record, BURST, &used);
		data += used;
		length -= used;
		for (uint32_t i = 0; i < n && code == 0; i++)
			code = keep(replay, &record[i]);
	}
	if (code == 0 && !capture_reader_end(reader, length))
		code = nf_fail(EINVAL, "%s: %s", replay->file, reader->error);
	free(reader);
	return code;
}

static int replay_prepare(struct app *app, const struct app *old)
{
	struct replay *replay = (struct replay *)app;
	struct stat status;
	char key[RESOURCE_KEY];
	void *data = NULL;
	int fd, code;

	(void)old;
	snprintf(key, sizeof(key), "read:%s", replay->file);
	fd = resource_open(key);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		code = nf_fail(EINVAL, "%s is no regular file", replay->file);
	else if (status.st_size == 0)
		code = nf_fail(EINVAL, "%s is empty", replay->file);
	else if ((data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
		code = nf_fail(errno, "cannot read %s: %s", replay->file, strerror(errno));
	else
		code = read_all(replay, data, (uint64_t)status.st_size);
	if (data != NULL && data != MAP_FAILED)
		munmap(data, (size_t)status.st_size);
	close(fd);
	if (code < 0) {
		free(replay->frame);
		free(replay->store);
	}
	app->ended = replay->count == 0;
	if (code == 0 && replay->count > 0)
		settle(replay);
	return code;
}

static void replay_retire(struct app *app)
{
	struct replay *replay = (struct replay *)app;

	free(replay->frame);
	free(replay->store);
}

/* Copy whole blocks: both the store and a packet have room behind the frame. What the next bursts will copy is asked for meanwhile, as a
 * store of usual size does not stay in the second-level cache. */
static inline void fill(const struct replay *replay, struct packet *p, const struct frame *frame)
{
	const uint8_t *from = replay->store + (uint64_t)frame->block * BLOCK;

	p->length = frame->length;
	for (uint32_t done = 0; done < frame->length; done += BLOCK) {
		__builtin_prefetch(from + done + AHEAD, 0, 2);
		packet_block(p->data + done, from + done);
	}
}

/* Send frames that fit standard packets. gives: how many */
static uint32_t send_short(struct replay *replay, uint32_t n)
{
	const struct frame *frame = &replay->frame[replay->next];
	struct packet *burst[BURST];
	uint32_t fit = 0;

	if (!replay->has_long)
		fit = n;
	while (fit < n && is_short(frame[fit].length))
		fit++;
	fit = fit > 0 ? packet_take_burst(PACKET_STANDARD, burst, fit) : 0;
	for (uint32_t i = 0; i < fit; i++) {
		packet_clear(burst[i]);
		fill(replay, burst[i], &frame[i]);
	}
	link_send_burst(replay->app.output[0], burst, fit);
	return fit;
}

static uint32_t send_long(struct replay *replay)
{
	const struct frame *frame = &replay->frame[replay->next];
	struct packet *p = packet_alloc_length(frame->length + BLOCK < GSO_ROOM ? frame->length + BLOCK : frame->length);

	if (p == NULL)
		return 0;
	p->length = frame->length;
	memcpy(p->data, replay->store + (uint64_t)frame->block * BLOCK, frame->length);
	link_send(replay->app.output[0], p);
	return 1;
}

static void end_round(struct replay *replay)
{
	replay->next = 0;
	replay->rounds++;
	replay->app.counter[ROUNDS]++;
	replay->app.ended = replay->loop != 0 && replay->rounds >= replay->loop;
}

static void replay_pull(struct app *app)
{
	struct replay *replay = (struct replay *)app;
	uint32_t room = app_pull_room(app);

	while (room > 0 && !app->ended) {
		uint32_t left = replay->count - replay->next, want = left < room ? left : room, n;

		if (is_short(replay->frame[replay->next].length))
			n = send_short(replay, want);
		else
			n = send_long(replay);
		if (n == 0)
			return;         /* no packet is free: some come back when the graph has moved on */
		app->received += n;
		room -= n;
		replay->next += n;
		if (replay->next == replay->count)
			end_round(replay);
	}
}

const struct app_class pcap_replay_class = {
	.name = "pcap.replay",
	.help = "Send the packets of a capture file out of memory, as fast as they are taken.\n"
		"The file is read when the graph is made; its timestamps do not count, not on virtual time either. For measurements and for "
		"tests; pcap.reader reads files of any size with their timing.",
	.size = sizeof(struct replay),
	.params = params,
	.outputs = (const char *const[]){ "output", NULL },
	.counters = (const char *const[]){ "rounds", NULL },
	.resources = replay_resources, .open = resource_file, .holds = replay_holds, .prepare = replay_prepare, .abort = replay_retire,
	.retire = replay_retire, .pull = replay_pull,
};
