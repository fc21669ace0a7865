/* pcap -- reading and writing capture files: the apps in a graph against bare loops over libpcap on the same files, which lie
 * in memory and are larger than the caches. Both sides work in one thread; `-ahead` is the graph as `nf run` has it, with a
 * house-keeping thread that reads and writes. */
#include "program/bench/rig.h"

#include <pcap/pcap.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_LEAST = 32 << 20, FILE_MOST = 256 << 20,   /* bytes of a file that is read */
	WRITTEN = 256 << 20,                            /* bytes of a file that is written, at most */
	SNAPLEN = 65535
};

static const uint32_t sizes[] = { 64, 594, 1514 };
enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

static char folder[64];                 /* "": not made */
static pcap_t *capture;                 /* what a bare case reads */
static pcap_dumper_t *dumper;           /* what a bare case writes */
static uint8_t frame[1514];

/* The file that is read for a size, or the one that a case writes. */
static const char *path_of(char *path, size_t size, const char *name, uint32_t number)
{
	snprintf(path, size, "%s/%s%u.pcap", folder, name, number);
	return path;
}

static const struct bench_case cases[];

/* Only calls that a signal handler may make, but for the names: those are made before. */
static char files[SIZES + BENCH_CASES][96];
static uint32_t file_count;

static void remove_files(void)
{
	for (uint32_t i = 0; i < file_count; i++)
		unlink(files[i]);
	if (folder[0] != '\0')
		rmdir(folder);
}

static void interrupted(int number)
{
	remove_files();
	signal(number, SIG_DFL);
	raise(number);
}

static int open_dumper(const char *path)
{
	pcap_t *dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);

	if (dead == NULL)
		return nf_fail(ENOMEM, "no memory for libpcap");
	dumper = pcap_dump_open(dead, path);
	if (dumper == NULL) {
		int code = nf_fail(EIO, "%s: %s", path, pcap_geterr(dead));

		pcap_close(dead);
		return code;
	}
	pcap_close(dead);
	return 0;
}

/* Write n frames with libpcap. */
static int dump(uint32_t length, uint64_t n)
{
	struct pcap_pkthdr header = { .caplen = length, .len = length };

	for (uint64_t i = 0; i < n; i++) {
		header.ts.tv_sec = (time_t)(i / 1000000);
		header.ts.tv_usec = (suseconds_t)(i % 1000000 * 1000);
		pcap_dump((u_char *)dumper, &header, frame);
	}
	if (pcap_dump_flush(dumper) != 0)
		return nf_fail(errno, "%s: %s", folder, strerror(errno));
	return 0;
}

/* Twice what the processor's last cache holds, within limits. */
static uint64_t file_bytes(void)
{
	long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);

	if (cache * 2 < FILE_LEAST)
		return FILE_LEAST;
	return cache * 2 > FILE_MOST ? FILE_MOST : (uint64_t)cache * 2;
}

static int make_file(uint32_t length, const char *path)
{
	int code = open_dumper(path);

	if (code < 0)
		return code;
	code = dump(length, file_bytes() / (length + 16));
	pcap_dump_close(dumper);
	return code;
}

static void finish(void)
{
	remove_files();
	folder[0] = '\0';
	file_count = 0;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

/* Make the folder and the files to read; name the files to write. */
static int prepare(void)
{
	int code = 0;

	snprintf(folder, sizeof(folder), "%s/nf-bench.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(folder) == NULL) {
		folder[0] = '\0';
		return nf_fail(errno, "no folder for capture files: %s", strerror(errno));
	}
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	for (uint32_t i = 0; i < SIZES; i++)
		path_of(files[file_count++], sizeof(files[0]), "read", sizes[i]);
	for (uint32_t i = 0; cases[i].name != NULL; i++)
		path_of(files[file_count++], sizeof(files[0]), "write", i);
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	for (uint32_t i = 0; i < SIZES && code >= 0; i++)
		code = make_file(sizes[i], files[i]);
	if (code < 0)
		finish();
	return code;
}

static int open_capture(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];

	capture = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	return capture != NULL ? 0 : nf_fail(EIO, "%s: %s", path, error);
}

/* Read with libpcap, the file again and again; the frames are left where libpcap has put them. */
static int run_bare_read(const struct bench_case *c, struct bench_sample *sample)
{
	volatile uint64_t bytes = 0;
	uint64_t done = 0, sum = 0;
	char path[96];

	path_of(path, sizeof(path), "read", c->argument);
	if (capture == NULL && open_capture(path) < 0)
		return -EIO;
	while (done < sample->packets) {
		struct pcap_pkthdr *header;
		const u_char *data;
		int code = pcap_next_ex(capture, &header, &data);

		if (code == 1) {
			sum += header->caplen + data[0];
			done++;
			continue;
		}
		if (code != PCAP_ERROR_BREAK)
			return nf_fail(EIO, "%s: %s", path, pcap_geterr(capture));
		pcap_close(capture);
		if (open_capture(path) < 0)
			return -EIO;
	}
	bytes = bytes + sum;
	sample->packets = done;
	return 0;
}

static int start_read(const struct bench_case *c)
{
	char path[96], source[256];
	int code = c->second ? job_start() : 0;

	if (code < 0)
		return code;
	snprintf(source, sizeof(source), "return { apps = { reader = { 'pcap.reader', file = '%s', loop = 0 }, "
		"sink = { 'basic.sink' } }, links = { 'reader.output -> sink.input' } }",
		path_of(path, sizeof(path), "read", c->argument));
	return rig_graph(source);
}

static int run_read(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	return rig_breathe("sink", &sample->packets);
}

static const char *written_path(const struct bench_case *c, char *path, size_t size)
{
	return path_of(path, size, "write", (uint32_t)(c - cases));
}

/* Each run writes a file of its own, from its opening to its end. */
static int run_bare_write(const struct bench_case *c, struct bench_sample *sample)
{
	char path[96];
	int code = open_dumper(written_path(c, path, sizeof(path)));

	if (code < 0)
		return code;
	code = dump(c->argument, sample->packets);
	pcap_dump_close(dumper);
	return code;
}

static int start_write(const struct bench_case *c)
{
	char path[96], source[256];
	int code = c->second ? job_start() : 0;

	if (code < 0)
		return code;
	snprintf(source, sizeof(source), "return { apps = { source = { 'basic.source', sizes = %u }, "
		"writer = { 'pcap.writer', file = '%s' } }, links = { 'source.output -> writer.input' } }", c->argument,
		written_path(c, path, sizeof(path)));
	return rig_graph(source);
}

static int run_write(const struct bench_case *c, struct bench_sample *sample)
{
	int code = rig_engine_new();

	(void)c;
	if (code >= 0)
		code = rig_breathe("writer", &sample->packets);
	return code < 0 ? code : rig_engine_end();
}

/* libpcap, the app in one thread, the app with a second one. */
#define READ(length) \
	{ .name = "libpcap-read-" #length, .run = run_bare_read, .argument = length }, \
	{ .name = "read-" #length, .against = "libpcap-read-" #length, .start = start_read, .run = run_read, .argument = length }, \
	{ .name = "read-" #length "-ahead", .against = "libpcap-read-" #length, .start = start_read, .run = run_read, \
		.argument = length, .second = true, .whole = true }
#define WRITE(length) \
	{ .name = "libpcap-write-" #length, .run = run_bare_write, .argument = length, .whole = true, \
		.most = WRITTEN / (length + 16) }, \
	{ .name = "write-" #length, .against = "libpcap-write-" #length, .start = start_write, .run = run_write, \
		.argument = length, .most = WRITTEN / (length + 16), .whole = true }, \
	{ .name = "write-" #length "-ahead", .against = "libpcap-write-" #length, .start = start_write, .run = run_write, \
		.argument = length, .second = true, .most = WRITTEN / (length + 16), .whole = true }

static const struct bench_case cases[] = {
	READ(64), READ(594), READ(1514), WRITE(64), WRITE(594), WRITE(1514), { 0 }
};

const struct benchmark pcap_benchmark = {
	.name = "pcap", .cases = cases, .prepare = prepare, .finish = finish,
	.help = "Read and write capture files, against bare loops over libpcap.",
};
