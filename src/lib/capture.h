#pragma once
/* capture -- capture files: pcap and pcapng read, pcap written, over buffers that the caller fills and empties.
 *   source: draft-ietf-opsawg-pcap "PCAP Capture File Format", draft-ietf-opsawg-pcapng "PCAP Now Generic (pcapng)"
 *
 * Read:   capture_reader_init; then for each piece of the file capture_read until it gives fewer records than asked for. What
 *         it did not use stands in front of the next piece. After the last piece capture_reader_end.
 * Write:  capture_write_header, then for each packet capture_write_record and its bytes. */

enum {
	CAPTURE_FRAME = 262144,         /* bytes of the longest packet that is believed: the limit of libpcap and tcpdump */
	CAPTURE_CARRY = 263168,         /* capture_read leaves fewer bytes unused than this when it asks for more */
	CAPTURE_INTERFACES = 1024,      /* of a section of a pcapng file, at most */
	CAPTURE_ETHERNET = 1,           /* the link type that is read */
	CAPTURE_FILE_HEADER = 24,       /* bytes before the first record of a pcap file */
	CAPTURE_RECORD_HEADER = 16,     /* bytes before each packet of a pcap file */
	CAPTURE_TEXT = 192
};

enum capture_format { CAPTURE_UNKNOWN, CAPTURE_PCAP, CAPTURE_PCAPNG };

/* A packet of the file. */
struct capture_record {
	const uint8_t *data;            /* in the caller's buffer; no FCS, even when the file has it */
	uint32_t length;                /* bytes at data; may be 0 */
	uint32_t wire_length;           /* of the whole frame; never less than length */
	uint64_t timestamp;             /* nanoseconds since 1970, at most INT64_MAX; 0: the file does not say */
};

/* How the timestamps of an interface count: ns = (count * multiplier >> shift) / divisor + offset. */
struct capture_interface {
	uint64_t multiplier, divisor;
	int64_t offset_s;               /* added seconds */
	uint32_t snaplen;               /* bytes kept of a packet; 0: all */
	uint16_t link_type;
	uint8_t shift;
	uint8_t fcs;                    /* bytes of FCS at the end of each frame */
};

struct capture_reader {
	enum capture_format format;
	bool swapped;                   /* the present section has the other byte order */
	uint64_t packets;               /* seen so far, those skipped included; the number of the latest one, from 1 */
	uint64_t skipped;               /* of interfaces that are not Ethernet */
	uint64_t truncated;             /* records that hold only a part of their frame */
	uint64_t offset;                /* bytes of the file used */
	char error[CAPTURE_TEXT];       /* why nothing more is read, with the packet's number; "" when all is well */

	/* The rest is its own. */
	uint64_t block;                 /* where the latest block of pcapng begins */
	uint64_t skip;                  /* bytes to pass over without looking at them */
	uint32_t trailer;               /* the block's length that must stand behind them; 0: none */
	uint32_t interface_count;
	bool has_ethernet, has_other;   /* interfaces seen, in any section */
	uint16_t other_link_type;       /* of the first that was not Ethernet */
	struct capture_interface interface[CAPTURE_INTERFACES];
};

/* Begin a file. */
void capture_reader_init(struct capture_reader *reader);

/* Read up to `count` records from a piece of the file.
 *   gives: how many; they point into data. *used: bytes that are done with. Fewer than count: the piece has no more, its rest
 *          (fewer than CAPTURE_CARRY bytes) must stand in front of the next one; or reader->error is set
 *   fails: reader->error says why, after everything before the damage was given; then nothing more is given
 *   cost:  no allocation, no system call; the packets' bytes are not touched */
uint32_t capture_read(struct capture_reader *reader, const uint8_t *data, size_t length, struct capture_record *record,
	uint32_t count, size_t *used);

/* The file has ended, with `left` bytes that capture_read did not use.
 *   gives: true when it was whole and had Ethernet packets or none; else reader->error says what was wrong */
bool capture_reader_end(struct capture_reader *reader, size_t left);

/* Parts of capture_read, not for others: a pcapng file, and a failure (gives 0). */
uint32_t capture_pcapng_read(struct capture_reader *reader, const uint8_t *data, size_t length, struct capture_record *record,
	uint32_t count, size_t *used);
uint32_t capture_fail(struct capture_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* Finish a record: take the FCS off, count a frame that was cut. */
void capture_record_trim(struct capture_reader *reader, struct capture_record *record, uint32_t fcs);

/* Write the 24 bytes that begin a pcap file of Ethernet frames with timestamps in nanoseconds, in this machine's order. */
void capture_write_header(uint8_t *to, uint32_t snaplen);

/* Write the 16 bytes that stand before a packet's bytes. Seconds have 32 bits: they last until the year 2106. */
inline void capture_write_record(uint8_t *to, uint64_t timestamp, uint32_t length, uint32_t wire_length)
{
	uint32_t fields[4] = { (uint32_t)(timestamp / 1000000000u), (uint32_t)(timestamp % 1000000000u), length, wire_length };

	__builtin_memcpy(to, fields, sizeof(fields));
}
