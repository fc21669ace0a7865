/* capture -- `nf capture`: the packets of a link of a running graph, as a capture file or a line for each. */
#include "program/dissect.h"
#include "program/probing.h"

#include "lib/lib.h"

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

/* Where the packets go. */
struct output {
	FILE *file;
	bool as_text;
};

static bool open_output(struct output *output, const struct options *options, uint32_t snaplen)
{
	const char *path = options_value(options, "-w");
	uint8_t header[CAPTURE_FILE_HEADER];

	*output = (struct output){ .file = stdout, .as_text = path == NULL && isatty(STDOUT_FILENO) };
	if (options_has(options, "--text"))
		output->as_text = true;
	if (path != NULL && strcmp(path, "-") != 0)
		output->file = fopen(path, "we");
	if (output->file == NULL) {
		fprintf(stderr, "nf capture: cannot write %s: %s\n", path, strerror(errno));
		return false;
	}
	if (output->as_text)
		return true;
	capture_write_header(header, snaplen);
	fwrite(header, sizeof(header), 1, output->file);
	/* A reader behind a pipe is told at once what is coming. */
	if (fflush(output->file) == 0 || errno == EPIPE)
		return true;
	fprintf(stderr, "nf capture: cannot write: %s\n", strerror(errno));
	if (output->file != stdout)
		fclose(output->file);
	return false;
}

static void print_line(const struct output *output, const struct probe_record *record)
{
	time_t seconds = (time_t)(record->timestamp / 1000000000u);
	char text[256], at[32];
	struct tm local;

	strftime(at, sizeof(at), "%T", localtime_r(&seconds, &local));
	dissect_line((const uint8_t *)(record + 1), record->length, record->wire_length, text, sizeof(text));
	fprintf(output->file, "%s.%06u %s\n", at, (uint32_t)(record->timestamp % 1000000000u / 1000), text);
}

/* gives: false when it cannot be written */
static bool put(const struct output *output, const struct probe_record *record)
{
	uint8_t header[CAPTURE_RECORD_HEADER];

	if (output->as_text) {
		print_line(output, record);
		return !ferror(output->file);
	}
	capture_write_record(header, record->timestamp, record->length, record->wire_length);
	fwrite(header, sizeof(header), 1, output->file);
	fwrite(record + 1, record->length, 1, output->file);
	return !ferror(output->file);
}

/* What was done, on standard error: it may be that a file goes to standard output. */
static void report(const struct probing *probing, uint64_t received)
{
	struct probe_status status = probe_reader_status(probing->reader);

	if (probing->end[0] != '\0')
		fprintf(stderr, "nf capture: %s\n", probing->end);
	fprintf(stderr, "nf capture: %" PRIu64 " captured on %s", probing->taken, probing->title);
	if (probing->filtered)
		fprintf(stderr, ", %" PRIu64 " not wanted by the filter", received - probing->taken);
	fprintf(stderr, ", %" PRIu64 " left out", status.left_out);
	/* Only when everything was read do these numbers add up. */
	if (probing->over)
		fprintf(stderr, ", of %" PRIu64, status.seen);
	fprintf(stderr, "\n");
}

static int capture(struct probing *probing, const struct options *options, uint32_t snaplen)
{
	const struct probe_record *record;
	struct output output;
	uint64_t received = 0;
	bool written;

	if (!open_output(&output, options, snaplen))
		return EXIT_FAILED;
	written = true;
	while (written && (record = probing_next(probing)) != NULL) {
		received++;
		if (record->kind != PROBE_PACKET || !probing_wants(probing, (const uint8_t *)(record + 1), record->length, record->wire_length))
			continue;
		written = put(&output, record);
		probing->taken++;
	}
	if (output.file != stdout ? fclose(output.file) != 0 : fflush(stdout) != 0)
		written = false;
	report(probing, received);
	/* The reader of a pipe that has seen enough is no failure. */
	if (!written && errno != EPIPE)
		fprintf(stderr, "nf capture: cannot write: %s\n", strerror(errno));
	else
		written = true;
	clearerr(stdout);
	return written ? EXIT_DONE : EXIT_FAILED;
}

int program_capture(int argc, char **argv)
{
	struct options options;
	struct probing probing;
	uint64_t snaplen = PROBE_SNAPLEN;
	char line[PROBE_LINK + 64];
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_number(&options, "--snaplen", 1, PROBE_SNAPLEN, &snaplen))
		return EXIT_USAGE;
	if (strlen(options.argument[1]) >= PROBE_LINK || strpbrk(options.argument[1], "\t\n") != NULL)
		return options_wrong(options.program, "'%s' is no name of a link", options.argument[1]);
	code = probing_init(&probing, &options, 2);
	if (code != OPTIONS_GO)
		return code;
	snprintf(line, sizeof(line), "capture\t%u\t%s\n", (uint32_t)snaplen, options.argument[1]);
	code = probing_begin(&probing, options.argument[0], line);
	if (code == EXIT_DONE)
		code = capture(&probing, &options, (uint32_t)snaplen);
	probing_fini(&probing);
	return code;
}
