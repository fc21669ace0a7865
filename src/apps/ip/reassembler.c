/* reassembler -- see reassembler.h. */
#include "apps/ip/reassembler.h"

enum { STANDARD = 2048 };               /* bytes that every packet has room for */
enum { MORE_FRAGMENTS = 4096 };         /* than datagrams, where the user named no number */
enum { EXPIRE_MOST = 64 };              /* datagrams that are dropped in one go: the thread must not stand still after a flood */
enum { JUMBO_HELD = 512 };              /* fragments longer than a standard packet that are held at once */

const char *const reassembler_header_names[] = { "arrived", "offset", NULL };

static uint32_t fragment_limit(const struct reassembler *reassembler)
{
	return reassembler->has_fragments ? reassembler->fragments : reassembler->datagrams + MORE_FRAGMENTS;
}

void reassembler_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = fragment_limit((const struct reassembler *)app);
	holds[PACKET_JUMBO] = JUMBO_HELD + BURST;       /* and whole datagrams */
}

/* The table and its memory are one piece, which a reload hands on. */
int reassembler_prepare(struct app *app, const struct app *old)
{
	struct reassembler *reassembler = (struct reassembler *)app;
	struct siphash_key key;
	uint32_t fragments = fragment_limit(reassembler);

	(void)old;
	random_init(&reassembler->random, random_seed, app->name);
	key = (struct siphash_key){ { random_u64(&reassembler->random), random_u64(&reassembler->random) } };
	for (uint32_t i = 0; i < REASSEMBLER_LOTS; i++)
		reassembler->lot[i] = random_u64(&reassembler->random);
	reassembler->table = malloc(sizeof(*reassembler->table) + reassembly_size(reassembler->datagrams, fragments));
	if (reassembler->table == NULL)
		return nf_fail(ENOMEM, "app '%s': no memory for %u datagrams in %u fragments", app->name, reassembler->datagrams, fragments);
	reassembly_init(reassembler->table, reassembler->table + 1, reassembler->datagrams, fragments, &key);
	return 0;
}

void reassembler_retire(struct app *app)
{
	free(((struct reassembler *)app)->table);
}

/* Whether a packet lies in a buffer that only few of may be held. */
static bool is_jumbo(const struct packet *p)
{
	return p->size != PACKET_STANDARD;
}

/* Drop all fragments of a datagram under a reason; its items are gone then, it must be ended or given up. */
static void drop_pieces(struct reassembler *reassembler, const struct reassembly_datagram *datagram, uint32_t reason)
{
	const struct reassembly_piece *piece = reassembly_first(reassembler->table, datagram);

	for (; piece != NULL; piece = reassembly_next(reassembler->table, piece)) {
		reassembler->jumbo -= is_jumbo(piece->item);
		app_drop(&reassembler->app, reason, piece->item);
	}
}

static void drop_datagram(struct reassembler *reassembler, struct reassembly_datagram *datagram, uint32_t reason)
{
	drop_pieces(reassembler, datagram, reason);
	reassembly_end(reassembler->table, datagram);
}

/* Move a datagram into the table of a new instance, the packets too. */
static void hand_over(struct reassembler *to, struct reassembler *from, struct reassembly_datagram *datagram)
{
	const struct reassembly_piece *piece = reassembly_first(from->table, datagram);
	struct reassembly_datagram *copy = NULL;

	if (to->table->count < to->table->datagrams && to->table->piece_count + datagram->pieces <= to->table->pieces)
		copy = reassembly_begin(to->table, datagram->key, datagram->since_ns);
	for (; piece != NULL; piece = reassembly_next(from->table, piece)) {
		struct packet *p = piece->item;

		if (copy == NULL) {
			app_drop(&to->app, app_reason(&to->app, APP_REASON_RELOAD), p);
			continue;
		}
		reassembly_put(to->table, copy, p, piece->data, piece->begin, piece->end, piece->end == datagram->total);
		to->jumbo += is_jumbo(p);
	}
	if (copy != NULL && datagram->given_up)
		reassembly_give_up(to->table, copy);
	else if (copy != NULL)
		copy->first = datagram->first;
	reassembly_end(from->table, datagram);
}

/* Fragments go on waiting. With the same limits the whole table changes hands; with smaller ones the oldest datagrams stay. */
void reassembler_commit(struct app *app, struct app *old)
{
	struct reassembler *reassembler = (struct reassembler *)app, *before = (struct reassembler *)old;
	struct reassembly *table = reassembler->table;

	token_bucket_init(&reassembler->errors, reassembler->error_rate, reassembler->error_rate, clock_now());
	if (before == NULL)
		return;
	if (before->table->datagrams == table->datagrams && before->table->pieces == table->pieces) {
		reassembler->table = before->table;
		reassembler->jumbo = before->jumbo;
		before->table = table;
		before->jumbo = 0;
		return;
	}
	while (before->table->count > 0)
		hand_over(reassembler, before, reassembly_oldest(before->table));
	before->jumbo = 0;
}

/* Its place in the graph goes: the fragments go where they would have gone without it. */
void reassembler_flush(struct app *app)
{
	struct reassembler *reassembler = (struct reassembler *)app;
	struct reassembly_datagram *datagram;

	while ((datagram = reassembly_oldest(reassembler->table)) != NULL && link_room(app->output[OUTPUT]) >= datagram->pieces) {
		const struct reassembly_piece *piece = reassembly_first(reassembler->table, datagram);

		for (; piece != NULL; piece = reassembly_next(reassembler->table, piece))
			link_send(app->output[OUTPUT], piece->item);
		reassembly_end(reassembler->table, datagram);
	}
}

void reassembler_stop(struct app *app)
{
	struct reassembler *reassembler = (struct reassembler *)app;

	while (reassembler->table->count > 0)
		drop_datagram(reassembler, reassembly_oldest(reassembler->table), app_reason(app, APP_REASON_STOP));
}

uint32_t reassembler_held(const struct app *app)
{
	const struct reassembly *table = ((const struct reassembler *)app)->table;
	uint32_t count = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct reassembly_piece *piece = reassembly_first(table, &table->datagram[table->use[i]]);

		for (; piece != NULL; piece = reassembly_next(table, piece))
			count++;
	}
	return count;
}

void reassembler_tick(struct app *app)
{
	const struct reassembly *table = ((const struct reassembler *)app)->table;

	app->counter[MEMORY] = sizeof(*table) + reassembly_size(table->datagrams, table->pieces);
}

uint64_t reassembler_wake_at(const struct app *app)
{
	const struct reassembler *reassembler = (const struct reassembler *)app;
	const struct reassembly_datagram *oldest = reassembly_oldest(reassembler->table);

	return oldest == NULL ? CLOCK_NEVER : oldest->since_ns + reassembler->timeout_ns;
}

/* Tell the sender of a fragment what became of it, when that is wanted and not too often. pointer: to the octet of the packet that
 * is wrong; 0: it had no more time. */
static void tell(struct reassembler *reassembler, const struct packet *p, uint32_t pointer)
{
	struct app *app = &reassembler->app;
	struct packet *error;

	if (!reassembler->has_source || app->output[ERROR_OUTPUT] == NULL || link_room(app->output[ERROR_OUTPUT]) == 0)
		return;
	token_bucket_fill(&reassembler->errors, clock_now());
	if (!token_bucket_has(&reassembler->errors, 1) || (error = packet_alloc()) == NULL)
		return;
	error->length = reassembler->error(reassembler, error->data, p, pointer);
	if (error->length == 0) {
		packet_free(error);
		return;
	}
	token_bucket_take(&reassembler->errors, 1);
	app->created++;
	app->counter[ERRORS]++;
	link_send(app->output[ERROR_OUTPUT], error);
}

/* RFC 792 and RFC 4443, 3.3: the sender is told only when the first fragment is there. */
void reassembler_expire(struct reassembler *reassembler)
{
	for (uint32_t i = 0; i < EXPIRE_MOST; i++) {
		struct reassembly_datagram *oldest = reassembly_oldest(reassembler->table);
		const struct reassembly_piece *piece;

		if (oldest == NULL || oldest->since_ns + reassembler->timeout_ns > clock_now())
			break;
		piece = reassembly_first(reassembler->table, oldest);

		if (!oldest->given_up)
			reassembler->app.counter[LATE_DATAGRAMS]++;
		if (piece != NULL && piece->begin == 0)
			tell(reassembler, piece->item, 0);
		drop_datagram(reassembler, oldest, LATE);
	}
}

/* Fetch what dropping a datagram will read; one step after the other, 0 to 2, some time apart. */
static void fetch(const struct reassembly *table, const struct reassembly_datagram *datagram, uint32_t step)
{
	const struct reassembly_piece *piece;

	if (step == 0) {
		__builtin_prefetch(datagram, 1);
		__builtin_prefetch(&datagram->newer, 1);
		return;
	}
	piece = reassembly_first(table, datagram);
	__builtin_prefetch(&table->bucket[datagram->bucket], 1);
	if (step == 1)
		__builtin_prefetch(piece, 1);
	else if (piece != NULL)
		__builtin_prefetch(piece->item, 1);
}

/* Draw a datagram. What the next ones lie in is fetched beforehand: a flood of fragments would wait for each. */
static struct reassembly_datagram *draw(struct reassembler *reassembler)
{
	enum { STEPS = 3, APART = REASSEMBLER_LOTS / STEPS };
	uint64_t *number = &reassembler->lot[reassembler->drawn % REASSEMBLER_LOTS], drawn = *number;

	*number = random_u64(&reassembler->random);
	reassembler->drawn++;
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t ahead = reassembler->drawn + REASSEMBLER_LOTS - 1 - APART * step;

		fetch(reassembler->table, reassembly_draw(reassembler->table, reassembler->lot[ahead % REASSEMBLER_LOTS]), step);
	}
	return reassembly_draw(reassembler->table, drawn);
}

/* Make room by dropping datagrams drawn by lot, but not `but`. gives: false when only that one is left */
static bool evict(struct reassembler *reassembler, const struct reassembly_datagram *but)
{
	struct reassembly *table = reassembler->table;
	struct reassembly_datagram *victim;

	if (table->count <= (but != NULL ? 1u : 0u))
		return false;
	do {
		victim = draw(reassembler);
	} while (victim == but);
	reassembler->app.counter[EVICTED_DATAGRAMS] += !victim->given_up;
	drop_datagram(reassembler, victim, EVICTED);
	return true;
}

/* The datagram of a fragment, begun when it is not there. */
static struct reassembly_datagram *datagram_of(struct reassembler *reassembler, const uint8_t *key)
{
	struct reassembly *table = reassembler->table;
	struct reassembly_datagram *datagram = reassembly_find(table, key);

	if (datagram != NULL)
		return datagram;
	if (table->count == table->datagrams)
		evict(reassembler, NULL);
	return reassembly_begin(table, key, clock_now());
}

/* A short fragment in a long buffer moves into a short one, of which there are more. gives: the packet to be held; NULL when no
 * more long ones may be, or there is no packet: p was dropped */
static struct packet *settle(struct reassembler *reassembler, struct packet *p)
{
	struct packet *copy;

	if (__builtin_expect(!is_jumbo(p), 1))
		return p;
	if (p->length > STANDARD && reassembler->jumbo < JUMBO_HELD)
		return p;
	copy = p->length > STANDARD ? NULL : packet_alloc();
	if (copy == NULL) {
		app_drop(&reassembler->app, NO_PACKET, p);
		return NULL;
	}
	packet_set(copy, p->data, p->length);
	copy->meta = p->meta;
	packet_free(p);
	return copy;
}

/* RFC 3168, 5.3: one congested fragment makes the datagram congested. source: the two bits of both headers */
static bool is_congested(const struct packet *p)
{
	const uint8_t *ip = p->data + ETHERNET_HEADER;

	return (ip[0] >> 4 == 4 ? ip[1] & 3 : ip[1] >> 4 & 3) == 3;
}

/* Write all payloads behind the headers; gives whether one of the fragments was congested. */
static bool gather(const struct reassembler *reassembler, const struct reassembly_datagram *datagram, uint8_t *to)
{
	const struct reassembly_piece *piece = reassembly_first(reassembler->table, datagram);
	bool congested = false;

	for (; piece != NULL; piece = reassembly_next(reassembler->table, piece)) {
		memcpy(to + piece->begin, piece->data, piece->end - piece->begin);
		congested = congested || is_congested(piece->item);
	}
	return congested;
}

/* Set the two bits in the headers of a whole datagram whose sender understands them. */
static void congest(struct packet *whole)
{
	uint8_t *ip = whole->data + ETHERNET_HEADER;

	if (ip[0] >> 4 == 4 && ip[1] & 3)
		ip[1] |= 3;
	else if (ip[0] >> 4 == 6 && ip[1] & 0x30)
		ip[1] |= 0x30;
}

/* All pieces are there: make one packet of them and send it. */
static void complete(struct reassembler *reassembler, struct reassembly_datagram *datagram)
{
	struct app *app = &reassembler->app;
	struct packet *first = reassembly_first(reassembler->table, datagram)->item, *whole;
	struct packet *model = reassembler->header == REASSEMBLER_OFFSET ? first : datagram->first;
	struct reassembler_fragment fragment;
	const struct reassembly_piece *piece;

	reassembler->find(model, &fragment);
	whole = packet_alloc_length(fragment.header + datagram->total);
	if (whole == NULL) {
		drop_datagram(reassembler, datagram, NO_PACKET);
		return;
	}
	app->created++;
	memcpy(whole->data, model->data, fragment.header);
	whole->length = fragment.header + datagram->total;
	whole->meta = model->meta;
	whole->meta.flags &= PACKET_VLAN;
	if (gather(reassembler, datagram, whole->data + fragment.header))
		congest(whole);
	reassembler->finish(reassembler, first, whole, fragment.header);
	for (piece = reassembly_first(reassembler->table, datagram); piece != NULL; piece = reassembly_next(reassembler->table, piece)) {
		reassembler->jumbo -= is_jumbo(piece->item);
		packet_free(piece->item);
		app->consumed++;
	}
	reassembly_end(reassembler->table, datagram);
	app->counter[REASSEMBLED]++;
	link_send(app->output[OUTPUT], whole);
}

/* A datagram that cannot become whole, because of packet p. With `stays` what comes for it later is dropped, too. */
static void spoil(struct reassembler *reassembler, struct reassembly_datagram *datagram, struct packet *p, uint32_t reason,
	bool stays)
{
	reassembler->app.counter[INVALID_DATAGRAMS]++;
	app_drop(&reassembler->app, reason, p);
	if (datagram == NULL)
		return;
	drop_pieces(reassembler, datagram, reason);
	if (stays)
		reassembly_give_up(reassembler->table, datagram);
	else
		reassembly_end(reassembler->table, datagram);
}

/* Hold a fragment, and see what becomes of its datagram. */
static void hold(struct reassembler *reassembler, struct packet *p, const struct reassembler_fragment *fragment)
{
	struct reassembly *table = reassembler->table;
	struct reassembly_datagram *datagram = datagram_of(reassembler, fragment->key);

	if (datagram->given_up) {
		app_drop(&reassembler->app, OVERLAP, p);
		return;
	}
	if (fragment->header + fragment->end > REASSEMBLER_LONGEST) {
		spoil(reassembler, datagram, p, TOO_LONG, false);
		return;
	}
	while (table->piece_count == table->pieces && evict(reassembler, datagram))
		;
	if (table->piece_count == table->pieces) {
		spoil(reassembler, datagram, p, TOO_MANY, false);
		return;
	}
	switch (reassembly_put(table, datagram, p, p->data + fragment->payload, fragment->begin, fragment->end, !fragment->more)) {
	case REASSEMBLY_KEPT:
	case REASSEMBLY_COMPLETE:
		reassembler->jumbo += is_jumbo(p);
		if (datagram->pieces > reassembler->most) {
			reassembler->app.counter[INVALID_DATAGRAMS]++;
			drop_datagram(reassembler, datagram, TOO_MANY);
		} else if (datagram->bytes == datagram->total) {
			complete(reassembler, datagram);
		}
		break;
	case REASSEMBLY_DUPLICATE:
		app_drop(&reassembler->app, DUPLICATE, p);
		break;
	case REASSEMBLY_OVERLAP:
		spoil(reassembler, datagram, p, OVERLAP, true);
		break;
	case REASSEMBLY_ENDS_TWICE:
		spoil(reassembler, datagram, p, INVALID, false);
		break;
	}
}

void reassembler_take(struct reassembler *reassembler)
{
	struct app *app = &reassembler->app;
	struct packet *p = link_receive(app->input[0]);
	struct reassembler_fragment fragment = { .pointer = 0 };

	switch (reassembler->find(p, &fragment)) {
	case REASSEMBLER_OTHER:
		app->counter[UNNEEDED]++;
		link_send(app->output[OUTPUT], p);
		break;
	case REASSEMBLER_CUT_OFF:
		app_drop(app, CUT_OFF, p);
		break;
	case REASSEMBLER_WHOLE:
		app->counter[NEEDS_REASSEMBLY]++;
		app->counter[REASSEMBLED]++;
		link_send(app->output[OUTPUT], p);
		break;
	case REASSEMBLER_MALFORMED:
		app->counter[NEEDS_REASSEMBLY]++;
		if (fragment.pointer != 0 && reassembler->tells_malformed)
			tell(reassembler, p, fragment.pointer);
		spoil(reassembler, reassembly_find(reassembler->table, fragment.key), p, INVALID, false);
		break;
	case REASSEMBLER_FRAGMENT:
		app->counter[NEEDS_REASSEMBLY]++;
		p = settle(reassembler, p);
		if (p != NULL)
			hold(reassembler, p, &fragment);
		break;
	}
}
