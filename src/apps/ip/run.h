#pragma once
/* run -- the fast way through an app of this folder: packets that need nothing of it pass from link to link, and nothing is done
 * for each but to find that out. */
#include "core/core.h"
#include "lib/lib.h"

/* Pass the first packets of `input` that are plain, at most n, on to `output`; gives how many. Compiled into each app, so that
 * is_plain is inlined; it may read what lies within the longest headers, whatever the packet's length.
 *   needs: n <= link_waiting(input), n <= link_room(output) */
static inline __attribute__((always_inline)) uint32_t run_pass(struct link *input, struct link *output, uint32_t n,
	bool (*is_plain)(const struct packet *p))
{
	uint32_t at = link_slot(input, input->received), plain = 0;
	uint64_t bytes = 0;

	for (; plain < n; plain++) {
		const struct packet *p = input->slot[(at + plain) % LINK_SLOTS];

		/* Behind the last one lie earlier packets, or none: a prefetch may go anywhere. */
		__builtin_prefetch(input->slot[(at + plain + 2 * PACKET_PREFETCH) % LINK_SLOTS]);
		if (plain + PACKET_PREFETCH < n)
			__builtin_prefetch(input->slot[(at + plain + PACKET_PREFETCH) % LINK_SLOTS]->data);
		if (__builtin_expect(!is_plain(p), 0))
			break;
		bytes += p->length;
	}
	if (plain > 0)
		link_pass(input, output, plain, bytes);
	return plain;
}
