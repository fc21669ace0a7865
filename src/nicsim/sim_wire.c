/* sim_wire -- see sim_wire.h. */
#include "nicsim/sim_wire.h"

#include "lib/lib.h"

enum { RETRY_NS = 1000000, LEAST = 60 };

static struct sim_wire wires[SIM_CARDS];

/* --- "rate=1M,size=60-1514,..." --------------------------------------------------------------------------------------- */

/* A number with K, M or G behind it. */
static bool parse_number(const char *text, uint64_t *number)
{
	char *rest;
	unsigned long long value = strtoull(text, &rest, 10);
	uint64_t unit = *rest == 'k' || *rest == 'K' ? 1000 : *rest == 'M' ? 1000000 : *rest == 'G' ? 1000000000 : 1;

	if (rest == text || text[0] == '-' || (unit > 1 ? rest[1] : rest[0]) != 0 || value > UINT64_MAX / unit)
		return false;
	*number = value * unit;
	return true;
}

static bool parse_sizes(const char *text, struct sim_traffic *traffic)
{
	char rest;
	unsigned least, most;
	int n = sscanf(text, "%5u-%5u%c", &least, &most, &rest);

	if (n == 1 && strchr(text, '-') == NULL)
		most = least;
	else if (n != 2)
		return false;
	traffic->least = least;
	traffic->most = most;
	return least >= 60 && most >= least && most <= SIM_FRAME - 64;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	char rest;

	return strlen(text) == 17 && sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
		&rest) == 6;
}

/* One "key=value" or "key". */
static bool parse_key(struct sim_traffic *traffic, const char *key, const char *value)
{
	uint64_t number = 0;

	if (value == NULL) {
		traffic->ipv6 |= strcmp(key, "ipv6") == 0;
		traffic->tcp |= strcmp(key, "tcp") == 0;
		return strcmp(key, "ipv6") == 0 || strcmp(key, "tcp") == 0;
	}
	if (strcmp(key, "size") == 0)
		return parse_sizes(value, traffic);
	if (strcmp(key, "dst") == 0)
		return parse_mac(value, traffic->dst);
	if (!parse_number(value, &number))
		return false;
	if (strcmp(key, "rate") == 0)
		traffic->rate = number;
	else if (strcmp(key, "count") == 0)
		traffic->count = number;
	else if (strcmp(key, "flows") == 0 && number >= 1 && number <= 60000)
		traffic->flows = (uint32_t)number;
	else if (strcmp(key, "vlan") == 0 && number <= 65535)
		traffic->vlan = (int32_t)number;
	else
		return false;
	return true;
}

int sim_wire_traffic(struct sim_traffic *traffic, const char *text)
{
	char copy[256], *rest = copy, *part;

	*traffic = (struct sim_traffic){ .least = 60, .most = 60, .flows = 1, .vlan = -1 };
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return nf_fail(EINVAL, "the traffic's description is too long");
	while ((part = strsep(&rest, ",")) != NULL) {
		char whole[64], *value = part;

		snprintf(whole, sizeof(whole), "%s", part);
		strsep(&value, "=");
		if (part[0] != 0 && !parse_key(traffic, part, value))
			return nf_fail(EINVAL, "traffic: '%s' is none of rate=N, count=N, size=N or size=N-N (60 to %d), flows=N (1 to 60000), "
				"vlan=TCI, dst=MAC, ipv6, tcp", whole, SIM_FRAME - 64);
	}
	return 0;
}

/* --- what is plugged in -------------------------------------------------------------------------------------------------- */

int sim_wire_begin(struct sim *sim, uint32_t number, const char *what, const struct sim_traffic *traffic)
{
	struct sim_wire *wire = &wires[number];
	uint32_t other = number ^ 1;
	char input[256];
	const char *colon = strchr(what, ':');

	*wire = (struct sim_wire){ .card = &sim->card[number], .traffic = *traffic };
	sim->card[number].wire = wire;
	if (strcmp(what, "none") == 0)
		return 0;
	if (strcmp(what, "joined") == 0) {
		if (other >= sim->card_count)
			return nf_fail(EINVAL, "card %u has no neighbour to be joined with", number);
		wire->kind = SIM_WIRE_JOINED;
		wire->peer = &sim->card[other];
		return 0;
	}
	if (strcmp(what, "generator") == 0) {
		wire->kind = SIM_WIRE_GENERATOR;
		return sim_generator_begin(wire);
	}
	wire->kind = SIM_WIRE_CAPTURE;
	snprintf(input, sizeof(input), "%.*s", colon != NULL ? (int)(colon - what) : (int)strlen(what), what);
	return sim_capture_begin(wire, input, colon != NULL ? colon + 1 : "");
}

void sim_wire_end(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->card_count; i++) {
		sim_capture_end(&wires[i]);
		sim_generator_end(&wires[i]);
		wires[i] = (struct sim_wire){ 0 };
	}
}

/* Has the driver got as far as to enable a queue? Nobody sends before. */
static bool is_awaited(const struct sim_card *card)
{
	for (uint32_t i = 0; i < card->receive_active; i++)
		if (card->receive[i].enabled)
			return true;
	return false;
}

bool sim_wire_takes(struct sim_card *card)
{
	struct sim_card *peer = card->wire->peer;

	if (card->wire->kind != SIM_WIRE_JOINED || !card->sim->lossless)
		return true;
	return is_awaited(peer) && sim_receive_is_on(peer) && sim_receive_room(peer) > 0;
}

void sim_wire_send(struct sim_card *card, const uint8_t *data, uint32_t length)
{
	struct sim_wire *wire = card->wire;

	card->counts.sent++;
	card->kind->count_transmit(card, data, length);
	if (wire->kind == SIM_WIRE_JOINED)
		sim_receive(wire->peer, data, length, NULL);
	else if (wire->kind == SIM_WIRE_CAPTURE)
		sim_capture_write(wire, data, length);
	else if (wire->kind == SIM_WIRE_GENERATOR)
		sim_generator_check(card->sim, wire, data, length);
}

/* How many frames may come now? At a rate those whose time has come; else those that find room. */
static uint32_t allowance(struct sim_wire *wire, uint32_t budget)
{
	uint64_t now = wire->card->sim->now_ns, pause;
	uint32_t n;

	if (now < wire->retry_ns)
		return 0;
	if (wire->kind != SIM_WIRE_GENERATOR || wire->traffic.rate == 0) {
		n = sim_receive_room(wire->card);
		return n < budget ? n : budget;
	}
	if (wire->next_ns + 100000000 < now)
		wire->next_ns = now;
	pause = 1000000000 / wire->traffic.rate;
	for (n = 0; n < budget && wire->next_ns <= now; n++)
		wire->next_ns += pause;
	return n;
}

/* Frames that came before the card was ready: those do not count. The first one of all waits for its own queue, as others may be on
 * before it; later a frame that finds its queue off is lost. */
static uint64_t came_early(const struct sim_wire *wire)
{
	return wire->card->counts.not_ready + (wire->checked.sent == 0 ? wire->card->counts.no_queue : 0);
}

/* On a wire no frame is shorter. */
static const uint8_t *pad(const uint8_t *data, uint32_t *length)
{
	static uint8_t frame[LEAST];

	if (*length >= LEAST)
		return data;
	memset(frame, 0, LEAST);
	memcpy(frame, data, *length);
	*length = LEAST;
	return frame;
}

/* Bring one frame. gives: false: it came before the card was ready, and does not count */
static bool bring(struct sim_wire *wire)
{
	struct sim_card *card = wire->card;
	uint64_t early = came_early(wire);
	uint32_t length;
	const uint8_t *data;

	if (wire->kind == SIM_WIRE_CAPTURE) {
		data = sim_capture_next(wire, &length);
		data = pad(data, &length);
		sim_receive(card, data, length, NULL);
	} else {
		data = sim_generator_next(wire, &length);
		sim_receive(card, data, length, sim_generator_parsed(wire, data, length));
	}
	if (came_early(wire) != early) {
		wire->retry_ns = card->sim->now_ns + RETRY_NS;
		return false;
	}
	if (wire->kind == SIM_WIRE_CAPTURE)
		sim_capture_taken(wire);
	else
		sim_generator_taken(wire);
	return true;
}

bool sim_wire_step(struct sim_card *card, uint32_t budget)
{
	struct sim_wire *wire = card->wire;
	uint32_t n = 0, most;

	if ((wire->kind != SIM_WIRE_GENERATOR && wire->kind != SIM_WIRE_CAPTURE) || wire->ended || !card->link || !is_awaited(card))
		return false;
	most = allowance(wire, budget);
	while (n < most && !wire->ended) {
		n++;
		if (!bring(wire))
			break;
	}
	return n > 0;
}

bool sim_wire_done(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->card_count; i++) {
		const struct sim_wire *wire = sim->card[i].wire;

		if (wire->kind != SIM_WIRE_NONE && wire->kind != SIM_WIRE_JOINED &&
		    (!wire->ended || (wire->kind == SIM_WIRE_GENERATOR && wire->checked.back < wire->checked.sent)))
			return false;
	}
	return true;
}

bool sim_wire_failed(const struct sim *sim, bool all)
{
	for (uint32_t i = 0; i < sim->card_count; i++) {
		const struct sim_checked *c = &wires[i].checked;

		if (wires[i].kind == SIM_WIRE_GENERATOR && (c->corrupted + c->duplicated > 0 ||
		    (all && (c->back < c->sent || !wires[i].ended))))
			return true;
	}
	return false;
}

void sim_wire_report(const struct sim *sim, FILE *out)
{
	for (uint32_t i = 0; i < sim->card_count; i++) {
		const struct sim_checked *c = &wires[i].checked;

		if (wires[i].kind == SIM_WIRE_CAPTURE)
			fprintf(out, "nicsim: captures at %s: %llu frames in, %llu out\n", sim->card[i].address, (unsigned long long)c->sent,
				(unsigned long long)c->back);
		if (wires[i].kind == SIM_WIRE_GENERATOR)
			fprintf(out, "nicsim: generator at %s: sent %llu, back %llu, lost %llu, duplicated %llu, reordered %llu, corrupted %llu, "
				"foreign %llu\n", sim->card[i].address, (unsigned long long)c->sent, (unsigned long long)c->back,
				(unsigned long long)(c->sent - c->back), (unsigned long long)c->duplicated, (unsigned long long)c->reordered,
				(unsigned long long)c->corrupted, (unsigned long long)c->foreign);
	}
}
