/* sim_register -- the registers of a card: the truth, what the driver sees of it, and what the driver wrote.
 *
 * Two ways lead here. Exact: each access of the driver asks (sim_register_read, sim_register_write). Polled: the words that
 * both sides share are compared with what was seen last; nothing that was only read is ever written back. */
#include "nicsim/sim.h"

#include "nicsim/sim_mailbox.h"

enum {
	CHUNK = 64,                     /* bytes compared at a time */
	CHANGES = 32768,
	RANK_TAIL = 2, RANKS = 4
};

/* In which order words that were found written are done: queues are enabled, tails move, reception begins. */
static const struct { const char *name; uint8_t rank; } ranks[] = {
	{ "RXDCTL", 1 }, { "TXDCTL", 1 }, { "RDT", RANK_TAIL }, { "TDT", RANK_TAIL }, { "RXCTRL", 3 }, { "RCTL", 3 },
};

static uint8_t rank_of(const char *name)
{
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
		if (strcmp(ranks[i].name, name) == 0)
			return ranks[i].rank;
	return 0;
}

int sim_register_begin(struct sim_card *card)
{
	const struct sim_kind *kind = card->kind;
	uint32_t words = kind->bar / 4;

	card->seen = calloc(words, sizeof(uint32_t));
	card->value = calloc(words, sizeof(uint32_t));
	card->canonical = calloc(words, sizeof(uint32_t));
	card->row = calloc(words, sizeof(uint16_t));
	card->rank = calloc(words, 1);
	card->alias = calloc(words, sizeof(uint32_t));
	if (card->seen == NULL || card->rank == NULL || card->alias == NULL || card->value == NULL || card->canonical == NULL || card->row == NULL)
		return nf_fail(ENOMEM, "no memory for the registers of a card");
	for (uint32_t i = 0; i < words; i++)
		card->canonical[i] = i * 4;
	for (uint32_t r = 0; r < kind->register_count; r++)
		for (uint32_t n = 0; n < kind->registers[r].count; n++)
			card->row[(kind->registers[r].at + n * kind->registers[r].stride) / 4] = (uint16_t)(r + 1);
	for (const struct sim_alias *a = kind->aliases; a->count > 0; a++) {
		for (uint32_t n = 0; n < a->count; n++) {
			uint32_t at = a->at + n * a->stride, target = a->target + n * a->target_stride;

			card->canonical[at / 4] = target;
			card->row[at / 4] = card->row[target / 4];
			card->alias[target / 4] = at;
		}
	}
	for (uint32_t i = 0; i < words; i++)
		if (card->row[i] > 0)
			card->rank[i] = rank_of(kind->registers[card->row[i] - 1].name);
	return 0;
}

/* Show a value to the driver at one address. */
static void publish(struct sim_card *card, uint32_t at, uint32_t value)
{
	if (card->faults.vanished || card->seen[at / 4] == value)
		return;
	card->seen[at / 4] = value;
	if (sim_register_is_polled(card, at))
		__atomic_store_n(&card->bar[at / 4], value, __ATOMIC_RELEASE);
	else
		sim_mailbox_show(card, at, value);
}

/* ... at its other address, too. */
static void publish_alias(struct sim_card *card, uint32_t at, uint32_t value)
{
	if (__builtin_expect(card->alias[at / 4] != 0, 0))
		publish(card, card->alias[at / 4], value);
}

void sim_set(struct sim_card *card, uint32_t at, uint32_t value)
{
	if (card->value[at / 4] == value)
		return;
	card->value[at / 4] = value;
	publish(card, at, value);
	publish_alias(card, at, value);
}

/* 64, 65 to 127, 128 to 255, 256 to 511, 512 to 1023 bytes, and longer. */
void sim_count_size(struct sim_card *card, uint32_t first, uint32_t length)
{
	static const uint32_t most[] = { 64, 127, 255, 511, 1023 };
	uint32_t i = 0;

	while (i < 5 && length > most[i])
		i++;
	sim_count(card, first + 4 * i, 1);
}

void sim_register_show_counters(struct sim_card *card)
{
	const struct sim_kind *kind = card->kind;

	for (uint32_t r = 0; r < kind->register_count; r++)
		for (uint32_t n = 0; n < kind->registers[r].count && kind->registers[r].access == SIM_RC; n++) {
			uint32_t at = kind->registers[r].at + n * kind->registers[r].stride;

			publish(card, at, card->value[at / 4]);
		}
}

void sim_register_reset(struct sim_card *card)
{
	const struct sim_kind *kind = card->kind;

	/* All but the first one, CTRL: see sim_card_reset. */
	for (uint32_t r = 1; r < kind->register_count; r++)
		for (uint32_t n = 0; n < kind->registers[r].count; n++)
			sim_set(card, kind->registers[r].at + n * kind->registers[r].stride, kind->registers[r].reset);
}

/* A card that somebody else used and left: what can be written holds something else. Queues are enabled, their rings lie where
 * they may not. */
void sim_register_soil(struct sim_card *card)
{
	const struct sim_kind *kind = card->kind;
	uint32_t random = 0x2545f491 + card->number;

	for (uint32_t r = 0; r < kind->register_count; r++) {
		const struct sim_register *row = &kind->registers[r];

		for (uint32_t n = 0; row->access == SIM_RW && row->count > 1 && n < row->count; n++) {
			random = random * 1664525 + 1013904223;
			sim_set(card, row->at + n * row->stride, random & 0x7dffffff);
		}
	}
}

static const struct sim_register *find_row(const struct sim_card *card, uint32_t at, uint32_t *n)
{
	const struct sim_register *row;

	if (card->row[at / 4] == 0)
		return NULL;
	row = &card->kind->registers[card->row[at / 4] - 1];
	*n = row->first + (card->canonical[at / 4] - row->at) / row->stride;
	return row;
}

/* 1 ms after a reset nothing is to be accessed. source: 82599 datasheet 8.2.3.1.1 "Device Control Register", bit RST */
static void check_quiet(struct sim_card *card, uint32_t at)
{
	if (__builtin_expect(card->quiet_ns > 0, 0)) {
		if (card->sim->now_ns < card->quiet_ns)
			sim_judge(card, SIM_RULE_RESET_TOO_SOON, "register 0x%05x", at);
		card->quiet_ns = 0;
	}
}

uint32_t sim_register_read(struct sim_card *card, uint32_t at)
{
	uint32_t n = 0, value;
	const struct sim_register *row = find_row(card, at, &n);

	card->counts.reads++;
	if (card->faults.vanished)
		return UINT32_MAX;
	check_quiet(card, at);
	if (row == NULL) {
		sim_judge(card, SIM_RULE_UNKNOWN, "read at 0x%05x", at);
		return sim_get(card, at);
	}
	at = card->canonical[at / 4];
	value = row->access == SIM_WO ? 0 : sim_get(card, at);
	if (row->access == SIM_RC)
		sim_set(card, at, 0);
	if (card->kind->taken != NULL)
		card->kind->taken(card, row, n, at, value);
	return value;
}

void sim_register_write(struct sim_card *card, uint32_t at, uint32_t value)
{
	uint32_t n = 0, old, alias = at;
	const struct sim_register *row = find_row(card, at, &n);

	card->counts.writes++;
	if (card->faults.vanished)
		return;
	check_quiet(card, at);
	at = card->canonical[at / 4];
	old = sim_get(card, at);
	/* The driver changed the shared word: what is seen there now is this, until somebody sets it. */
	card->seen[alias / 4] = value;
	if (__builtin_expect(card->faults.deaf, 0) && card->rank[at / 4] != RANK_TAIL) {
		publish(card, alias, old);
		return;
	}
	if (row == NULL) {
		sim_judge(card, SIM_RULE_UNKNOWN, "0x%08x written at 0x%05x", value, at);
		card->value[at / 4] = value;
		return;
	}
	if (row->access == SIM_RO || row->access == SIM_RC) {
		/* A read-only register may be part of a pair that is written at once; counters are cleared so by some. */
		if (row->access == SIM_RO)
			sim_judge(card, SIM_RULE_READ_ONLY, "0x%08x written to %s[%u] (0x%05x)", value, row->name, n, at);
		publish(card, alias, old);
		return;
	}
	card->value[at / 4] = row->access == SIM_W1C ? old & ~value : value;
	if (card->kind->written != NULL)
		card->kind->written(card, row, n, at, old, value);
	publish(card, alias, card->value[at / 4]);
	if (alias != at)
		publish(card, at, card->value[at / 4]);
	else
		publish_alias(card, at, card->value[at / 4]);
}

/* A word that may have been written. */
static bool poll_word(struct sim_card *card, uint32_t at)
{
	uint32_t value = __atomic_load_n(&card->bar[at / 4], __ATOMIC_ACQUIRE);

	if (__builtin_expect(value == card->seen[at / 4], 1))
		return false;
	sim_register_write(card, at, value);
	return true;
}

static bool poll_tails(struct sim_card *card)
{
	bool found = false;

	for (uint32_t i = 0; i < card->receive_active; i++)
		if (card->receive[i].enabled)
			found |= poll_word(card, card->receive[i].at + SIM_TAIL);
	for (uint32_t i = 0; i < card->transmit_active; i++)
		if (card->transmit[i].enabled)
			found |= poll_word(card, card->transmit[i].at + SIM_TAIL);
	return found;
}

bool sim_register_is_polled(const struct sim_card *card, uint32_t at)
{
	uint32_t page = at & ~(uint32_t)(SIM_PAGE - 1);

	return card->sim->mode == SIM_POLL ||
		(card->sim->mode == SIM_MIDDLE && (page == card->kind->page_receive || page == card->kind->page_transmit));
}

/* Words that were written since the last look, with what stands there now. */
struct change { uint32_t at, value; };
static struct change changes[CHANGES];
static uint32_t change_count;

static void collect(const struct sim_card *card, uint32_t at, bool late)
{
	for (uint32_t end = at + CHUNK; at < end; at += 4) {
		uint32_t value = __atomic_load_n(&card->bar[at / 4], __ATOMIC_ACQUIRE);

		if (value != card->seen[at / 4] && (card->rank[at / 4] > 0) == late && change_count < CHANGES)
			changes[change_count++] = (struct change){ at, value };
	}
}

/* gives: whether anything was written */
static bool collect_all(const struct sim_card *card, bool late)
{
	bool found = false;

	for (uint32_t page = 0; page < card->kind->scan; page += SIM_PAGE) {
		if (!sim_register_is_polled(card, page) || memcmp((uint8_t *)card->bar + page, (uint8_t *)card->seen + page, SIM_PAGE) == 0)
			continue;
		found = true;
		for (uint32_t at = page; at < page + SIM_PAGE; at += CHUNK)
			if (memcmp((uint8_t *)card->bar + at, (uint8_t *)card->seen + at, CHUNK) != 0)
				collect(card, at, late);
	}
	return found;
}

/* Memory does not tell what was written first. What starts something comes last: the words of a rank above 0 are collected
 * first and done last, so that all that a driver wrote before them has been seen. Upwards a tail is read before ENABLE. */
static bool poll_all(struct sim_card *card)
{
	change_count = 0;
	if (!collect_all(card, true))
		return false;
	collect_all(card, false);
	for (uint32_t rank = 0; rank < RANKS; rank++)
		for (uint32_t i = 0; i < change_count; i++)
			if (card->rank[changes[i].at / 4] == rank)
				sim_register_write(card, changes[i].at, changes[i].value);
	return change_count > 0;
}

bool sim_register_poll(struct sim_card *card, bool tails)
{
	bool found = false;

	if (card->faults.vanished)
		return false;
	/* The reset is answered first. */
	if (card->sim->mode == SIM_POLL)
		found = poll_word(card, 0);
	found |= poll_tails(card);
	return (!tails && poll_all(card)) || found;
}

void sim_register_vanish(struct sim_card *card, bool vanished)
{
	card->faults.vanished = vanished;
	for (uint32_t i = 0; i < card->kind->bar / 4; i++)
		__atomic_store_n(&card->bar[i], vanished ? UINT32_MAX : card->seen[i], __ATOMIC_RELAXED);
}
