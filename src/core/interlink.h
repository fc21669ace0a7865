#pragma once
/* interlink -- a link between two workers: a bounded ring in shared memory with one producer and one consumer, which carries the
 * places of packets in the window. No lock; neither side ever waits for the other.
 *
 * All rings lie in one table that is mapped before the first fork. A ring has the name of its link, "w1:a.x -> w2:b.y", and lives
 * as long as the configuration has that link, whatever becomes of the workers at its ends. Each index has one writer; the
 * two are a cache line apart, and each side keeps a copy of the other's index and looks again only when that one is used up. */

enum {
	INTERLINK_SLOTS = 1024,         /* packets; a power of two */
	INTERLINKS = 256,               /* of all workers together */
	INTERLINK_NAME = 152            /* bytes, with the final zero */
};

struct interlink {
	char name[INTERLINK_NAME];      /* "": not in use */
	uint8_t from, to;               /* numbers of the workers */
	uint64_t sent __attribute__((aligned(64)));             /* the producer's line: packets put in */
	uint32_t ended;                 /* no more will come: the producer has ended */
	uint64_t received __attribute__((aligned(64)));         /* the consumer's line: packets taken out */
	uint32_t sleeping;              /* the consumer blocks, or is about to: wake it */
	uint32_t closed;                /* nobody takes anything out any more: put nothing in */
	uint64_t slot[INTERLINK_SLOTS] __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/* Map the table, empty; before the first fork. A second call empties it. fails: -ENOMEM */
int interlink_init(void) __attribute__((warn_unused_result));

/* The ring of a name, made when there is none; supervisor. fails: NULL with nf_error(): no more than INTERLINKS, or no table */
struct interlink *interlink_make(const char *name, uint8_t from, uint8_t to);
/* The ring of a name; NULL when there is none. */
struct interlink *interlink_find(const char *name);
/* The i-th ring of the table; NULL when it is not in use. */
struct interlink *interlink_table(uint32_t i);

/* Give back a ring that no worker uses any more; the packets that are still in it go home. gives: how many; supervisor */
uint32_t interlink_remove(struct interlink *ring);

/* Packets in a ring, and in all rings: walked. */
uint32_t interlink_count(const struct interlink *ring);
uint64_t interlink_count_all(void);

/* Producer: put up to n packets in; gives how many fitted, 0 into a closed ring. `seen`: its copy of ring->received.
 *   owner: takes those that fitted */
uint32_t interlink_send(struct interlink *ring, uint64_t *seen, struct packet *const *burst, uint32_t n);

/* Consumer: take up to n packets out; gives how many. What is no packet that the other worker sent is left out and counted in
 * *bad. `seen`: its copy of ring->sent.
 *   owner: the caller */
uint32_t interlink_receive(struct interlink *ring, uint64_t *seen, struct packet **burst, uint32_t n, uint64_t *bad);

/* The ends as apps; see interlink_app.c. */
extern const struct app_class interlink_output_class, interlink_input_class;
