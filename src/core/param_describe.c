/* param_describe -- parameters in words: for messages, help and the manual. See param.h. */
#include "core/param_text.h"

#include <inttypes.h>

size_t param_size(const struct param *param)
{
	switch (param->type) {
	case PARAM_END:
		break;
	case PARAM_U8:
		return sizeof(uint8_t);
	case PARAM_U16:
		return sizeof(uint16_t);
	case PARAM_U32:
	case PARAM_ENUM:
		return sizeof(uint32_t);
	case PARAM_U64:
	case PARAM_INT:
	case PARAM_BYTES:
	case PARAM_DURATION:
		return sizeof(uint64_t);
	case PARAM_NUMBER:
		return sizeof(double);
	case PARAM_BOOL:
		return sizeof(bool);
	case PARAM_STRING:
	case PARAM_PCI:
	case PARAM_FILE:
	case PARAM_VALUE:
		return sizeof(const char *);
	case PARAM_RATE:
		return sizeof(struct rate);
	case PARAM_MAC:
		return 6;
	case PARAM_IPV4:
		return 4;
	case PARAM_IPV6:
		return 16;
	case PARAM_PREFIX4:
	case PARAM_PREFIX6:
		return sizeof(struct prefix);
	case PARAM_LIST:
		return sizeof(struct param_list);
	case PARAM_TABLE:
		return param->size;
	}
	nf_bug(__FILE__, __LINE__, "a parameter has no type");
}

/* An amount in the unit of its type. */
static void amount_text(const struct param *param, uint64_t amount, char *text, size_t size)
{
	if (param->type == PARAM_BYTES)
		param_text_bytes(amount, text, size);
	else if (param->type == PARAM_DURATION)
		param_text_duration(amount, text, size);
	else if (param->type == PARAM_RATE)
		param_text_rate((double)amount, false, text, size);
	else
		snprintf(text, size, "%" PRIu64, amount);
}

/* " 1..255", " up to 9", " from 5", or nothing; "what" stands behind the numbers. */
static void range_text(const struct param *param, const char *what, char *text, size_t size)
{
	char low[32], high[32];

	text[0] = '\0';
	amount_text(param, param->min, low, sizeof(low));
	amount_text(param, param->max, high, sizeof(high));
	if (param->min != 0 && param->min == param->max)
		snprintf(text, size, " %s%s", low, what);
	else if (param->min != 0 && param->max != 0)
		snprintf(text, size, " %s..%s%s", low, high, what);
	else if (param->min != 0)
		snprintf(text, size, " %s%s or more", low, what);
	else if (param->max != 0)
		snprintf(text, size, " 0..%s%s", high, what);
}

static void whole_text(const struct param *param, char *text, size_t size)
{
	static const uint64_t most[] = { [PARAM_U8] = UINT8_MAX, [PARAM_U16] = UINT16_MAX, [PARAM_U32] = UINT32_MAX,
		[PARAM_U64] = UINT64_MAX };

	snprintf(text, size, "a whole number %" PRIu64 "..%" PRIu64, param->min, param->max != 0 ? param->max : most[param->type]);
}

static void real_text(const struct param *param, char *text, size_t size)
{
	const char *what = param->type == PARAM_INT ? "a whole number" : "a number";

	if (param->real_min == 0 && param->real_max == 0)
		snprintf(text, size, "%s", what);
	else if (param->real_max < param->real_min)
		snprintf(text, size, "%s, %.10g or more", what, param->real_min);
	else
		snprintf(text, size, "%s %.10g..%.10g", what, param->real_min, param->real_max);
}

static void choices_text(const struct param *param, char *text, size_t size)
{
	size_t length = (size_t)snprintf(text, size, "one of");

	for (uint32_t i = 0; param->choices[i] != NULL && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s %s", i > 0 ? "," : "", param->choices[i]);
}

static void list_text(const struct param *param, char *text, size_t size)
{
	char item[256], range[64];
	size_t length = 0;

	for (uint32_t i = 0; param->choices != NULL && param->choices[i] != NULL && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s, or ", param->choices[i]);
	param_accepts(param->item, item, sizeof(item));
	range_text(param, "", range, sizeof(range));
	if (length < size)
		snprintf(text + length, size - length, "a list%s%s: each %s", range[0] != '\0' ? " of" : "", range, item);
}

static void fields_text(const struct param *param, char *text, size_t size)
{
	size_t length = (size_t)snprintf(text, size, "a table {");

	for (const struct param *field = param->fields; field->type != PARAM_END && length < size; field++)
		length += (size_t)snprintf(text + length, size - length, "%s %s =", field > param->fields ? "," : "", field->name);
	if (length < size)
		snprintf(text + length, size - length, " }");
}

/* The types that are described by a sentence. */
static const char *const sentences[] = {
	[PARAM_BOOL] = "true or false",
	[PARAM_MAC] = "a MAC address, for example \"02:00:00:00:00:01\"",
	[PARAM_IPV4] = "an IPv4 address, for example \"192.0.2.1\"",
	[PARAM_IPV6] = "an IPv6 address, for example \"2001:db8::1\"",
	[PARAM_PREFIX4] = "an IPv4 prefix, for example \"192.0.2.0/24\"",
	[PARAM_PREFIX6] = "an IPv6 prefix, for example \"2001:db8::/32\"",
	[PARAM_PCI] = "a PCI address, for example \"0000:01:00.0\"",
	[PARAM_FILE] = "the path of a file",
	[PARAM_TABLE] = NULL,
	[PARAM_VALUE] = "a table",
};

void param_accepts(const struct param *param, char *text, size_t size)
{
	char range[96];

	range_text(param, param->type == PARAM_STRING ? " bytes" : "", range, sizeof(range));
	switch (param->type) {
	case PARAM_U8:
	case PARAM_U16:
	case PARAM_U32:
	case PARAM_U64:
		whole_text(param, text, size);
		break;
	case PARAM_INT:
	case PARAM_NUMBER:
		real_text(param, text, size);
		break;
	case PARAM_STRING:
		snprintf(text, size, "a string%s%s", range[0] != '\0' ? " of" : "", range);
		break;
	case PARAM_BYTES:
		snprintf(text, size, "bytes%s, for example 1500 or \"64K\"", range);
		break;
	case PARAM_RATE:
		snprintf(text, size, "a rate%s, for example \"10G\" (bits) or \"14.88Mpps\"", range);
		break;
	case PARAM_DURATION:
		snprintf(text, size, "a duration%s, for example \"100us\" or 0.5 (seconds)", range);
		break;
	case PARAM_ENUM:
		choices_text(param, text, size);
		break;
	case PARAM_LIST:
		list_text(param, text, size);
		break;
	case PARAM_TABLE:
		fields_text(param, text, size);
		break;
	default:
		nf_assert(sentences[param->type] != NULL, "parameter '%s' has no type", param->name);
		snprintf(text, size, "%s", sentences[param->type]);
	}
}

void param_default(const struct param *param, char *text, size_t size)
{
	text[0] = '\0';
	if (param->required || param->optional)
		return;
	if (param->initial_text != NULL) {
		snprintf(text, size, "%s", param->initial_text);
		return;
	}
	switch (param->type) {
	case PARAM_U8:
	case PARAM_U16:
	case PARAM_U32:
	case PARAM_U64:
	case PARAM_BYTES:
	case PARAM_DURATION:
		amount_text(param, param->initial, text, size);
		break;
	case PARAM_RATE:
		if (param->initial != 0)
			amount_text(param, param->initial, text, size);
		break;
	case PARAM_INT:
	case PARAM_NUMBER:
		snprintf(text, size, "%" PRId64, (int64_t)param->initial);
		break;
	case PARAM_BOOL:
		snprintf(text, size, "%s", param->initial != 0 ? "true" : "false");
		break;
	case PARAM_ENUM:
		snprintf(text, size, "%s", param->choices[param->initial]);
		break;
	default:
		break;
	}
}
