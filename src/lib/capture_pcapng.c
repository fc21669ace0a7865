/* capture_pcapng -- the blocks of a pcapng file; see capture.h. source: draft-ietf-opsawg-pcapng, sections in brackets. */
#include "lib/lib.h"

/* Block types [11.1]. */
enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, OBSOLETE_PACKET = 2, SIMPLE_PACKET = 3, ENHANCED_PACKET = 6 };

/* Bytes before a block's variable part, and the least that a block is long: with the trailing length. */
enum { SECTION_USED = 16, SECTION_LEAST = 28, INTERFACE_HEADER = 16, SIMPLE_HEADER = 12, PACKET_HEADER = 28, TRAILER = 4 };

/* Options of an interface [4.2]. */
enum { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_FCSLEN = 13, OPTION_TSOFFSET = 14 };

static inline uint16_t field16(const struct capture_reader *reader, const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return reader->swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t field32(const struct capture_reader *reader, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return reader->swapped ? __builtin_bswap32(value) : value;
}

static uint32_t fail_block(struct capture_reader *reader, const char *what)
{
	return capture_fail(reader, "the block at byte %llu, after packet %llu, %s: the file is damaged there",
		(unsigned long long)reader->block, (unsigned long long)reader->packets, what);
}

/* The part of a block that was read is done with: the rest is passed over, then its length must come again. */
static uint32_t block_done(struct capture_reader *reader, uint32_t used, uint32_t total)
{
	reader->skip = total - TRAILER - used;
	reader->trailer = total;
	return used;
}

/* Section header [4.1]: sets the byte order; the interfaces of the section before are forgotten. */
static uint32_t read_section(struct capture_reader *reader, const uint8_t *data, size_t length)
{
	uint32_t order, total;

	if (length < SECTION_USED)
		return 0;
	memcpy(&order, data + 8, sizeof(order));
	if (order != 0x1a2b3c4d && order != 0x4d3c2b1a)
		return fail_block(reader, "has no byte order");
	reader->swapped = order == 0x4d3c2b1a;
	total = field32(reader, data + 4);
	if (total < SECTION_LEAST || total % 4 != 0)
		return fail_block(reader, "has an impossible length");
	if (field16(reader, data + 12) != 1)
		return capture_fail(reader, "pcapng version %u.%u: only 1 is read", field16(reader, data + 12),
			field16(reader, data + 14));
	reader->interface_count = 0;
	return block_done(reader, SECTION_USED, total);
}

/* if_tsresol [4.2]: a negative power of 10, or with the highest bit of 2. */
static void set_resolution(struct capture_interface *interface, uint8_t resolution)
{
	uint32_t digits = resolution & 0x7f;

	interface->multiplier = interface->divisor = 1;
	interface->shift = 0;
	if (resolution & 0x80) {
		interface->multiplier = 1000000000;
		interface->shift = (uint8_t)digits;
	} else if (digits > 9 + 19) {           /* a whole 64-bit count is less than two nanoseconds */
		interface->multiplier = 0;
	} else {
		for (; digits < 9; digits++)
			interface->multiplier *= 10;
		for (; digits > 9; digits--)
			interface->divisor *= 10;
	}
}

/* The options of an interface that matter here; each is a 16-bit code, a 16-bit length and a value padded to 32 bits [3.5]. */
static void read_options(const struct capture_reader *reader, struct capture_interface *interface, const uint8_t *at, size_t left)
{
	while (left >= 4) {
		uint32_t code = field16(reader, at), length = field16(reader, at + 2), padded = (length + 3) & ~3u;
		const uint8_t *value = at + 4;

		if (code == OPTION_END || left - 4 < padded)
			return;
		if (code == OPTION_TSRESOL && length == 1)
			set_resolution(interface, value[0]);
		/* The text says bits, its example bytes: 4 and 32 both mean the 4 bytes of Ethernet. */
		if (code == OPTION_FCSLEN && length == 1)
			interface->fcs = value[0] >= 16 ? value[0] / 8 : value[0];
		if (code == OPTION_TSOFFSET && length == 8) {
			uint64_t offset;

			memcpy(&offset, value, sizeof(offset));
			interface->offset_s = (int64_t)(reader->swapped ? __builtin_bswap64(offset) : offset);
		}
		at += 4 + padded;
		left -= 4 + padded;
	}
}

/* Interface description [4.2]. */
static uint32_t read_interface(struct capture_reader *reader, const uint8_t *data, size_t length, uint32_t total)
{
	struct capture_interface *interface = &reader->interface[reader->interface_count];

	if (total < INTERFACE_HEADER + TRAILER || total > CAPTURE_FRAME)
		return fail_block(reader, "describes an interface in an impossible length");
	if (reader->interface_count == CAPTURE_INTERFACES)
		return capture_fail(reader, "more than %d interfaces in a section", CAPTURE_INTERFACES);
	if (length < total)
		return 0;
	*interface = (struct capture_interface){ .multiplier = 1000, .divisor = 1, .link_type = field16(reader, data + 8),
		.snaplen = field32(reader, data + 12) };
	read_options(reader, interface, data + INTERFACE_HEADER, total - TRAILER - INTERFACE_HEADER);
	reader->interface_count++;
	if (interface->link_type == CAPTURE_ETHERNET) {
		reader->has_ethernet = true;
	} else if (!reader->has_other) {
		reader->has_other = true;
		reader->other_link_type = interface->link_type;
	}
	return block_done(reader, total - TRAILER, total);
}

/* A count of the interface's clock in nanoseconds, kept within 0..INT64_MAX whatever the file says. */
static inline uint64_t nanoseconds(const struct capture_interface *interface, uint64_t count)
{
	unsigned __int128 wide = (unsigned __int128)count * interface->multiplier >> interface->shift;
	__int128 ns;

	if (__builtin_expect(interface->divisor != 1, 0))
		wide /= interface->divisor;
	ns = (__int128)wide + (__int128)interface->offset_s * 1000000000;
	if (__builtin_expect(ns < 0, 0))
		return 0;
	return ns > INT64_MAX ? INT64_MAX : (uint64_t)ns;
}

/* The packet of a block: of which interface, how long; whether all of it is in the piece. */
struct packet_block {
	const uint8_t *data;
	uint32_t interface, captured, wire;
	uint64_t count;                 /* of the interface's clock */
	bool has_time;
};

/* Enhanced packet [4.3] and obsolete packet [A], which differ in the width of the interface's number; simple packet [4.4],
 * which has no more than its original length.
 *   gives: bytes of the block's header; 0 when it is damaged or more bytes are needed */
static inline uint32_t read_packet_header(struct capture_reader *reader, const uint8_t *data, size_t length, uint32_t type,
	uint32_t total, struct packet_block *packet)
{
	uint32_t header = type == SIMPLE_PACKET ? SIMPLE_HEADER : PACKET_HEADER, most = total - header - TRAILER;

	*packet = (struct packet_block){ .data = data + header };
	if (total < header + TRAILER)
		return fail_block(reader, "is shorter than a packet's header");
	if (length < header)
		return 0;
	if (type != SIMPLE_PACKET) {
		packet->interface = type == ENHANCED_PACKET ? field32(reader, data + 8) : field16(reader, data + 8);
		packet->count = (uint64_t)field32(reader, data + 12) << 32 | field32(reader, data + 16);
		packet->captured = field32(reader, data + 20);
		packet->wire = field32(reader, data + 24);
		packet->has_time = true;
	}
	if (packet->interface >= reader->interface_count)
		return fail_block(reader, "has a packet of an interface that is not described");
	if (type == SIMPLE_PACKET) {
		uint32_t snaplen = reader->interface[0].snaplen;

		packet->wire = packet->captured = field32(reader, data + 8);
		if (snaplen != 0 && packet->captured > snaplen)
			packet->captured = snaplen;
		if (packet->captured > most)
			packet->captured = most;
	}
	if (packet->captured > most || packet->captured > CAPTURE_FRAME)
		return fail_block(reader, "claims a packet that is longer than itself or than any");
	return length - header < packet->captured ? 0 : header;
}

/* A block that holds a packet. gives: bytes used; *n is one more when it is an Ethernet packet */
static inline uint32_t read_packet(struct capture_reader *reader, const uint8_t *data, size_t length, uint32_t type,
	uint32_t total, struct capture_record *record, uint32_t *n)
{
	const struct capture_interface *interface;
	struct packet_block packet;
	uint32_t header = read_packet_header(reader, data, length, type, total, &packet);

	if (header == 0)
		return 0;
	reader->packets++;
	interface = &reader->interface[packet.interface];
	if (interface->link_type != CAPTURE_ETHERNET) {
		reader->skipped++;
	} else {
		*record = (struct capture_record){ .data = packet.data, .length = packet.captured, .wire_length = packet.wire,
			.timestamp = packet.has_time ? nanoseconds(interface, packet.count) : 0 };
		capture_record_trim(reader, record, interface->fcs);
		(*n)++;
	}
	return block_done(reader, header + packet.captured, total);
}

/* The next block. gives: bytes used; 0 when more are needed or the file is damaged */
static inline uint32_t read_block(struct capture_reader *reader, const uint8_t *data, size_t length, struct capture_record *record,
	uint32_t *n)
{
	uint32_t type, total;

	if (length < 8)
		return 0;
	type = field32(reader, data);
	if (type == SECTION)
		return read_section(reader, data, length);
	total = field32(reader, data + 4);
	if (total < 12 || total % 4 != 0)
		return fail_block(reader, "has an impossible length");
	if (type == ENHANCED_PACKET || type == SIMPLE_PACKET || type == OBSOLETE_PACKET)
		return read_packet(reader, data, length, type, total, record, n);
	if (type == INTERFACE)
		return read_interface(reader, data, length, total);
	return block_done(reader, 8, total);    /* names, statistics, comments, secrets: nothing for packets */
}

/* Finish the block before: pass over what is left of it, and see its length again [3.1].
 *   gives: false when that needs more bytes or fails; *at moves on */
static inline bool finish_block(struct capture_reader *reader, const uint8_t *data, size_t length, size_t *at)
{
	size_t pass = reader->skip < length - *at ? reader->skip : length - *at;

	*at += pass;
	reader->skip -= pass;
	if (reader->skip > 0)
		return false;
	if (reader->trailer != 0) {
		if (length - *at < TRAILER)
			return false;
		if (field32(reader, data + *at) != reader->trailer)
			return fail_block(reader, "ends with another length than it begins with") != 0;
		*at += TRAILER;
		reader->trailer = 0;
	}
	return true;
}

uint32_t capture_pcapng_read(struct capture_reader *reader, const uint8_t *data, size_t length, struct capture_record *record,
	uint32_t count, size_t *used)
{
	uint64_t before = reader->offset;
	uint32_t n = 0, block;
	size_t at = 0;

	while (n < count && finish_block(reader, data, length, &at)) {
		reader->block = before + at;
		block = read_block(reader, data + at, length - at, &record[n], &n);
		if (block == 0)
			break;
		at += block;
	}
	reader->offset = before + at;
	*used = at;
	return n;
}
