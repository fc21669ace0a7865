#pragma once
/* config -- the configuration file of an lwAFTR, read and checked: plain data.
 *
 *      lwaftr_config_load      read a file: syntax, types, ranges, mandatory keys, whatever one block can be asked
 *      lwaftr_binding_init     (binding.h) make the table of its softwires: what only all of them together show
 *      lwaftr_config_mistakes  all that was wrong, in the order of the file, "FILE:LINE:COLUMN: what"
 *      lwaftr_config_fini
 *
 * Mistakes are collected, not returned: a configuration with mistakes must not be used. `place` is where something stands: bytes
 * from the beginning of the file. */
#include "core/core.h"

/* One softwire. IPv4 addresses are in host order. */
struct lwaftr_softwire {
	uint8_t b4[16], br[16];
	uint32_t ipv4;
	uint16_t psid;
	uint8_t psid_length, reserved;  /* of its port set: k and a, RFC 7597 section 5.1 */
	uint64_t place;
};

struct lwaftr_next_hop {
	bool has_ip, has_mac;           /* one of them */
	uint8_t ip[16];                 /* the first 4 bytes for IPv4 */
	uint8_t mac[6];
};

/* One side of a queue: external is the IPv4 side, internal the IPv6 side. */
struct lwaftr_port {
	uint8_t ip[16];
	uint8_t mac[6];
	bool has_vlan;
	uint16_t vlan;
	struct lwaftr_next_hop next_hop;
	uint64_t place;
};

struct lwaftr_queue {
	uint8_t id;
	struct lwaftr_port external, internal;
	uint64_t place;
};

struct lwaftr_instance {
	const char *device;
	const char *external_device;    /* NULL: on a stick */
	uint32_t queue_count;
	struct lwaftr_queue *queue;
	uint64_t place;
};

/* What all interfaces of a side have in common. */
struct lwaftr_side {
	uint16_t mtu, mru;              /* bytes of IP packet */
	const char *ingress_filter, *egress_filter;     /* NULL: none */
	uint64_t ingress_place, egress_place;
	bool allow_incoming_icmp, generate_icmp_errors;
	uint32_t error_packets, error_period;           /* errors per period, seconds */
	uint32_t max_fragments, max_packets;            /* of reassembly */
	uint32_t flow_label;            /* internal alone, as the rest */
	bool hairpinning;
	bool has_vlan;                  /* without effect */
	uint16_t vlan;
};

struct lwaftr_config {
	const char *name;               /* NULL: none */
	uint32_t instance_count;
	struct lwaftr_instance *instance;
	struct lwaftr_side external, internal;
	uint64_t softwire_count;
	struct lwaftr_softwire *softwire;       /* in the order of the file; NULL when they were left out */
	bool has_version, has_version_number;
	uint64_t version_number;
	const char *version_date;       /* NULL: none */

	/* Its own. */
	uint32_t flags;
	bool mapped;                    /* text is a mapping */
	struct lwaftr_softwire discarded;       /* the entry that is read, when they are not kept */
	const char *file;
	const uint8_t *text;
	uint64_t length;
	uint64_t softwire_room;
	uint64_t paddings;              /* softwires with a padding that is not 0: it is not kept */
	struct config_source *source;   /* what the text was made of; NULL: it is a file's */
	uint64_t mistake_count, mistake_room;
	struct lwaftr_mistake *mistake;
	struct arena arena;
};

/* Flags: check the softwires, but do not keep them; do not ask libpcap whether filters compile; the text has softwires and nothing else;
 * of which ipv4 and psid are enough; the text was malloc'ed and is freed with the configuration. */
enum { LWAFTR_WITHOUT_SOFTWIRES = 1, LWAFTR_WITHOUT_FILTERS = 2, LWAFTR_SOFTWIRES_ALONE = 4, LWAFTR_KEYS_ALONE = 8, LWAFTR_OWN_TEXT = 16 };

/* Read a file, by its descriptor or, with -1, by its name. The descriptor stays open; `file` must live as long as config.
 *   gives: 0, also with mistakes
 *   fails: -errno with nf_error(): the file cannot be read, no memory; nothing to undo */
int lwaftr_config_load(struct lwaftr_config *config, const char *file, int fd, uint32_t flags) __attribute__((warn_unused_result));

/* The same for text in memory, which must live as long as config. */
int lwaftr_config_parse(struct lwaftr_config *config, const char *file, const void *text, uint64_t length, uint32_t flags)
	__attribute__((warn_unused_result));

void lwaftr_config_fini(struct lwaftr_config *config);

enum { LWAFTR_NOWHERE = -1 };           /* place of a mistake whose text says where it stands */

/* Add a mistake that stands at `place`. */
void lwaftr_config_mistake(struct lwaftr_config *config, uint64_t place, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Forget all mistakes but the first `count`. */
void lwaftr_config_forget(struct lwaftr_config *config, uint64_t count);

/* Move all mistakes to errors, in the order of the file. gives: true when there were none */
bool lwaftr_config_mistakes(struct lwaftr_config *config, struct errors *errors);

/* Give back what only mistakes and the table need: the softwires and the file's text. */
void lwaftr_config_shrink(struct lwaftr_config *config);

/* The instance and queue to serve: those that are named, or the only ones (device NULL, queue -1).
 *   fails: false with nf_error(): there are none, or several */
bool lwaftr_config_select(const struct lwaftr_config *config, const char *device, int queue, const struct lwaftr_instance **instance,
	const struct lwaftr_queue **found);
