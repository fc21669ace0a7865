/* reader -- the packets of a capture file, as fast as the graph takes them, with their original timing, or at a rate. */
#include "apps/pcap/playback.h"

enum { TOO_LONG };                      /* reasons */
enum { TIMING_NONE, TIMING_ORIGINAL };

enum {
	STANDARD_ROOM = 2048, JUMBO_ROOM = 10240, GSO_ROOM = 65664,     /* bytes of data of a packet, by size */
	LATE_NS = 1000000               /* what a rate may catch up after the graph was slow */
};

/* When packets are due. */
struct timing {
	bool started;                   /* the first packet's time is known */
	uint64_t base_ns;               /* when a packet with the timestamp base_timestamp is due */
	uint64_t base_timestamp, last_due_ns;
	uint64_t rate_due_ns;           /* when the next packet is due at a rate */
	double rate_rest_ns;            /* the fraction of a nanosecond that rate_due_ns left out */
};

struct reader {
	struct app app;
	const char *file;
	uint32_t timing;                /* enum TIMING_... */
	struct rate rate;
	bool has_rate;
	uint64_t loop;
	uint64_t max_length;
	uint32_t short_length;          /* frames up to this length go into standard packets */
	uint64_t wake_ns;               /* when there is something to do again */
	struct timing time;
	struct playback *play;
};

static const char *const timings[] = { "none", "original", NULL };

static const struct param params[] = {
	{ "file", PARAM_FILE, offsetof(struct reader, file), .required = true,
		.help = "pcap or pcapng file; also a named pipe, or /dev/stdin" },
	{ "timing", PARAM_ENUM, offsetof(struct reader, timing), .choices = timings, .initial = TIMING_NONE,
		.help = "when packets are sent: as fast as they are taken, or with the gaps that they have in the file" },
	{ "rate", PARAM_RATE, offsetof(struct reader, rate), .optional = true, .present = offsetof(struct reader, has_rate),
		.min = 1, .max = 1000000000000,
		.help = "send at this rate instead; bits are those of the frames, without preamble, FCS and gap" },
	{ "loop", PARAM_U64, offsetof(struct reader, loop), .initial = 1, .help = "how often the file is read; 0: for ever" },
	{ "max_length", PARAM_BYTES, offsetof(struct reader, max_length), .min = 64, .max = GSO_ROOM, .initial = GSO_ROOM,
		.help = "longest frame; longer ones are dropped. More than 2048 takes memory for larger packets" },
	{ 0 }
};

static void reader_check(const struct app *app, struct errors *errors)
{
	const struct reader *reader = (const struct reader *)app;

	if (reader->has_rate && reader->timing == TIMING_ORIGINAL)
		errors_add(errors, "app '%s': key 'rate': cannot be given together with timing = \"original\"", app->name);
}

static void reader_resources(const struct app *app, struct resources *resources)
{
	resources_add(resources, "read:%s", ((const struct reader *)app)->file);
}

/* It holds no packets; a few buffers of a larger size make frames of that size possible. */
static void reader_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	const struct reader *reader = (const struct reader *)app;

	if (reader->max_length > STANDARD_ROOM)
		holds[PACKET_JUMBO] = BURST;
	if (reader->max_length > JUMBO_ROOM)
		holds[PACKET_GSO] = BURST;
}

static int reader_prepare(struct app *app, const struct app *old)
{
	struct reader *reader = (struct reader *)app;
	char key[RESOURCE_KEY];
	int fd;

	(void)old;
	snprintf(key, sizeof(key), "read:%s", reader->file);
	fd = resource_open(key);
	if (fd < 0)
		return fd;
	reader->short_length = reader->max_length < STANDARD_ROOM ? (uint32_t)reader->max_length : STANDARD_ROOM;
	return playback_new(&reader->play, app, reader->file, fd, reader->loop);
}

/* A changed reader of the same, unchanged file goes on where its predecessor was. */
static void reader_commit(struct app *app, struct app *old)
{
	struct reader *reader = (struct reader *)app, *before = (struct reader *)old;
	struct playback *play;

	if (old == NULL || !file_input_same(reader->play->input, before->play->input) ||
		reader->play->input->repeats != before->play->input->repeats)
		return;
	play = reader->play;
	reader->play = before->play;
	before->play = play;
	app->ended = old->ended && reader->loop != 0 && reader->play->rounds >= reader->loop;
	reader->play->loop = reader->loop;
	reader->play->file = reader->file;
}

static void reader_retire(struct app *app)
{
	playback_free(((struct reader *)app)->play);
}

static void reader_stop(struct app *app)
{
	playback_stop(((struct reader *)app)->play);
}

/* When a packet is to be sent. On virtual time at its own timestamp, unless a rate is given. */
static uint64_t due_ns(struct reader *reader, const struct capture_record *record)
{
	struct timing *time = &reader->time;
	uint64_t timestamp = record->timestamp;

	if (!time->started) {
		time->base_ns = time->rate_due_ns = clock_virtual ? timestamp : clock_now();
		time->base_timestamp = timestamp;
		time->rate_rest_ns = 0;
		time->started = true;
	} else if (reader->play->new_round) {           /* at the time of the last packet of the round before */
		time->base_ns = time->last_due_ns;
		time->base_timestamp = timestamp;
	}
	reader->play->new_round = false;
	if (reader->has_rate)
		return time->rate_due_ns;
	/* Neither sum nor difference leaves 64 bits: timestamps have 63, and a clock's time has fewer. */
	if (timestamp >= time->base_timestamp)
		return time->base_ns + (timestamp - time->base_timestamp);
	if (time->base_timestamp - timestamp > time->base_ns)
		return 0;
	return time->base_ns - (time->base_timestamp - timestamp);
}

/* A packet of `length` bytes that was due at `due` has been sent: when is the next one. */
static void step_time(struct reader *reader, uint64_t due, uint32_t length)
{
	struct timing *time = &reader->time;
	double cost;

	if (due > time->last_due_ns)
		time->last_due_ns = due;
	if (!reader->has_rate)
		return;
	cost = (reader->rate.packets ? 1.0 : length * 8.0) * 1e9 / reader->rate.per_second + time->rate_rest_ns;
	time->rate_due_ns += (uint64_t)cost;
	time->rate_rest_ns = cost - (double)(uint64_t)cost;
	if (time->rate_due_ns + LATE_NS < clock_now())
		time->rate_due_ns = clock_now() - LATE_NS;
}

/* Put a record into a packet. Whole blocks of 64 bytes are cheaper than an exact copy; there is room behind both. */
static inline void fill(struct packet *p, const struct capture_record *record)
{
	p->length = record->length;
	p->meta.timestamp = record->timestamp;
	for (uint32_t done = 0; done < record->length; done += FILE_INPUT_SLACK)
		packet_block(p->data + done, record->data + done);
}

/* Put the next records that fit standard packets into packets; at most n. gives: how many */
static uint32_t take_short(struct reader *reader, struct packet **burst, uint32_t n)
{
	const struct capture_record *record = &reader->play->record[reader->play->next];
	uint32_t fit = 0;

	while (fit < n && record[fit].length <= reader->short_length)
		fit++;
	if (fit == 0)
		return 0;
	fit = packet_alloc_burst(PACKET_STANDARD, burst, fit);
	for (uint32_t i = 0; i < fit; i++)
		fill(burst[i], &record[i]);
	reader->play->next += fit;
	return fit;
}

/* Put the next record, a long one, into a packet, or drop it. gives: packets made; the record stays when there is no memory */
static uint32_t take_long(struct reader *reader, struct packet **burst)
{
	const struct capture_record *record = &reader->play->record[reader->play->next];

	if (record->length > reader->max_length) {
		reader->app.received++;
		reader->app.reason[TOO_LONG]++;
		reader->play->next++;
		return 0;
	}
	burst[0] = packet_alloc_length(record->length);
	if (burst[0] == NULL)
		return 0;
	fill(burst[0], record);
	reader->play->next++;
	return 1;
}

static void reader_pull(struct app *app)
{
	struct reader *reader = (struct reader *)app;
	struct playback *play = reader->play;
	bool timed = clock_virtual || reader->has_rate || reader->timing == TIMING_ORIGINAL;
	uint32_t room = app_pull_room(app), n = 0;
	struct packet *burst[BURST];

	reader->wake_ns = CLOCK_NEVER;          /* unless there is a reason to come back by itself */
	while (n < room) {
		uint32_t before, want, length;
		uint64_t due = 0;

		if (play->next == play->count && !playback_read(play, app)) {
			if (play->look_ns > clock_now())
				reader->wake_ns = play->look_ns;
			break;
		}
		before = play->next;
		want = play->count - before < room - n ? play->count - before : room - n;
		length = play->record[before].length;
		if (timed) {
			due = due_ns(reader, &play->record[before]);
			if (due > clock_now()) {
				reader->wake_ns = due;
				break;
			}
			want = 1;
		}
		if (length <= reader->short_length)
			n += take_short(reader, burst + n, want);
		else
			n += take_long(reader, burst + n);
		if (play->next == before)
			break;                  /* no packet is free: some come back when the graph has moved on */
		if (timed)
			step_time(reader, due, length);
	}
	link_send_burst(app->output[0], burst, n);
	app->received += n;
}

static uint64_t reader_wake_at(const struct app *app)
{
	return app->ended ? CLOCK_NEVER : ((const struct reader *)app)->wake_ns;
}

const struct app_class pcap_reader_class = {
	.name = "pcap.reader",
	.help = "Read the packets of a capture file (pcap or pcapng).\n"
		"All Ethernet captures are read, in either byte order, with microseconds or nanoseconds; a frame check sequence that "
		"the file says it has is taken off. Packets of interfaces that are not Ethernet are skipped and counted. A damaged or "
		"cut-off file is read as far as it goes; then its fault is reported with the packet's number, and the counter "
		"'damaged' goes up.\n"
		"On virtual time packets are sent at their own timestamps, or at the rate that is given. When the file is read "
		"again, its first packet follows at the time of the last one. A pipe is read until its writers have closed it.",
	.size = sizeof(struct reader),
	.params = params,
	.outputs = (const char *const[]){ "output", NULL },
	.counters = (const char *const[]){ "skipped", "truncated", "damaged", "rounds", NULL },
	.reasons = (const char *const[]){ "too-long", NULL },
	.check = reader_check,
	.resources = reader_resources,
	.open = resource_file,
	.holds = reader_holds,
	.prepare = reader_prepare,
	.commit = reader_commit,
	.abort = reader_retire,
	.stop = reader_stop,
	.retire = reader_retire,
	.pull = reader_pull,
	.wake_at = reader_wake_at,
};
