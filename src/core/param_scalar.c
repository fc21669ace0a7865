/* param_scalar -- decode a parameter that is one value: a number, a string, an address. See param_decode.h. */
#include "core/param_decode.h"
#include "core/param_text.h"

#include <limits.h>
#include <math.h>
#include <unistd.h>

/* A whole number of whatever kind; false when it is none or needs more than 64 bits. */
static bool whole_number(const struct value *value, __int128 *number)
{
	switch (value->type) {
	case VALUE_INTEGER:
		*number = value->integer;
		return true;
	case VALUE_UNSIGNED:
		*number = value->unsigned_integer;
		return true;
	case VALUE_NUMBER:
		if (!(fabs(value->number) <= 0x1p64) || floor(value->number) != value->number)
			return false;
		*number = (__int128)value->number;
		return true;
	default:
		return false;
	}
}

static bool is_number(const struct value *value)
{
	return value->type == VALUE_NUMBER || value->type == VALUE_INTEGER || value->type == VALUE_UNSIGNED;
}

static double real_number(const struct value *value)
{
	return value->type == VALUE_INTEGER ? (double)value->integer :
		value->type == VALUE_UNSIGNED ? (double)value->unsigned_integer : value->number;
}

/* Whether an amount lies in min..max, where max 0 means no end. */
bool param_scalar_in_range(const struct param *param, uint64_t amount)
{
	return amount >= param->min && (param->max == 0 || amount <= param->max);
}

static bool in_real_range(const struct param *param, double number)
{
	if (param->real_min == 0 && param->real_max == 0)
		return true;
	return number >= param->real_min && (param->real_max < param->real_min || number <= param->real_max);
}

/* The largest number of an unsigned type. */
static uint64_t type_max(enum param_type type)
{
	return type == PARAM_U8 ? UINT8_MAX : type == PARAM_U16 ? UINT16_MAX : type == PARAM_U32 ? UINT32_MAX : UINT64_MAX;
}

static bool decode_unsigned(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field)
{
	__int128 number;

	if (!is_number(value))
		return param_error_type(context, param, path, value);
	if (!whole_number(value, &number))
		return param_error_value(context, param, path, value, "is no whole number");
	if (number < 0 || number > type_max(param->type) || !param_scalar_in_range(param, (uint64_t)number))
		return param_error_value(context, param, path, value, "is out of range");
	switch (param->type) {
	case PARAM_U8:
		*(uint8_t *)field = (uint8_t)number;
		break;
	case PARAM_U16:
		*(uint16_t *)field = (uint16_t)number;
		break;
	case PARAM_U32:
		*(uint32_t *)field = (uint32_t)number;
		break;
	default:
		*(uint64_t *)field = (uint64_t)number;
	}
	return true;
}

static bool decode_signed(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, int64_t *field)
{
	__int128 number;

	if (!is_number(value))
		return param_error_type(context, param, path, value);
	if (!whole_number(value, &number))
		return param_error_value(context, param, path, value, "is no whole number");
	if (number < INT64_MIN || number > INT64_MAX || !in_real_range(param, (double)number))
		return param_error_value(context, param, path, value, "is out of range");
	*field = (int64_t)number;
	return true;
}

static bool decode_real(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, double *field)
{
	if (!is_number(value))
		return param_error_type(context, param, path, value);
	if (!isfinite(real_number(value)))
		return param_error_value(context, param, path, value, "is no finite number");
	if (!in_real_range(param, real_number(value)))
		return param_error_value(context, param, path, value, "is out of range");
	*field = real_number(value);
	return true;
}

/* BYTES and DURATION: a number (bytes, seconds) or text with a unit. */
static bool decode_amount(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, uint64_t *field)
{
	double scale = param->type == PARAM_DURATION ? 1e9 : 1;
	char why[PARAM_TEXT_WHY];

	if (value->type == VALUE_STRING) {
		if (!param_text_parse(param->type, value->string, field, why))
			return param_error_value(context, param, path, value, "is not understood");
	} else if (is_number(value)) {
		double number = real_number(value) * scale;

		if (param->type == PARAM_BYTES && number != floor(number))
			return param_error_value(context, param, path, value, "is no whole number");
		if (!(number >= 0 && number < 0x1p63))
			return param_error_value(context, param, path, value, "is out of range");
		*field = (uint64_t)(number + 0.5);
	} else {
		return param_error_type(context, param, path, value);
	}
	return param_scalar_in_range(param, *field) || param_error_value(context, param, path, value, "is out of range");
}

static bool decode_rate(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, struct rate *rate)
{
	char why[PARAM_TEXT_WHY];

	if (value->type == VALUE_STRING) {
		if (!param_text_parse(PARAM_RATE, value->string, rate, why))
			return param_error_value(context, param, path, value, "is not understood");
	} else if (is_number(value)) {
		*rate = (struct rate){ .per_second = real_number(value) };
	} else {
		return param_error_type(context, param, path, value);
	}
	if (!(rate->per_second > 0) || !isfinite(rate->per_second))
		return param_error_value(context, param, path, value, "is no rate above zero");
	if (rate->per_second < (double)param->min || (param->max != 0 && rate->per_second > (double)param->max))
		return param_error_value(context, param, path, value, "is out of range");
	return true;
}

/* A string without a zero byte inside, for what is handed to C. */
static bool plain_string(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value)
{
	if (value->type != VALUE_STRING)
		return param_error_type(context, param, path, value);
	if (strlen(value->string) != value->count)
		return param_error_value(context, param, path, value, "has a zero byte inside");
	return true;
}

static bool decode_string(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char **field)
{
	if (!plain_string(context, param, path, value))
		return false;
	if (!param_scalar_in_range(param, value->count))
		return param_error_value(context, param, path, value, value->count < param->min ? "is too short" : "is too long");
	*field = arena_copy(context->arena, value->string, value->count);
	return true;
}

/* Take "." parts and double slashes out of an absolute path, so that one file has one name. (".." stays: what is before it
 * may be a symbolic link.) */
static void tidy_path(char *path)
{
	char *to = path, *from = path;

	while (*from != '\0') {
		if (from[0] == '/' && from[1] == '/')
			from++;
		else if (from[0] == '/' && from[1] == '.' && (from[2] == '/' || from[2] == '\0'))
			from += 2;
		else
			*to++ = *from++;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

static bool decode_file(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char **field)
{
	char here[PATH_MAX] = "", *file;
	const char *folder = context->folder;

	if (!plain_string(context, param, path, value))
		return false;
	if (value->count == 0)
		return param_error_value(context, param, path, value, "is empty");
	if (value->string[0] == '/')
		folder = "";
	else if (folder == NULL || folder[0] == '\0')
		folder = getcwd(here, sizeof(here)) != NULL ? here : ".";
	if (strlen(folder) + 1 + value->count >= PATH_MAX)
		return param_error_value(context, param, path, value, "is too long for a path");
	file = arena_alloc(context->arena, strlen(folder) + value->count + 2);
	sprintf(file, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", value->string);
	tidy_path(file);
	*field = file;
	return true;
}

bool param_scalar_enum(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, uint32_t *field)
{
	const char *nearest;
	char what[128];

	if (!plain_string(context, param, path, value))
		return false;
	for (uint32_t i = 0; param->choices[i] != NULL; i++) {
		if (strcmp(param->choices[i], value->string) == 0) {
			*field = i;
			return true;
		}
	}
	nearest = error_nearest(value->string, param->choices);
	if (nearest == NULL)
		return param_error_value(context, param, path, value, "is unknown");
	snprintf(what, sizeof(what), "is unknown, did you mean '%s'?", nearest);
	return param_error_value(context, param, path, value, what);
}

/* MAC, addresses, prefixes, PCI: what is only written as text. */
static bool decode_text(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field)
{
	char why[PARAM_TEXT_WHY], pci[PARAM_TEXT_PCI];
	bool is_pci = param->type == PARAM_PCI;

	if (!plain_string(context, param, path, value))
		return false;
	if (!param_text_parse(param->type, value->string, is_pci ? (void *)pci : field, why))
		return param_error_value(context, param, path, value, why[0] != '\0' ? why : "is not understood");
	if (is_pci)
		*(const char **)field = arena_copy(context->arena, pci, strlen(pci));
	return true;
}

bool param_scalar_decode(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field)
{
	switch (param->type) {
	case PARAM_U8:
	case PARAM_U16:
	case PARAM_U32:
	case PARAM_U64:
		return decode_unsigned(context, param, path, value, field);
	case PARAM_INT:
		return decode_signed(context, param, path, value, field);
	case PARAM_NUMBER:
		return decode_real(context, param, path, value, field);
	case PARAM_BOOL:
		if (value->type != VALUE_BOOL)
			return param_error_type(context, param, path, value);
		*(bool *)field = value->boolean;
		return true;
	case PARAM_STRING:
		return decode_string(context, param, path, value, field);
	case PARAM_BYTES:
	case PARAM_DURATION:
		return decode_amount(context, param, path, value, field);
	case PARAM_RATE:
		return decode_rate(context, param, path, value, field);
	case PARAM_FILE:
		return decode_file(context, param, path, value, field);
	case PARAM_ENUM:
		return param_scalar_enum(context, param, path, value, field);
	case PARAM_VALUE:
		if (value->type != VALUE_TABLE)
			return param_error_type(context, param, path, value);
		*(const struct value **)field = value;
		return true;
	case PARAM_MAC:
	case PARAM_IPV4:
	case PARAM_IPV6:
	case PARAM_PREFIX4:
	case PARAM_PREFIX6:
	case PARAM_PCI:
		return decode_text(context, param, path, value, field);
	default:
		nf_bug(__FILE__, __LINE__, "parameter '%s' has no type", path);
	}
}
