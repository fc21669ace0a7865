/* frame -- see frame.h. */
#include "program/lwaftr/frame.h"

#include "lib/lib.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS = 256 };

bool frame_is_hex(const char *text)
{
	uint32_t digits = 0;

	for (; *text != '\0'; text++) {
		if (isxdigit((unsigned char)*text))
			digits++;
		else if (strchr(" \t\n:-", *text) == NULL)
			return false;
	}
	return digits >= 2 * ETHERNET_HEADER;
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

static int read_hex(struct frame *frame, const char *text)
{
	uint32_t digits = 0;

	frame->data = calloc(1, strlen(text) / 2 + 1);
	if (frame->data == NULL)
		return nf_fail(ENOMEM, "no memory for a packet");
	for (; *text != '\0'; text++) {
		if (!isxdigit((unsigned char)*text))
			continue;
		frame->data[digits / 2] = (uint8_t)(frame->data[digits / 2] << 4 | digit(*text));
		digits++;
	}
	frame->length = digits / 2;
	if (digits % 2 == 0)
		return 0;
	frame_fini(frame);
	return nf_fail(EINVAL, "the packet in hex has an odd number of digits");
}

static int copy(struct frame *frame, const char *file, uint64_t number, const struct capture_record *record)
{
	if (record->length < record->wire_length)
		return nf_fail(EINVAL, "%s: packet %llu is cut off: the capture has %u of its %u bytes", file, (unsigned long long)number,
			record->length, record->wire_length);
	frame->data = malloc(record->length + 1);
	if (frame->data == NULL)
		return nf_fail(ENOMEM, "no memory for a packet");
	memcpy(frame->data, record->data, record->length);
	frame->length = record->length;
	return 0;
}

/* Look for packet `number` of a capture that lies in memory. */
static int find(struct frame *frame, const char *file, uint64_t number, const uint8_t *data, size_t length)
{
	struct capture_reader *reader = malloc(sizeof(*reader));
	struct capture_record record[RECORDS];
	uint64_t before = 0;
	uint32_t count;
	size_t used;
	int code;

	if (reader == NULL)
		return nf_fail(ENOMEM, "no memory for a capture's reader");
	capture_reader_init(reader);
	do {
		count = capture_read(reader, data, length, record, RECORDS, &used);
		data += used;
		length -= used;
		before += count;
	} while (before < number && count == RECORDS);
	if (before >= number)
		code = copy(frame, file, number, &record[count - 1 - (before - number)]);
	else if (reader->error[0] != '\0' || !capture_reader_end(reader, length))
		code = nf_fail(EINVAL, "%s: %s", file, reader->error);
	else
		code = nf_fail(ENOENT, "%s: there is no packet %llu: the capture has %llu", file, (unsigned long long)number,
			(unsigned long long)before);
	free(reader);
	return code;
}

static int read_capture(struct frame *frame, const char *file, uint64_t number)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), code;
	struct stat status;
	void *data;

	if (fd < 0)
		return nf_fail(errno, "cannot read %s: %s", file, strerror(errno));
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
		close(fd);
		return nf_fail(EINVAL, "%s is no capture file", file);
	}
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return nf_fail(errno, "cannot read %s: %s", file, strerror(errno));
	code = find(frame, file, number, data, (size_t)status.st_size);
	munmap(data, (size_t)status.st_size);
	return code;
}

int frame_read(struct frame *frame, const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t number = 1;
	char *file, *end;
	int code;

	*frame = (struct frame){ 0 };
	if (frame_is_hex(text))
		return read_hex(frame, text);
	if (colon == NULL || !isdigit((unsigned char)colon[1]))
		return read_capture(frame, text, 1);
	errno = 0;
	number = strtoull(colon + 1, &end, 10);
	if (*end != '\0')
		return read_capture(frame, text, 1);
	if (number == 0 || errno != 0)
		return nf_fail(EINVAL, "%s: packets are counted from 1", text);
	file = strndup(text, (size_t)(colon - text));
	if (file == NULL)
		return nf_fail(ENOMEM, "no memory for a name");
	code = read_capture(frame, file, number);
	free(file);
	return code;
}

void frame_fini(struct frame *frame)
{
	free(frame->data);
	*frame = (struct frame){ 0 };
}
