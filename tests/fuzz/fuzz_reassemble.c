/* fuzz_reassemble -- fragments of hostile hosts through ip.reassemble4 and ip.reassemble6, time and reloads between them.
 *
 *      byte 0: bit 0: IPv6; bit 1: whose header; bits 2..7: limits; then steps, one byte: bits 0, 1: what; bits 2..7: how much
 *          0: a frame: two bytes with its length, low first, and its bytes
 *          1: a fragment that is made here: its datagram (bits 2..7), place, length (each in units of 8 bytes), and flags:
 *             bit 0: more fragments; bit 1: another content; bit 2: a byte less
 *          2: time goes on by 2^(bits 2..7, at most 38) ns
 *          3: a packet, made here of `how much` times 50 bytes, through the fragmenter first: it must come out as it was
 *
 * Of fragments that were made here, and of no others, a whole datagram must have bytes that belong where they are, all of one
 * content, or of pieces that came as they are, and must end where a last fragment ended. After each step the ledger is checked. */
#include "apps/apps.h"
#include "lib/lib.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME, MADE, TIME, CUT, FRAME_MOST = 2000, KEYS = 64, UNITS = 256, CUT_ID = 0xc000, LAST_MOST = 8192 };

static struct link links[4];            /* the reassembler's input and outputs; the fragmenter's input */
static uint64_t given, taken;
static bool is_six, has_foreign;
static uint8_t ends[KEYS][UNITS * 8 * 2];       /* where a last fragment ended, by datagram */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 512, -1) >= 0 &&
		memory_segment_add(0, PACKET_JUMBO, 16, -1) >= 0 && memory_worker_start(0) == 0, "no packet memory");
	return 0;
}

static struct value_entry number(const char *key, uint32_t value)
{
	return (struct value_entry){ { VALUE_STRING, (uint32_t)strlen(key), { .string = key } }, { VALUE_NUMBER, 0, { .number = value } } };
}

static struct value_entry text(const char *key, const char *value)
{
	return (struct value_entry){ { VALUE_STRING, (uint32_t)strlen(key), { .string = key } },
		{ VALUE_STRING, (uint32_t)strlen(value), { .string = value } } };
}

static struct app *make(const char *class, struct value_entry *entries, uint32_t count)
{
	const struct value params = { VALUE_TABLE, count, { .entry = entries } };
	struct errors errors = { 0 };
	struct app *app = app_new(app_class_find(class), "x", &params, "", NULL, NULL, &errors);

	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	nf_assert(app->class->prepare(app, NULL) == 0, "%s", nf_error());
	return app;
}

/* What stands at a place of a datagram. */
static uint8_t content(uint32_t key, uint32_t at, bool other)
{
	return (uint8_t)(key * 31 + at * 7 + at / 256 + (other ? 128 : 0));
}

/* Where an IP packet's payload begins in its frame, and how long the packet is. */
static uint32_t payload_of(const struct packet *p, uint32_t *whole)
{
	const struct ipv4 *four = ethernet_ipv4(p->data, p->length);
	const struct ipv6 *six = ethernet_ipv6(p->data, p->length);

	*whole = four != NULL ? ETHERNET_HEADER + ipv4_total_length(four) :
		six != NULL ? ETHERNET_HEADER + IPV6_HEADER + ipv6_payload_length(six) : 0;
	return four != NULL ? ETHERNET_HEADER + ipv4_header_length(four) : ETHERNET_HEADER + IPV6_HEADER;
}

/* A whole datagram of fragments made here. */
static void check_whole(const struct packet *p)
{
	uint32_t whole, begin = payload_of(p, &whole), key = p->data[begin - 1];

	nf_assert(whole == p->length, "a frame of %u bytes for a packet of %u", p->length, whole);
	nf_assert(key < KEYS && whole - begin < sizeof(ends[0]) && ends[key][whole - begin], "no fragment ended there");
	for (uint32_t i = begin; i < whole; i++)
		nf_assert(p->data[i] == content(key, i - begin, false) || p->data[i] == content(key, i - begin, true), "byte %u", i - begin);
	if (!is_six)
		nf_assert(ipv4_has_checksum((const struct ipv4 *)(p->data + ETHERNET_HEADER)), "the header's checksum");
}

/* Push, and take what comes out; expected: exactly this packet, unless NULL. */
static void push(struct app *app, const uint8_t *expected, uint32_t length)
{
	uint32_t seen = 0;

	while (link_waiting(&links[0]) > 0)
		app->class->push(app);
	app->class->push(app);
	while (link_waiting(&links[1]) > 0) {
		struct packet *p = link_receive(&links[1]);

		if (expected != NULL) {
			nf_assert(p->length == length && memcmp(p->data, expected, length) == 0, "cut and joined is not what it was");
			seen++;
		} else if (!has_foreign) {
			check_whole(p);
		}
		taken++;
		packet_free(p);
	}
	nf_assert(expected == NULL || seen == 1, "cut and joined came out %u times", seen);
	while (link_waiting(&links[2]) > 0) {
		packet_free(link_receive(&links[2]));
		taken++;
	}
}

static void send_bytes(const uint8_t *bytes, uint32_t length)
{
	struct packet *p = packet_alloc_length(length);

	nf_assert(p != NULL && packet_set(p, bytes, length), "out of memory");
	link_send(&links[0], p);
	given++;
}

/* Write headers for a payload: the last byte of the destination is the datagram's number. gives: where the payload begins */
static uint32_t write_headers(uint8_t *frame, uint32_t key, uint32_t id, uint32_t offset, uint32_t length, bool more, bool fragment)
{
	uint32_t at = ETHERNET_HEADER;

	memset(frame, 2, ETHERNET_HEADER - 2);
	bytes_write16(frame + ETHERNET_HEADER - 2, is_six ? ETHERNET_IPV6 : ETHERNET_IPV4);
	if (!is_six) {
		struct ipv4 *ip = (struct ipv4 *)(frame + at);

		*ip = (struct ipv4){ .version_ihl = 0x45, .total_be = bytes_swap16((uint16_t)(IPV4_HEADER + length)), .ttl = 64, .protocol = IP_UDP,
			.id_be = bytes_swap16((uint16_t)id), .fragment_be = bytes_swap16((uint16_t)(offset / 8 | (more ? IPV4_MF : 0))),
			.src_be = 1, .dst_be = bytes_swap32(0x0a000000 | key) };
		ipv4_set_checksum(ip);
		return at + IPV4_HEADER;
	}
	memset(frame + at, 0, IPV6_HEADER);
	frame[at] = 0x60;
	bytes_write16(frame + at + 4, (uint16_t)(length + (fragment ? FRAGMENT_HEADER : 0)));
	frame[at + 6] = fragment ? IP_FRAGMENT : IP_UDP;
	frame[at + 7] = 64;
	frame[at + 8] = 0x20;
	frame[at + 39] = (uint8_t)key;
	at += IPV6_HEADER;
	if (!fragment)
		return at;
	frame[at] = IP_UDP;
	frame[at + 1] = 0;
	bytes_write16(frame + at + 2, (uint16_t)(offset | more));
	bytes_write32(frame + at + 4, id);
	return at + FRAGMENT_HEADER;
}

static void send_made(struct app *app, uint32_t key, uint32_t place, uint32_t units, uint32_t flags)
{
	uint8_t frame[ETHERNET_HEADER + IPV6_HEADER + FRAGMENT_HEADER + UNITS * 8];
	uint32_t length = units * 8, at;

	if (flags & 4 && length > 0)
		length--;
	at = write_headers(frame, key, key, place * 8, length, flags & 1, true);
	for (uint32_t i = 0; i < length; i++)
		frame[at + i] = content(key, place * 8 + i, flags & 2);
	if (!(flags & 1))
		ends[key][place * 8 + length] = 1;
	send_bytes(frame, at + length);
	push(app, NULL, 0);
}

/* A packet of its own, in a datagram that nothing else belongs to. */
static void send_cut(struct app *app, struct app *fragmenter, uint32_t length)
{
	static uint8_t frame[LAST_MOST];
	static uint32_t id;
	uint32_t at = write_headers(frame, KEYS, 0, 0, length, false, false);
	struct packet *p;

	for (uint32_t i = 0; i < length; i++)
		frame[at + i] = content(id, i, false);
	p = packet_alloc_length(at + length);
	nf_assert(p != NULL && packet_set(p, frame, at + length), "out of memory");
	id++;
	fragmenter->input[0] = &links[3];
	fragmenter->output[0] = &links[0];
	link_send(&links[3], p);
	given++;
	fragmenter->class->push(fragmenter);
	if (!is_six)
		memcpy(frame + ETHERNET_HEADER + 4, link_peek(&links[0], 0)->data + ETHERNET_HEADER + 4, 2);
	if (!is_six)
		ipv4_set_checksum((struct ipv4 *)(frame + ETHERNET_HEADER));
	push(app, frame, at + length);
}

static void check(const struct app *app, const struct app *fragmenter)
{
	uint64_t dropped = 0, held = app->class->held(app);

	for (uint32_t i = 0; i < app->reason_count + APP_REASONS; i++)
		dropped += app->reason[i];
	for (uint32_t i = 0; i < fragmenter->reason_count; i++)
		dropped += fragmenter->reason[i];
	nf_assert(given + app->created + fragmenter->created == dropped + app->consumed + taken + held, "the ledger");
	nf_assert(memory_in_use() == held, "a packet is missing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;
	struct app *app, *fragmenter;
	uint32_t limit;

	if (length == 0)
		return 0;
	given = taken = 0;
	has_foreign = false;
	memset(ends, 0, sizeof(ends));
	clock_set(clock_now() + 1);
	is_six = *data & 1;
	limit = 1 + (*data >> 2);
	app = make(is_six ? "ip.reassemble6" : "ip.reassemble4", (struct value_entry[]){ number("datagrams", limit),
		number("fragments", limit + 150), number("fragments_per_datagram", 140), text("header", *data & 2 ? "offset" : "arrived"),
		text("error_source", is_six ? "2001:db8::1" : "10.0.0.1") }, 5);
	app->input[0] = &links[0];
	app->output[0] = &links[1];
	app->output[1] = &links[2];
	app->class->commit(app, NULL);
	fragmenter = make(is_six ? "ip.fragment6" : "ip.fragment4", (struct value_entry[]){ number("mtu", is_six ? 1280 : 68 + limit) }, 1);
	fragmenter->class->commit(fragmenter, NULL);
	for (data++; end - data >= 4;) {
		uint32_t what = *data & 3, much = *data >> 2, bytes = data[1] | (uint32_t)data[2] << 8;

		if (what == FRAME) {
			data += 3;
			if (bytes > FRAME_MOST)
				bytes = FRAME_MOST;
			if (bytes > (size_t)(end - data))
				bytes = (uint32_t)(end - data);
			has_foreign = true;
			send_bytes(data, bytes);
			push(app, NULL, 0);
			data += bytes;
		} else if (what == MADE) {
			send_made(app, much, data[1], data[2], data[3]);
			data += 4;
		} else if (what == TIME) {
			clock_set(clock_now() + (1ull << (much < 38 ? much : 38)));
			push(app, NULL, 0);
			data++;
		} else {
			send_cut(app, fragmenter, 1 + much * 50);
			data++;
		}
		check(app, fragmenter);
	}
	app->class->stop(app);
	check(app, fragmenter);
	app->class->retire(app);
	app_delete(app);
	app_delete(fragmenter);
	return 0;
}
