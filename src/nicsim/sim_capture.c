/* sim_capture -- capture files on a wire: one whose frames go to the card, one that gets what the card sends. */
#include "nicsim/sim_wire.h"

#include "lib/lib.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct sim_capture {
	uint8_t *file;                  /* the input, whole */
	size_t bytes, at;
	struct capture_reader reader;
	struct capture_record record;
	bool has_record;
	FILE *output;
};

static int load(struct sim_capture *capture, const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &status) == 0 && (capture->file = malloc((size_t)status.st_size + 1)) != NULL) {
		capture->bytes = (size_t)status.st_size;
		n = read(fd, capture->file, capture->bytes);
	}
	if (n < 0 || (size_t)n != capture->bytes)
		nf_fail(errno != 0 ? errno : EIO, "cannot read %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	capture_reader_init(&capture->reader);
	return n >= 0 && (size_t)n == capture->bytes ? 0 : -EIO;
}

static int create(struct sim_capture *capture, const char *path)
{
	uint8_t header[CAPTURE_FILE_HEADER];

	capture->output = fopen(path, "we");
	if (capture->output == NULL)
		return nf_fail(errno, "cannot write %s: %s", path, strerror(errno));
	capture_write_header(header, CAPTURE_FRAME);
	fwrite(header, sizeof(header), 1, capture->output);
	return 0;
}

/* Read the next record; at the end the wire has nothing more to send. */
static int advance(struct sim_wire *wire)
{
	struct sim_capture *c = wire->capture;
	size_t used = 0;

	if (c->file != NULL) {
		c->has_record = capture_read(&c->reader, c->file + c->at, c->bytes - c->at, &c->record, 1, &used) == 1;
		c->at += used;
		if (!c->has_record && c->reader.error[0] == 0)
			(void)capture_reader_end(&c->reader, c->bytes - c->at);
	}
	wire->ended = !c->has_record;
	return c->reader.error[0] == 0 ? 0 : nf_fail(EINVAL, "%s", c->reader.error);
}

int sim_capture_begin(struct sim_wire *wire, const char *input, const char *output)
{
	int code = 0;

	wire->capture = calloc(1, sizeof(*wire->capture));
	if (wire->capture == NULL)
		return nf_fail(ENOMEM, "no memory for a capture");
	if (input[0] != 0)
		code = load(wire->capture, input);
	if (code == 0 && output[0] != 0)
		code = create(wire->capture, output);
	return code < 0 ? code : advance(wire);
}

void sim_capture_end(struct sim_wire *wire)
{
	if (wire->capture == NULL)
		return;
	if (wire->capture->output != NULL)
		fclose(wire->capture->output);
	free(wire->capture->file);
	free(wire->capture);
}

const uint8_t *sim_capture_next(struct sim_wire *wire, uint32_t *length)
{
	*length = wire->capture->record.length;
	return wire->capture->has_record ? wire->capture->record.data : NULL;
}

void sim_capture_taken(struct sim_wire *wire)
{
	wire->checked.sent++;
	if (advance(wire) < 0)
		fprintf(stderr, "nicsim: %s\n", nf_error());
}

void sim_capture_write(struct sim_wire *wire, const uint8_t *data, uint32_t length)
{
	uint8_t header[CAPTURE_RECORD_HEADER];
	FILE *output = wire->capture->output;

	wire->checked.back++;
	if (output == NULL)
		return;
	capture_write_record(header, clock_now() + clock_wall_offset_ns, length, length);
	fwrite(header, sizeof(header), 1, output);
	fwrite(data, length, 1, output);
}
