#pragma once
/* bytes -- numbers in network byte order, at any address.
 * Fields of header structs whose name ends in _be are in network order too: bytes_swap16 and bytes_swap32 turn them round. */

/* Network order to host order, and back. */
inline uint16_t bytes_swap16(uint16_t value)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(value) : value;
}

inline uint32_t bytes_swap32(uint32_t value)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(value) : value;
}

inline uint64_t bytes_swap64(uint64_t value)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(value) : value;
}

/* Read a number in network order. needs: 2, 4 or 8 bytes at `at`, which need not be aligned */
inline uint16_t bytes_read16(const void *at)
{
	uint16_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return bytes_swap16(value);
}

inline uint32_t bytes_read32(const void *at)
{
	uint32_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return bytes_swap32(value);
}

inline uint64_t bytes_read64(const void *at)
{
	uint64_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return bytes_swap64(value);
}

/* Write a number in network order. */
inline void bytes_write16(void *at, uint16_t value)
{
	value = bytes_swap16(value);
	__builtin_memcpy(at, &value, sizeof(value));
}

inline void bytes_write32(void *at, uint32_t value)
{
	value = bytes_swap32(value);
	__builtin_memcpy(at, &value, sizeof(value));
}

inline void bytes_write64(void *at, uint64_t value)
{
	value = bytes_swap64(value);
	__builtin_memcpy(at, &value, sizeof(value));
}
