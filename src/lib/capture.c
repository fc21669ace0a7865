/* capture -- see capture.h: what both formats share, and pcap. */
#include "lib/lib.h"

#include <stdarg.h>
#include <stdio.h>

extern inline void capture_write_record(uint8_t *to, uint64_t timestamp, uint32_t length, uint32_t wire_length);

_Static_assert((int)CAPTURE_CARRY > (int)CAPTURE_FRAME + 64, "a packet with its headers is never longer than the carry");

/* draft-ietf-opsawg-pcap section 4 "General File Structure": the magic number tells resolution and byte order. */
enum { MAGIC_MICRO = 0xa1b2c3d4, MAGIC_NANO = 0xa1b23c4d, MAGIC_PCAPNG = 0x0a0d0d0a };

/* Link types that people meet; all others are told by their number. */
static const struct {
	uint16_t type;
	const char *name;
} link_names[] = {
	{ 0, "BSD loopback" }, { CAPTURE_ETHERNET, "Ethernet" }, { 9, "PPP" }, { 12, "raw IP" }, { 101, "raw IP" },
	{ 105, "802.11" }, { 108, "OpenBSD loopback" }, { 113, "Linux cooked capture" }, { 127, "802.11 with radiotap" },
	{ 189, "USB" }, { 220, "USB" }, { 228, "raw IPv4" }, { 229, "raw IPv6" }, { 239, "netfilter log" },
	{ 249, "USB" }, { 276, "Linux cooked capture v2" },
};

/* A link type's name, or NULL. */
static const char *link_name(uint16_t link_type)
{
	for (size_t i = 0; i < sizeof(link_names) / sizeof(link_names[0]); i++)
		if (link_names[i].type == link_type)
			return link_names[i].name;
	return NULL;
}

uint32_t capture_fail(struct capture_reader *reader, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reader->error, sizeof(reader->error), format, arguments);
	va_end(arguments);
	return 0;
}

void capture_record_trim(struct capture_reader *reader, struct capture_record *record, uint32_t fcs)
{
	if (record->wire_length < record->length)
		record->wire_length = record->length;
	if (fcs > record->wire_length)
		fcs = record->wire_length;
	record->wire_length -= fcs;
	if (record->length > record->wire_length)
		record->length = record->wire_length;
	reader->truncated += record->length < record->wire_length;
}

void capture_reader_init(struct capture_reader *reader)
{
	memset(reader, 0, offsetof(struct capture_reader, interface));
}

/* A 32-bit field of the file. */
static inline uint32_t field(const uint8_t *at, bool swapped)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return swapped ? __builtin_bswap32(value) : value;
}

/* Why a file with this beginning cannot be read. */
static uint32_t fail_magic(struct capture_reader *reader, const uint8_t *data)
{
	static const struct {
		uint8_t bytes[4], count;
		const char *program;
	} packed[] = {
		{ { 0x1f, 0x8b }, 2, "gzip" }, { { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd" }, { { 0xfd, '7', 'z', 'X' }, 4, "xz" },
		{ { 'B', 'Z', 'h' }, 3, "bzip2" }, { { 0x04, 0x22, 0x4d, 0x18 }, 4, "lz4" },
	};
	uint32_t magic = field(data, false);

	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++)
		if (memcmp(data, packed[i].bytes, packed[i].count) == 0)
			return capture_fail(reader, "it is compressed with %s: unpack it first", packed[i].program);
	if (magic == 0xa1b2cd34 || magic == 0x34cdb2a1)
		return capture_fail(reader,
			"a pcap file with the longer packet headers of a patched libpcap (magic a1b2cd34): not read");
	return capture_fail(reader, "no capture file: it begins with %02x%02x%02x%02x, neither pcap nor pcapng", data[0], data[1],
		data[2], data[3]);
}

/* The file has packets of another kind. */
static uint32_t fail_link(struct capture_reader *reader, uint16_t link_type)
{
	const char *name = link_name(link_type);

	return capture_fail(reader, "its packets have link type %u%s%s%s: only Ethernet (1) is read", link_type, name ? " (" : "",
		name ? name : "", name ? ")" : "");
}

/* Read the file header of pcap (draft-ietf-opsawg-pcap section 4), or see that it is pcapng.
 *   gives: bytes used; 0 when more are needed or the file cannot be read */
static uint32_t read_magic(struct capture_reader *reader, const uint8_t *data, size_t length)
{
	struct capture_interface *interface = &reader->interface[0];
	uint32_t magic, link;
	uint16_t version[2];

	if (length < 4)
		return 0;
	magic = field(data, false);
	if (magic == MAGIC_PCAPNG) {            /* the same in both orders */
		reader->format = CAPTURE_PCAPNG;
		return 0;
	}
	reader->swapped = magic == __builtin_bswap32(MAGIC_MICRO) || magic == __builtin_bswap32(MAGIC_NANO);
	magic = field(data, reader->swapped);
	if (magic != MAGIC_MICRO && magic != MAGIC_NANO)
		return fail_magic(reader, data);
	if (length < CAPTURE_FILE_HEADER)
		return 0;
	memcpy(version, data + 4, sizeof(version));
	if (reader->swapped) {
		version[0] = __builtin_bswap16(version[0]);
		version[1] = __builtin_bswap16(version[1]);
	}
	if (version[0] != 2 || version[1] != 4)
		return capture_fail(reader, "pcap version %u.%u: only 2.4 is read", version[0], version[1]);
	link = field(data + 20, reader->swapped);
	if ((link & 0xffff) != CAPTURE_ETHERNET)
		return fail_link(reader, (uint16_t)link);
	*interface = (struct capture_interface){ .multiplier = magic == MAGIC_NANO ? 1 : 1000, .divisor = 1,
		.snaplen = field(data + 16, reader->swapped), .link_type = CAPTURE_ETHERNET };
	/* Bit 26 says that bits 28..31 hold the length of the FCS, in units of 16 bits. */
	if (link & (1u << 26))
		interface->fcs = (uint8_t)((link >> 28) * 2);
	reader->interface_count = 1;
	reader->has_ethernet = true;
	reader->format = CAPTURE_PCAP;
	return CAPTURE_FILE_HEADER;
}

/* A packet header that no writer makes: from here on nothing can be found. */
static void fail_record(struct capture_reader *reader, uint64_t packet, uint64_t offset, uint32_t length)
{
	capture_fail(reader, "packet %llu at byte %llu claims %u bytes, and no packet has more than %d: the file is damaged there",
		(unsigned long long)packet, (unsigned long long)offset, length, CAPTURE_FRAME);
}

/* The records of a pcap file (draft-ietf-opsawg-pcap section 5 "Packet Record"). A copy for each byte order: the loop
 * follows a chain of lengths, and every instruction on it counts. */
static inline __attribute__((always_inline)) uint32_t read_records(struct capture_reader *reader, const uint8_t *data,
	size_t length, struct capture_record *record, uint32_t count, size_t *used, bool swapped)
{
	const uint64_t unit = reader->interface[0].multiplier;
	const uint32_t fcs = reader->interface[0].fcs;
	uint64_t truncated = 0;
	uint32_t n = 0;
	size_t at = 0;

	while (n < count && length - at >= CAPTURE_RECORD_HEADER) {
		const uint8_t *header = data + at;
		uint32_t seconds = field(header, swapped), fraction = field(header + 4, swapped);
		uint32_t captured = field(header + 8, swapped), wire = field(header + 12, swapped);

		if (__builtin_expect(captured > CAPTURE_FRAME, 0)) {
			fail_record(reader, reader->packets + n + 1, reader->offset + at, captured);
			break;
		}
		if (length - at - CAPTURE_RECORD_HEADER < captured)
			break;
		at += CAPTURE_RECORD_HEADER + captured;
		record[n] = (struct capture_record){ .data = header + CAPTURE_RECORD_HEADER, .length = captured,
			.wire_length = wire > captured ? wire : captured,
			.timestamp = seconds * (uint64_t)1000000000 + fraction * unit };
		if (__builtin_expect(fcs != 0, 0))
			capture_record_trim(reader, &record[n], fcs);
		else
			truncated += wire > captured;
		n++;
	}
	reader->packets += n;
	reader->truncated += truncated;
	reader->offset += at;
	*used += at;
	return n;
}

uint32_t capture_read(struct capture_reader *reader, const uint8_t *data, size_t length, struct capture_record *record,
	uint32_t count, size_t *used)
{
	*used = 0;
	if (reader->error[0] != '\0')
		return 0;
	if (reader->format == CAPTURE_UNKNOWN) {
		*used = read_magic(reader, data, length);
		reader->offset = *used;
	}
	if (reader->format == CAPTURE_PCAPNG)
		return capture_pcapng_read(reader, data, length, record, count, used);
	if (reader->format == CAPTURE_UNKNOWN)
		return 0;
	if (reader->swapped)
		return read_records(reader, data + *used, length - *used, record, count, used, true);
	return read_records(reader, data + *used, length - *used, record, count, used, false);
}

bool capture_reader_end(struct capture_reader *reader, size_t left)
{
	if (reader->error[0] != '\0')
		return false;
	if (reader->offset + left == 0)
		capture_fail(reader, "the file is empty, without even the header of a capture");
	else if (reader->format == CAPTURE_UNKNOWN)
		capture_fail(reader, "cut off: the file ends within its header");
	else if (reader->format == CAPTURE_PCAP && left > 0)
		capture_fail(reader, "cut off: the file ends within packet %llu, which begins at byte %llu",
			(unsigned long long)reader->packets + 1, (unsigned long long)reader->offset);
	else if (left > 0 || reader->skip > 0 || reader->trailer > 0)
		capture_fail(reader, "cut off: the file ends within the block that begins at byte %llu, after packet %llu",
			(unsigned long long)(reader->trailer > 0 ? reader->block : reader->offset),
			(unsigned long long)reader->packets);
	else if (reader->has_other && !reader->has_ethernet)
		fail_link(reader, reader->other_link_type);
	return reader->error[0] == '\0';
}

void capture_write_header(uint8_t *to, uint32_t snaplen)
{
	const uint32_t magic = MAGIC_NANO, link = CAPTURE_ETHERNET;
	const uint16_t version[2] = { 2, 4 };

	memset(to, 0, CAPTURE_FILE_HEADER);
	memcpy(to, &magic, 4);
	memcpy(to + 4, version, 4);
	memcpy(to + 16, &snaplen, 4);
	memcpy(to + 20, &link, 4);
}
