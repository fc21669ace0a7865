#pragma once
/* sim_offload -- what a card does to a packet before it sends it: tags, checksums, segments. */
#include "nicsim/sim.h"

struct sim_offload {
	struct sim_card *card;
	uint16_t queue;
	const struct sim_context *context;      /* NULL: a legacy descriptor */
	bool needs_context;             /* the descriptor asks for something of it */
	bool tags, ip, l4, segments;    /* insert a VLAN tag, the IPv4 checksum, the transport's; cut it */
	bool sums;                      /* legacy: a checksum from sum_start to the end, at sum_at */
	uint16_t vlan, vlan_type, sum_start, sum_at;
	uint32_t payload;               /* PAYLEN: of all segments, without headers */
};

/* Do what is asked and send the result. `data` is changed, and has room for one more frame behind it. */
void sim_offload_send(const struct sim_offload *offload, uint8_t *data, uint32_t length);
