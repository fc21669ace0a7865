/* sim_transmit -- descriptors of transmit queues into frames.
 * source: 82599 datasheet 7.2.3 "Transmit Descriptors" with its sections on legacy and advanced descriptors and on write-back */
#include "nicsim/sim_send.h"

#include "nicsim/sim_dma.h"
#include "nicsim/sim_rate.h"
#include "nicsim/sim_wire.h"

enum { DESCRIPTOR = 16, AHEAD = 4 };    /* AHEAD: descriptors */
enum { TYPE_CONTEXT = 2, TYPE_DATA = 3 };
#define STATUS_DD (1ULL << 32)

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
	return (uint32_t)d[1] & SIM_DEXT && sim_bits((uint32_t)d[1], 20, 4) == TYPE_CONTEXT;
}

/* source: 7.2.3.2.3 "Advanced Transmit Context Descriptor" */
static void load_context(struct sim_queue *queue, const uint64_t *d)
{
	uint32_t high = (uint32_t)(d[1] >> 32);

	if (sim_bits(high, 4, 3) > 1)
		sim_judge(queue->card, SIM_RULE_NO_CONTEXT, "transmit queue %u: a queue has the contexts 0 and 1, not %u", queue->number,
			sim_bits(high, 4, 3));
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
	} else if ((uint32_t)d[1] & SIM_DEXT) {
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
		if (d != NULL && (uint32_t)d[1] & SIM_RS && !is_context(d)) {
			queue->unreported = 0;
			report(queue, i);
		} else if (++queue->unreported == queue->count / 2 + 1) {
			sim_judge(card, SIM_RULE_NO_REPORT, "transmit queue %u: %u of %u descriptors", queue->number, queue->unreported, queue->count);
		}
	}
	queue->head = end;
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

static void add_part(struct sim_packet *a, uint32_t i, const uint64_t *d)
{
	struct sim_card *card = a->queue->card;
	uint32_t word = (uint32_t)d[1], length = word & 0xffff;
	bool is_legacy = !(word & SIM_DEXT);

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
	if (length == 0 || a->count > SIM_PARTS)
		return;
	a->part[a->count - 1].address = d[0];
	a->part[a->count - 1].length = length;
	a->length += length;
}

/* Collect the descriptors of the packet at the head, up to EOP.
 *   gives: false when it is not whole, or not due */
static bool assemble(struct sim_queue *queue, struct sim_packet *a)
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
		if (a->count < SIM_PARTS)
			a->part[a->count].length = 0;
		add_part(a, i, d);
		if ((uint32_t)d[1] & SIM_EOP)
			return true;
		if (a->count > SIM_PARTS || a->length > 65536 * 4) {
			sim_judge(queue->card, SIM_RULE_NO_EOP, "transmit queue %u: %u descriptors without EOP", queue->number, a->count);
			a->broken = true;
			return true;
		}
	}
	return false;
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
	static struct sim_packet a;
	uint32_t sent = 0;

	while (sent < budget && queue->head != queue->tail && sim_wire_takes(queue->card) && sim_rate_allows(queue) && assemble(queue, &a)) {
		prefetch(queue);
		sim_send(&a);
		sim_rate_sent(queue, a.length);
		queue->packets++;
		queue->bytes += a.length;
		queue->card->kind->count_queue(queue->card, queue, a.length);
		complete(queue, a.end);
		sent++;
	}
	sim_set(queue->card, queue->at + SIM_HEAD, queue->head);
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

		if (d != NULL && !((uint32_t)d[1] & SIM_EOP) && is_due(queue, last))
			sim_judge(card, SIM_RULE_NO_EOP, "transmit queue %u: the last descriptor, %u", queue->number, last);
	}
}
