#pragma once
/* checksum -- the internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A sum is collected in 64 bits with checksum_add and made a checksum by checksum_finish. Words are added as they lie in
 * memory: the one's complement sum does not depend on the byte order (RFC 1071, section 2 (B)), so checksums here are values
 * as they stand in a header, named _be, and need no swapping. */

/* Add `length` bytes to a sum; begin with 0. An odd last byte is padded with zero, so only the last part may be odd.
 *   needs: sum from 0, checksum_add or checksum_pseudo; at most 2^30 bytes in all
 *   cost:  O(length), 64 bytes a step */
uint64_t checksum_add(uint64_t sum, const void *data, size_t length);

/* The sum of a pseudo header: RFC 9293 section 3.1 (IPv4), RFC 8200 section 8.1 (IPv6).
 *   needs: source and destination address one after the other, as both IP headers have them: 8 or 32 address_bytes;
 *          length of the transport header and its payload */
uint64_t checksum_pseudo(const void *addresses, uint32_t address_bytes, uint8_t protocol, uint32_t length);

/* The folded sum, not complemented: what stands in a checksum field that is left to be completed. */
inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The checksum of a sum. Over data that contains its checksum it is 0 exactly when that is right. */
inline uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

/* The checksum after a 16-bit word, or 32 bits at an even place, of the data changed. source: RFC 1624, equation 3 */
inline uint16_t checksum_update16(uint16_t checksum_be, uint16_t old_be, uint16_t new_be)
{
	return checksum_finish((uint64_t)(uint16_t)~checksum_be + (uint16_t)~old_be + new_be);
}

inline uint16_t checksum_update32(uint16_t checksum_be, uint32_t old_be, uint32_t new_be)
{
	return checksum_finish((uint64_t)(uint16_t)~checksum_be + (uint32_t)~old_be + new_be);
}

/* Finish a checksum that its sender left unfinished: the field at start + offset holds the folded sum of the pseudo header;
 * add data[start .. length) to it. A result of 0 is written as 0xffff, which is the same number and which UDP needs (RFC 768).
 *   fails: false when the field does not lie within the data; nothing is written */
bool checksum_complete(uint8_t *data, uint32_t length, uint32_t start, uint32_t offset);
