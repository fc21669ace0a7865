/* writer -- write packets into a capture file, or into a ring of files. */
#include "apps/pcap/file_output.h"

#include <unistd.h>

#include "lib/lib.h"

enum { FILES, WAITS, UNWRITTEN };               /* counters */
enum { WRITE_ERROR };                           /* reasons */
enum { TIMESTAMP_PACKET, TIMESTAMP_NOW };
enum { RING_MOST = 256, ADDRESSES = 12, TYPE_VLAN = 0x8100 };

struct writer {
	struct app app;
	const char *file;
	uint32_t files;
	uint64_t size;
	uint32_t timestamp;             /* enum TIMESTAMP_... */
	uint32_t snaplen;
	uint64_t flush_ns;
	bool begun;                     /* the first file was begun */
	bool gone;                      /* the files went to a successor */
	struct file_output *output;
};

static const char *const timestamps[] = { "packet", "now", NULL };

static const struct param params[] = {
	{ "file", PARAM_FILE, offsetof(struct writer, file), .required = true,
		.help = "capture file; emptied when the graph starts, not when a worker is started again. Also a named pipe, or /dev/stdout with nf run --quiet" },
	{ "files", PARAM_U32, offsetof(struct writer, files), .min = 1, .max = RING_MOST, .initial = 1,
		.help = "number of files of a ring: FILE.1.pcap, FILE.2.pcap, ...; behind the last the first is written anew" },
	{ "size", PARAM_BYTES, offsetof(struct writer, size), .min = 1024, .max = 1ULL << 62, .optional = true,
		.help = "bytes of each file of a ring; only a single packet that is longer makes one larger" },
	{ "timestamp", PARAM_ENUM, offsetof(struct writer, timestamp), .choices = timestamps, .initial = TIMESTAMP_PACKET,
		.help = "time of a packet: its own where it has one, else now; or always now" },
	{ "snaplen", PARAM_U32, offsetof(struct writer, snaplen), .min = 1, .max = CAPTURE_FRAME, .initial = CAPTURE_FRAME,
		.help = "most bytes written of a packet" },
	{ "flush", PARAM_DURATION, offsetof(struct writer, flush_ns), .min = 1000000, .max = 3600000000000, .initial = 1000000000,
		.help = "a packet is in the file after this time, also when few come" },
	{ 0 }
};

static void writer_check(const struct app *app, struct errors *errors)
{
	const struct writer *writer = (const struct writer *)app;

	if (writer->files > 1 && writer->size == 0)
		errors_add(errors, "app '%s': key 'size': needed for a ring of %u files, for example \"100M\"", app->name,
			writer->files);
	if (writer->files == 1 && writer->size > 0)
		errors_add(errors, "app '%s': key 'size': is for a ring: give 'files', 2 or more, too", app->name);
}

/* The key of file i: "write:out.pcap", or of a ring "write:out.1.pcap". */
static void file_key(const struct writer *writer, uint32_t i, char *key, size_t size)
{
	const char *slash = strrchr(writer->file, '/'), *dot = strrchr(writer->file, '.');

	if (dot == NULL || (slash != NULL && dot < slash))
		dot = writer->file + strlen(writer->file);
	if (writer->files == 1)
		snprintf(key, size, "write:%s", writer->file);
	else
		snprintf(key, size, "write:%.*s.%u%s", (int)(dot - writer->file), writer->file, i + 1, dot);
}

static void writer_resources(const struct app *app, struct resources *resources)
{
	const struct writer *writer = (const struct writer *)app;
	char key[RESOURCE_KEY + 16];

	for (uint32_t i = 0; i < writer->files; i++) {
		file_key(writer, i, key, sizeof(key));
		resources_add(resources, "%s", key);
	}
}

static int writer_prepare(struct app *app, const struct app *old)
{
	struct writer *writer = (struct writer *)app;
	char text[RESOURCE_KEY + 128];
	int fd[RING_MOST];

	(void)old;
	for (uint32_t i = 0; i < writer->files; i++) {
		file_key(writer, i, text, sizeof(text));
		fd[i] = resource_open(text);
		if (fd[i] < 0) {
			int code = fd[i];

			while (i-- > 0)
				close(fd[i]);
			return code;
		}
	}
	snprintf(text, sizeof(text), "app '%s': %s", app->name, writer->file);
	return file_output_new(&writer->output, fd, writer->files, text);
}

/* A changed writer of the same files goes on behind what its predecessor wrote. Nothing else is done to the files here: the
 * predecessor of another name may still have something to write into them. */
static void writer_commit(struct app *app, struct app *old)
{
	struct writer *writer = (struct writer *)app, *before = (struct writer *)old;
	struct file_output *output = writer->output;

	if (old == NULL || !file_output_same(output, before->output) || !before->begun)
		return;
	writer->output = before->output;
	before->output = output;
	writer->begun = true;
	before->gone = true;
}

static void writer_retire(struct app *app)
{
	file_output_free(((struct writer *)app)->output);
}

/* Begin the first or the next file. gives: false when no block is free */
static bool begin_file(struct writer *writer)
{
	uint8_t header[CAPTURE_FILE_HEADER];

	capture_write_header(header, writer->snaplen);
	if (!file_output_begin(writer->output, header, sizeof(header)))
		return false;
	writer->app.counter[FILES]++;
	return true;
}

/* Once, before anything else: go on with what a worker that died has written; else empty the file and write its header. A pipe has had
 * its header when the files that the worker before began are counted here. */
static void begin(struct writer *writer)
{
	if (writer->begun)
		return;
	writer->begun = file_output_resume(writer->output) || (!writer->output->is_regular && writer->app.counter[FILES] > 0) ||
		begin_file(writer);
	file_output_flush(writer->output);
}

/* Write a packet's record. */
static inline void write_record(const struct writer *writer, struct packet *p, uint8_t *to, uint32_t length, uint32_t wire_length)
{
	uint64_t timestamp = writer->timestamp == TIMESTAMP_PACKET && p->meta.timestamp != 0 ? p->meta.timestamp : clock_wall();
	uint32_t room = p->room - packet_headroom(p), done;

	capture_write_record(to, timestamp, length, wire_length);
	to += CAPTURE_RECORD_HEADER;
	if (__builtin_expect(wire_length != p->length, 0)) {
		uint8_t head[ADDRESSES + VLAN_TAG];     /* the tag goes behind the addresses */

		memcpy(head + VLAN_TAG, p->data, ADDRESSES);
		vlan_insert(head, TYPE_VLAN, p->meta.vlan);
		memcpy(to, head, length < sizeof(head) ? length : sizeof(head));
		if (length > sizeof(head))
			memcpy(to + sizeof(head), p->data + ADDRESSES, length - sizeof(head));
		return;
	}
	/* Whole blocks of 64 bytes are cheaper than an exact copy; what a block has behind the frame is overwritten. */
	for (done = 0; done < length && done + 64 <= room; done += 64)
		packet_block(to + done, p->data + done);
	if (__builtin_expect(done < length, 0))
		memcpy(to + done, p->data + done, length - done);
}

/* Make a frame what it would be on a wire: an unfinished checksum is finished. gives: its length with a tag that is not in it */
static inline uint32_t finish_frame(struct packet *p)
{
	if (__builtin_expect(p->meta.flags & PACKET_CHECKSUM_PARTIAL, 0)) {
		checksum_complete(p->data, p->length, p->meta.checksum_start, p->meta.checksum_offset);
		p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_PARTIAL;
	}
	return p->length + (p->meta.flags & PACKET_VLAN && p->length >= ADDRESSES ? VLAN_TAG : 0);
}

/* Write up to n packets of the input; gives how many found a place. */
static uint32_t write_packets(struct writer *writer, struct link *input, uint32_t n)
{
	struct file_output *output = writer->output;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = link_peek(input, i);
		uint32_t wire_length, length, bytes;
		uint8_t *to;

		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(link_peek(input, i + PACKET_PREFETCH)->data);
		wire_length = finish_frame(p);
		length = wire_length < writer->snaplen ? wire_length : writer->snaplen;
		bytes = CAPTURE_RECORD_HEADER + length;
		if (__builtin_expect(writer->size > 0 && output->file_bytes + bytes > writer->size &&
			output->file_bytes > CAPTURE_FILE_HEADER, 0) && !begin_file(writer))
			return i;
		to = file_output_place(output, bytes);
		if (to == NULL)
			return i;
		write_record(writer, p, to, length, wire_length);
		file_output_add(output, bytes);
	}
	return n;
}

static void writer_push(struct app *app)
{
	struct writer *writer = (struct writer *)app;
	struct link *input = app->input[0];
	uint32_t n = app_push_room(app, input), written;

	app->counter[UNWRITTEN] += file_output_collect(writer->output);
	begin(writer);
	if (__builtin_expect(__atomic_load_n(&writer->output->failed, __ATOMIC_RELAXED), 0)) {
		app->reason[WRITE_ERROR] += link_free(input, n);
		return;
	}
	if (!writer->begun || n == 0)
		return;
	written = write_packets(writer, input, n);
	app->sent += link_free(input, written);
	app->counter[WAITS] += written < n;
}

/* What waits too long in the present block is written. */
static void writer_tick(struct app *app)
{
	struct writer *writer = (struct writer *)app;
	struct file_output *output = writer->output;

	app->counter[UNWRITTEN] += file_output_collect(output);
	begin(writer);
	if (output->filling && output->block[output->present].records > 0 && clock_now() - output->since_ns >= writer->flush_ns)
		file_output_flush(output);
}

static void writer_stop(struct app *app)
{
	struct writer *writer = (struct writer *)app;

	if (writer->gone)
		return;
	begin(writer);
	app->counter[UNWRITTEN] += file_output_stop(writer->output);
	app->failed = __atomic_load_n(&writer->output->failed, __ATOMIC_RELAXED);
}

/* A pipe that is full is tried again in a while. */
static uint64_t writer_wake_at(const struct app *app)
{
	const struct file_output *output = ((const struct writer *)app)->output;

	for (uint32_t i = 0; i < FILE_OUTPUT_BLOCKS; i++)
		if (output->block[i].handed && output->block[i].again)
			return output->again_ns;
	return CLOCK_NEVER;
}

const struct app_class pcap_writer_class = {
	.name = "pcap.writer",
	.help = "Write packets into a capture file (pcap, nanoseconds).\n"
		"Blocks of 1 MiB are written in the background; when all are full, packets wait in front of the writer, none is "
		"lost. At a clean stop all is written. A ring of files keeps the latest packets: files = 10, size = \"100M\".\n"
		"A packet's unfinished checksum is finished, and a VLAN tag beside it is put into it; a frame that its sender left "
		"to be segmented is written as it is. When the disk is full or fails, the file is cut behind the last whole "
		"packet, the error is reported, and all further packets are dropped; the counter 'unwritten' tells how many were "
		"taken and are not in it.",
	.size = sizeof(struct writer),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.counters = (const char *const[]){ "files", "waits", "unwritten", NULL },
	.reasons = (const char *const[]){ "write-error", NULL },
	.check = writer_check,
	.resources = writer_resources,
	.open = resource_file,
	.prepare = writer_prepare,
	.commit = writer_commit,
	.abort = writer_retire,
	.stop = writer_stop,
	.retire = writer_retire,
	.push = writer_push,
	.tick = writer_tick,
	.wake_at = writer_wake_at,
};
