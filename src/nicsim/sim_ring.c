/* sim_ring -- what receive and transmit queues have in common: being enabled, heads and tails. */
#include "nicsim/sim.h"

enum { LENGTH_BITS = 0xfffff };         /* that RDLEN and TDLEN have */

static const char *direction(const struct sim_queue *queue)
{
	return queue->is_transmit ? "transmit" : "receive";
}

/* The number of queues that are looked at. */
static void note_active(struct sim_queue *queue)
{
	uint32_t *active = queue->is_transmit ? &queue->card->transmit_active : &queue->card->receive_active;

	if (*active <= queue->number)
		*active = queue->number + 1u;
}

/* The ring begins where it was said; its length and place are judged. */
static void check_ring(const struct sim_queue *queue, uint32_t bytes)
{
	if (queue->base % 128 != 0)
		sim_judge(queue->card, SIM_RULE_RING_MISALIGNED, "%s queue %u at 0x%llx", direction(queue), queue->number,
			(unsigned long long)queue->base);
	if (bytes == 0 || bytes % 128 != 0)
		sim_judge(queue->card, SIM_RULE_RING_LENGTH, "%s queue %u: %u bytes", direction(queue), queue->number, bytes);
}

/* Where the tail is polled, the driver may have written it already: nothing is written over it. */
static void reset_tail(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;
	uint32_t at = queue->at + SIM_TAIL, written;

	if (!sim_register_is_polled(card, at)) {
		sim_set(card, at, 0);
		return;
	}
	written = __atomic_load_n(&card->bar[at / 4], __ATOMIC_ACQUIRE);
	card->value[at / 4] = card->seen[at / 4] = written;
	if (written != 0)
		sim_ring_tail(queue, written);
}

/* Setting ENABLE clears head and tail; the bit reads 1 from now on. */
static void enable(struct sim_queue *queue)
{
	struct sim_card *card = queue->card;
	uint32_t bytes = sim_get(card, queue->at + SIM_LENGTH) & LENGTH_BITS;

	queue->wanted = queue->ending = false;
	queue->enabled = true;
	queue->base = (uint64_t)sim_get(card, queue->at + 4) << 32 | sim_get(card, queue->at);
	queue->count = bytes / 16;
	queue->head = queue->tail = queue->seen = 0;
	queue->tail_moved = false;
	queue->waiting_ns = 0;
	queue->unreported = 0;
	/* What contexts hold now is not promised: the driver has to give them again. */
	queue->context[0].valid = queue->context[1].valid = false;
	check_ring(queue, bytes);
	queue->base &= ~(uint64_t)127;
	if (!card->was_reset)
		sim_judge(card, SIM_RULE_NO_RESET, "%s queue %u was enabled", direction(queue), queue->number);
	sim_set(card, queue->at + SIM_HEAD, 0);
	reset_tail(queue);
	sim_set(card, queue->at + SIM_CONTROL, sim_get(card, queue->at + SIM_CONTROL) | SIM_ENABLE);
	note_active(queue);
}

/* It has ended what it was about; ENABLE reads 0. */
static void disable(struct sim_queue *queue)
{
	uint32_t at = queue->at + SIM_CONTROL;

	if (queue->enabled && !queue->is_transmit)
		sim_receive_forget(queue);
	queue->enabled = queue->wanted = queue->ending = false;
	sim_set(queue->card, at, sim_get(queue->card, at) & ~(uint32_t)SIM_ENABLE);
}

/* ENABLE reads the queue's state, not what was written. A driver whose registers are polled must not see it go and come. */
void sim_ring_enable(struct sim_queue *queue, bool wants)
{
	struct sim_card *card = queue->card;
	const struct sim_faults *faults = &card->faults;
	uint32_t at = queue->at + SIM_CONTROL;

	if (wants && queue->ending)
		sim_judge(card, SIM_RULE_RING_CHANGED, "%s queue %u: ENABLE was set before it read 0", direction(queue), queue->number);
	if (wants && !queue->enabled && !queue->wanted) {
		queue->wanted = true;
		queue->change_ns = card->sim->now_ns + faults->enable_delay_ns;
		note_active(queue);
	} else if (!wants && queue->enabled && !queue->ending && faults->disable_delay_ns > 0) {
		queue->ending = true;
		queue->change_ns = card->sim->now_ns + faults->disable_delay_ns;
	} else if (!wants && !queue->ending) {
		disable(queue);
	}
	if (queue->wanted && faults->enable_delay_ns == 0)
		enable(queue);
	else if (queue->enabled)
		sim_set(card, at, sim_get(card, at) | SIM_ENABLE);
	else
		sim_set(card, at, sim_get(card, at) & ~(uint32_t)SIM_ENABLE);
}

static void tick(struct sim_queue *queue)
{
	if (__builtin_expect(queue->wanted && queue->card->sim->now_ns >= queue->change_ns, 0))
		enable(queue);
	else if (__builtin_expect(queue->ending && queue->card->sim->now_ns >= queue->change_ns, 0))
		disable(queue);
}

void sim_ring_tick(struct sim_card *card)
{
	for (uint32_t i = 0; i < card->receive_active; i++)
		tick(&card->receive[i]);
	for (uint32_t i = 0; i < card->transmit_active; i++)
		tick(&card->transmit[i]);
}

void sim_ring_locked(struct sim_queue *queue, const char *name)
{
	if (!queue->enabled)
		return;
	if (!sim_register_is_polled(queue->card, queue->at)) {
		sim_judge(queue->card, SIM_RULE_RING_CHANGED, "%s of %s queue %u", name, direction(queue), queue->number);
		return;
	}
	/* It may have been disabled and enabled again between two looks. */
	if (!queue->is_transmit)
		sim_receive_forget(queue);
	queue->enabled = queue->ending = false;
	queue->wanted = sim_get(queue->card, queue->at + SIM_CONTROL) & SIM_ENABLE;
	queue->change_ns = queue->card->sim->now_ns;
}

void sim_ring_tail(struct sim_queue *queue, uint32_t tail)
{
	uint32_t before = queue->tail, waiting, more;

	if (!queue->enabled) {
		/* Polled registers do not tell what came first; zero is what the tail is anyway. */
		if (tail != 0 && !sim_register_is_polled(queue->card, queue->at))
			sim_judge(queue->card, SIM_RULE_TAIL_BEFORE_ENABLE, "%s queue %u: %u", direction(queue), queue->number, tail);
		return;
	}
	if (tail >= queue->count) {
		sim_judge(queue->card, SIM_RULE_TAIL_RANGE, "%s queue %u: %u of %u descriptors", direction(queue), queue->number, tail,
			queue->count);
		return;
	}
	waiting = sim_ring_waiting(queue);
	more = tail >= before ? tail - before : tail + queue->count - before;
	if (waiting + more >= queue->count)
		sim_judge(queue->card, SIM_RULE_TAIL_LAPS, "%s queue %u: head %u, tail from %u to %u", direction(queue), queue->number,
			queue->head, before, tail);
	queue->tail = tail;
	queue->waiting_ns = 0;
	queue->tail_moved = queue->tail_moved || before != 0 || queue->head != 0;
	if (queue->is_transmit)
		sim_transmit_given(queue, before, tail);
	else
		sim_receive_given(queue, before, tail);
}

/* source: 82599 datasheet 7.2.3.5.2 "Tx Head Pointer Write Back"; 82576 datasheet 7.2.3.3 */
void sim_ring_write_back(struct sim_queue *queue, uint32_t align, uint32_t threshold_bits)
{
	struct sim_card *card = queue->card;
	uint32_t low = sim_get(card, queue->at + SIM_WRITE_BACK), threshold = sim_bits(sim_get(card, queue->at + SIM_CONTROL), 16, threshold_bits);

	queue->write_back = low & 1 ? (uint64_t)sim_get(card, queue->at + SIM_WRITE_BACK + 4) << 32 | (low & ~(align - 1)) : 0;
	if (queue->write_back != 0 && ((low & ~3u & (align - 1)) != 0 || threshold != 0))
		sim_judge(card, SIM_RULE_WRITE_BACK, "transmit queue %u: address 0x%08x, WTHRESH %u", queue->number, low & ~3u, threshold);
}

void sim_ring_reset(struct sim_card *card)
{
	for (uint32_t i = 0; i < SIM_QUEUES; i++) {
		struct sim_queue *pair[2] = { &card->receive[i], &card->transmit[i] };

		for (uint32_t k = 0; k < 2; k++) {
			struct sim_queue *queue = pair[k];

			*queue = (struct sim_queue){ .card = card, .number = (uint16_t)i, .is_transmit = k == 1, .at = queue->at,
				.hash = queue->hash, .due_ns = queue->due_ns, .hash_count = queue->hash_count,
				.held = queue->held, .held_count = queue->held_count,
				.packets = queue->packets, .bytes = queue->bytes, .dropped = queue->dropped };
		}
	}
	card->receive_active = card->transmit_active = 0;
}
