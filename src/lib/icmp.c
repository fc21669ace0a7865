/* icmp -- see icmp.h. */
#include "lib/lib.h"

extern inline struct icmp *icmp_parse(const uint8_t *data, uint32_t length);

_Static_assert(sizeof(struct icmp) == ICMP_HEADER, "the ICMP header as on the wire");
