#pragma once
/* driver -- a small driver of the 82599, the 82576, the i350 and the i210 for tests of the simulated cards: it forwards frames from each
 * card to the next one (or back out of the only one), and can be told to make one mistake, which the card must name.
 *
 *     driver CARDS COUNT [OPTION...]      ends when COUNT frames were forwarded; 1 when that took more than 10 s
 *
 * Options: legacy, write-back (of the head), queues=N (RSS), jumbo, vlan (strip and insert), offload (the IPv4 header's checksum), sums
 * (the transport's, too), segment=N (TCP segmentation), pools (VMDq: see pools.c) with spread (RSS within pools), mirror, loop (frames
 * for other pools stay in the card), port-vlan, rate=N (Mbit/s), restart (receive queues), show (receive only, and print what the card
 * says), statistics (read twice), untidy (ends without stopping the card), break=MISTAKE. It is no part of nf and shares no code with it.
 * source: 82599 datasheet, 4.6 "Initialization and Software Reset Sequence"; 82576 datasheet, 4.5 "Device Initialization" */
#include <stdbool.h>
#include <stdint.h>

enum { RING = 64, BUFFERS = 640, BUFFER = 2048, CARDS = 2, QUEUES = 8, HUGE_PAGE = 2 << 20, LONGEST = 40 };

struct queue {
	uint64_t *receive, *transmit;   /* rings, 2 words a descriptor */
	uint32_t receive_next, transmit_next, transmit_done, receive_tail;
	uint32_t buffer[RING];          /* of the receive ring, of the transmit ring */
	uint32_t sending[RING];
	bool ends[RING];                /* this transmit descriptor has RS */
	uint32_t *head;                 /* written back */
	uint32_t pending, pending_buffer[LONGEST], pending_length[LONGEST];
};

/* Where registers lie. */
struct map {
	uint32_t bar, receive, transmit, srrctl, eerd, swsm, sync, mask, multiple, reta, key;
};

struct card {
	const struct map *map;
	volatile uint32_t *bar;
	uint8_t *memory;
	uint64_t physical;
	uint32_t free_count, free_list[BUFFERS];
	struct queue queue[QUEUES];
};

/* What was asked for on the command line. */
struct wishes {
	uint32_t queues, segment;       /* segment: bytes of payload of each segment; 0: none are made */
	uint32_t rate;                  /* Mbit/s of each transmit queue; 0: as fast as can be */
	bool legacy, write_back, jumbo, vlan, offload, sums, untidy, show, pools, spread, mirror, loop, port_vlan, restart, statistics;
	const char *mistake;
};

extern struct wishes wish;
extern const struct map map_82599, map_igb;

/* Is this the mistake to be made? */
bool breaks(const char *name);
_Noreturn void die(const char *what);

/* --- card.c: registers, memory, initialisation ------------------------------------------------------------------------ */

uint32_t get(struct card *card, uint32_t at);
void set(struct card *card, uint32_t at, uint32_t value);
void pause_ms(uint32_t ms);
uint64_t buffer_of(const struct card *card, uint32_t buffer);

/* A receive descriptor with a buffer. */
void fill(struct card *card, struct queue *queue, uint32_t i, bool first);
void init_card(struct card *card, uint32_t number);
void stop(struct card *card);

/* --- pools.c ------------------------------------------------------------------------------------------------------------ */

void init_pools(struct card *card);
void init_rate(struct card *card);

/* --- offload.c ---------------------------------------------------------------------------------------------------------- */

struct headers {
	bool has_ip, is_ipv4, has_l4;   /* has_l4: with a checksum that is left to the card */
	uint32_t ip_length, protocol;
};

void find_headers(uint8_t *data, struct headers *h);
void put_context(struct queue *queue, uint32_t tag, const struct headers *h);

/* --- path.c: frames ----------------------------------------------------------------------------------------------------- */

extern uint64_t forwarded;

/* From a queue of one card to the same queue of another. */
void forward(struct card *from, struct card *to, uint32_t number);

/* Give back buffers of packets that were sent: they belong to the card that received them. */
void collect(struct card *owner, struct queue *queue);

/* Print what the card says of each frame that it received. */
void show(struct card *card, uint32_t number);
