#pragma once
/* run -- the fast way through an app of this folder: packets that need nothing of it pass from link to link, and nothing is done
 * for each but to find that out. */
#include "core/core.h"
#include "lib/lib.h"

/* Pass the first packets of `input` that are plain, at most *n, on to `output`; gives how many. *n becomes less when not so many lie
 * in one piece: nothing is known of the packet behind them then. Compiled into each app, so that is_plain is inlined; it may read
 * what lies within the longest headers, whatever the packet's length. There is no prefetch: one packet's turn is so short that the
 * processor has begun with 30 further ones when a byte of the first is there.
 *   needs: *n <= link_waiting(input), *n <= link_room(output) */
static inline __attribute__((always_inline)) uint32_t run_pass(struct link *input, struct link *output, uint32_t *n,
	bool (*is_plain)(const struct packet *p))
{
	struct packet *const *list = link_front(input, n);
	uint32_t plain = 0;
	uint64_t bytes = 0;

	for (; plain < *n; plain++) {
		const struct packet *p = list[plain];

		if (__builtin_expect(!is_plain(p), 0))
			break;
		bytes += p->length;
	}
	if (plain > 0)
		link_pass(input, output, plain, bytes);
	return plain;
}
