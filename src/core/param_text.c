/* param_text -- see param_text.h. */
#include "core/param_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit byte_units[] = {
	{ "", 1 }, { "B", 1 }, { "K", 1024 }, { "KiB", 1024 }, { "M", 1048576 }, { "MiB", 1048576 }, { "G", 1073741824 },
	{ "GiB", 1073741824 }, { "T", 1099511627776 }, { "TiB", 1099511627776 }, { "P", 0x1p50 }, { "PiB", 0x1p50 }, { "E", 0x1p60 }, { "EiB", 0x1p60 }, { NULL, 0 }
};
static const struct unit duration_units[] = {
	{ "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { "min", 60e9 }, { "h", 3600e9 }, { NULL, 0 }
};
static const struct unit rate_units[] = {
	{ "", 1 }, { "K", 1e3 }, { "k", 1e3 }, { "M", 1e6 }, { "G", 1e9 }, { "T", 1e12 }, { NULL, 0 }
};

/* A decimal number without sign, exponent or blanks; *end is what follows it. */
static bool parse_decimal(const char *text, double *number, const char **end)
{
	const char *at = text;

	while (isdigit((unsigned char)*at))
		at++;
	if (at > text && at[0] == '.' && isdigit((unsigned char)at[1]))
		for (at++; isdigit((unsigned char)*at); at++)
			;
	if (at == text || at - text > 30)
		return false;
	*number = 0;
	*end = at;
	/* strtod would take the locale's decimal point. */
	double place = 0;
	for (const char *c = text; c < at; c++) {
		if (*c == '.')
			place = 1;
		else {
			*number = *number * 10 + (*c - '0');
			place *= 10;
		}
	}
	if (place > 0)
		*number /= place;
	return true;
}

static bool find_unit(const struct unit *units, const char *name, size_t length, double *factor)
{
	for (; units->name != NULL; units++) {
		if (strlen(units->name) == length && memcmp(units->name, name, length) == 0) {
			*factor = units->factor;
			return true;
		}
	}
	return false;
}

/* A number with a unit of the list, rounded to a whole number below 2^63. */
static bool parse_amount(const char *text, const struct unit *units, uint64_t *amount)
{
	double number, factor;
	const char *end;

	if (!parse_decimal(text, &number, &end) || !find_unit(units, end, strlen(end), &factor) || number * factor >= 0x1p63)
		return false;
	*amount = (uint64_t)(number * factor + 0.5);
	return true;
}

/* "10G", "100Mbps": bits; "14.88Mpps": packets. */
static bool parse_rate(const char *text, struct rate *rate)
{
	double number, factor;
	const char *end;
	size_t length;

	if (!parse_decimal(text, &number, &end))
		return false;
	length = strlen(end);
	rate->packets = length >= 3 && strcmp(end + length - 3, "pps") == 0;
	if (length >= 3 && (rate->packets || strcmp(end + length - 3, "bps") == 0 || strcmp(end + length - 3, "bit") == 0))
		length -= 3;
	if (!find_unit(rate_units, end, length, &factor))
		return false;
	rate->per_second = number * factor;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` hexadecimal digits, all of them there. */
static bool parse_hex(const char *text, int digits, unsigned *number)
{
	*number = 0;
	for (int i = 0; i < digits; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		*number = *number << 4 | (unsigned)digit;
	}
	return true;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		unsigned byte;

		if (!parse_hex(text + 3 * i, 2, &byte) || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		mac[i] = (uint8_t)byte;
	}
	return true;
}

/* "0000:01:00.0", or "01:00.0" in domain 0; made canonical. */
static bool parse_pci(const char *text, char pci[PARAM_TEXT_PCI])
{
	unsigned domain = 0, bus, device, function;
	size_t length = strlen(text);

	if (length == 12) {
		if (!parse_hex(text, 4, &domain) || text[4] != ':')
			return false;
		text += 5;
	} else if (length != 7) {
		return false;
	}
	if (!parse_hex(text, 2, &bus) || text[2] != ':' || !parse_hex(text + 3, 2, &device) || text[5] != '.' ||
		!parse_hex(text + 6, 1, &function) || device > 31 || function > 7)
		return false;
	snprintf(pci, PARAM_TEXT_PCI, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, device & 0x1f, function & 7);
	return true;
}

/* Clear the bits of an address behind the prefix length; gives whether one was set. */
static bool clear_host_bits(uint8_t *address, unsigned bytes, unsigned length)
{
	bool changed = false;

	for (unsigned bit = length; bit < bytes * 8; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		changed = changed || (address[bit / 8] & mask) != 0;
		address[bit / 8] &= (uint8_t)~mask;
	}
	return changed;
}

static bool parse_prefix(const char *text, int family, struct prefix *prefix, char why[PARAM_TEXT_WHY])
{
	unsigned bytes = family == AF_INET ? 4 : 16, length = 0;
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];

	if (slash == NULL) {
		snprintf(why, PARAM_TEXT_WHY, "has no length (/%u is one address)", bytes * 8);
		return false;
	}
	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(family, address, prefix->address) != 1)
		return false;
	if (slash[1] == '\0' || strlen(slash + 1) > 3)
		return false;
	for (const char *c = slash + 1; *c != '\0'; c++) {
		if (!isdigit((unsigned char)*c))
			return false;
		length = length * 10 + (unsigned)(*c - '0');
	}
	if (length > bytes * 8)
		return false;
	prefix->length = (uint8_t)length;
	if (clear_host_bits(prefix->address, bytes, length)) {
		inet_ntop(family, prefix->address, address, sizeof(address));
		snprintf(why, PARAM_TEXT_WHY, "has bits set behind its length; the network is %s/%u", address, length);
		return false;
	}
	return true;
}

bool param_text_parse(enum param_type type, const char *text, void *field, char why[PARAM_TEXT_WHY])
{
	why[0] = '\0';
	switch (type) {
	case PARAM_BYTES:
		return parse_amount(text, byte_units, field);
	case PARAM_RATE:
		return parse_rate(text, field);
	case PARAM_DURATION:
		return parse_amount(text, duration_units, field);
	case PARAM_MAC:
		return parse_mac(text, field);
	case PARAM_IPV4:
		return inet_pton(AF_INET, text, field) == 1;
	case PARAM_IPV6:
		return inet_pton(AF_INET6, text, field) == 1;
	case PARAM_PREFIX4:
		return parse_prefix(text, AF_INET, field, why);
	case PARAM_PREFIX6:
		return parse_prefix(text, AF_INET6, field, why);
	case PARAM_PCI:
		return parse_pci(text, field);
	default:
		return false;
	}
}

void param_text_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTPE";
	int unit = -1;

	while (bytes != 0 && bytes % 1024 == 0 && unit < 5) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, size, "%" PRIu64 "%.*s", bytes, unit >= 0, unit >= 0 ? &units[unit] : "");
}

void param_text_rate(double per_second, bool packets, char *text, size_t size)
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (per_second >= 1000 && unit < 3) {
		per_second /= 1000;
		unit++;
	}
	snprintf(text, size, "%.10g%.*s%s", per_second, unit >= 0, unit >= 0 ? &units[unit] : "", packets ? "pps" : "");
}

void param_text_duration(uint64_t ns, char *text, size_t size)
{
	static const struct { const char *name; uint64_t ns; } units[] = {
		{ "h", 3600000000000 }, { "min", 60000000000 }, { "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }
	};
	uint32_t i = 0;

	if (ns == 0) {
		snprintf(text, size, "0s");
		return;
	}
	while (ns % units[i].ns != 0)
		i++;
	snprintf(text, size, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
}
