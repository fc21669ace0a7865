/* sim -- the cards of a simulation and the loop that serves them. */
#include "nicsim/sim.h"

#include "nicsim/sim_dma.h"
#include "nicsim/sim_eeprom.h"
#include "nicsim/sim_mailbox.h"
#include "nicsim/sim_wire.h"
#include "nicsim/sim_write_back.h"

#include <sched.h>

enum {
	BUDGET = 64,                    /* frames of a card in one round, of each direction */
	SCAN_NS = 200000,               /* time after which all polled registers are looked at, when queues are in use */
	REST_ROUNDS = 256,              /* idle rounds before the model rests */
	YIELD_ROUNDS = 64,              /* idle rounds after which others may run that wait for the processor */
	REST_NS = 50000, TRAP_REST_NS = 1000000,
	POLL_REST_NS = 200000000,       /* idle time before it rests when it polls: a driver that resets the card may wait for 10 us only */
	SHOW_NS = 2000000
};

static const struct sim_kind *const kinds[] = { &sim_82599_kind, &sim_82576_kind, &sim_i350_kind, &sim_i210_kind, NULL };

const struct sim_kind *sim_kind_find(const char *name)
{
	for (uint32_t i = 0; kinds[i] != NULL; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

void sim_card_reset(struct sim_card *card)
{
	card->was_reset = true;
	card->has_pools = false;
	card->off_ns = 0;
	card->quiet_ns = card->sim->mode == SIM_POLL ? 0 : card->sim->now_ns + 1000000;
	sim_ring_reset(card);
	sim_register_reset(card);
	card->kind->reset(card);
	card->link = false;
	card->kind->linked(card);
	card->link_ns = card->sim->now_ns + card->faults.link_delay_ns;
	/* A driver waits for the bit in CTRL to clear itself, some not for long: now it may write, and nothing is wiped any more. */
	sim_set(card, 0, card->kind->registers[0].reset);
	sim_receive_forget_all(card);
}

void sim_card_link(struct sim_card *card)
{
	bool up = !card->faults.link_down && card->sim->now_ns >= card->link_ns && (card->kind->links == NULL || card->kind->links(card));

	if (up == card->link)
		return;
	card->link = up;
	card->kind->linked(card);
}

static int begin_card(struct sim *sim, const struct sim_kind *kind)
{
	struct sim_card *card = &sim->card[sim->card_count];
	int code;

	*card = (struct sim_card){ .sim = sim, .kind = kind, .number = sim->card_count };
	snprintf(card->address, sizeof(card->address), "0000:%02x:00.0", 5 + card->number);
	memcpy(card->mac, (uint8_t[6]){ 0x02, 0x00, 0x00, 0x5a, 0x00, (uint8_t)card->number }, 6);
	sim->card_count++;
	sim_eeprom_fill(card);
	code = sim_register_begin(card);
	if (code == 0)
		code = sim_tree_add(sim, card);
	if (code == 0)
		code = sim_mailbox_add(sim, card);
	if (code < 0)
		return code;
	sim_card_reset(card);
	card->was_reset = false;
	card->quiet_ns = 0;
	return 0;
}

int sim_begin(struct sim *sim, const char *root, const char *cards)
{
	char copy[128], *rest = copy, *name;
	int code = sim_tree_begin(sim, root);

	if (code == 0)
		code = sim_mailbox_begin(sim);
	snprintf(copy, sizeof(copy), "%s", cards);
	sim->now_ns = clock_system_ns();
	sim_dma_begin(sim);
	while (code == 0 && (name = strsep(&rest, ",")) != NULL) {
		const struct sim_kind *kind = sim_kind_find(name);

		if (kind == NULL)
			return nf_fail(EINVAL, "there is no model of a card '%s', only of 82599, 82576, i350 and i210", name);
		if (sim->card_count == SIM_CARDS)
			return nf_fail(EINVAL, "there can be %d cards at most", SIM_CARDS);
		code = begin_card(sim, kind);
	}
	return code;
}

void sim_end(struct sim *sim)
{
	sim_wire_end(sim);
	sim_mailbox_end(sim);
	sim_dma_end();
	sim_tree_end(sim);
	for (uint32_t i = 0; i < sim->card_count; i++) {
		struct sim_card *card = &sim->card[i];

		for (uint32_t q = 0; q < SIM_QUEUES; q++) {
			free(card->transmit[q].hash);
			free(card->transmit[q].due_ns);
			free(card->receive[q].held);
		}
		free(card->given);
		free(card->seen);
		free(card->value);
		free(card->canonical);
		free(card->row);
		free(card->rank);
		free(card->alias);
	}
}

/* One card's share of a round. */
static bool step_card(struct sim_card *card, bool scan)
{
	bool found = false;

	if (card->sim->mode != SIM_TRAP)
		found = sim_register_poll(card, !scan);
	sim_ring_tick(card);
	sim_card_link(card);
	found |= sim_transmit(card, BUDGET);
	found |= sim_wire_step(card, BUDGET);
	sim_write_back_flush();
	return found;
}

/* In poll mode, once in a while: nobody asks for them. */
static void show_counters(struct sim *sim)
{
	static uint64_t shown_ns;

	if (sim->mode != SIM_POLL || sim->now_ns - shown_ns < SHOW_NS)
		return;
	shown_ns = sim->now_ns;
	for (uint32_t i = 0; i < sim->card_count; i++)
		sim_register_show_counters(&sim->card[i]);
}

/* Is it time to look at all registers? That takes longer than to find a tail that has moved, for which a driver waits; while no queue
 * is in use, drivers wait for other things. */
static bool must_scan(struct sim *sim)
{
	static uint64_t scanned_ns;
	bool in_use = false;

	for (uint32_t i = 0; i < sim->card_count; i++)
		in_use |= sim->card[i].receive_active + sim->card[i].transmit_active > 0;
	if (in_use && sim->now_ns - scanned_ns < SCAN_NS)
		return false;
	scanned_ns = sim->now_ns;
	return true;
}

bool sim_step(struct sim *sim)
{
	bool found = false, scan;

	clock_update();
	sim->now_ns = clock_now();
	scan = must_scan(sim);
	if (sim->mode != SIM_POLL)
		found = sim_mailbox_step(sim);
	for (uint32_t i = 0; i < sim->card_count; i++)
		found |= step_card(&sim->card[i], scan);
	if (scan)
		sim_dma_watch(sim);
	show_counters(sim);
	sim->idle_loops = found ? 0 : sim->idle_loops + 1;
	if (found)
		sim->busy_ns = sim->now_ns;
	return found;
}

/* Nothing to do: first let others run, then sleep. Trapped accesses wake us; polled ones must be looked for. */
static void rest(struct sim *sim)
{
	bool is_timed = false;

	if (sim->mode == SIM_POLL ? sim->now_ns - sim->busy_ns < POLL_REST_NS : sim->idle_loops < REST_ROUNDS) {
		if (sim->idle_loops % YIELD_ROUNDS == 0)
			sched_yield();
		return;
	}
	for (uint32_t i = 0; i < sim->card_count; i++)
		is_timed |= sim->card[i].faults.transmit_delay_ns > 0 || sim->card[i].wire->kind == SIM_WIRE_GENERATOR;
	sim_mailbox_rest(sim, sim->mode == SIM_TRAP && !is_timed ? TRAP_REST_NS : REST_NS);
}

void sim_run(struct sim *sim, bool (*more)(struct sim *sim))
{
	while (more(sim))
		if (!sim_step(sim))
			rest(sim);
	for (uint32_t i = 0; i < sim->card_count; i++)
		sim_transmit_end(&sim->card[i]);
}
