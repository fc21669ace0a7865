/* udp -- see udp.h. */
#include "lib/lib.h"

extern inline struct udp *udp_parse(const uint8_t *data, uint32_t length);

_Static_assert(sizeof(struct udp) == UDP_HEADER, "the UDP header as on the wire");
_Static_assert(offsetof(struct udp, checksum_be) == UDP_CHECKSUM, "the place of the UDP checksum");
