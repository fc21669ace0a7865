/* config_value -- the types of values in a configuration. */
#include "apps/lwaftr/config_decode.h"

/* Decimal, 0x hexadecimal, or octal behind a 0: the integers of YANG (RFC 7950 section 9.2.1). */
bool config_number(const char *text, uint32_t length, uint64_t *number)
{
	uint32_t base = 10, at = 0;
	uint64_t value = 0;

	if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		at = 2;
	} else if (length > 1 && text[0] == '0') {
		base = 8;
		at = 1;
	}
	if (length == 0)
		return false;
	for (; at < length; at++) {
		char c = text[at];
		uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) :
			c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 99;

		if (digit >= base || __builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*number = value;
	return true;
}

/* Four decimal numbers without leading zeros. */
bool config_ipv4(const char *text, uint32_t length, uint8_t address[4])
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t value = 0, digits = 0;

		for (; at < length && text[at] >= '0' && text[at] <= '9' && digits < 4; at++, digits++)
			value = value * 10 + (uint32_t)(text[at] - '0');
		if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && text[at - digits] == '0'))
			return false;
		address[i] = (uint8_t)value;
		if (i < 3 && (at == length || text[at++] != '.'))
			return false;
	}
	return at == length;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Any form of RFC 4291 section 2.2; no zone, no prefix. */
bool config_ipv6(const char *text, uint32_t length, uint8_t address[16])
{
	uint32_t at = 0, count = 0, gap = 99;
	uint8_t bytes[16];

	if (length >= 2 && text[0] == ':') {
		if (text[1] != ':')
			return false;
		gap = 0;
		at = 2;
	}
	while (at < length && count < 16) {
		uint32_t begin = at, value = 0;
		int digit;

		for (; at < length && at - begin < 4 && (digit = hex(text[at])) >= 0; at++)
			value = value << 4 | (uint32_t)digit;
		if (at < length && text[at] == '.') {
			if (count > 12 || !config_ipv4(text + begin, length - begin, bytes + count))
				return false;
			count += 4;
			at = length;
			break;
		}
		if (at == begin)
			return false;
		bytes[count++] = (uint8_t)(value >> 8);
		bytes[count++] = (uint8_t)value;
		if (at == length)
			break;
		if (text[at++] != ':')
			return false;
		if (at < length && text[at] == ':') {
			if (gap != 99)
				return false;
			gap = count;
			at++;
		} else if (at == length) {
			return false;
		}
	}
	if (at != length || (gap == 99 && count != 16) || (gap != 99 && count > 14))
		return false;
	if (gap == 99)
		gap = 16;
	memset(address, 0, 16);
	memcpy(address, bytes, gap < count ? gap : count);
	if (gap < count)
		memcpy(address + 16 - (count - gap), bytes + gap, count - gap);
	return true;
}

/* Six numbers of two hexadecimal digits. */
bool config_mac(const char *text, uint32_t length, uint8_t address[6])
{
	if (length != 17)
		return false;
	for (uint32_t i = 0; i < 6; i++) {
		int high = hex(text[3 * i]), low = hex(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		address[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* A time stamp of RFC 3339: digits stand where the pattern has a 0. */
bool config_date(const char *text, uint32_t length)
{
	static const char pattern[] = "0000-00-00T00:00:00", zone[] = "00:00";
	uint32_t at = 0;

	for (; pattern[at] != '\0'; at++)
		if (at >= length || (pattern[at] == '0' ? text[at] < '0' || text[at] > '9' : text[at] != pattern[at]))
			return false;
	if (at < length && text[at] == '.') {
		uint32_t begin = ++at;

		while (at < length && text[at] >= '0' && text[at] <= '9')
			at++;
		if (at == begin)
			return false;
	}
	if (at < length && text[at] == 'Z')
		return at + 1 == length;
	if (length - at != 6 || (text[at] != '+' && text[at] != '-'))
		return false;
	for (uint32_t i = 0; zone[i] != '\0'; i++)
		if (zone[i] == '0' ? text[at + 1 + i] < '0' || text[at + 1 + i] > '9' : text[at + 1 + i] != zone[i])
			return false;
	return true;
}
