#pragma once
/* sim -- a network card in software: what the files of this folder share. One process holds a few cards; drivers in other
 * processes see them as folders of a PCI tree. See docs/guide/nicsim.md.
 *
 * A card is registers (sim_register), rings in the driver's memory (sim_dma, sim_receive, sim_transmit) and a wire (sim_wire).
 * sim_82599 and sim_igb say which registers there are and what they do; sim_judge says what the driver did wrong. */
#include "core/core.h"

#include "nicsim/mailbox.h"
#include "nicsim/sim_rules.h"

enum {
	SIM_CARDS = SIM_MAILBOX_CARDS,
	SIM_QUEUES = 128,               /* of each direction, at most */
	SIM_FRAME = 16384,              /* bytes of the longest frame, with its FCS */
	SIM_FCS = 4,
	SIM_PAGE = 4096,
	SIM_HUGE = 2 << 20,
	SIM_CONFIG = 4096,              /* bytes of configuration space */
	SIM_NAME = 32
};

struct sim;
struct sim_card;
struct sim_pools;
struct sim_port;
struct sim_wire;

enum sim_access { SIM_NONE, SIM_RW, SIM_RO, SIM_WO, SIM_RC, SIM_W1C };

/* A row of a card's table of registers: `count` of them, `stride` bytes apart, numbered from `first`. */
struct sim_register {
	const char *name;
	uint32_t at, stride, count, first;
	enum sim_access access;
	uint32_t reset;
	uint16_t id;                    /* the same for all rows of a name */
};

/* Other addresses of the same registers: those of older cards. */
struct sim_alias {
	uint32_t at, stride, count, target, target_stride;
};

/* What a transmit context descriptor said. */
struct sim_context {
	bool valid;
	uint16_t vlan, mac_length, ip_length, mss;
	uint8_t l4_length;
	uint32_t flags;                 /* the descriptor's third word: TUCMD */
};

struct sim_queue {
	struct sim_card *card;
	uint16_t number;
	bool is_transmit;
	bool enabled, wanted;           /* wanted: ENABLE was written, and change_ns has not come */
	bool ending;                    /* ENABLE was cleared, and change_ns has not come */
	uint64_t change_ns;
	uint64_t base;                  /* of the ring */
	uint32_t count, head, tail;     /* descriptors */
	uint32_t at;                    /* its block of registers */

	/* Receive. */
	uint32_t buffer;                /* bytes */
	bool is_legacy, drops, strips_vlan;
	bool pool_drops;                /* PFQDE */
	bool tail_moved;                /* since the first time after it was enabled */
	uint64_t *held;                 /* the buffer of each descriptor that was given to the card */
	uint32_t held_count;
	uint64_t waiting_ns, waiting_accesses;  /* since when frames find no descriptor; 0: they do */

	/* Transmit. */
	struct sim_context context[2];
	uint32_t seen;                  /* descriptors before this one have their hash and due time */
	uint32_t unreported;            /* descriptors done since one asked for a report */
	uint64_t write_back;            /* where the head is written; 0: nowhere */
	uint64_t *hash, *due_ns;        /* of each descriptor, when transmission is delayed */
	uint32_t hash_count;

	uint32_t credits, rate;         /* RTTDT1C, RTTBCNRC */
	uint32_t rate_factor, rate_link_mbps;   /* 0: as fast as can be */
	uint64_t rate_next_ns;          /* not before */
	bool rate_waits;

	uint64_t packets, bytes, dropped;
};

/* Faults that somebody asked for. */
struct sim_faults {
	bool transmit_hangs, vanished, link_down;
	bool deaf;                      /* what is written to registers does nothing, but for tails */
	uint32_t crc_errors;            /* of the next frames received */
	uint64_t transmit_delay_ns, enable_delay_ns, disable_delay_ns, link_delay_ns;
	uint64_t forbidden, forbidden_bytes;    /* memory that may not be touched */
};

/* What the wire and the card did, for the report. */
struct sim_counts {
	uint64_t received, filtered, no_descriptor, no_queue, not_ready, crc_errors, length_errors;
	uint64_t sent, send_lost;
	uint64_t looped, spoofed, paced;        /* to a pool of the same card; not sent for its source; held back by a rate */
	uint64_t reads, writes;         /* of registers, as far as they were seen */
};

struct sim_frame;

/* Between the card and its EEPROM: the bits since it was selected. */
struct sim_spi {
	bool clock, out;
	uint32_t bits, in;              /* in: the command and its address */
};

/* A kind of card. */
struct sim_kind {
	const char *name;               /* "82599" */
	uint16_t vendor, device, subsystem;
	uint8_t revision;
	uint32_t bar;                   /* bytes of registers */
	uint32_t scan;                  /* bytes of them in which registers lie */
	uint32_t queues;                /* of each direction */
	uint32_t eec;                   /* the address of that register */
	uint32_t page_receive, page_transmit;   /* the pages with the rings of the first queues */
	const struct sim_register *registers;
	uint32_t register_count;
	const struct sim_alias *aliases;        /* ends with count 0 */
	/* After the registers have their reset values. */
	void (*reset)(struct sim_card *card);
	/* A register was written: the value stands in it. */
	void (*written)(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t old, uint32_t value);
	/* A register was read, exactly: side effects, after the value was taken. */
	void (*taken)(struct sim_card *card, const struct sim_register *row, uint32_t n, uint32_t at, uint32_t value);
	/* The link's state changed: card->link. */
	void (*linked)(struct sim_card *card);
	/* Do the registers let the link come up? NULL: always. */
	bool (*links)(const struct sim_card *card);
	/* Which queues a received frame goes to: fills frame->queue. */
	void (*steer)(struct sim_card *card, struct sim_frame *frame);
	/* What the registers say of pools, for a frame; of the pool that a transmit queue belongs to; and which queues of pools get a
	 * frame. Only while card->has_pools. */
	void (*pools)(const struct sim_card *card, const struct sim_frame *frame, struct sim_pools *pools);
	void (*port)(const struct sim_card *card, uint32_t queue, struct sim_port *port);
	void (*spread)(struct sim_card *card, struct sim_frame *frame, uint64_t pools);
	/* Does the queue get a frame without its tag? */
	bool (*strips_vlan)(const struct sim_queue *queue, const struct sim_frame *frame);
	/* Is reception, transmission switched on? */
	bool (*receives)(const struct sim_card *card);
	bool (*transmits)(const struct sim_card *card);
	bool (*strips_crc)(const struct sim_card *card);
	/* The longest frame, without its FCS. */
	uint32_t (*longest)(const struct sim_card *card);
	uint32_t (*checks)(const struct sim_card *card);        /* enum sim_check: what is checked of received frames */
	uint16_t (*vlan_type)(const struct sim_card *card);
	uint32_t (*rate_window)(const struct sim_card *card);   /* KiB that a queue with a rate may save up */
	/* Frames were counted: MAC statistics. */
	void (*count_receive)(struct sim_card *card, const struct sim_frame *frame);
	void (*count_transmit)(struct sim_card *card, const uint8_t *data, uint32_t length);
	void (*count_missed)(struct sim_card *card, struct sim_queue *queue);
	/* A queue delivered, sent a packet. */
	void (*count_queue)(struct sim_card *card, const struct sim_queue *queue, uint32_t length);
};

enum sim_check { SIM_CHECK_IP = 1, SIM_CHECK_L4 = 2 };

struct sim_card {
	struct sim *sim;
	const struct sim_kind *kind;
	uint32_t number;
	char address[16];               /* "0000:05:00.0" */
	uint8_t mac[6];
	uint32_t *bar, *seen;           /* what driver and card share; as we published it, or saw it last */
	uint32_t *value;                /* the truth; by canonical address */
	uint16_t *row;                  /* of each word: its row in the table, plus 1 */
	uint8_t *rank;                  /* of each word: see sim_register_poll */
	uint32_t *alias;                /* of each word: another address that it has, 0: none */
	uint32_t *canonical;            /* of each word: its address, or that of the register that it is an alias of */
	uint8_t *config;                /* configuration space, shared */
	uint16_t eeprom[128];
	struct sim_spi spi;
	bool link;
	bool has_pools;                 /* VMDq is on */
	bool was_reset;                 /* since the model began */
	uint64_t link_ns, quiet_ns;     /* when the link comes up; no access before */
	struct sim_queue receive[SIM_QUEUES], transmit[SIM_QUEUES];
	uint32_t receive_active, transmit_active;       /* one more than the highest queue in use */
	uint64_t off_ns, off_accesses;  /* since when frames come for queues while reception is off; 0: they do not */
	struct sim_wire *wire;
	struct sim_faults faults;
	struct sim_counts counts;
	uint64_t *given;                /* a set of buffer addresses that the card holds (sim_receive) */
	uint32_t given_count;
};

/* A received frame on its way to queues. */
struct sim_frame {
	const uint8_t *data;
	uint32_t length;                /* without FCS */
	bool bad_crc;
	bool is_long;                   /* longer than the card receives */
	bool has_vlan;                  /* an 802.1Q tag of the type that the card looks for, behind the addresses */
	uint16_t vlan;                  /* TCI */
	bool is_ipv4, is_ipv6, is_tcp, is_udp, is_sctp, is_fragment, has_options;
	uint32_t l3, l4;                /* bytes to the headers; 0: none */
	bool ip_bad, l4_bad;            /* checksums; valid when checked */
	bool l4_present;                /* has a checksum to be checked */
	bool is_own;                    /* sent by a pool of the same card */
	uint32_t rss_hash, rss_type;
	uint32_t queue_count;
	uint16_t queue[SIM_QUEUES];
};

/* How registers are reached. */
enum sim_mode { SIM_POLL, SIM_TRAP, SIM_MIDDLE };

struct sim {
	enum sim_mode mode;
	bool deep;                      /* judge what costs time: buffers given twice */
	bool strict;                    /* notes are violations */
	bool lossless;                  /* joined wires wait for the other's reception and descriptors, as with flow control */
	char root[256];                 /* the tree */
	bool root_ours;                 /* made by us: removed at the end */
	uint32_t card_count;
	struct sim_card card[SIM_CARDS];
	struct sim_mailbox *mailbox;
	uint64_t now_ns, busy_ns;       /* busy_ns: when there was something to do last */
	uint64_t idle_loops;
};

/* --- sim_judge ------------------------------------------------------------------------------------------------------ */

/* Name something that a driver did wrong. The first few of a rule are printed, all are counted. */
void sim_judge(const struct sim_card *card, enum sim_rule rule, const char *format, ...) __attribute__((format(printf, 3, 4), cold));

/* Violations so far. */
uint64_t sim_judge_violations(const struct sim *sim);

/* Print what was found, and what each card did. */
void sim_judge_report(const struct sim *sim, FILE *out);

/* --- sim_tree ------------------------------------------------------------------------------------------------------- */

/* Make the folder of a card below sim->root, and map its registers and its configuration space.
 *   fails: -errno with nf_error() */
int sim_tree_add(struct sim *sim, struct sim_card *card) __attribute__((warn_unused_result));
int sim_tree_begin(struct sim *sim, const char *root) __attribute__((warn_unused_result));
void sim_tree_end(struct sim *sim);

/* --- sim_register --------------------------------------------------------------------------------------------------- */

/* Build a card's tables. fails: -ENOMEM */
int sim_register_begin(struct sim_card *card) __attribute__((warn_unused_result));

/* All registers to their reset values, or to garbage (the state of a card that somebody else used). */
void sim_register_reset(struct sim_card *card);
void sim_register_soil(struct sim_card *card);

/* The card itself changes a register. */
void sim_set(struct sim_card *card, uint32_t at, uint32_t value);
static inline uint32_t sim_get(const struct sim_card *card, uint32_t at)
{
	return card->value[at / 4];
}

/* Add to a counter that sticks at its greatest value, to one of two registers. Whoever polls sees it later. */
static inline void sim_count(struct sim_card *card, uint32_t at, uint32_t more)
{
	uint32_t value = card->value[at / 4];

	card->value[at / 4] = more > UINT32_MAX - value ? UINT32_MAX : value + more;
}
static inline void sim_count64(struct sim_card *card, uint32_t low, uint32_t high, uint64_t more)
{
	uint64_t value = ((uint64_t)card->value[high / 4] << 32 | card->value[low / 4]) + more;

	card->value[low / 4] = (uint32_t)value;
	card->value[high / 4] = (uint32_t)(value >> 32);
}
/* One more frame of a length, with FCS, in the six counters of lengths: PRC, PTC. */
void sim_count_size(struct sim_card *card, uint32_t first, uint32_t length);

/* Let those see the counters who poll. */
void sim_register_show_counters(struct sim_card *card);

/* The driver reads, writes a word: exact. */
uint32_t sim_register_read(struct sim_card *card, uint32_t at);
void sim_register_write(struct sim_card *card, uint32_t at, uint32_t value);

/* Look for words that the driver wrote; `tails`: only those of the queues in use. gives: whether something was found */
bool sim_register_poll(struct sim_card *card, bool tails);

/* Is a register's page left to polling? */
bool sim_register_is_polled(const struct sim_card *card, uint32_t at);

/* All registers read as ones from now on, or again as they are. */
void sim_register_vanish(struct sim_card *card, bool vanished);

/* --- sim_ring: what both directions of all kinds share --------------------------------------------------------------- */

/* A queue's registers were written. `wants`: ENABLE was set. */
void sim_ring_enable(struct sim_queue *queue, bool wants);
void sim_ring_tail(struct sim_queue *queue, uint32_t tail);
void sim_ring_locked(struct sim_queue *queue, const char *name);
/* Enable, disable what has waited long enough. */
void sim_ring_tick(struct sim_card *card);
/* Where a transmit queue's head is written, if anywhere: bit 0 of the address, a multiple of `align`, switches it on. */
void sim_ring_write_back(struct sim_queue *queue, uint32_t align, uint32_t threshold_bits);
/* All queues as after a reset. */
void sim_ring_reset(struct sim_card *card);
/* Descriptors between head and tail. */
static inline uint32_t sim_ring_waiting(const struct sim_queue *queue)
{
	return queue->tail >= queue->head ? queue->tail - queue->head : queue->tail + queue->count - queue->head;
}
/* The offset of registers within the block of a queue: the same in all these cards. */
enum { SIM_LENGTH = 0x08, SIM_HEAD = 0x10, SIM_TAIL = 0x18, SIM_CONTROL = 0x28, SIM_WRITE_BACK = 0x38 };
enum { SIM_ENABLE = 1 << 25 };          /* of SIM_CONTROL: RXDCTL and TXDCTL */

/* --- sim_receive, sim_transmit ---------------------------------------------------------------------------------------- */

/* A frame arrives on the card's wire. parsed: what sim_parse finds in it with what the card looks for; NULL: not known */
void sim_receive(struct sim_card *card, const uint8_t *data, uint32_t length, const struct sim_frame *parsed);
/* A frame of the card's own is for queues of it. */
void sim_receive_own(struct sim_card *card, struct sim_frame *frame);

/* So many frames are not lost for want of descriptors now, whatever queues they go to. Asked by a wire that waits. */
uint32_t sim_receive_room(struct sim_card *card);

/* Is reception on? Asked by a wire that waits; who never switches it on is judged. */
bool sim_receive_is_on(struct sim_card *card);

/* The driver gave descriptors from..to to a receive, transmit queue. */
void sim_receive_given(struct sim_queue *queue, uint32_t from, uint32_t to);
/* After a reset the card holds no buffer. */
void sim_receive_forget_all(struct sim_card *card);
/* A queue is off, ENABLE reads 0: its buffers are the driver's again. */
void sim_receive_forget(struct sim_queue *queue);
void sim_transmit_given(struct sim_queue *queue, uint32_t from, uint32_t to);

/* A frame leaves a queue, as it is sent. */
void sim_transmit_frame(struct sim_card *card, uint32_t queue, const uint8_t *data, uint32_t length);
/* Send what waits, at most `budget` packets of each queue. gives: whether anything was sent */
bool sim_transmit(struct sim_card *card, uint32_t budget);
/* The card is looked at for the last time: packets that never ended. */
void sim_transmit_end(struct sim_card *card);

/* --- sim_parse: headers, hashes, checksums ---------------------------------------------------------------------------- */

/* Find the headers of a frame. */
void sim_parse(struct sim_frame *frame, uint16_t vlan_type, uint32_t checks);
uint32_t sim_parse_toeplitz(const uint8_t *key, const uint8_t *data, uint32_t length);
/* The RSS hash for the fields in MRQC's bits 16 to 23; fills rss_hash and rss_type. */
void sim_parse_rss(struct sim_frame *frame, const uint8_t *key, uint32_t fields);
uint32_t sim_parse_crc(const uint8_t *data, uint32_t length);

/* --- sim_filter: which frames a card takes, which queue gets them ------------------------------------------------------- */

bool sim_filter_unicast(const struct sim_card *card, const uint8_t *mac, uint32_t ral, uint32_t count, uint32_t *entry);
bool sim_filter_multicast(const struct sim_card *card, const uint8_t *mac, uint32_t mta, uint32_t offset);
bool sim_filter_vlan(const struct sim_card *card, uint16_t vlan, uint32_t vfta);
static inline bool sim_filter_is_broadcast(const uint8_t *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

/* The permanent address stands in the first filter from the start. */
void sim_filter_permanent(struct sim_card *card, uint32_t ral);

/* --- sim_semaphore ------------------------------------------------------------------------------------------------------ */

/* SWSM was read. */
void sim_semaphore_taken(struct sim_card *card, uint32_t swsm, uint32_t value);
/* SW_FW_SYNC was written: is that allowed? */
void sim_semaphore_check(struct sim_card *card, uint32_t swsm, uint32_t value);

/* --- kinds -------------------------------------------------------------------------------------------------------------- */

extern const struct sim_kind sim_82599_kind, sim_82576_kind, sim_i350_kind, sim_i210_kind;
const struct sim_kind *sim_kind_find(const char *name);

/* --- sim ------------------------------------------------------------------------------------------------------------------ */

int sim_begin(struct sim *sim, const char *root, const char *cards) __attribute__((warn_unused_result));
/* Do all that is to be done now. gives: whether anything was */
bool sim_step(struct sim *sim);
/* Step while more() says so, resting when there is nothing to do. */
void sim_run(struct sim *sim, bool (*more)(struct sim *sim));
void sim_end(struct sim *sim);

void sim_card_reset(struct sim_card *card);
/* Has the link's state changed? */
void sim_card_link(struct sim_card *card);
static inline uint32_t sim_bits(uint32_t value, uint32_t low, uint32_t count)
{
	return value >> low & (uint32_t)((1ULL << count) - 1);
}
