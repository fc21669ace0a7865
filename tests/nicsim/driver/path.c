/* path -- frames from receive rings to transmit rings. */
#include "driver.h"

#include <stdio.h>
#include <string.h>

uint64_t forwarded;

static uint32_t room(const struct queue *queue)
{
	return RING - 1 - (queue->transmit_next - queue->transmit_done) % RING;
}

/* The second word of a data descriptor, and of a wish.legacy one. */
static uint64_t command(uint32_t length, uint32_t total, bool first, bool last, uint32_t tag, const struct headers *h)
{
	uint64_t word = length;

	if (last && !breaks("no-eop"))
		word |= 1 << 24;
	if (!breaks("no-ifcs"))
		word |= 1 << 25;
	if (last && !breaks("no-rs"))
		word |= 1 << 27;
	if (wish.legacy)
		return word | (wish.vlan ? 1ull << 30 | (uint64_t)tag << 48 : 0);
	if (breaks("paylen"))
		total -= 4;
	if (wish.segment > 0) {
		total -= 54;
		word |= 1u << 31 | 3ull << 40;
	}
	word |= (uint64_t)total << 46 | 3 << 20 | (breaks("wrong-type") ? 1 << 20 : 0);
	if (!breaks("mixed") || first)
		word |= 1 << 29;
	if (breaks("wrong-type"))
		word ^= 3 << 20;
	if (wish.vlan)
		word |= 1 << 30;
	if ((wish.offload && h->has_ip && (h->is_ipv4 || breaks("ipv6-header-sum"))) || breaks("no-context"))
		word |= 1ull << 40;
	if (h->has_l4)
		word |= 1ull << 41;
	return word | (breaks("context-index") ? 2ull << 36 : 0);
}

/* Send what is pending: a whole packet, whose buffers go to the other card's transmit ring. */
static void send(struct card *from, struct queue *pending, struct queue *queue, uint32_t tag)
{
	struct headers h = { .ip_length = 20, .is_ipv4 = true };
	uint32_t total = 0;

	for (uint32_t i = 0; i < pending->pending; i++)
		total += pending->pending_length[i];
	if (wish.offload || wish.segment > 0)
		find_headers(from->memory + (uint64_t)pending->pending_buffer[0] * BUFFER, &h);
	if (!wish.legacy && (wish.vlan || wish.offload || wish.segment > 0) && !breaks("no-context"))
		put_context(queue, tag, &h);
	for (uint32_t k = 0; k < pending->pending; k++) {
		uint32_t i = queue->transmit_next;

		queue->transmit[2 * i] = buffer_of(from, pending->pending_buffer[k]) + (breaks("wrong-offset") ? 2 : 0);
		queue->transmit[2 * i + 1] = command(pending->pending_length[k], total, k == 0, k + 1 == pending->pending, tag, &h);
		queue->sending[i] = pending->pending_buffer[k];
		queue->ends[i] = k + 1 == pending->pending;
		queue->transmit_next = (i + 1) % RING;
	}
	pending->pending = 0;
	forwarded++;
}

/* Give back buffers of packets that were sent. All cards' buffers belong to the card that received them. */
void collect(struct card *owner, struct queue *queue)
{
	while (queue->transmit_done != queue->transmit_next) {
		uint32_t end = queue->transmit_done;

		while (!queue->ends[end])
			end = (end + 1) % RING;
		if (wish.write_back ? *(volatile uint32_t *)queue->head == queue->transmit_done :
		    !(*(volatile uint64_t *)&queue->transmit[2 * end + 1] >> 32 & 1))
			return;
		for (uint32_t i = queue->transmit_done; ; i = (i + 1) % RING) {
			if (queue->sending[i] != UINT32_MAX)
				owner->free_list[owner->free_count++] = queue->sending[i];
			if (i == end)
				break;
		}
		queue->transmit_done = (end + 1) % RING;
	}
}

/* One descriptor of the receive ring. gives: false when it is not done */
static bool receive_one(struct card *card, struct queue *queue, bool *ends, uint32_t *tag)
{
	uint32_t i = queue->receive_next;
	uint64_t word = *(volatile uint64_t *)&queue->receive[2 * i + 1];
	bool advanced = !wish.legacy;

	if (!(word >> (advanced ? 0 : 32) & 1))
		return false;
	__sync_synchronize();
	*ends = word >> (advanced ? 1 : 33) & 1;
	*tag = (uint32_t)(word >> 48);
	queue->pending_buffer[queue->pending] = queue->buffer[i];
	queue->pending_length[queue->pending] = advanced ? word >> 32 & 0xffff : word & 0xffff;
	queue->pending++;
	fill(card, queue, i, false);
	queue->receive_next = (i + 1) % RING;
	return true;
}

void forward(struct card *from, struct card *to, uint32_t number)
{
	struct queue *in = &from->queue[number], *out = &to->queue[number];
	uint32_t tail = out->transmit_next, n = 0, tag = 0;
	bool ends;

	collect(from, out);
	while (room(out) > LONGEST / 2 && n < 32 && receive_one(from, in, &ends, &tag)) {
		n++;
		if (ends)
			send(from, in, out, tag);
	}
	if (n > 0 && !breaks("never-refilled")) {
		in->receive_tail = (in->receive_next + RING - 1) % RING;
		set(from, from->map->receive + 0x18 + 0x40 * number, breaks("tail-too-far") ? in->receive_next : in->receive_tail);
	}
	if (out->transmit_next == tail)
		return;
	set(to, to->map->transmit + 0x18 + 0x40 * number, breaks("transmit-tail") ? (out->transmit_next + 1) % RING : out->transmit_next);
	if (breaks("buffer-reused") && out->sending[tail] != UINT32_MAX)
		memset(from->memory + (uint64_t)out->sending[tail] * BUFFER, 0x55, 60);
}


void show(struct card *card, uint32_t number)
{
	struct queue *queue = &card->queue[number];
	volatile uint64_t *d = &queue->receive[2 * queue->receive_next];
	uint64_t second = d[1], first;
	bool ends;
	uint32_t tag;

	__sync_synchronize();
	first = d[0];
	if (!(second & 1) || !receive_one(card, queue, &ends, &tag))
		return;
	printf("queue %u length %u status %05x errors %03x type %04x rss %x hash %08x vlan %04x\n", number,
		(uint32_t)(second >> 32 & 0xffff), (uint32_t)second & 0xfffff, (uint32_t)(second >> 20) & 0xfff,
		(uint32_t)first >> 4 & 0x1fff, (uint32_t)first & 15, (uint32_t)(first >> 32), tag);
	card->free_list[card->free_count++] = queue->pending_buffer[--queue->pending];
	forwarded++;
	set(card, card->map->receive + 0x18 + 0x40 * number, (queue->receive_next + RING - 1) % RING);
}
