#pragma once
/* reassembly -- which pieces of which datagrams have come. It keeps pointers to what the caller holds, never its content.
 * source: RFC 815 (the idea); RFC 5722 and RFC 8200, 4.5 (no overlap)
 *
 * All memory is there from the beginning: at most so many datagrams at once, and so many pieces of all of them together. Datagrams
 * are found by a keyed hash, and the one that makes room for another is drawn by lot, so nobody can choose it. */

enum { REASSEMBLY_KEY = 40, REASSEMBLY_NONE = -1 };

struct reassembly_piece {
	void *item;                     /* of the caller */
	const uint8_t *data;            /* its payload */
	uint32_t begin, end;            /* where that lies in the datagram's, in bytes */
	int32_t next;                   /* the piece behind it; REASSEMBLY_NONE */
};

struct reassembly_datagram {
	uint8_t key[40];                /* REASSEMBLY_KEY bytes: what its fragments have in common */
	uint64_t since_ns;              /* when the first fragment came */
	void *first;                    /* the item that came first */
	int32_t piece, tail;            /* the first and the last in order */
	uint32_t pieces;
	uint32_t bytes, total;          /* that have come; of the whole, when the last fragment has come, else 0 */
	bool given_up;                  /* what comes for it is to be dropped */
	uint32_t bucket, place;         /* where it is found; among those in use */
	int32_t chain, older, newer;    /* in its bucket; by age */
};

struct reassembly {
	struct reassembly_datagram *datagram;
	struct reassembly_piece *piece;
	int32_t *bucket;                /* a power of two of them */
	int32_t *use;                   /* numbers of the datagrams in use, in any order, then the free ones */
	uint32_t datagrams, pieces;     /* limits */
	uint32_t count, piece_count;    /* in use */
	uint32_t mask;
	int32_t free_piece, oldest, newest;
	struct siphash_key hash_key;
};

enum reassembly_verdict {
	REASSEMBLY_KEPT,                /* the item is kept */
	REASSEMBLY_COMPLETE,            /* the item is kept, and nothing is missing */
	REASSEMBLY_DUPLICATE,           /* the same bytes have come before: the item is not kept */
	REASSEMBLY_OVERLAP,             /* other bytes for the same place: the item is not kept */
	REASSEMBLY_ENDS_TWICE           /* behind the end, or another end: the item is not kept */
};

/* Bytes of memory that a reassembly of these limits needs. needs: both from 1 to 2^24 */
size_t reassembly_size(uint32_t datagrams, uint32_t pieces);

/* Make an empty one in `memory` of reassembly_size bytes, which stays the caller's. */
void reassembly_init(struct reassembly *reassembly, void *memory, uint32_t datagrams, uint32_t pieces,
	const struct siphash_key *key);

/* The datagram of a key of REASSEMBLY_KEY bytes; NULL. */
struct reassembly_datagram *reassembly_find(const struct reassembly *reassembly, const uint8_t *key);

/* Begin one that is not there. needs: count < datagrams */
struct reassembly_datagram *reassembly_begin(struct reassembly *reassembly, const uint8_t *key, uint64_t now_ns);

/* Add a fragment's payload, which is `data` and belongs to begin .. end - 1; last: nothing comes behind it.
 *   needs: begin < end; piece_count < pieces
 *   gives: what became of it; on REASSEMBLY_OVERLAP and REASSEMBLY_ENDS_TWICE nothing has changed, the caller ends the datagram
 *   cost:  O(pieces of the datagram), O(1) when they come in order */
enum reassembly_verdict reassembly_put(struct reassembly *reassembly, struct reassembly_datagram *datagram, void *item,
	const uint8_t *data, uint32_t begin, uint32_t end, bool last);

/* The pieces of a datagram in order: the first one, the one behind another; NULL. */
const struct reassembly_piece *reassembly_first(const struct reassembly *reassembly, const struct reassembly_datagram *datagram);
const struct reassembly_piece *reassembly_next(const struct reassembly *reassembly, const struct reassembly_piece *piece);

/* Forget its pieces, whose items are the caller's again; it stays, and takes no more. */
void reassembly_give_up(struct reassembly *reassembly, struct reassembly_datagram *datagram);

/* Forget a datagram; its items are the caller's again. */
void reassembly_end(struct reassembly *reassembly, struct reassembly_datagram *datagram);

/* The datagram that began first; NULL when there is none. One drawn by lot. needs: count > 0, a random number */
struct reassembly_datagram *reassembly_oldest(const struct reassembly *reassembly);
struct reassembly_datagram *reassembly_draw(const struct reassembly *reassembly, uint64_t random);
