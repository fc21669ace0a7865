/* sim_send -- see sim_send.h. source: 82599 datasheet 7.2.1.1 "Transmit Storage in System Memory", 7.2.3.2.4 "Advanced Transmit Data
 * Descriptor" */
#include "nicsim/sim_send.h"

#include "nicsim/sim_dma.h"
#include "nicsim/sim_offload.h"
#include "nicsim/sim_pools.h"
#include "nicsim/sim_wire.h"

enum {
	SHORTEST = 17,                  /* 7.2.1.1: bytes of a packet before padding */
	PADDED = 60
};

#define TSE (1U << 31)                  /* of DCMD */
enum { IXSM = 1, TXSM = 2 };            /* POPTS */
enum { CC = 1 << 7 };                   /* of the second half's upper word: check context */

/* The data of a packet, in one piece.
 *   gives: where it lies, which is `buffer` when it had to be put together or will be changed; NULL after a violation */
static const uint8_t *gather(const struct sim_packet *a, uint8_t *buffer, bool changes)
{
	struct sim_card *card = a->queue->card;
	uint32_t length = 0;

	if (a->count == 1 && !changes && a->part[0].address % SIM_PAGE + a->length <= SIM_PAGE && a->length >= PADDED)
		return sim_dma(card, a->part[0].address, a->length, "a transmit buffer");
	for (uint32_t i = 0; i < a->count; i++) {
		if (!sim_dma_read(card, a->part[i].address, buffer + length, a->part[i].length, "a transmit buffer"))
			return NULL;
		length += a->part[i].length;
	}
	return buffer;
}

/* Judge the lengths. gives: false when it cannot be sent */
static bool check_packet(const struct sim_packet *a)
{
	struct sim_card *card = a->queue->card;
	uint32_t payload = a->high >> 14;
	bool segments = !a->is_legacy && a->first_command & TSE;

	if (a->broken)
		return false;
	if (!a->is_legacy && !segments && payload != a->length)
		sim_judge(card, SIM_RULE_PAYLEN, "transmit queue %u: PAYLEN %u, %u bytes", a->queue->number, payload, a->length);
	if (a->length < SHORTEST) {
		sim_judge(card, SIM_RULE_TOO_SHORT, "transmit queue %u: %u bytes", a->queue->number, a->length);
		return false;
	}
	if (!segments && a->length > SIM_FRAME - SIM_FCS) {
		sim_judge(card, SIM_RULE_TOO_LONG, "transmit queue %u: %u bytes", a->queue->number, a->length);
		return false;
	}
	return true;
}

/* Without IFCS the driver has put an FCS of its own behind the data. gives: the length without it */
static uint32_t check_fcs(const struct sim_packet *a, const uint8_t *data, uint32_t length)
{
	uint32_t fcs;

	if ((a->first_command | a->last_command) & SIM_IFCS)
		return length;
	memcpy(&fcs, data + length - SIM_FCS, SIM_FCS);
	if (sim_parse_crc(data, length - SIM_FCS) == fcs)
		return length - SIM_FCS;
	sim_judge(a->queue->card, SIM_RULE_NO_IFCS, "transmit queue %u: %u bytes", a->queue->number, length);
	return 0;
}

/* The tag of a queue's pool stands above the descriptor's. source: 8.2.3.27.12 "PF VM VLAN Insert Register" */
static void describe_port(const struct sim_packet *a, struct sim_offload *offload)
{
	struct sim_card *card = a->queue->card;
	struct sim_port port = { 0 };

	card->kind->port(card, a->queue->number, &port);
	if (port.loops && !a->is_legacy && !(a->high & CC))
		sim_judge(card, SIM_RULE_CHECK_CONTEXT, "transmit queue %u", a->queue->number);
	if (port.tag >> 30 == SIM_TAG_ALWAYS)
		offload->vlan = (uint16_t)port.tag;
	if (port.tag >> 30 != SIM_TAG_DESCRIPTOR)
		offload->tags = port.tag >> 30 == SIM_TAG_ALWAYS;
}

/* The work that the descriptors ask for. */
static void describe_offload(const struct sim_packet *a, struct sim_offload *offload)
{
	struct sim_card *card = a->queue->card;
	uint32_t options = sim_bits(a->high, 8, 6);

	*offload = (struct sim_offload){ .card = card, .queue = a->queue->number, .vlan_type = card->kind->vlan_type(card) };
	if (a->is_legacy) {
		offload->tags = a->last_command & SIM_VLE;
		offload->vlan = (uint16_t)(a->high >> 16);
		offload->sums = a->last_command & SIM_IC;
		offload->sum_start = (uint16_t)sim_bits(a->high, 8, 8);
		offload->sum_at = (uint16_t)sim_bits(a->first_command, 16, 8);
	} else {
		offload->context = &a->queue->context[sim_bits(a->high, 4, 1)];
		offload->needs_context = a->first_command & (SIM_VLE | TSE) || options & (IXSM | TXSM) || a->high & CC;
		offload->tags = a->first_command & SIM_VLE;
		offload->vlan = offload->context->vlan;
		offload->ip = options & IXSM;
		offload->l4 = options & TXSM;
		offload->segments = a->first_command & TSE;
		offload->payload = a->high >> 14;
	}
	if (card->has_pools)
		describe_port(a, offload);
}

/* One packet onto the wire. */
static void send_packet(const struct sim_packet *a)
{
	static uint8_t buffer[65536 * 4 + 65536 + 64];
	struct sim_card *card = a->queue->card;
	struct sim_offload offload;
	uint32_t length = a->length;
	const uint8_t *data;
	bool changes;

	if (!check_packet(a))
		return;
	describe_offload(a, &offload);
	changes = offload.tags || offload.sums || offload.needs_context;
	data = gather(a, buffer, changes);
	if (data == NULL)
		return;
	if (changes) {
		if (!((a->first_command | a->last_command) & SIM_IFCS))
			sim_judge(card, SIM_RULE_NO_IFCS, "transmit queue %u: a frame that the card changes", a->queue->number);
		sim_offload_send(&offload, buffer, length);
		return;
	}
	length = check_fcs(a, data, length);
	if (length == 0)
		return;
	if (length < PADDED) {
		memset(buffer + length, 0, PADDED - length);
		length = PADDED;
	}
	sim_transmit_frame(card, a->queue->number, data, length);
}

void sim_transmit_frame(struct sim_card *card, uint32_t queue, const uint8_t *data, uint32_t length)
{
	if (__builtin_expect(card->has_pools, 0))
		sim_pools_send(card, queue, data, length);
	else
		sim_wire_send(card, data, length);
}

/* May the queue's pool send? source: 8.2.3.27.5 "PF VF Transmit Enable" */
static bool may_send(const struct sim_queue *queue)
{
	struct sim_port port = { .sends = true };

	if (queue->card->has_pools)
		queue->card->kind->port(queue->card, queue->number, &port);
	if (!port.sends)
		sim_judge(queue->card, SIM_RULE_POOL_OFF, "transmit queue %u: pool %u", queue->number, port.pool);
	return port.sends;
}

void sim_send(const struct sim_packet *a)
{
	if (may_send(a->queue))
		send_packet(a);
}
