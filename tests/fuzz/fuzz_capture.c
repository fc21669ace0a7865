/* fuzz_capture -- a capture file from anywhere, read in one piece and in pieces as small as the first byte says: the same must
 * come out, and nothing outside the pieces may be touched. */
#include "core/core.h"
#include "lib/lib.h"

enum { RECORDS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* What came out of a file, as a sum that knows order, bytes and times. */
struct outcome {
	uint64_t sum, records;
	struct capture_reader reader;
};

static void add(struct outcome *outcome, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		outcome->sum = (outcome->sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ULL;
}

static void add_records(struct outcome *outcome, const struct capture_record *record, uint32_t n, const uint8_t *from, size_t used)
{
	for (uint32_t i = 0; i < n; i++) {
		nf_assert(record[i].length <= CAPTURE_FRAME && record[i].length <= record[i].wire_length, "a record of %u of %u bytes",
			record[i].length, record[i].wire_length);
		nf_assert(record[i].timestamp <= INT64_MAX, "a time that is none");
		nf_assert(record[i].data >= from && record[i].data + record[i].length <= from + used, "a record outside of what was used");
		add(outcome, record[i].data, record[i].length);
		add(outcome, &record[i].timestamp, sizeof(record[i].timestamp));
		add(outcome, &record[i].wire_length, sizeof(record[i].wire_length));
	}
	outcome->records += n;
}

/* Read as much of a piece as there is; gives the bytes left over. Each look is at memory of exactly its size. */
static size_t read_piece(struct outcome *outcome, const uint8_t *data, size_t length)
{
	uint32_t n;

	do {
		struct capture_record record[RECORDS];
		uint8_t *bytes = malloc(length > 0 ? length : 1);
		size_t used;

		nf_assert(bytes != NULL, "out of memory");
		memcpy(bytes, data, length);
		n = capture_read(&outcome->reader, bytes, length, record, RECORDS, &used);
		nf_assert(n <= RECORDS && used <= length, "%u records, %zu bytes", n, used);
		add_records(outcome, record, n, bytes, used);
		free(bytes);
		data += used;
		length -= used;
	} while (n == RECORDS);
	nf_assert(length < CAPTURE_CARRY || outcome->reader.error[0] != '\0', "%zu bytes are left", length);
	return length;
}

static void read_file(struct outcome *outcome, const uint8_t *data, size_t length, size_t piece)
{
	size_t left = 0, at = 0;

	memset(outcome, 0, offsetof(struct outcome, reader));
	capture_reader_init(&outcome->reader);
	while (at < length) {
		size_t more = piece < length - at ? piece : length - at;

		at += more;
		left = read_piece(outcome, data + at - more - left, left + more);
	}
	capture_reader_end(&outcome->reader, left);
	nf_assert(outcome->reader.packets == outcome->records + outcome->reader.skipped, "packets are missing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct outcome whole, pieces;

	if (length < 1)
		return 0;
	read_file(&whole, data + 1, length - 1, length);
	read_file(&pieces, data + 1, length - 1, 1 + (size_t)data[0] * data[0]);
	nf_assert(whole.sum == pieces.sum && whole.records == pieces.records, "%llu records in one piece, %llu in pieces",
		(unsigned long long)whole.records, (unsigned long long)pieces.records);
	nf_assert(strcmp(whole.reader.error, pieces.reader.error) == 0, "'%s' in one piece, '%s' in pieces", whole.reader.error,
		pieces.reader.error);
	return 0;
}
