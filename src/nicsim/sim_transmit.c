/* sim_transmit -- descriptors of transmit queues into frames.
 * source: 82599 datasheet 7.2.3 "Transmit Descriptors" with its sections on legacy and advanced descriptors and on write-back */
#include "nicsim/sim.h"

#include "nicsim/sim_offload.h"
#include "nicsim/sim_wire.h"

enum {
	DESCRIPTOR = 16, PARTS = 40,    /* descriptors of one packet, at most: 7.2.1.1 "Transmit Storage in System Memory" */
	SHORTEST = 17,                  /* 7.2.1.1: bytes of a packet before padding */
	PADDED = 60,
	AHEAD = 4                       /* descriptors */
};

/* DCMD, bits 24 to 31 of the second half's first word, in both formats. */
enum { EOP = 1 << 24, IFCS = 1 << 25, IC = 1 << 26, RS = 1 << 27, DEXT = 1 << 29, VLE = 1 << 30 };
#define TSE (1U << 31)
enum { TYPE_CONTEXT = 2, TYPE_DATA = 3 };
enum { IXSM = 1, TXSM = 2 };            /* POPTS */
#define STATUS_DD (1ULL << 32)

/* A packet as its descriptors say it. */
struct assembly {
	struct sim_queue *queue;
	uint32_t begin, end, count;     /* descriptors, without contexts before it */
	uint32_t length;
	bool is_legacy, reports, broken;
	uint32_t first_command, last_command, high;     /* words; high: the second half's upper word of the first descriptor */
	struct { uint64_t address; uint32_t length; } part[PARTS];
};

static uint32_t next(const struct sim_queue *queue, uint32_t i)
{
	return i + 1 == queue->count ? 0 : i + 1;
}

static uint64_t *descriptor(struct sim_queue *queue, uint32_t i)
{
	return sim_dma(queue->card, queue->base + (uint64_t)i * DESCRIPTOR, DESCRIPTOR, "a transmit descriptor");
}

static bool is_context(const uint64_t *d)
{
	return (uint32_t)d[1] & DEXT && sim_bits((uint32_t)d[1], 20, 4) == TYPE_CONTEXT;
}

/* source: 7.2.3.2.3 "Advanced Transmit Context Descriptor" */
static void load_context(struct sim_queue *queue, const uint64_t *d)
{
	uint32_t high = (uint32_t)(d[1] >> 32);

	queue->context[sim_bits(high, 4, 1)] = (struct sim_context){
		.valid = true, .vlan = (uint16_t)(d[0] >> 16), .mac_length = (uint16_t)sim_bits((uint32_t)d[0], 9, 7),
		.ip_length = (uint16_t)sim_bits((uint32_t)d[0], 0, 9), .mss = (uint16_t)(high >> 16),
		.l4_length = (uint8_t)(high >> 8), .flags = (uint32_t)d[1]
	};
}

/* --- what is done ------------------------------------------------------------------------------------------------------- */

/* Say that a descriptor is done: DD in it, or the head in memory. */
static void report(struct sim_queue *queue, uint32_t i)
{
	struct sim_card *card = queue->card;
	uint64_t *d = descriptor(queue, i);

	if (d == NULL)
		return;
	if (queue->write_back != 0) {
		uint32_t head = next(queue, i);

		sim_dma_write(card, queue->write_back, &head, sizeof(head), "the head's write-back");
	} else if ((uint32_t)d[1] & DEXT) {
		__atomic_store_n(&d[0], 0, __ATOMIC_RELAXED);
		__atomic_store_n(&d[1], STATUS_DD, __ATOMIC_RELEASE);
	} else {
		__atomic_store_n((uint32_t *)d + 3, (uint32_t)(d[1] >> 32) | 1, __ATOMIC_RELEASE);
	}
}

/* Descriptors from the head to before `end` are done. */
static void complete(struct sim_queue *queue, uint32_t end)
{
	struct sim_card *card = queue->card;

	for (uint32_t i = queue->head; i != end; i = next(queue, i)) {
		const uint64_t *d = descriptor(queue, i);

		if (queue->hash_count > i)
			queue->due_ns[i] = 0;
		if (d != NULL && (uint32_t)d[1] & RS && !is_context(d)) {
			queue->unreported = 0;
			report(queue, i);
		} else if (++queue->unreported == queue->count / 2 + 1) {
			sim_judge(card, SIM_RULE_NO_REPORT, "transmit queue %u: %u of %u descriptors", queue->number, queue->unreported, queue->count);
		}
	}
	queue->head = end;
	sim_set(card, queue->at + SIM_HEAD, end);
}

/* --- judging what is given ------------------------------------------------------------------------------------------------ */

static uint64_t hash_data(struct sim_card *card, uint64_t address, uint32_t length)
{
	static uint8_t data[65536];
	uint64_t hash = length;

	if (!sim_dma_read(card, address, data, length, "a transmit buffer"))
		return 0;
	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ data[i]) * 0x100000001b3ULL;
	return hash;
}

/* Remember what a descriptor's data is, to see whether it is the same when it is sent. */
static void remember(struct sim_queue *queue, uint32_t i, const uint64_t *d)
{
	if (queue->hash_count < queue->count) {
		free(queue->hash);
		free(queue->due_ns);
		queue->hash = calloc(queue->count, sizeof(uint64_t));
		queue->due_ns = calloc(queue->count, sizeof(uint64_t));
		queue->hash_count = queue->hash != NULL && queue->due_ns != NULL ? queue->count : 0;
	}
	if (queue->hash_count <= i)
		return;
	queue->due_ns[i] = queue->card->sim->now_ns + queue->card->faults.transmit_delay_ns;
	queue->hash[i] = is_context(d) ? 0 : hash_data(queue->card, d[0], (uint16_t)d[1]);
}

void sim_transmit_given(struct sim_queue *queue, uint32_t from, uint32_t to)
{
	struct sim_card *card = queue->card;

	if (!card->kind->transmits(card))
		sim_judge(card, SIM_RULE_TRANSMIT_OFF, "the tail of transmit queue %u moved", queue->number);
	for (uint32_t i = from; i != to; i = next(queue, i)) {
		const uint64_t *d = descriptor(queue, i);

		if (d == NULL)
			return;
		if (d[1] & STATUS_DD && !is_context(d))
			sim_judge(card, SIM_RULE_STALE_DD, "transmit queue %u descriptor %u", queue->number, i);
		if (card->faults.transmit_delay_ns > 0)
			remember(queue, i, d);
	}
}

/* Is the data what it was, and the time come? */
static bool is_due(struct sim_queue *queue, uint32_t i)
{
	return queue->hash_count <= i || queue->due_ns[i] <= queue->card->sim->now_ns;
}

static void check_unchanged(struct sim_queue *queue, uint32_t i, const uint64_t *d)
{
	if (queue->hash_count > i && queue->due_ns[i] != 0 && hash_data(queue->card, d[0], (uint16_t)d[1]) != queue->hash[i])
		sim_judge(queue->card, SIM_RULE_BUFFER_CHANGED, "transmit queue %u descriptor %u", queue->number, i);
}

/* --- assembling a packet ---------------------------------------------------------------------------------------------------- */

static void add_part(struct assembly *a, uint32_t i, const uint64_t *d)
{
	struct sim_card *card = a->queue->card;
	uint32_t word = (uint32_t)d[1], length = word & 0xffff;
	bool is_legacy = !(word & DEXT);

	if (a->count == 0) {
		a->begin = i;
		a->is_legacy = is_legacy;
		a->first_command = word;
		a->high = (uint32_t)(d[1] >> 32);
	}
	if (is_legacy != a->is_legacy || (!is_legacy && sim_bits(word, 20, 4) != TYPE_DATA)) {
		sim_judge(card, SIM_RULE_MIXED, "transmit queue %u descriptor %u: 0x%08x", a->queue->number, i, word);
		a->broken = true;
	}
	if (d[0] == 0 && length > 0) {
		sim_judge(card, SIM_RULE_BUFFER_NULL, "transmit queue %u descriptor %u", a->queue->number, i);
		a->broken = true;
	}
	a->last_command = word;
	a->count++;
	a->end = next(a->queue, i);
	check_unchanged(a->queue, i, d);
	if (length == 0 || a->count > PARTS)
		return;
	a->part[a->count - 1].address = d[0];
	a->part[a->count - 1].length = length;
	a->length += length;
}

/* Collect the descriptors of the packet at the head, up to EOP.
 *   gives: false when it is not whole, or not due */
static bool assemble(struct sim_queue *queue, struct assembly *a)
{
	a->queue = queue;
	a->count = a->length = 0;
	a->broken = false;
	for (uint32_t i = queue->head; i != queue->tail; i = next(queue, i)) {
		const uint64_t *d = descriptor(queue, i);

		if (d == NULL || !is_due(queue, i))
			return false;
		if (is_context(d)) {
			if (a->count > 0) {
				sim_judge(queue->card, SIM_RULE_MIXED, "transmit queue %u descriptor %u: a context within a packet", queue->number, i);
				a->broken = true;
			}
			load_context(queue, d);
			if (a->count == 0)
				complete(queue, next(queue, i));
			continue;
		}
		if (a->count < PARTS)
			a->part[a->count].length = 0;
		add_part(a, i, d);
		if ((uint32_t)d[1] & EOP)
			return true;
		if (a->count > PARTS || a->length > 65536 * 4) {
			sim_judge(queue->card, SIM_RULE_NO_EOP, "transmit queue %u: %u descriptors without EOP", queue->number, a->count);
			a->broken = true;
			return true;
		}
	}
	return false;
}

/* The data of a packet, in one piece.
 *   gives: where it lies, which is `buffer` when it had to be put together or will be changed; NULL after a violation */
static const uint8_t *gather(const struct assembly *a, uint8_t *buffer, bool changes)
{
	struct sim_card *card = a->queue->card;
	uint32_t length = 0;

	if (a->count == 1 && !changes && a->part[0].address % SIM_PAGE + a->length <= SIM_PAGE && a->length >= PADDED)
		return sim_dma(card, a->part[0].address, a->length, "a transmit buffer");
	for (uint32_t i = 0; i < a->count; i++) {
		if (!sim_dma_read(card, a->part[i].address, buffer + length, a->part[i].length, "a transmit buffer"))
			return NULL;
		length += a->part[i].length;
	}
	return buffer;
}

/* Judge the lengths. gives: false when it cannot be sent */
static bool check_packet(const struct assembly *a)
{
	struct sim_card *card = a->queue->card;
	uint32_t payload = a->high >> 14;
	bool segments = !a->is_legacy && a->first_command & TSE;

	if (a->broken)
		return false;
	if (!a->is_legacy && !segments && payload != a->length)
		sim_judge(card, SIM_RULE_PAYLEN, "transmit queue %u: PAYLEN %u, %u bytes", a->queue->number, payload, a->length);
	if (a->length < SHORTEST) {
		sim_judge(card, SIM_RULE_TOO_SHORT, "transmit queue %u: %u bytes", a->queue->number, a->length);
		return false;
	}
	if (!segments && a->length > SIM_FRAME - SIM_FCS) {
		sim_judge(card, SIM_RULE_TOO_LONG, "transmit queue %u: %u bytes", a->queue->number, a->length);
		return false;
	}
	return true;
}

/* Without IFCS the driver has put an FCS of its own behind the data. gives: the length without it */
static uint32_t check_fcs(const struct assembly *a, const uint8_t *data, uint32_t length)
{
	uint32_t fcs;

	if ((a->first_command | a->last_command) & IFCS)
		return length;
	memcpy(&fcs, data + length - SIM_FCS, SIM_FCS);
	if (sim_parse_crc(data, length - SIM_FCS) == fcs)
		return length - SIM_FCS;
	sim_judge(a->queue->card, SIM_RULE_NO_IFCS, "transmit queue %u: %u bytes", a->queue->number, length);
	return 0;
}

/* The work that the descriptors ask for. */
static void describe_offload(const struct assembly *a, struct sim_offload *offload)
{
	struct sim_card *card = a->queue->card;
	uint32_t options = sim_bits(a->high, 8, 6);

	*offload = (struct sim_offload){ .card = card, .queue = a->queue->number, .vlan_type = card->kind->vlan_type(card) };
	if (a->is_legacy) {
		offload->tags = a->last_command & VLE;
		offload->vlan = (uint16_t)(a->high >> 16);
		offload->sums = a->last_command & IC;
		offload->sum_start = (uint16_t)sim_bits(a->high, 8, 8);
		offload->sum_at = (uint16_t)sim_bits(a->first_command, 16, 8);
		return;
	}
	offload->context = &a->queue->context[sim_bits(a->high, 4, 1)];
	offload->tags = a->first_command & VLE;
	offload->vlan = offload->context->vlan;
	offload->ip = options & IXSM;
	offload->l4 = options & TXSM;
	offload->segments = a->first_command & TSE;
	offload->payload = a->high >> 14;
}

/* One packet onto the wire. */
static void send_packet(const struct assembly *a)
{
	static uint8_t buffer[65536 * 4 + 65536 + 64];
	struct sim_card *card = a->queue->card;
	struct sim_offload offload;
	uint32_t length = a->length;
	const uint8_t *data;
	bool changes;

	if (!check_packet(a))
		return;
	describe_offload(a, &offload);
	changes = offload.tags || offload.ip || offload.l4 || offload.sums || offload.segments;
	data = gather(a, buffer, changes);
	if (data == NULL)
		return;
	if (changes) {
		sim_offload_send(&offload, buffer, length);
		return;
	}
	length = check_fcs(a, data, length);
	if (length == 0)
		return;
	if (length < PADDED) {
		memset(buffer + length, 0, PADDED - length);
		length = PADDED;
	}
	sim_wire_send(card, data, length);
}

/* The driver's processor has written what comes next: ask for it in good time. */
static void prefetch(const struct sim_queue *queue)
{
	uint32_t i = (queue->head + AHEAD) % queue->count;
	const uint64_t *d = sim_ring_waiting(queue) > AHEAD ? sim_dma_peek(queue->base + (uint64_t)i * DESCRIPTOR) : NULL;
	const void *data = d != NULL ? sim_dma_peek(d[0]) : NULL;

	if (data != NULL)
		__builtin_prefetch(data);
}

static bool send_queue(struct sim_queue *queue, uint32_t budget)
{
	static struct assembly a;
	uint32_t sent = 0;

	while (sent < budget && queue->head != queue->tail && sim_wire_takes(queue->card) && assemble(queue, &a)) {
		prefetch(queue);
		send_packet(&a);
		queue->packets++;
		queue->bytes += a.length;
		queue->card->kind->count_queue(queue->card, queue, a.length);
		complete(queue, a.end);
		sent++;
	}
	return sent > 0;
}

bool sim_transmit(struct sim_card *card, uint32_t budget)
{
	bool sent = false;

	if (card->faults.transmit_hangs || card->faults.vanished || !card->link || !card->kind->transmits(card))
		return false;
	for (uint32_t i = 0; i < card->transmit_active; i++) {
		struct sim_queue *queue = &card->transmit[i];

		if (queue->enabled && queue->head != queue->tail && queue->count > 0)
			sent |= send_queue(queue, budget);
	}
	return sent;
}

void sim_transmit_end(struct sim_card *card)
{
	for (uint32_t i = 0; i < card->transmit_active && card->kind->transmits(card) && card->link; i++) {
		struct sim_queue *queue = &card->transmit[i];
		uint32_t last = queue->tail == 0 ? queue->count - 1 : queue->tail - 1;
		const uint64_t *d = queue->enabled && queue->head != queue->tail && queue->count > 0 && !card->faults.transmit_hangs ?
			descriptor(queue, last) : NULL;

		if (d != NULL && !((uint32_t)d[1] & EOP) && is_due(queue, last))
			sim_judge(card, SIM_RULE_NO_EOP, "transmit queue %u: the last descriptor, %u", queue->number, last);
	}
}
