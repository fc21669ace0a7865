/* sim_generator -- frames with a number each, and the checker that knows them again, whatever headers they have got since. */
#include "nicsim/sim_wire.h"

#include "lib/lib.h"

enum {
	WINDOW = 1 << 20,               /* frames under way that are told apart */
	MARK = 18,                      /* bytes of payload that every frame has: magic, source, number, sum */
	HEADERS = 128, BATCH = 64
};

#define MAGIC 0x6e66736dU               /* "nfsm" */

/* What frames of a length and a flow have in common. */
struct pattern {
	uint32_t length, flow;          /* length 0: there is none */
	uint32_t l4, header;            /* bytes before the transport header, before the payload */
	uint64_t sum;                   /* of the transport header, its pseudo header and the mark, without number and sums */
	uint8_t data[HEADERS];          /* up to the mark, and it; number and sums 0 */
	struct sim_frame parsed;        /* with these: */
	uint32_t checks;
	uint16_t vlan_type;
};

struct sim_generator {
	uint64_t *outstanding;          /* a bit for each frame under way, by number */
	uint64_t *last;                 /* of each flow: the greatest number that came back, plus 1 */
	struct pattern pattern;
	/* Frames made in advance: what is written just before it is copied makes the processor wait. */
	uint64_t first;                 /* number of the first */
	uint32_t count;
	uint32_t at[BATCH], length[BATCH];
	uint8_t data[SIM_FRAME + 64];
};

static uint32_t sum_of(uint32_t source, uint64_t sequence, uint32_t length)
{
	uint64_t x = (sequence ^ (uint64_t)source << 56 ^ (uint64_t)length << 40) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(x >> 32);
}

static uint8_t fill_of(uint64_t sequence, uint32_t i)
{
	return (uint8_t)(sequence * 31 + i);
}

static uint8_t *put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value);
}

static uint8_t *put_ethernet(const struct sim_wire *wire, uint8_t *at)
{
	static const uint8_t zero[6];
	const struct sim_traffic *t = &wire->traffic;

	memcpy(at, memcmp(t->dst, zero, 6) == 0 ? wire->card->mac : t->dst, 6);
	at = put32(at + 6, 0x02000000);
	at = put16(at, 0xfe00 + wire->card->number);
	if (t->vlan >= 0)
		at = put16(put16(at, ETHERNET_VLAN), (uint32_t)t->vlan);
	return put16(at, t->ipv6 ? ETHERNET_IPV6 : ETHERNET_IPV4);
}

static uint8_t *put_ip(const struct sim_wire *wire, uint8_t *at, uint32_t length, uint32_t flow)
{
	uint32_t source = 10u << 24 | wire->card->number << 16 | (flow >> 8 & 255) << 8 | 1, protocol = wire->traffic.tcp ? IP_TCP : IP_UDP;
	uint8_t *ip = at;
	uint16_t sum;

	if (wire->traffic.ipv6) {
		at = put16(put16(put32(at, 6u << 28), length), protocol << 8 | 64);
		at = put32(put32(put32(put32(at, 0x20010db8), 0), 0), source);
		return put32(put32(put32(put32(at, 0x20010db8), 0), 0), 0x0affff01);
	}
	at = put32(put16(put16(at, 0x4500), length + 20), 0x00004000);
	at = put32(put32(put16(put16(at, 64u << 8 | protocol), 0), source), 0x0affff01);
	sum = checksum_finish(checksum_add(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof(sum));
	return at;
}

/* A frame's size: from least to most, one after the other. */
static uint32_t size_of(const struct sim_traffic *t, uint64_t sequence)
{
	return t->least == t->most ? t->least : t->least + (uint32_t)(sequence % (t->most - t->least + 1));
}

static uint32_t flow_of(const struct sim_traffic *t, uint64_t sequence)
{
	return t->flows == 1 ? 0 : (uint32_t)(sequence % t->flows);
}

/* Headers and mark of a frame that is not like the one before. */
static void make_pattern(const struct sim_wire *wire, uint64_t sequence, uint32_t size, uint32_t flow)
{
	const struct sim_traffic *t = &wire->traffic;
	struct pattern *p = &wire->generator->pattern;
	uint32_t addresses = t->ipv6 ? 32 : 8, bytes, magic = MAGIC;
	uint8_t *ip = put_ethernet(wire, p->data), *at;

	p->l4 = (uint32_t)(ip - p->data) + (t->ipv6 ? 40 : 20);
	p->header = p->l4 + (t->tcp ? TCP_HEADER : UDP_HEADER);
	p->flow = flow;
	p->length = size;
	p->checks = UINT32_MAX;
	bytes = (size < p->header + MARK ? p->header + MARK : size) - p->l4;
	put_ip(wire, ip, bytes, flow);
	at = put16(put16(p->data + p->l4, 1024 + flow % 60000), 9);
	if (t->tcp)
		at = put32(put32(put32(put32(at, (uint32_t)sequence), 0), 0x50101000), 0);
	else
		at = put32(at, bytes << 16);
	memset(at, 0, MARK);
	memcpy(at, &magic, 4);
	at[4] = (uint8_t)wire->card->number;
	p->sum = checksum_add(checksum_pseudo(p->data + p->l4 - addresses, addresses, t->tcp ? IP_TCP : IP_UDP, bytes), p->data + p->l4,
		p->header - p->l4 + MARK);
}

/* The transport checksum of the pattern's frame with this number, whose bytes behind the mark are there already. */
static uint16_t checksum_of(const struct pattern *p, uint64_t sequence, uint32_t mark_sum, const uint8_t *behind, uint32_t bytes)
{
	uint16_t sum = checksum_finish(checksum_add(p->sum + (uint32_t)sequence + (sequence >> 32) + mark_sum, behind, bytes));

	return sum == 0 ? 0xffff : sum;
}

/* Write a frame. gives: its length */
static uint32_t make_frame(const struct sim_wire *wire, uint64_t sequence, uint8_t *to)
{
	const struct sim_traffic *t = &wire->traffic;
	struct pattern *p = &wire->generator->pattern;
	uint32_t size = size_of(t, sequence), flow = flow_of(t, sequence), length, mark_sum;
	uint16_t sum;

	if (t->tcp || size != p->length || flow != p->flow)
		make_pattern(wire, sequence, size, flow);
	length = size < p->header + MARK ? p->header + MARK : size;
	mark_sum = sum_of(wire->card->number, sequence, length - p->header);
	memcpy(to, p->data, HEADERS);
	memcpy(to + p->header + 6, &sequence, 8);
	memcpy(to + p->header + 14, &mark_sum, 4);
	for (uint32_t i = MARK; i < length - p->header; i++)
		to[p->header + i] = fill_of(sequence, i);
	sum = checksum_of(p, sequence, mark_sum, to + p->header + MARK, length - p->header - MARK);
	memcpy(to + p->l4 + (t->tcp ? 16 : 6), &sum, sizeof(sum));
	return length;
}

/* As many frames as there is room for, the next one first. */
static void make_batch(const struct sim_wire *wire)
{
	struct sim_generator *g = wire->generator;
	uint32_t at = 0, longest = (wire->traffic.most > HEADERS ? wire->traffic.most : HEADERS);

	g->first = wire->sequence;
	g->count = 0;
	do {
		g->at[g->count] = at;
		g->length[g->count] = make_frame(wire, g->first + g->count, g->data + at);
		at += (g->length[g->count] + 63) / 64 * 64;
		g->count++;
	} while (g->count < BATCH && at + longest <= sizeof(g->data) && !wire->traffic.tcp);
}

const uint8_t *sim_generator_next(struct sim_wire *wire, uint32_t *length)
{
	struct sim_generator *g = wire->generator;
	uint64_t i = wire->sequence - g->first;

	if (i >= g->count) {
		make_batch(wire);
		i = 0;
	}
	*length = g->length[i];
	return g->data + g->at[i];
}

const struct sim_frame *sim_generator_parsed(struct sim_wire *wire, const uint8_t *data, uint32_t length)
{
	const struct sim_kind *kind = wire->card->kind;
	struct pattern *p = &wire->generator->pattern;
	uint32_t checks = kind->checks(wire->card);
	uint16_t vlan_type = kind->vlan_type(wire->card);

	/* Only where all frames are of one pattern. */
	if (wire->traffic.tcp || wire->traffic.least != wire->traffic.most || wire->traffic.flows > 1)
		return NULL;
	if (p->checks != checks || p->vlan_type != vlan_type) {
		memset(&p->parsed, 0, offsetof(struct sim_frame, queue));
		p->parsed.data = data;
		p->parsed.length = length;
		sim_parse(&p->parsed, vlan_type, checks);
		p->checks = checks;
		p->vlan_type = vlan_type;
	}
	return &p->parsed;
}

void sim_generator_taken(struct sim_wire *wire)
{
	uint64_t i = wire->sequence % WINDOW;

	/* Whoever still has this bit was lost long ago. */
	wire->generator->outstanding[i / 64] |= 1ULL << i % 64;
	wire->sequence++;
	wire->checked.sent++;
	wire->ended = wire->traffic.count != 0 && wire->checked.sent == wire->traffic.count;
}

/* The mark in a frame; NULL when it has none. *sound: checksums are right, as far as `checks` says. */
static const uint8_t *find_mark(const uint8_t *data, uint32_t length, uint32_t checks, uint32_t *bytes, bool *sound)
{
	struct sim_frame frame;
	uint32_t magic, at, end;

	memset(&frame, 0, offsetof(struct sim_frame, queue));
	frame.data = data;
	frame.length = length;
	sim_parse(&frame, ETHERNET_VLAN, checks);
	*sound = !frame.ip_bad && !frame.l4_bad;
	if (!frame.is_tcp && !frame.is_udp)
		return NULL;
	at = frame.l4 + (frame.is_tcp ? TCP_HEADER : UDP_HEADER);
	end = frame.l3 + (frame.is_ipv4 ? bytes_read16(data + frame.l3 + 2) : bytes_read16(data + frame.l3 + 4) + 40u);
	if (end > length || at + MARK > end)
		return NULL;
	memcpy(&magic, data + at, 4);
	*bytes = end - at;
	return magic == MAGIC ? data + at : NULL;
}

static bool is_intact(const uint8_t *mark, uint32_t bytes, uint64_t sequence)
{
	uint32_t sum;

	memcpy(&sum, mark + 14, 4);
	if (sum != sum_of(mark[4], sequence, bytes))
		return false;
	for (uint32_t i = MARK; i < bytes; i++)
		if (mark[i] != fill_of(sequence, i))
			return false;
	return true;
}

/* A frame of a generator is back. */
static void see(struct sim_wire *from, uint64_t sequence)
{
	uint64_t i = sequence % WINDOW, *last = &from->generator->last[flow_of(&from->traffic, sequence)];
	uint64_t *outstanding = &from->generator->outstanding[i / 64];

	if (sequence >= from->sequence || !(*outstanding >> i % 64 & 1)) {
		from->checked.duplicated++;
		return;
	}
	*outstanding &= ~(1ULL << i % 64);
	from->checked.back++;
	if (sequence + 1 < *last)
		from->checked.reordered++;
	else
		*last = sequence + 1;
}

/* Is it a frame as its generator made it, to the byte? What most drivers forward is. Whatever else comes is looked at closely. */
static bool is_as_made(const struct sim_wire *from, const uint8_t *data, uint32_t length, uint64_t *sequence)
{
	const struct pattern *p = &from->generator->pattern;
	const uint8_t *mark = data + p->header;
	uint32_t bytes = length - p->header, mark_sum;
	uint16_t sum;

	if (from->traffic.tcp || p->length == 0 || length < p->header + MARK || length != p->length ||
	    memcmp(data, p->data, p->header - sizeof(sum)) != 0 || memcmp(mark, p->data + p->header, 6) != 0)
		return false;
	memcpy(sequence, mark + 6, 8);
	memcpy(&mark_sum, mark + 14, 4);
	memcpy(&sum, mark - sizeof(sum), sizeof(sum));
	return is_intact(mark, bytes, *sequence) && sum == checksum_of(p, *sequence, mark_sum, mark + MARK, bytes - MARK);
}

/* The generators' frames come out of the other card of a pair, or of the same one. */
static struct sim_wire *find_maker(struct sim *sim, const struct sim_wire *at, const uint8_t *data, uint32_t length, uint64_t *sequence)
{
	uint32_t number = at->card->number;

	for (uint32_t i = 0; i < 2; i++) {
		struct sim_wire *from = (number ^ 1 ^ i) < sim->card_count ? sim->card[number ^ 1 ^ i].wire : NULL;

		if (from != NULL && from->kind == SIM_WIRE_GENERATOR && is_as_made(from, data, length, sequence))
			return from;
	}
	return NULL;
}

void sim_generator_check(struct sim *sim, struct sim_wire *at, const uint8_t *data, uint32_t length)
{
	bool sound = true;
	uint32_t bytes = 0;
	uint64_t sequence;
	struct sim_wire *from = find_maker(sim, at, data, length, &sequence);
	const uint8_t *mark;

	if (from != NULL) {
		see(from, sequence);
		return;
	}
	mark = find_mark(data, length, sim->deep ? SIM_CHECK_IP | SIM_CHECK_L4 : 0, &bytes, &sound);
	if (mark == NULL) {
		at->checked.foreign++;
		return;
	}
	memcpy(&sequence, mark + 6, 8);
	from = mark[4] < sim->card_count ? sim->card[mark[4]].wire : NULL;
	if (from == NULL || from->kind != SIM_WIRE_GENERATOR || !sound || !is_intact(mark, bytes, sequence))
		at->checked.corrupted++;
	else
		see(from, sequence);
}

int sim_generator_begin(struct sim_wire *wire)
{
	struct sim_generator *g = calloc(1, sizeof(*g));

	wire->generator = g;
	if (g != NULL) {
		g->outstanding = calloc(WINDOW / 64, sizeof(uint64_t));
		g->last = calloc(wire->traffic.flows, sizeof(uint64_t));
	}
	if (g == NULL || g->outstanding == NULL || g->last == NULL)
		return nf_fail(ENOMEM, "no memory for a generator");
	return 0;
}

void sim_generator_end(struct sim_wire *wire)
{
	if (wire->generator == NULL)
		return;
	free(wire->generator->outstanding);
	free(wire->generator->last);
	free(wire->generator);
}
