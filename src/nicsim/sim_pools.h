#pragma once
/* sim_pools -- VMDq: which pools of a card get a frame, whether it comes from the wire or from a pool. What is the same in all cards
 * is here; where the registers lie is in sim_82599_steer and sim_igb_steer. */
#include "nicsim/sim.h"

enum { SIM_MIRRORS = 4 };

/* A mirror rule: what it copies, and to which pool. */
struct sim_mirror {
	bool pools, uplink, downlink, vlans;    /* frames for pools; from the wire; to the wire; of VLANs */
	uint64_t sources;               /* these pools */
	bool has_vlan;                  /* the frame's VLAN is one of those */
	uint32_t to;
};

/* What the registers say, for one frame. A set of pools is a bit for each. */
struct sim_pools {
	uint64_t address;               /* of the exact filter that names the destination */
	uint64_t hashed;                /* of the hash filter */
	uint64_t promiscuous, broadcast;        /* those that take all multicasts, broadcasts */
	uint64_t vlan;                  /* those in the frame's VLAN, or that take untagged frames; all when VLANs are not filtered */
	uint64_t standard;              /* the default pool; 0: it is switched off */
	uint64_t receives;              /* pools that may receive */
	bool passes;                    /* the address filters let the frame in, whoever gets it */
	bool replicates;
	bool standard_unicast;          /* the default pool gets unicasts only */
	struct sim_mirror mirror[SIM_MIRRORS];
};

/* The pool of a transmit queue. */
struct sim_port {
	uint32_t pool;
	bool sends;                     /* it may */
	bool loops, loops_back;         /* frames for other pools of the card, for itself, go there */
	bool checks_mac, checks_vlan;   /* frames with a source address, a tag of others are dropped */
	uint32_t tag;                   /* VMVIR */
};
enum { SIM_TAG_DESCRIPTOR, SIM_TAG_ALWAYS, SIM_TAG_NEVER };     /* VMVIR.VLANA, bits 30 and 31 */

/* The pools that get a frame from the wire. */
uint64_t sim_pools_receive(const struct sim_pools *pools, const struct sim_frame *frame);

/* A frame leaves a transmit queue: to pools of the card, to the wire, or both. */
void sim_pools_send(struct sim_card *card, uint32_t queue, const uint8_t *data, uint32_t length);
