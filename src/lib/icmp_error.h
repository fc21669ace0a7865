#pragma once
/* icmp_error -- ICMP and ICMPv6 errors about a packet, as whole frames back to where it came from.
 * source: RFC 792; RFC 1122, 3.2.2; RFC 1812, 4.3.2; RFC 4443, 2.4 and 3 */

enum { ICMP_ERROR_MOST4 = 576, ICMP_ERROR_MOST6 = 1280 };       /* bytes of an error from its IP header on: RFC 1812, 4.3.2.3;
                                                                 * RFC 4443, 2.4 (c) */
enum { ICMP_ERROR_FRAME = 1294 };       /* bytes of the longest frame */

/* Write a frame with an error about the packet in `frame`, its Ethernet addresses exchanged.
 *   needs: room for ICMP_ERROR_FRAME bytes at `to`, which do not overlap frame; source: 4 or 16 bytes;
 *          rest: what stands in the message's octets 4 to 7 (an MTU, a pointer)
 *   gives: its length; 0 when nobody must be told: the packet is no whole IP header, itself an error, a later fragment, or from
 *          or to no single host (ICMPv6: a packet too big may be told about one that went to a group) */
uint32_t icmp_error4(uint8_t *to, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t rest,
	const uint8_t *source);
uint32_t icmp_error6(uint8_t *to, const uint8_t *frame, uint32_t length, uint8_t type, uint8_t code, uint32_t rest,
	const uint8_t *source);
