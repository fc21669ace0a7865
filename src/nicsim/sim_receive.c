/* sim_receive -- frames into the rings of receive queues.
 * source: 82599 datasheet 7.1.4 "Receive Data Storage in System Memory" to 7.1.9 "Receive Descriptor Queue Structure" */
#include "nicsim/sim_dma.h"
#include "nicsim/sim_write_back.h"

#include "lib/lib.h"

enum { DESCRIPTOR = 16, GIVEN_SLOTS = 1 << 17, WAIT_NS = 1000000000, ACCESSES = 100 };
#define LONG_WAIT_NS 10000000000ULL

/* Legacy status and errors, bytes 4 and 5 of the second half; source: 7.1.5 "Legacy Receive Descriptor Format" */
enum { DD = 1, EOP = 2, VP = 8, UDPCS = 16, L4CS = 32, IPCS = 64, PIF = 128 };
enum { LEGACY_RXE = 1, LEGACY_L4E = 64, LEGACY_IPE = 128 };
/* Advanced: the extended error's bits in the word of status and errors; source: 7.1.6.2 */
enum { UDPV = 1 << 10, LB = 1 << 18, RXE = 1 << 29, L4E = 1 << 30 };
#define IPE (1U << 31)
/* Packet types, from bit 4 of the first word. */
enum { TYPE_IPV4 = 1 << 4, TYPE_IPV4E = 1 << 5, TYPE_IPV6 = 1 << 6, TYPE_IPV6E = 1 << 7, TYPE_TCP = 1 << 8, TYPE_UDP = 1 << 9, TYPE_SCTP = 1 << 10 };

/* --- the set of buffers that the card holds: an open hash of addresses ------------------------------------------------ */

static uint64_t given_place(const struct sim_card *card, uint64_t address)
{
	uint64_t i = address * 0x9e3779b97f4a7c15ULL >> 47;

	while (card->given[i] != 0 && card->given[i] != address)
		i = (i + 1) % GIVEN_SLOTS;
	return i;
}

/* gives: false when it was there already */
static bool give(struct sim_card *card, uint64_t address)
{
	uint64_t i;

	if (!card->sim->deep || card->given_count >= GIVEN_SLOTS / 2)
		return true;
	if (card->given == NULL)
		card->given = calloc(GIVEN_SLOTS, sizeof(uint64_t));
	if (card->given == NULL)
		return true;
	i = given_place(card, address);
	if (card->given[i] != 0)
		return false;
	card->given[i] = address;
	card->given_count++;
	return true;
}

static void take(struct sim_card *card, uint64_t address)
{
	uint64_t hole, i, home;

	if (card->given == NULL || card->given[i = given_place(card, address)] == 0)
		return;
	card->given_count--;
	/* Close the gap: move back what would not be found behind it. */
	for (hole = i; ; ) {
		i = (i + 1) % GIVEN_SLOTS;
		if (card->given[i] == 0)
			break;
		home = card->given[i] * 0x9e3779b97f4a7c15ULL >> 47;
		if ((i - home) % GIVEN_SLOTS >= (i - hole) % GIVEN_SLOTS) {
			card->given[hole] = card->given[i];
			hole = i;
		}
	}
	card->given[hole] = 0;
}

void sim_receive_forget_all(struct sim_card *card)
{
	if (card->given_count > 0)
		memset(card->given, 0, GIVEN_SLOTS * sizeof(uint64_t));
	card->given_count = 0;
}

/* Remember which buffer a descriptor gave: the driver's memory does not tell it later, when the queue is off and its ring reused. */
static void hold(struct sim_queue *queue, uint32_t i, uint64_t address)
{
	if (!queue->card->sim->deep)
		return;
	if (queue->held_count < queue->count) {
		free(queue->held);
		queue->held = calloc(queue->count, sizeof(uint64_t));
		queue->held_count = queue->held != NULL ? queue->count : 0;
	}
	if (i < queue->held_count)
		queue->held[i] = address;
}

/* A descriptor's buffer is the driver's again. */
static void release(struct sim_queue *queue, uint32_t i)
{
	if (i >= queue->held_count)
		return;
	take(queue->card, queue->held[i]);
	queue->held[i] = 0;
}

/* A descriptor that the driver gives to the card: judge it. */
static void check_given(struct sim_queue *queue, uint32_t i)
{
	struct sim_card *card = queue->card;
	const uint64_t *d = sim_dma(card, queue->base + (uint64_t)i * DESCRIPTOR, DESCRIPTOR, "a receive descriptor");

	if (d == NULL)
		return;
	if (d[0] == 0)
		sim_judge(card, SIM_RULE_BUFFER_NULL, "receive queue %u descriptor %u", queue->number, i);
	else if (!give(card, d[0]))
		sim_judge(card, SIM_RULE_BUFFER_TWICE, "receive queue %u descriptor %u: 0x%llx", queue->number, i, (unsigned long long)d[0]);
	hold(queue, i, d[0]);
	/* DD is the lowest bit of the header buffer's address, or of the legacy status. */
	if (d[1] >> (queue->is_legacy ? 32 : 0) & DD)
		sim_judge(card, SIM_RULE_STALE_DD, "receive queue %u descriptor %u", queue->number, i);
}

void sim_receive_given(struct sim_queue *queue, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i != to; i = i + 1 == queue->count ? 0 : i + 1)
		check_given(queue, i);
}

/* A queue whose ENABLE was cleared goes on storing into the descriptors that it has fetched; when the bit reads 0 it has ended, and
 * what lies between head and tail is the driver's to use again, also in another queue. Not before: a buffer that is given again while
 * ENABLE still reads 1 is there twice.
 * source: 82599 datasheet 4.6.7.1 "Dynamic Enabling and Disabling of Receive Queues"; 82576 datasheet 4.5.9.2, the same */
void sim_receive_forget(struct sim_queue *queue)
{
	for (uint32_t i = queue->head; queue->count > 0 && i != queue->tail; i = i + 1 == queue->count ? 0 : i + 1)
		release(queue, i);
}

/* --- descriptors ------------------------------------------------------------------------------------------------------- */

/* What both formats say of a frame: status bits 0 to 10. */
static uint32_t status_of(const struct sim_frame *f, uint32_t checks, bool stripped)
{
	uint32_t status = 0;

	if (f->has_vlan && stripped)
		status |= VP;
	if (f->is_ipv4 && checks & SIM_CHECK_IP)
		status |= IPCS;
	if (f->l4_present)
		status |= L4CS | (f->is_udp ? UDPCS : 0);
	if (f->data[0] & 1 && !(f->data[0] == 0xff && f->data[1] == 0xff))
		status |= PIF;
	return status;
}

/* The upper half; the lower one, the address, stays. */
static uint64_t legacy_high(const struct sim_frame *f, uint32_t status, uint32_t length, bool last, uint16_t vlan)
{
	uint32_t errors = (f->bad_crc ? LEGACY_RXE : 0) | (f->l4_bad ? LEGACY_L4E : 0) | (f->ip_bad ? LEGACY_IPE : 0);
	uint64_t word = length | (uint64_t)(DD | (last ? EOP | (status & 0xff) : 0)) << 32;

	return last ? word | (uint64_t)errors << 40 | (uint64_t)vlan << 48 : word;
}

static uint32_t packet_type(const struct sim_frame *f)
{
	uint32_t type = 0;

	if (f->is_ipv4)
		type |= TYPE_IPV4 | (f->has_options ? TYPE_IPV4E : 0);
	if (f->is_ipv6)
		type |= TYPE_IPV6 | (f->has_options ? TYPE_IPV6E : 0);
	return type | (f->is_tcp ? TYPE_TCP : 0) | (f->is_udp ? TYPE_UDP : 0) | (f->is_sctp ? TYPE_SCTP : 0);
}

static uint64_t advanced_low(const struct sim_frame *f, bool last)
{
	return last ? (uint64_t)f->rss_hash << 32 | packet_type(f) | f->rss_type : 0;
}

static uint64_t advanced_high(const struct sim_frame *f, uint32_t status, uint32_t length, bool last, uint16_t vlan)
{
	uint64_t word = DD | (uint64_t)length << 32;

	if (!last)
		return word;
	return word | EOP | status | (f->is_own ? LB : 0) | (f->bad_crc ? RXE : 0) | (f->l4_bad ? L4E : 0) | (f->ip_bad ? IPE : 0) |
		(uint64_t)vlan << 48;
}

/* Fill one buffer and complete its descriptor. fails: false after a violation */
static bool fill(struct sim_queue *queue, const struct sim_frame *f, uint32_t status, const uint8_t *data, uint32_t length,
	bool last, uint16_t vlan)
{
	struct sim_card *card = queue->card;
	uint64_t *d = sim_dma(card, queue->base + (uint64_t)queue->head * DESCRIPTOR, DESCRIPTOR, "a receive descriptor");

	if (d == NULL)
		return false;
	if (queue->head < queue->held_count && queue->held[queue->head] != d[0])
		sim_judge(card, SIM_RULE_DESCRIPTOR_CHANGED, "receive queue %u descriptor %u: the buffer is 0x%llx, it was 0x%llx", queue->number,
			queue->head, (unsigned long long)d[0], (unsigned long long)queue->held[queue->head]);
	release(queue, queue->head);
	if (!sim_dma_write(card, d[0] & ~1ULL, data, length, "a receive buffer"))
		return false;
	queue->head = queue->head + 1 == queue->count ? 0 : queue->head + 1;
	if (queue->is_legacy)
		sim_write_back_add(queue, d, 0, legacy_high(f, status, length, last, vlan));
	else
		sim_write_back_add(queue, d, advanced_low(f, last), advanced_high(f, status, length, last, vlan));
	return true;
}

static uint64_t accesses(const struct sim_card *card)
{
	return card->counts.reads + card->counts.writes;
}

/* Has a driver had its time since then? It has touched the card often enough, so it is not just starting on a busy machine. */
static bool is_late(const struct sim_card *card, uint64_t since_ns, uint64_t since_accesses)
{
	uint64_t passed = card->sim->now_ns - since_ns;

	return passed > LONG_WAIT_NS || (passed > WAIT_NS && accesses(card) - since_accesses > ACCESSES);
}

/* Frames come or wait, and there is no descriptor. A driver that has never moved its tail again will not do it now. */
static void check_waiting(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;

	if (queue->waiting_ns == 0) {
		queue->waiting_ns = card->sim->now_ns;
		queue->waiting_accesses = accesses(card);
	} else if (!queue->tail_moved && is_late(card, queue->waiting_ns, queue->waiting_accesses)) {
		sim_judge(card, SIM_RULE_TAIL_WAITS, "receive queue %u: %u of %u descriptors are left", queue->number,
			sim_ring_waiting(queue), queue->count);
		queue->waiting_ns = 0;
	}
}

/* A frame that finds no descriptor. */
static void starve(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;

	check_waiting(queue);
	queue->dropped++;
	card->counts.no_descriptor++;
	card->kind->count_missed(card, queue);
}

/* Put a frame into a queue: `data` is as it is stored. */
static void deliver(struct sim_queue *queue, const struct sim_frame *f, const uint8_t *data, uint32_t length, bool stripped)
{
	struct sim_card *card = queue->card;
	uint32_t needs = (length + queue->buffer - 1) / queue->buffer;
	uint32_t status = status_of(f, card->kind->checks(card), stripped);
	uint16_t vlan = f->has_vlan && stripped ? f->vlan : 0;

	if (sim_ring_waiting(queue) < needs) {
		starve(queue);
		return;
	}
	for (uint32_t at = 0; at < length; at += queue->buffer) {
		uint32_t part = length - at < queue->buffer ? length - at : queue->buffer;

		if (!fill(queue, f, status, data + at, part, at + part == length, vlan))
			return;
	}
	queue->packets++;
	queue->bytes += length;
	card->kind->count_queue(card, queue, length);
}

/* The frame as a queue gets it: without its tag, with its FCS. gives: its length; *data: in `copy` when it was changed */
static uint32_t shape(const struct sim_card *card, const struct sim_frame *f, bool strip_vlan, uint8_t *copy, const uint8_t **data)
{
	uint32_t length = f->length;
	bool strips_crc = card->kind->strips_crc(card);

	*data = f->data;
	if (!strip_vlan && strips_crc)
		return length;
	memcpy(copy, f->data, length);
	*data = copy;
	if (strip_vlan) {
		memmove(copy + 12, copy + 16, length - 16);
		length -= 4;
	}
	if (!strips_crc) {
		uint32_t crc = sim_parse_crc(f->data, f->length) ^ (f->bad_crc ? 1 : 0);

		memcpy(copy + length, &crc, SIM_FCS);
		length += SIM_FCS;
	}
	return length;
}

static void deliver_all(struct sim_card *card, struct sim_frame *f)
{
	static uint8_t copy[SIM_FRAME + 64];
	const struct sim_kind *kind = card->kind;
	bool any = false;

	for (uint32_t i = 0; i < f->queue_count; i++) {
		struct sim_queue *queue = &card->receive[f->queue[i]];
		bool strip = f->has_vlan && (kind->strips_vlan != NULL ? kind->strips_vlan(queue, f) : queue->strips_vlan);
		const uint8_t *data;
		uint32_t length;

		if (!queue->enabled || queue->count == 0 || queue->buffer == 0)
			continue;
		any = true;
		length = shape(card, f, strip, copy, &data);
		deliver(queue, f, data, length, strip);
	}
	card->counts.no_queue += !any;
}

void sim_receive_own(struct sim_card *card, struct sim_frame *frame)
{
	if (!card->kind->receives(card))
		return;
	frame->is_own = true;
	card->counts.looped++;
	deliver_all(card, frame);
}

/* Frames come, or wait on a lossless wire, while reception is off: that is no fault of the driver's while it starts, but it is when it
 * has given buffers and never switches it on. */
static void check_off(struct sim_card *card)
{
	bool given = false;

	for (uint32_t i = 0; i < card->receive_active; i++)
		given |= card->receive[i].enabled && sim_ring_waiting(&card->receive[i]) > 0;
	if (given && card->off_ns == 0) {
		card->off_ns = card->sim->now_ns;
		card->off_accesses = accesses(card);
	} else if (given && is_late(card, card->off_ns, card->off_accesses)) {
		sim_judge(card, SIM_RULE_RECEIVE_OFF, "%llu frames lost", (unsigned long long)card->counts.not_ready);
		card->off_ns = 0;
	}
}

bool sim_receive_is_on(struct sim_card *card)
{
	bool is_on = card->kind->receives(card);

	if (!is_on)
		check_off(card);
	return is_on;
}

uint32_t sim_receive_room(struct sim_card *card)
{
	uint32_t longest = card->kind->longest(card) + SIM_FCS, room = UINT32_MAX;

	if (!card->link || card->faults.vanished)
		return 0;
	for (uint32_t i = 0; i < card->receive_active; i++) {
		struct sim_queue *queue = &card->receive[i];
		uint32_t frames;

		if (!queue->enabled)
			continue;
		frames = sim_ring_waiting(queue) / (queue->buffer > 0 ? longest / queue->buffer + 1 : 1);
		room = frames < room ? frames : room;
		if (frames > 0)
			queue->waiting_ns = 0;
		else
			check_waiting(queue);
	}
	return room;
}

void sim_receive(struct sim_card *card, const uint8_t *data, uint32_t length, const struct sim_frame *parsed)
{
	const struct sim_kind *kind = card->kind;
	struct sim_frame frame;

	if (length < 14 || length > SIM_FRAME - SIM_FCS) {
		card->counts.length_errors++;
		return;
	}
	if (!card->link || card->faults.vanished) {
		card->counts.not_ready++;
		return;
	}
	if (parsed != NULL)
		memcpy(&frame, parsed, offsetof(struct sim_frame, queue));
	else
		memset(&frame, 0, offsetof(struct sim_frame, queue));
	frame.data = data;
	frame.length = length;
	frame.is_long = length > kind->longest(card);
	frame.bad_crc = card->faults.crc_errors > 0;
	card->faults.crc_errors -= frame.bad_crc;
	if (!kind->receives(card)) {
		kind->count_receive(card, &frame);
		check_off(card);
		card->counts.not_ready++;
		return;
	}
	if (parsed == NULL)
		sim_parse(&frame, kind->vlan_type(card), kind->checks(card));
	kind->steer(card, &frame);
	kind->count_receive(card, &frame);
	card->counts.crc_errors += frame.bad_crc;
	card->counts.length_errors += frame.is_long;
	if (frame.queue_count == 0) {
		card->counts.filtered++;
		return;
	}
	card->counts.received++;
	deliver_all(card, &frame);
}
