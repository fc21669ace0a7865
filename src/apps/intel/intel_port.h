#pragma once
/* intel_port -- what the apps of this folder have in common: an app instance is one queue pair of a card.
 *
 *      supervisor                                          worker
 *      resources   "card:ADDRESS", "queue:ADDRESS/N"
 *      open card   lock, reset, bus mastering on, set up
 *      open queue  memory for its rings ------------------> prepare: map registers and rings
 *                                                           commit: start the queue      pull, push, tick
 *      quiesce     (the worker died) stop the queue         stop: stop the queue, free its packets
 *      close       stop, bus mastering off, give back
 *
 * What differs between the families is in struct intel_driver, a handful of functions in the order of the datasheet's chapters. */
#include "apps/intel/intel_device.h"
#include "apps/intel/intel_pool.h"
#include "apps/intel/intel_ring.h"

enum {
	INTEL_QUEUES = 16,              /* of a card without pools that several instances may have */
	INTEL_NUMBERS = 128,            /* of a card with pools */
	INTEL_NONE = INTEL_NUMBERS, INTEL_NONE_BY_LOWEST,
	INTEL_KEY = 64,                 /* bytes of a resource's key */
	INTEL_STOP_US = 100000          /* for a queue's ENABLE to clear; the datasheets give no limit. The whole card is reset then */
};
enum intel_rss { INTEL_RSS_ADDRESSES, INTEL_RSS_TCP, INTEL_RSS_TCP_UDP };

enum intel_counter { INTEL_MISSED, INTEL_NO_DESCRIPTOR, INTEL_CRC_ERRORS, INTEL_LENGTH_ERRORS, INTEL_LINK_CHANGES, INTEL_LINK_MBPS,
	INTEL_QUEUE_RESETS, INTEL_CARD_RESETS };

/* The memory of a queue: a huge page of its own. */
struct intel_rings {
	uint64_t iova;                  /* of this struct; written by memory_dma_ring */
	uint32_t registers;             /* bytes of the card's registers */
	uint32_t kind;                  /* enum intel_kind */
	uint8_t padding[4096 - 16];
	struct intel_descriptor receive[INTEL_RING_MOST], transmit[INTEL_RING_MOST];
};

struct intel_driver;

struct intel_port {
	struct app app;
	/* Parameters. */
	const char *pci;
	uint32_t queue, mtu, receive_ring, transmit_ring, rss;
	uint64_t wait_ns;
	bool promiscuous, has_promiscuous, flow_control, vlan, checksum, has_mac;
	uint8_t mac[6];
	struct rate rate_limit;
	struct intel_pool pool;         /* parameter vmdq */

	const struct intel_driver *driver;
	uint32_t kind;                  /* enum intel_kind */
	uint32_t number;                /* of the queue, in the card: that of the instance may count within a pool */
	volatile uint8_t *registers;
	uint32_t registers_bytes;
	struct intel_rings *rings;
	struct intel_receive receive;
	struct intel_transmit transmit;
	bool runs;                      /* the queue is on */
	bool gone;                      /* the card answers all ones */
	bool limited;                   /* the rate of the queue is */
	uint32_t waits;                 /* for another instance to leave the queue: looks left, each tick, at a queue that is off */
	uint32_t mbps;                  /* of the link; 0: down */
	uint64_t pull_at;               /* clock_now(): not before that is the receive ring looked at */
	uint64_t look_at, restart_at;   /* clock_now(): of the next look; of the next try to start */
	uint64_t hold_until;            /* clock_now(): until then what is to be sent waits for the queue to start */
	uint32_t tries;                 /* to start, in vain, one after the other */
	uint32_t looks;                 /* so far */
	uint32_t seen_head, seen_clean; /* of the transmit ring, when it was looked at last, */
	uint32_t still, silent;         /* and how many looks ago the head, and the reports, moved; */
	uint32_t hangs;                 /* resets of the queue one after the other */
};

struct intel_driver {
	const struct app_class *class;
	uint32_t status;                /* offset of a register that never reads as all ones */
	/* Registers for `nf regs`; name NULL at the end. */
	const struct intel_register *table;

	uint32_t rate_least;            /* bits per second that a queue can be limited to; 0: it cannot be */
	uint32_t vlans;                 /* entries of the table that gives VLANs to pools; 0: no pools */
	/* The number of an instance's queue in the card; NULL: what the parameter queue says. */
	uint32_t (*number)(const struct intel_port *port);
	/* Bring a card of unknown state to rest; bus mastering may be off. fails: -errno with nf_error() */
	int (*reset)(struct intel_port *port);
	/* Set everything up but the queues; the card may send and receive afterwards. */
	int (*setup)(struct intel_port *port);
	/* Whether that was done to its end since the last reset: who began it may have died meanwhile, or be about it. */
	bool (*is_set_up)(struct intel_port *port);
	/* What may change while the card runs: filters, lengths, RSS, address. */
	void (*configure)(struct intel_port *port);
	/* Fill in the formats of descriptors and the places of tails. */
	void (*bind)(struct intel_port *port);
	/* Start the queue, whose rings are empty, with packets to receive into; stop it: the card no longer touches its memory. */
	int (*start)(struct intel_port *port);
	int (*stop)(struct intel_port *port);
	/* Of the link, in Mb/s; 0 when it is down. */
	uint32_t (*speed)(struct intel_port *port);
	/* Whether the queue is on; another instance may have reset the card. */
	bool (*is_on)(struct intel_port *port);
	/* Whether it is at rest: neither half on. */
	bool (*is_off)(struct intel_port *port);
	uint32_t (*head)(struct intel_port *port);      /* of the transmit ring */
	/* Add the card's counters to the app's; what is read is cleared there. */
	void (*count)(struct intel_port *port);
	/* Spread what is received over the queues that are on, but for number `without`; INTEL_NONE: all of them; INTEL_NONE_BY_LOWEST: all,
	 * if this one is the lowest that is on. */
	void (*spread)(struct intel_port *port, uint32_t without);
};

extern const struct intel_driver ixgbe_driver, igb_driver, e1000e_driver;

/* NULL at the end. */
extern const struct intel_driver *const intel_drivers[];

extern const char *const intel_counters[], *const intel_gauges[], *const intel_reasons[], *const intel_rss_names[];

/* The functions of a class. */
void intel_port_check(const struct app *app, struct errors *errors);
void intel_port_resources(const struct app *app, struct resources *resources);
int intel_port_open(const struct app *app, const char *key);
int intel_port_quiesce(const struct app *app, const char *key, int fd);
void intel_port_close(const struct app *app, const char *key, int fd);
void intel_port_holds(const struct app *app, uint32_t holds[PACKET_SIZES]);
int intel_port_prepare(struct app *app, const struct app *old);
void intel_port_commit(struct app *app, struct app *old);
void intel_port_stop(struct app *app);
void intel_port_retire(struct app *app);
void intel_port_link(struct app *app);
void intel_port_pull(struct app *app);
void intel_port_push(struct app *app);
void intel_port_tick(struct app *app);
uint32_t intel_port_held(const struct app *app);
uint32_t intel_port_posted(const struct app *app);
uint64_t intel_port_sleep_limit(const struct app *app);

/* What the classes and their parameters have in common. */
#define INTEL_PORT_PARAMS(longest) \
	{ "pci", PARAM_PCI, offsetof(struct intel_port, pci), .required = true, .help = "the card; nf pci lists them" }, \
	{ "mtu", PARAM_U32, offsetof(struct intel_port, mtu), .min = 68, .max = longest, .initial = 1500, \
		.help = "longest packet behind the Ethernet header; longer frames are dropped" }, \
	{ "promiscuous", PARAM_BOOL, offsetof(struct intel_port, promiscuous), .initial = true, \
		.present = offsetof(struct intel_port, has_promiscuous), \
		.help = "receive frames to all addresses, not only to the card's and to groups; a pool (vmdq) is not promiscuous by itself, " \
			"and one that is gets what no other pool takes" }, \
	{ "mac", PARAM_MAC, offsetof(struct intel_port, mac), .optional = true, .present = offsetof(struct intel_port, has_mac), \
		.help = "address of the card, instead of its own" }, \
	{ "vlan", PARAM_BOOL, offsetof(struct intel_port, vlan), .initial = false, \
		.help = "the card takes VLAN tags out of received frames, into the packet's metadata, and puts those of metadata in; without it nf " \
			"puts them in" }, \
	{ "checksum", PARAM_BOOL, offsetof(struct intel_port, checksum), .initial = true, \
		.help = "the card finishes TCP and UDP checksums that packets carry unfinished; without it nf does. What the card found out " \
			"about those of received packets is in their metadata in any case" }, \
	{ "receive_ring", PARAM_U32, offsetof(struct intel_port, receive_ring), .min = INTEL_RING_LEAST, .max = INTEL_RING_MOST, \
		.initial = 1024, .help = "descriptors, a power of two" }, \
	{ "transmit_ring", PARAM_U32, offsetof(struct intel_port, transmit_ring), .min = INTEL_RING_LEAST, .max = INTEL_RING_MOST, \
		.initial = 1024, .help = "descriptors, a power of two" }, \
	{ "wait_for_link", PARAM_DURATION, offsetof(struct intel_port, wait_ns), .initial = 0, .max = 60000000000ULL, \
		.help = "wait at most this long for the link, when the app is started" }, \
	{ "flow_control", PARAM_BOOL, offsetof(struct intel_port, flow_control), .initial = false, .help = "obey and send pause frames" }

#define INTEL_PORT_QUEUE_PARAMS \
	{ "queue", PARAM_U32, offsetof(struct intel_port, queue), .max = INTEL_QUEUES - 1, .initial = 0, \
		.help = "queue pair of this instance; several instances, also in several workers, share a card" }, \
	{ "rss", PARAM_ENUM, offsetof(struct intel_port, rss), .choices = intel_rss_names, .initial = INTEL_RSS_TCP, \
		.help = "fields that decide which queue in use a packet comes to" }, \
	{ "vmdq", PARAM_TABLE, offsetof(struct intel_port, pool), .optional = true, .fields = intel_pool_params, \
		.present = offsetof(struct intel_port, pool.wanted), .size = sizeof(struct intel_pool), \
		.help = "a pool of queues of its own for what the card sorts out by address and VLAN; all instances of the card have one" }

#define INTEL_PORT_RATE_PARAMS \
	{ "rate_limit", PARAM_RATE, offsetof(struct intel_port, rate_limit), .optional = true, \
		.help = "bits per second that the queue sends at most, as the wire counts them" }

#define INTEL_PORT_CLASS \
	.size = sizeof(struct intel_port), .params = params, .inputs = (const char *const[]){ "input?", NULL }, \
	.outputs = (const char *const[]){ "output?", NULL }, .counters = intel_counters, .gauges = intel_gauges, \
	.reasons = intel_reasons, .dma = true, \
	.check = intel_port_check, .resources = intel_port_resources, .open = intel_port_open, .quiesce = intel_port_quiesce, \
	.close = intel_port_close, .holds = intel_port_holds, .prepare = intel_port_prepare, .commit = intel_port_commit, \
	.abort = intel_port_retire, .stop = intel_port_stop, .retire = intel_port_retire, .link = intel_port_link, \
	.pull = intel_port_pull, .push = intel_port_push, .tick = intel_port_tick, .held = intel_port_held, \
	.posted = intel_port_posted, .sleep_limit = intel_port_sleep_limit

/* Whether the card, or the pool, is to take frames to any address. */
bool intel_port_is_promiscuous(const struct intel_port *port);

/* How much faster the link is than the queue may be, in the form that the 82599 and the 82576 want it: 10 bits before the point and 14
 * behind it, and a bit to switch the limit on; 0: no limit. source: 82599 datasheet 7.7.2.2 "Rate Limit" */
uint32_t intel_port_rate_factor(const struct intel_port *port);

/* Four entries of a redirection table, from `entry` on: the queues in turn. */
uint32_t intel_port_entries(const uint32_t *queue, uint32_t count, uint32_t entry);

/* The number of the instance's queue in the card. needs: class and parameters */
uint32_t intel_port_number(const struct intel_port *port);

/* The key of the instance's queue: with pools another one than without. */
void intel_port_queue_key(const struct intel_port *port, char key[INTEL_KEY]);

/* intel_port_watch.c: what tick does: link, counters, hangs, a card that vanished. */
void intel_port_watch(struct intel_port *port);
/* Take a queue that runs to rest, and free its packets under a reason; a card that does not obey is reset. */
void intel_port_rest(struct intel_port *port, uint32_t reason);
/* How long ENABLE may take to read as set, for which the datasheets give no limit: longer when it took too long before. */
uint32_t intel_port_start_us(const struct intel_port *port);
/* The queue is off and is to start: what is to be sent waits for it, but not for ever. */
void intel_port_hold(struct intel_port *port);
/* Start the queue. gives: false: another instance, which a reload takes out, still has it, or it does not start: it is tried again */
bool intel_port_begin(struct intel_port *port);

/* Point the port at its rings and registers, the queue being at rest: prepare does it, and so do benchmarks, whose card is memory.
 *   fails: -ENOMEM */
int intel_port_bind(struct intel_port *port) __attribute__((warn_unused_result));
