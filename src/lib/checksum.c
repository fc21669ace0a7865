/* checksum -- see checksum.h. */
#include "lib/lib.h"

extern inline uint16_t checksum_fold(uint64_t sum);
extern inline uint16_t checksum_finish(uint64_t sum);
extern inline uint16_t checksum_update16(uint16_t checksum_be, uint16_t old_be, uint16_t new_be);
extern inline uint16_t checksum_update32(uint16_t checksum_be, uint32_t old_be, uint32_t new_be);

enum { LANES = 8 };                     /* sums side by side: two 256-bit registers of four */

uint64_t checksum_add(uint64_t sum, const void *data, size_t length)
{
	const uint8_t *at = data;

	if (length >= LANES * sizeof(uint32_t)) {
		/* 32-bit words in 64-bit lanes cannot overflow below 2^32 steps, and the compiler makes vectors of it. */
		uint64_t lane[LANES] = { 0 };

		do {
			uint32_t word[LANES];

			memcpy(word, at, sizeof(word));
			for (uint32_t i = 0; i < LANES; i++)
				lane[i] += word[i];
			at += sizeof(word);
			length -= sizeof(word);
		} while (length >= LANES * sizeof(uint32_t));
		for (uint32_t i = 0; i < LANES; i++)
			sum += lane[i];
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
