/* offload -- contexts of transmit queues, and what a packet needs before its checksums are left to the card.
 * source: 82599 datasheet, 7.2.3.2.3 "Advanced Transmit Context Descriptor", 7.2.5 on checksums */
#include "driver.h"

#include <string.h>

enum { TCP = 6, UDP = 17, SCTP = 132 };

/* The sum of 16-bit words as they go over the wire, folded. */
static uint32_t sum_of(const uint8_t *data, uint32_t length)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < length; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The transport's field gets the pseudo header's sum, the IPv4 header's and SCTP's get zero. */
static void prepare(uint8_t *ip, struct headers *h)
{
	uint32_t length = h->is_ipv4 ? ((uint32_t)ip[2] << 8 | ip[3]) - h->ip_length : (uint32_t)ip[4] << 8 | ip[5], sum;
	uint8_t *l4 = ip + h->ip_length, *field = l4 + (h->protocol == TCP ? 16 : h->protocol == UDP ? 6 : 8);

	if (h->is_ipv4 && !breaks("old-checksum"))
		memset(ip + 10, 0, 2);
	if (!wish.sums)
		return;
	if (h->protocol == SCTP) {
		memset(field, 0, 4);
		return;
	}
	sum = sum_of(ip + (h->is_ipv4 ? 12 : 8), h->is_ipv4 ? 8 : 32) + h->protocol + length;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	if (breaks("no-pseudo"))
		sum = 0;
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
}

/* Find the headers of a packet, and make them ready. Where there are none that the card knows, nothing is asked of it. */
void find_headers(uint8_t *data, struct headers *h)
{
	uint32_t type = (uint32_t)data[12] << 8 | data[13];

	*h = (struct headers){ .is_ipv4 = type == 0x0800, .has_ip = type == 0x0800 || type == 0x86dd, .ip_length = type == 0x0800 ? 20 : 40 };
	if (!h->has_ip)
		return;
	h->protocol = h->is_ipv4 ? data[14 + 9] : data[14 + 6];
	h->has_l4 = wish.sums && (h->protocol == TCP || h->protocol == UDP || h->protocol == SCTP);
	prepare(data + 14, h);
}

/* A context: the tag to insert, header lengths, the transport; the size of segments when there are any. */
void put_context(struct queue *queue, uint32_t tag, const struct headers *h)
{
	uint32_t i = queue->transmit_next, transport = h->protocol == TCP ? 1 : h->protocol == SCTP ? 2 : 0;
	uint64_t mac_length = breaks("wrong-maclen") ? 18 : 14, ip_length = breaks("wrong-iplen") ? h->ip_length + 4 : h->ip_length;

	if (wish.segment > 0 || breaks("wrong-transport"))
		transport = breaks("wrong-transport") ? 3 : 1;
	queue->transmit[2 * i] = (uint64_t)tag << 16 | mac_length << 9 | ip_length;
	queue->transmit[2 * i + 1] = 1u << 29 | 2 << 20 | (h->is_ipv4 ? 1 << 10 : 0) | transport << 11;
	if (wish.segment > 0)
		queue->transmit[2 * i + 1] |= 20ull << 40 | (uint64_t)wish.segment << 48;
	if (breaks("context-index"))
		queue->transmit[2 * i + 1] |= 2ull << 36;
	queue->sending[i] = UINT32_MAX;
	queue->ends[i] = false;
	queue->transmit_next = (i + 1) % RING;
}
