/* checksum -- see checksum.h. */
#include "lib/lib.h"

extern inline uint16_t checksum_fold(uint64_t sum);
extern inline uint16_t checksum_finish(uint64_t sum);
extern inline uint16_t checksum_update16(uint16_t checksum_be, uint16_t old_be, uint16_t new_be);
extern inline uint16_t checksum_update32(uint16_t checksum_be, uint32_t old_be, uint32_t new_be);

/* Four 64-bit words at any address, added side by side: the compiler uses what vectors the processor has. */
typedef uint64_t lanes __attribute__((vector_size(32), aligned(1), may_alias));

uint64_t checksum_add(uint64_t sum, const void *data, size_t length)
{
	const uint8_t *at = data;

	if (length >= sizeof(lanes)) {
		/* Halves of 32 bits in lanes of 64 do not overflow below 2^32 steps. Two pairs of sums, so that one addition need
		 * not wait for the one before. Loads are dereferences: gcc 12 takes a memcpy by way of the stack, which is 25 times
		 * slower. */
		lanes low = { 0 }, high = { 0 }, low2 = { 0 }, high2 = { 0 };

		for (; length >= 2 * sizeof(lanes); at += 2 * sizeof(lanes), length -= 2 * sizeof(lanes)) {
			lanes a = ((const lanes *)at)[0], b = ((const lanes *)at)[1];

			low += a & 0xffffffff;
			high += a >> 32;
			low2 += b & 0xffffffff;
			high2 += b >> 32;
		}
		if (length >= sizeof(lanes)) {
			lanes a = *(const lanes *)at;

			low += a & 0xffffffff;
			high += a >> 32;
			at += sizeof(lanes);
			length -= sizeof(lanes);
		}
		low += low2 + high + high2;
		sum += low[0] + low[1] + low[2] + low[3];
	}
	for (; length >= sizeof(uint32_t); at += sizeof(uint32_t), length -= sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (length > 0) {
		uint8_t last[4] = { 0 };
		uint32_t word;

		memcpy(last, at, length);
		memcpy(&word, last, sizeof(word));
		sum += word;
	}
	return sum;
}

uint64_t checksum_pseudo(const void *addresses, uint32_t address_bytes, uint8_t protocol, uint32_t length)
{
	return checksum_add(0, addresses, address_bytes) + bytes_swap16(protocol) + bytes_swap32(length);
}

bool checksum_complete(uint8_t *data, uint32_t length, uint32_t start, uint32_t offset)
{
	uint16_t result;

	if (start > length || offset > length - start || length - start - offset < sizeof(result))
		return false;
	result = checksum_finish(checksum_add(0, data + start, length - start));
	if (result == 0)
		result = 0xffff;
	memcpy(data + start + offset, &result, sizeof(result));
	return true;
}
