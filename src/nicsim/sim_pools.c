/* sim_pools -- see sim_pools.h.
 * source: 82599 datasheet 7.10.3 "Packet Switching": 7.10.3.3 "Rx Packets Switching", 7.10.3.4 "Tx Packets Switching", 7.10.3.5
 * "Mirroring Support"; 82576 datasheet 7.10.3 "Packets Switching (VMDq) Model". Their steps are the same. */
#include "nicsim/sim_pools.h"

#include "nicsim/sim_wire.h"

/* Pools that mirror rules add. Frames that come from the wire, go to the wire, or, neither, only to pools. */
static uint64_t mirrored(const struct sim_pools *p, uint64_t pools, bool up, bool down)
{
	uint64_t more = 0;

	for (uint32_t i = 0; p->replicates && i < SIM_MIRRORS; i++) {
		const struct sim_mirror *m = &p->mirror[i];

		if ((m->pools && pools & m->sources) || (m->uplink && up) || (m->downlink && down) || (m->vlans && m->has_vlan))
			more |= 1ULL << m->to;
	}
	return more;
}

/* Pools by address: of the exact filter; of a group's frame also those that asked for such; hashes count where no filter is exact. */
static uint64_t by_address(const struct sim_pools *p, const struct sim_frame *f)
{
	if (sim_filter_is_broadcast(f->data))
		return p->address | p->broadcast;
	if (f->data[0] & 1)
		return p->address | p->hashed | p->promiscuous;
	return p->address != 0 ? p->address : p->hashed;
}

uint64_t sim_pools_receive(const struct sim_pools *p, const struct sim_frame *f)
{
	bool is_group = f->data[0] & 1;
	uint64_t pools = p->replicates || !is_group ? by_address(p, f) : p->address != 0 ? p->address : p->standard;

	pools &= p->vlan;
	if (pools == 0 && !p->passes)
		return 0;
	if (pools == 0 && !(is_group && p->standard_unicast))
		pools = p->standard;
	/* Without replication one of them gets it. */
	if (!p->replicates)
		pools &= ~pools + 1;
	return (pools | mirrored(p, pools, true, false)) & p->receives;
}

/* Does the sender call itself by an address of its own? Its tag: is the pool in that VLAN? */
static bool is_spoofed(struct sim_card *card, const struct sim_port *port, const struct sim_frame *f, uint64_t vlan)
{
	struct sim_frame source = { .data = f->data + 6, .length = f->length - 6 };
	struct sim_pools p = { 0 };

	if (port->checks_vlan && f->has_vlan && !(vlan >> port->pool & 1))
		return true;
	if (!port->checks_mac)
		return false;
	card->kind->pools(card, &source, &p);
	return !(p.address >> port->pool & 1);
}

/* Pools of the card get the frame. gives: whether it goes to the wire, too */
static bool loop(struct sim_card *card, const struct sim_port *port, struct sim_frame *f, const struct sim_pools *p)
{
	uint64_t pools = port->loops ? by_address(p, f) & p->vlan : 0;
	bool leaves = !port->loops || f->data[0] & 1 || p->address == 0;

	if (!port->loops_back)
		pools &= ~(1ULL << port->pool);
	pools |= mirrored(p, pools, false, leaves);
	card->kind->spread(card, f, pools & p->receives);
	return leaves;
}

void sim_pools_send(struct sim_card *card, uint32_t queue, const uint8_t *data, uint32_t length)
{
	struct sim_pools pools = { 0 };
	struct sim_port port = { 0 };
	struct sim_frame frame;
	bool leaves;

	memset(&frame, 0, offsetof(struct sim_frame, queue));
	frame.data = data;
	frame.length = length;
	sim_parse(&frame, card->kind->vlan_type(card), card->kind->checks(card));
	card->kind->port(card, queue, &port);
	card->kind->pools(card, &frame, &pools);
	if (is_spoofed(card, &port, &frame, pools.vlan)) {
		card->counts.spoofed++;
		return;
	}
	leaves = loop(card, &port, &frame, &pools);
	if (frame.queue_count > 0)
		sim_receive_own(card, &frame);
	if (leaves)
		sim_wire_send(card, data, length);
}
