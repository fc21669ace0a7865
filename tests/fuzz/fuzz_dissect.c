/* fuzz_dissect -- what nf trace and nf capture show of packets: a frame, and what an app made of it. The first two bytes say how
 * long the first one is; the rest is the second. */
#include "core/core.h"
#include "lib/lib.h"

#include "program/dissect.h"
#include "program/trace_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* In memory of its own size, so that the sanitizers see a step outside. */
static struct probe_record *record_of(const uint8_t *data, uint32_t length)
{
	struct probe_record *record = calloc(1, sizeof(*record) + length);

	nf_assert(record != NULL, "out of memory");
	record->kind = PROBE_PACKET;
	record->length = record->wire_length = length;
	memcpy(record + 1, data, length);
	return record;
}

/* Fields are named, end, and lie within the frame; the line fits its room, however little that is. */
static void check(const struct probe_record *record)
{
	const uint8_t *data = (const uint8_t *)(record + 1);
	struct dissect d;
	char line[256], *small = malloc(10);

	nf_assert(small != NULL, "out of memory");
	dissect_frame(&d, data, record->length);
	nf_assert(d.count <= DISSECT_FIELDS && d.payload <= record->length, "%u fields, payload at %u of %u", d.count, d.payload,
		record->length);
	for (uint32_t i = 0; i < d.count; i++) {
		nf_assert(strchr(d.field[i].name, '.') != NULL && strlen(d.field[i].name) < DISSECT_NAME - 1, "name of field %u", i);
		nf_assert(strlen(d.field[i].value) < DISSECT_VALUE - 1, "value of %s was cut", d.field[i].name);
		nf_assert(dissect_value(&d, d.field[i].name) != NULL, "%s is not found", d.field[i].name);
	}
	dissect_line(data, record->length, record->wire_length, line, sizeof(line));
	nf_assert(strlen(line) < sizeof(line) - 1 && strchr(line, '\n') == NULL, "a line that was cut");
	dissect_line(data, record->length, record->wire_length, small, 10);
	nf_assert(strlen(small) < 10, "no end");
	free(small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct probe_record *first, *second;
	struct trace_path *path;
	uint32_t split;
	char text[1024];

	if (length < 2 || length > 65536)
		return 0;
	split = bytes_read16(data) % (uint32_t)(length - 1);
	first = record_of(data + 2, split);
	second = record_of(data + 2 + split, (uint32_t)length - 2 - split);
	check(first);
	check(second);
	path = trace_path_new();
	nf_assert(path != NULL, "out of memory");
	trace_path_see(path, first, text, sizeof(text));
	trace_path_see(path, first, text, sizeof(text));
	nf_assert(text[0] == '\0', "it changed into itself: %s", text);
	trace_path_see(path, second, text, sizeof(text));
	trace_path_add(path, 0, "app", "changed: %s", text);
	trace_path_free(path);
	free(second);
	free(first);
	return 0;
}
