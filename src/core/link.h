#pragma once
/* link -- bounded first-in first-out queue of packets between two apps of a worker. One thread; never blocks. */

enum {
	LINK_SLOTS = 1024,              /* packets; a power of two */
	BURST = 64                      /* most packets that an app moves in one go; with 128 the packets of a source and a
	                                 * tee no longer fit into a first-level cache of 32 KiB: 103 Mpps instead of 118 */
};

struct link {
	uint64_t sent, received;        /* totals, free-running: waiting = sent - received, slot: see link_slot */
	uint64_t bytes;                 /* of the packets sent */
	uint64_t dropped;               /* packets freed because the link was full */
	const char *name;               /* "a.output -> b.input" */
	uint32_t number;                /* in the worker's graph */
	bool back;                      /* closes a cycle: its packets wait for the next breath */
	uint64_t base;                  /* the total whose packet lies in slot 0 */
	uint64_t base_bytes;            /* of the packets before that one */
	struct packet *slot[LINK_SLOTS] __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/* How many packets wait, and how many more fit. */
inline uint32_t link_waiting(const struct link *l)
{
	return (uint32_t)(l->sent - l->received);
}

inline uint32_t link_room(const struct link *l)
{
	return LINK_SLOTS - link_waiting(l);
}

/* Where the packet lies that was sent as number `total`. A link that was emptied by a burst begins at slot 0 again, so that only
 * the slots of a burst are in the first-level cache and not, in turn, all 8 KiB. */
inline uint32_t link_slot(const struct link *l, uint64_t total)
{
	return (uint32_t)(total - l->base) % LINK_SLOTS;
}

/* Take n packets off the front, which are dealt with. needs: n <= link_waiting(l) */
inline void link_advance(struct link *l, uint32_t n)
{
	l->received += n;
	if (l->received == l->sent) {
		l->base = l->received;
		l->base_bytes = l->bytes;
	}
}

/* Copy the pointers of n packets between lists that do not overlap. */
inline void link_list(struct packet **__restrict to, struct packet *const *__restrict from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* The first packets that wait, as a list: *n of them, or as many as lie in one piece, which nearly always are all.
 *   needs: *n <= link_waiting(l) */
inline struct packet *const *link_front(const struct link *l, uint32_t *n)
{
	uint32_t at = link_slot(l, l->received);

	if (__builtin_expect(*n > LINK_SLOTS - at, 0))
		*n = LINK_SLOTS - at;
	return l->slot + at;
}

/* Free p and count it as dropped by the full link l; what link_send does when there is no room. */
void link_drop(struct link *l, struct packet *p);

/* Send p. A full link frees p and counts it in dropped.
 *   owner: takes p, always
 *   cost:  no allocation, no system call */
inline void link_send(struct link *l, struct packet *p)
{
	if (PACKET_DEBUG)
		packet_debug_check(p);
	if (__builtin_expect(link_room(l) == 0, 0)) {
		link_drop(l, p);
		return;
	}
	l->slot[link_slot(l, l->sent)] = p;
	l->sent++;
	l->bytes += p->length;
}

/* Send n packets, in order; those that do not fit are freed and counted in dropped. */
inline void link_send_burst(struct link *l, struct packet *const *burst, uint32_t n)
{
	uint64_t bytes = l->bytes;
	uint32_t room = link_room(l), fit = n < room ? n : room, at = link_slot(l, l->sent);

	for (uint32_t i = 0; i < fit; i++) {
		if (PACKET_DEBUG)
			packet_debug_check(burst[i]);
		l->slot[(at + i) % LINK_SLOTS] = burst[i];
		bytes += burst[i]->length;
	}
	l->sent += fit;
	l->bytes = bytes;
	for (uint32_t i = fit; i < n; i++)
		link_drop(l, burst[i]);
}

/* Send n packets that have `bytes` bytes in all, as the caller knows: nobody looks at them. */
inline void link_send_known(struct link *l, struct packet *const *burst, uint32_t n, uint64_t bytes)
{
	uint32_t at = link_slot(l, l->sent);

	if (__builtin_expect(PACKET_DEBUG || n > link_room(l) || n > LINK_SLOTS - at, 0)) {
		link_send_burst(l, burst, n);
		return;
	}
	link_list(l->slot + at, burst, n);
	l->sent += n;
	l->bytes += bytes;
}

/* Take the oldest packet.
 *   needs: link_waiting(l) > 0
 *   owner: the caller */
inline struct packet *link_receive(struct link *l)
{
	struct packet *p = l->slot[link_slot(l, l->received)];

	l->received++;
	return p;
}

/* Take up to n packets, oldest first; gives how many. owner: the caller */
inline uint32_t link_receive_burst(struct link *l, struct packet **burst, uint32_t n)
{
	uint32_t waiting = link_waiting(l), at = link_slot(l, l->received);

	if (n > waiting)
		n = waiting;
	if (__builtin_expect(at + n <= LINK_SLOTS, 1))
		link_list(burst, l->slot + at, n);
	else
		for (uint32_t i = 0; i < n; i++)
			burst[i] = l->slot[(at + i) % LINK_SLOTS];
	link_advance(l, n);
	return n;
}

/* The i-th waiting packet, which stays on the link. needs: i < link_waiting(l) */
inline struct packet *link_peek(const struct link *l, uint32_t i)
{
	return l->slot[link_slot(l, l->received + i)];
}

/* Move the first n packets that wait on `from`, of which the caller knows how many bytes they have: nobody looks at them.
 *   needs: n <= link_waiting(from), n <= link_room(to) */
inline void link_pass(struct link *from, struct link *to, uint32_t n, uint64_t bytes)
{
	uint32_t at = link_slot(from, from->received), next = link_slot(to, to->sent);

	if (PACKET_DEBUG)
		for (uint32_t i = 0; i < n; i++)
			packet_debug_check(from->slot[(at + i) % LINK_SLOTS]);
	if (__builtin_expect(at + n <= LINK_SLOTS && next + n <= LINK_SLOTS, 1))
		link_list(to->slot + next, from->slot + at, n);
	else
		for (uint32_t i = 0; i < n; i++)
			to->slot[(next + i) % LINK_SLOTS] = from->slot[(at + i) % LINK_SLOTS];
	link_advance(from, n);
	to->sent += n;
	to->bytes += bytes;
}

/* Move up to n packets from one link to another, as far as the receiver has room; gives how many. When all that wait go, and none
 * of them was behind others before, the link knows how many bytes they have. */
inline uint32_t link_move(struct link *from, struct link *to, uint32_t n)
{
	uint32_t waiting = link_waiting(from), room = link_room(to);
	uint64_t bytes = 0;

	if (n > waiting)
		n = waiting;
	if (n > room)
		n = room;
	if (n == waiting && from->received == from->base)
		bytes = from->bytes - from->base_bytes;
	else
		for (uint32_t i = 0; i < n; i++)
			bytes += link_peek(from, i)->length;
	link_pass(from, to, n, bytes);
	return n;
}

/* Send copies of the first n packets that wait on `from`, which stay there; gives how many copies were made before a pool was
 * empty. Standard packets are taken from the pool in one go, and no list of pointers lies between the links.
 *   needs: n <= link_waiting(from), n <= link_room(to) */
inline uint32_t link_copy(const struct link *from, struct link *to, uint32_t n)
{
	struct packet_pool *pool = &packet_pool[PACKET_STANDARD];
	struct packet **stack = pool->stack;
	uint64_t bytes = 0;
	uint32_t i, left = pool->count, at = link_slot(from, from->received), next = link_slot(to, to->sent);

	for (i = 0; i < n; i++) {
		const struct packet *p = from->slot[(at + i) % LINK_SLOTS];
		struct packet *copy;

		if (__builtin_expect(p->size != PACKET_STANDARD, 0)) {
			if ((copy = packet_copy(p)) == 0)
				break;
			bytes += copy->length;
		} else if (__builtin_expect(left == 0, 0)) {
			pool->exhausted++;
			break;
		} else {
			copy = stack[--left];
			if (PACKET_DEBUG) {
				packet_debug_check(p);
				packet_debug_alloc(copy);
			}
			bytes += packet_copy_to(copy, p);
		}
		to->slot[(next + i) % LINK_SLOTS] = copy;
	}
	pool->taken += pool->count - left;
	pool->count = left;
	to->sent += i;
	to->bytes += bytes;
	return i;
}

/* Free up to n packets that wait, oldest first; gives how many. */
inline uint32_t link_free(struct link *l, uint32_t n)
{
	uint32_t waiting = link_waiting(l), at = link_slot(l, l->received), first;

	if (n > waiting)
		n = waiting;
	first = n < LINK_SLOTS - at ? n : LINK_SLOTS - at;
	packet_free_burst(l->slot + at, first);
	packet_free_burst(l->slot, n - first);
	link_advance(l, n);
	return n;
}
