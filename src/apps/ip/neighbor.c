/* neighbor -- see neighbor.h. */
#include "apps/ip/neighbor.h"

enum { TYPE = 12 };                     /* bytes before an Ethernet frame's type */

/* An Ethernet address that one interface can have. */
static bool is_unicast(const uint8_t *mac)
{
	static const uint8_t none[ETHERNET_ADDRESS];

	return !ethernet_is_group(mac) && memcmp(mac, none, sizeof(none)) != 0;
}

void neighbor_check(const struct app *app, const struct neighbor *neighbor, bool has_hop, struct errors *errors)
{
	if (!is_unicast(neighbor->own))
		errors_add(errors, "app '%s': key 'mac': not the address of one interface; a unicast address is needed", app->name);
	if (neighbor->has_fixed && !is_unicast(neighbor->fixed))
		errors_add(errors, "app '%s': key 'next_hop_mac': not the address of one interface; a unicast address is needed",
			app->name);
	if (neighbor->has_fixed && has_hop)
		errors_add(errors, "app '%s': keys 'next_hop' and 'next_hop_mac': only one of them may be given", app->name);
}

static void set_hop(struct neighbor *neighbor, const uint8_t *mac)
{
	memcpy(neighbor->header, mac, ETHERNET_ADDRESS);
	memcpy(neighbor->header + ETHERNET_ADDRESS, neighbor->own, ETHERNET_ADDRESS);
}

void neighbor_prepare(struct app *app, struct neighbor *neighbor, bool has_hop)
{
	neighbor->state = has_hop ? NEIGHBOR_UNKNOWN : neighbor->has_fixed ? NEIGHBOR_FIXED : NEIGHBOR_NONE;
	if (neighbor->has_fixed)
		set_hop(neighbor, neighbor->fixed);
	fifo_init(&neighbor->held, app_alloc(app, fifo_slots(neighbor->limit) * sizeof(struct fifo_entry)), neighbor->limit);
}

void neighbor_commit(struct app *app, struct neighbor *neighbor, struct neighbor *old, bool same)
{
	if (same && neighbor->state == NEIGHBOR_UNKNOWN && old->state == NEIGHBOR_KNOWN) {
		neighbor->state = NEIGHBOR_KNOWN;
		neighbor->next_ns = old->next_ns;
		neighbor->unanswered = old->unanswered;
		set_hop(neighbor, old->header);
	}
	while (fifo_count(&old->held) > 0) {
		struct packet *p = fifo_take(&old->held);

		if (fifo_room(&neighbor->held) > 0)
			fifo_put(&neighbor->held, p, 0);
		else
			app_drop(app, app_reason(app, APP_REASON_RELOAD), p);
	}
}

/* An interface that goes takes its next hop with it: only when that is known can anybody take the packets. */
void neighbor_flush(struct app *app, struct neighbor *neighbor)
{
	while (neighbor->state != NEIGHBOR_UNKNOWN && fifo_count(&neighbor->held) > 0 && link_room(app->output[WIRE]) > 0)
		link_send(app->output[WIRE], fifo_take(&neighbor->held));
}

void neighbor_stop(struct app *app, struct neighbor *neighbor)
{
	while (fifo_count(&neighbor->held) > 0)
		app_drop(app, app_reason(app, APP_REASON_STOP), fifo_take(&neighbor->held));
}

uint64_t neighbor_wake_at(const struct app *app, const struct neighbor *neighbor)
{
	if (link_room(app->output[WIRE]) == 0)
		return CLOCK_NEVER;
	if (neighbor->state == NEIGHBOR_UNKNOWN)
		return neighbor->starts ? CLOCK_NEVER : neighbor->next_ns;
	if (fifo_count(&neighbor->held) > 0)
		return clock_now();
	return neighbor->state == NEIGHBOR_KNOWN ? neighbor->next_ns : CLOCK_NEVER;
}

/* A virtual clock starts with the first packet: what was asked before, was asked then. */
bool neighbor_is_due(struct neighbor *neighbor)
{
	if (neighbor->state != NEIGHBOR_UNKNOWN && neighbor->state != NEIGHBOR_KNOWN)
		return false;
	if (neighbor->starts && clock_now() > 0) {
		neighbor->starts = false;
		neighbor->next_ns = clock_now() + neighbor->retry_ns;
	}
	return !neighbor->starts && neighbor->next_ns <= clock_now();
}

/* RFC 1122, 2.3.2.1: a renewal is first asked of the one whose address is known. */
bool neighbor_asks_all(const struct neighbor *neighbor)
{
	return neighbor->state == NEIGHBOR_UNKNOWN || neighbor->unanswered > 0;
}

void neighbor_asked(struct neighbor *neighbor)
{
	neighbor->unanswered++;
	neighbor->starts = clock_now() == 0;
	neighbor->next_ns = clock_now() + neighbor->retry_ns;
}

void neighbor_learn(struct app *app, struct neighbor *neighbor, const uint8_t *mac)
{
	if (!is_unicast(mac))
		return;
	if (neighbor->state == NEIGHBOR_UNKNOWN)
		app->counter[RESOLVED]++;
	else if (memcmp(neighbor->header, mac, ETHERNET_ADDRESS) != 0)
		app->counter[CHANGED]++;
	neighbor->state = NEIGHBOR_KNOWN;
	neighbor->starts = false;
	neighbor->unanswered = 0;
	neighbor->next_ns = neighbor->renew_ns > 0 ? clock_now() + neighbor->renew_ns : CLOCK_NEVER;
	set_hop(neighbor, mac);
}

/* How frames of a type to the next hop begin, in registers. */
struct header {
	uint64_t first;
	uint32_t second;
	uint16_t type_be;
	bool given;
};

static inline struct header header_of(const struct neighbor *neighbor, uint16_t type)
{
	struct header header = { .type_be = bytes_swap16(type), .given = neighbor->state != NEIGHBOR_NONE };

	memcpy(&header.first, neighbor->header, sizeof(header.first));
	memcpy(&header.second, neighbor->header + sizeof(header.first), sizeof(header.second));
	return header;
}

/* Give a frame its addresses, all 12 bytes in two stores. */
static inline void address(const struct header *header, const struct packet *p)
{
	uint8_t *data = p->data;
	uint16_t found_be;

	memcpy(&found_be, data + TYPE, sizeof(found_be));
	if (__builtin_expect(found_be != header->type_be || p->length < ETHERNET_HEADER || !header->given, 0))
		return;
	memcpy(data, &header->first, sizeof(header->first));
	memcpy(data + sizeof(header->first), &header->second, sizeof(header->second));
}

/* Send what waited, as far as there is room; the addresses are put in now that they are known. */
static void release(struct app *app, struct neighbor *neighbor, const struct header *header)
{
	uint32_t room = link_room(app->output[WIRE]) < BURST ? link_room(app->output[WIRE]) : BURST;

	for (uint32_t n = 0; n < room && fifo_count(&neighbor->held) > 0; n++) {
		struct packet *p = fifo_take(&neighbor->held);

		address(header, p);
		link_send(app->output[WIRE], p);
	}
}

/* RFC 4861, 7.2.2: when the queue is full the oldest packet makes room for the new one. Frames of other types pass. */
static void hold(struct app *app, struct neighbor *neighbor, uint16_t type)
{
	struct packet *burst[BURST], *others[BURST];
	uint32_t n = link_room(app->output[WIRE]), passing = 0;

	n = link_receive_burst(app->input[INSIDE], burst, n < BURST ? n : BURST);
	for (uint32_t i = 0; i < n; i++) {
		if (burst[i]->length < ETHERNET_HEADER || bytes_read16(burst[i]->data + TYPE) != type) {
			others[passing++] = burst[i];
			continue;
		}
		if (fifo_room(&neighbor->held) == 0)
			app_drop(app, UNRESOLVED, fifo_take(&neighbor->held));
		fifo_put(&neighbor->held, burst[i], 0);
	}
	link_send_burst(app->output[WIRE], others, passing);
}

void neighbor_send(struct app *app, struct neighbor *neighbor, uint16_t type)
{
	struct header header = header_of(neighbor, type);
	struct link *input = app->input[INSIDE], *output = app->output[WIRE];
	struct packet *const *list;
	uint32_t n;
	uint64_t bytes = 0;

	if (__builtin_expect(neighbor->state == NEIGHBOR_UNKNOWN, 0)) {
		hold(app, neighbor, type);
		return;
	}
	if (__builtin_expect(fifo_count(&neighbor->held) > 0, 0)) {
		release(app, neighbor, &header);
		if (fifo_count(&neighbor->held) > 0)
			return;
	}
	n = link_waiting(input) < BURST ? link_waiting(input) : BURST;
	n = link_room(output) < n ? link_room(output) : n;
	list = link_front(input, &n);
	for (uint32_t i = 0; i < n; i++) {
		address(&header, list[i]);
		bytes += list[i]->length;
	}
	link_pass(input, output, n, bytes);
}
