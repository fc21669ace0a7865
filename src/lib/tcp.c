/* tcp -- see tcp.h. */
#include "lib/lib.h"

extern inline uint32_t tcp_header_length(const struct tcp *tcp);
extern inline struct tcp *tcp_parse(const uint8_t *data, uint32_t length);

_Static_assert(sizeof(struct tcp) == TCP_HEADER, "the TCP header as on the wire");
_Static_assert(offsetof(struct tcp, checksum_be) == TCP_CHECKSUM, "the place of the TCP checksum");
