#pragma once
/* binding -- the binding table of an lwAFTR: which B4 has which port set of which address. 40 bytes a softwire and 14 an address.
 *
 * A softwire is found by (IPv4 address, PSID). How many bits of a port are the PSID is a property of the address; when all
 * addresses agree, which is usual, nothing is looked up for that. */
#include "apps/lwaftr/config.h"
#include "lib/lib.h"

/* Whose ports the lowest ones are, when reserved-ports-bit-count a > 0. */
enum lwaftr_reserved {
	LWAFTR_RESERVED_RFC7597,        /* the lowest 2^(16 - a) are nobody's: RFC 7597 section 5.1 */
	LWAFTR_RESERVED_OLD             /* the lowest 2^a are */
};

/* What stands in the table for a softwire. */
struct lwaftr_tunnel {
	uint8_t b4[16];
	uint32_t br;                    /* index in binding->br */
} __attribute__((packed));

/* An address of the lwAFTR's own end of tunnels. */
struct lwaftr_br {
	uint8_t address[16];
	uint32_t users;                 /* softwires */
};

struct lwaftr_binding {
	struct cuckoo softwire;         /* lwaftr_binding_key -> struct lwaftr_tunnel */
	struct map address;             /* IPv4 address -> softwires << 10 | reserved << 5 | psid_length */
	uint32_t shape_users[544];      /* addresses of each port set's shape: reserved << 5 | psid_length */
	uint32_t shapes;                /* that have users */
	uint32_t shape;                 /* one that has; the only one when shapes is 1 */
	uint32_t reserved_rule;         /* enum lwaftr_reserved */
	struct lwaftr_br *br;
	uint32_t br_count, br_room;     /* br_count: with those that have no users any more */
	struct map br_index;            /* hash of an address -> 1 + index of its br */
	uint64_t seed[2];
	uint64_t softwire_room, address_room;   /* how many there may be */
};

/* The key of a softwire in the table. */
static inline uint64_t lwaftr_binding_key(uint32_t ipv4, uint16_t psid)
{
	return 1ull << 48 | (uint64_t)ipv4 << 16 | psid;
}

/* Make the table of a configuration's softwires, with room for `room` more. Duplicates and different port sets on one address
 * are added to the configuration's mistakes.
 *   fails: -errno with nf_error(): no memory; nothing to undo */
int lwaftr_binding_init(struct lwaftr_binding *binding, struct lwaftr_config *config, uint64_t room, enum lwaftr_reserved rule)
	__attribute__((warn_unused_result));
void lwaftr_binding_fini(struct lwaftr_binding *binding);

/* Add a softwire.
 *   fails: -EEXIST (address and PSID are there), -EINVAL (another port set than the address has), -ENOSPC, -ENOMEM (a new
 *          br-address); nothing has changed */
int lwaftr_binding_add(struct lwaftr_binding *binding, const struct lwaftr_softwire *softwire) __attribute__((warn_unused_result));

/* Add what lwaftr_binding_add found wrong (-EEXIST, -EINVAL) to the mistakes of the configuration. */
void lwaftr_binding_refuse(struct lwaftr_config *config, const struct lwaftr_softwire *softwire, int code);

/* Remove a softwire. fails: -ENOENT */
int lwaftr_binding_remove(struct lwaftr_binding *binding, uint32_t ipv4, uint16_t psid) __attribute__((warn_unused_result));

/* Add a softwire, or give the one that is there another tunnel, or another port set when it is its address's only one.
 *   fails: as lwaftr_binding_add, but for -EEXIST */
int lwaftr_binding_replace(struct lwaftr_binding *binding, const struct lwaftr_softwire *softwire) __attribute__((warn_unused_result));

/* Make a copy with room for so many softwires, addresses and br-addresses in all, with a seed of its own.
 *   fails: -ENOMEM with nf_error(); -ENOSPC: try again, larger; nothing to undo */
int lwaftr_binding_copy(struct lwaftr_binding *copy, const struct lwaftr_binding *from, uint64_t softwires, uint64_t addresses, uint64_t brs)
	__attribute__((warn_unused_result));

/* The shape of a softwire's port set: reserved << 5 | psid_length. */
static inline uint32_t lwaftr_binding_shape(const struct lwaftr_softwire *softwire)
{
	return (uint32_t)softwire->reserved << 5 | softwire->psid_length;
}

/* Has the relay this address, or had it once? */
bool lwaftr_binding_has_br(const struct lwaftr_binding *binding, const uint8_t address[16]);

/* The key for a port of an address; 0 when it can be nobody's. */
uint64_t lwaftr_binding_port_key(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t port);

/* The softwires of n addresses (host order) and ports; found[i]->value is a struct lwaftr_tunnel, found[i] NULL when there is none. */
void lwaftr_binding_find_burst(const struct lwaftr_binding *binding, const uint32_t *ipv4, const uint16_t *port,
	struct cuckoo_entry **found, uint32_t n);

/* The softwire of one address and port, or NULL. */
const struct lwaftr_tunnel *lwaftr_binding_find(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t port);

/* Has an address any softwire? */
static inline bool lwaftr_binding_serves(const struct lwaftr_binding *binding, uint32_t ipv4)
{
	return map_find(&binding->address, ipv4) != 0;
}

/* One softwire. `place` is not set. gives: false when it is not there */
bool lwaftr_binding_get(const struct lwaftr_binding *binding, uint32_t ipv4, uint16_t psid, struct lwaftr_softwire *softwire);

/* All softwires, in no order: begin with *position 0, until false. `place` is not set. */
bool lwaftr_binding_next(const struct lwaftr_binding *binding, uint64_t *position, struct lwaftr_softwire *softwire);

/* Bytes of memory. */
uint64_t lwaftr_binding_bytes(const struct lwaftr_binding *binding);
