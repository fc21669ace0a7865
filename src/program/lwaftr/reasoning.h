#pragma once
/* reasoning -- what lwaftr.lwaftr thinks of a packet, in words: by the very table and functions that it decides with. */
#include "apps/lwaftr/lwaftr.h"

/* Print a line for each softwire that is looked up for an IPv4 packet that came from the internet, or for what is in a tunnel.
 * `data` is a frame that waits at the app; from6: on its IPv6 side. Prints nothing when there is nothing to be looked up. */
void reasoning_softwires(const struct lwaftr *lwaftr, const uint8_t *data, uint32_t length, bool from6);

/* The sentence of a reason of the app; NULL when it has none. */
const char *reasoning_drop(const char *reason);
