#pragma once
/* intel_pool -- pools (VMDq): the card sorts frames by address and VLAN, and each pool has queues of its own.
 *
 *      frame -->  address  -->  VLAN   -->  nobody's?            -->  mirrors       -->  queues
 *                 pools         of them     the promiscuous pool      more pools         RSS within a pool
 *                 that have     those that  (default pool)            get a copy
 *                 it, or groups have it
 *
 * A pool without `mac` has the card's own address. Broadcast and multicast frames come to all pools of their VLAN.
 * Instances in several workers share registers here: they are changed under the card's own semaphore.
 * source: 82599 datasheet 7.10.3.2 "Pool Selection", 7.10.3.3 "Rx Packets Switching", 7.10.3.5 "Mirroring Support" */
#include "core/core.h"

struct intel_port;

enum { INTEL_POOLS = 64, INTEL_POOL_VLANS = 64, INTEL_MIRRORS = 4 };

/* What a pool gets a copy of. */
struct intel_mirror {
	struct param_list pools;        /* uint32_t; or the word "all": items and no count */
	struct param_list vlan;         /* uint32_t */
	bool wire;                      /* all that came from the wire to any pool */
};

struct intel_pool {
	uint32_t number, queues;        /* queues of each pool of the card: 1, 2, 4 */
	bool wanted, has_mac, has_mirror;
	uint8_t mac[6];
	struct param_list vlan;         /* uint32_t; 0: frames without a tag */
	struct intel_mirror mirror;
};

extern const struct param intel_pool_params[];

/* Mistakes that the table of parameters cannot tell. */
void intel_pool_check(const struct intel_port *port, struct errors *errors);

/* Two instances of one card: what does not go together. first: also what is the whole card's */
void intel_pool_compare(const struct intel_port *port, const struct intel_port *other, bool first, struct errors *errors);

/* What the pools of a card need together; begin with zeros. */
struct intel_pool_needs {
	uint64_t vlan[4096 / 64], mirrors;      /* a bit for each VLAN, and for each pool with a mirror */
};

/* Add an instance's pool. */
void intel_pool_add_up(const struct intel_port *port, struct intel_pool_needs *needs);
/* Whether the card's tables are large enough; the last instance is told. vlans: entries of its VLAN table */
void intel_pool_check_needs(const struct intel_port *port, const struct intel_pool_needs *needs, uint32_t vlans, struct errors *errors);

/* Whether the card can have the instance's pool. fails: -EINVAL with nf_error() */
int intel_pool_check_card(const struct intel_port *port, const char *card, uint32_t kind) __attribute__((warn_unused_result));

/* Whether frames of a VLAN (0: without a tag) are the pool's. */
bool intel_pool_has_vlan(const struct intel_pool *pool, uint32_t vlan);
bool intel_pool_mirrors_vlan(const struct intel_pool *pool, uint32_t vlan);
/* The pools of which this one gets a copy, a bit for each. */
uint64_t intel_pool_mirrored(const struct intel_pool *pool);
