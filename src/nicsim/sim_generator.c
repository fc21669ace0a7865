/* sim_generator -- frames with a number each, and the checker that knows them again, whatever headers they have got since. */
#include "nicsim/sim_wire.h"

#include "lib/lib.h"

enum {
	WINDOW = 1 << 20,               /* frames under way that are told apart */
	MARK = 18                       /* bytes of payload that every frame has: magic, source, number, sum */
};

#define MAGIC 0x6e66736dU               /* "nfsm" */

static uint32_t sum_of(uint32_t source, uint64_t sequence, uint32_t length)
{
	uint64_t x = (sequence ^ (uint64_t)source << 56 ^ (uint64_t)length << 40) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(x >> 32);
}

static uint8_t fill_of(uint64_t sequence, uint32_t i)
{
	return (uint8_t)(sequence * 31 + i);
}

/* Payload: the mark, then bytes that follow from the number. */
static void write_payload(const struct sim_wire *wire, uint8_t *to, uint32_t length)
{
	uint32_t magic = MAGIC, sum = sum_of(wire->card->number, wire->sequence, length);

	memcpy(to, &magic, 4);
	to[4] = (uint8_t)wire->card->number;
	to[5] = 0;
	memcpy(to + 6, &wire->sequence, 8);
	memcpy(to + 14, &sum, 4);
	for (uint32_t i = MARK; i < length; i++)
		to[i] = fill_of(wire->sequence, i);
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

/* The next size: from least to most, one after the other. */
static uint32_t size_of(const struct sim_wire *wire)
{
	const struct sim_traffic *t = &wire->traffic;

	return t->least + (uint32_t)(wire->sequence % (t->most - t->least + 1));
}

uint32_t sim_generator_frame(struct sim_wire *wire, uint8_t *data)
{
	const struct sim_traffic *t = &wire->traffic;
	uint32_t flow = (uint32_t)(wire->sequence % t->flows), length = size_of(wire), addresses = t->ipv6 ? 32 : 8;
	uint32_t header = 14 + (t->vlan >= 0 ? 4 : 0) + (t->ipv6 ? 40 : 20) + (t->tcp ? TCP_HEADER : UDP_HEADER);
	uint8_t *ip = put_ethernet(wire, data), *l4, *at;
	uint32_t bytes, place = t->tcp ? 16 : 6;
	uint16_t sum;

	length = length < header + MARK ? header + MARK : length;
	bytes = length - (uint32_t)(ip - data) - (t->ipv6 ? 40 : 20);
	l4 = put_ip(wire, ip, bytes, flow);
	at = put16(put16(l4, 1024 + flow % 60000), 9);
	if (t->tcp)
		at = put32(put32(put32(put32(at, (uint32_t)wire->sequence), 0), 0x50101000), 0);
	else
		at = put32(at, bytes << 16);
	write_payload(wire, at, length - header);
	sum = checksum_finish(checksum_add(checksum_pseudo(l4 - addresses, addresses, t->tcp ? IP_TCP : IP_UDP, bytes), l4, bytes));
	sum = sum == 0 ? 0xffff : sum;
	memcpy(l4 + place, &sum, sizeof(sum));
	return length;
}

void sim_generator_taken(struct sim_wire *wire)
{
	uint64_t i = wire->sequence % WINDOW;

	/* Whoever still has this bit was lost long ago. */
	wire->outstanding[i / 64] |= 1ULL << i % 64;
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
	uint64_t i = sequence % WINDOW, *last = &from->last[sequence % from->traffic.flows];

	if (sequence >= from->sequence || !(from->outstanding[i / 64] >> i % 64 & 1)) {
		from->checked.duplicated++;
		return;
	}
	from->outstanding[i / 64] &= ~(1ULL << i % 64);
	from->checked.back++;
	if (sequence + 1 < *last)
		from->checked.reordered++;
	else
		*last = sequence + 1;
}

void sim_generator_check(struct sim *sim, struct sim_wire *at, const uint8_t *data, uint32_t length)
{
	bool sound = true;
	uint32_t bytes = 0;
	const uint8_t *mark = find_mark(data, length, sim->deep ? SIM_CHECK_IP | SIM_CHECK_L4 : 0, &bytes, &sound);
	uint64_t sequence;
	struct sim_wire *from;

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
	wire->outstanding = calloc(WINDOW / 64, sizeof(uint64_t));
	wire->last = calloc(wire->traffic.flows, sizeof(uint64_t));
	if (wire->outstanding == NULL || wire->last == NULL)
		return nf_fail(ENOMEM, "no memory for a generator");
	return 0;
}

void sim_generator_end(struct sim_wire *wire)
{
	free(wire->outstanding);
	free(wire->last);
}
