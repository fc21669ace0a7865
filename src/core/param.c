/* param -- the decoder: from a table of a configuration into a struct. See param.h. */
#include "core/param_text.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

enum { PATH_TEXT = 256, SHOWN = 48, ACCEPTS_TEXT = 400 };

/* Add "app 'x': key 'path': ..." to the errors. */
static void mistake(const struct param_context *context, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void mistake(const struct param_context *context, const char *path, const char *format, ...)
{
	char text[ERROR_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	errors_add(context->errors, "%s: key '%s': %s", context->app, path, text);
}

/* The same, ending with what the parameter accepts. gives: false, so that it can be returned */
static bool refuse(const struct param_context *context, const struct param *param, const char *path, const char *wrong)
{
	char accepts[ACCEPTS_TEXT];

	param_accepts(param, accepts, sizeof(accepts));
	mistake(context, path, "%s%s accepted: %s", wrong, wrong[strlen(wrong) - 1] == '?' ? "" : ";", accepts);
	return false;
}

/* A string for a message: cut off, without control characters. */
static void show_text(const char *text, size_t length, char *shown, size_t size)
{
	size_t n = length < size - 4 ? length : size - 4;

	for (size_t i = 0; i < n; i++)
		shown[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	snprintf(shown + n, size - n, "%s", n < length ? "..." : "");
}

/* A value for a message: "'abc'", "300", "a table". */
static void show_value(const struct value *value, char shown[SHOWN])
{
	if (value->type == VALUE_STRING) {
		shown[0] = '\'';
		show_text(value->string, value->count, shown + 1, SHOWN - 2);
		strcat(shown, "'");
	} else if (value->type == VALUE_TABLE) {
		snprintf(shown, SHOWN, "a table");
	} else {
		value_print(value, shown, SHOWN);
	}
}

static bool wrong_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char *what)
{
	char shown[SHOWN], wrong[SHOWN + 200];

	show_value(value, shown);
	snprintf(wrong, sizeof(wrong), "%s %s", shown, what);
	return refuse(context, param, path, wrong);
}

static bool wrong_type(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value)
{
	char what[64];

	if (value->type == VALUE_TABLE || value->type == VALUE_NIL)
		return wrong_value(context, param, path, value, "is given");
	snprintf(what, sizeof(what), "is %s", value_type_name(value));
	return wrong_value(context, param, path, value, what);
}

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
static bool in_range(const struct param *param, uint64_t amount)
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
		return wrong_type(context, param, path, value);
	if (!whole_number(value, &number))
		return wrong_value(context, param, path, value, "is no whole number");
	if (number < 0 || number > type_max(param->type) || !in_range(param, (uint64_t)number))
		return wrong_value(context, param, path, value, "is out of range");
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
		return wrong_type(context, param, path, value);
	if (!whole_number(value, &number))
		return wrong_value(context, param, path, value, "is no whole number");
	if (number < INT64_MIN || number > INT64_MAX || !in_real_range(param, (double)number))
		return wrong_value(context, param, path, value, "is out of range");
	*field = (int64_t)number;
	return true;
}

static bool decode_real(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, double *field)
{
	if (!is_number(value))
		return wrong_type(context, param, path, value);
	if (!isfinite(real_number(value)))
		return wrong_value(context, param, path, value, "is no finite number");
	if (!in_real_range(param, real_number(value)))
		return wrong_value(context, param, path, value, "is out of range");
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
			return wrong_value(context, param, path, value, "is not understood");
	} else if (is_number(value)) {
		double number = real_number(value) * scale;

		if (param->type == PARAM_BYTES && number != floor(number))
			return wrong_value(context, param, path, value, "is no whole number");
		if (!(number >= 0 && number < 0x1p63))
			return wrong_value(context, param, path, value, "is out of range");
		*field = (uint64_t)(number + 0.5);
	} else {
		return wrong_type(context, param, path, value);
	}
	return in_range(param, *field) || wrong_value(context, param, path, value, "is out of range");
}

static bool decode_rate(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, struct rate *rate)
{
	char why[PARAM_TEXT_WHY];

	if (value->type == VALUE_STRING) {
		if (!param_text_parse(PARAM_RATE, value->string, rate, why))
			return wrong_value(context, param, path, value, "is not understood");
	} else if (is_number(value)) {
		*rate = (struct rate){ .per_second = real_number(value) };
	} else {
		return wrong_type(context, param, path, value);
	}
	if (!(rate->per_second > 0) || !isfinite(rate->per_second))
		return wrong_value(context, param, path, value, "is no rate above zero");
	if (rate->per_second < (double)param->min || (param->max != 0 && rate->per_second > (double)param->max))
		return wrong_value(context, param, path, value, "is out of range");
	return true;
}

/* A string without a zero byte inside, for what is handed to C. */
static bool plain_string(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value)
{
	if (value->type != VALUE_STRING)
		return wrong_type(context, param, path, value);
	if (strlen(value->string) != value->count)
		return wrong_value(context, param, path, value, "has a zero byte inside");
	return true;
}

static bool decode_string(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char **field)
{
	if (!plain_string(context, param, path, value))
		return false;
	if (!in_range(param, value->count))
		return wrong_value(context, param, path, value, value->count < param->min ? "is too short" : "is too long");
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
		return wrong_value(context, param, path, value, "is empty");
	if (value->string[0] == '/')
		folder = "";
	else if (folder == NULL || folder[0] == '\0')
		folder = getcwd(here, sizeof(here)) != NULL ? here : ".";
	if (strlen(folder) + 1 + value->count >= PATH_MAX)
		return wrong_value(context, param, path, value, "is too long for a path");
	file = arena_alloc(context->arena, strlen(folder) + value->count + 2);
	sprintf(file, "%s%s%s", folder, folder[0] != '\0' ? "/" : "", value->string);
	tidy_path(file);
	*field = file;
	return true;
}

static bool decode_enum(const struct param_context *context, const struct param *param, const char *path,
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
		return wrong_value(context, param, path, value, "is unknown");
	snprintf(what, sizeof(what), "is unknown, did you mean '%s'?", nearest);
	return wrong_value(context, param, path, value, what);
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
		return wrong_value(context, param, path, value, why[0] != '\0' ? why : "is not understood");
	if (is_pci)
		*(const char **)field = arena_copy(context->arena, pci, strlen(pci));
	return true;
}

static bool decode_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field);

/* How many entries of a table have positions. */
static uint32_t positions(const struct value *table)
{
	uint32_t n = 0;

	while (value_at(table, n + 1) != NULL)
		n++;
	return n;
}

static bool decode_list(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, struct param_list *list)
{
	bool single = value->type != VALUE_TABLE, good = true;
	size_t size = param_size(param->item);
	char deeper[PATH_TEXT];
	uint32_t word;

	if (param->choices != NULL && value->type == VALUE_STRING) {
		if (!decode_enum(context, param, path, value, &word))
			return false;
		list->items = (void *)param->choices[word];
		return true;
	}
	list->count = single ? 1 : positions(value);
	if (!single && list->count < value->count) {
		/* { x = 1 } in place of { { x = 1 } }: a list of one. */
		if (param->item->type != PARAM_TABLE || list->count > 0)
			return refuse(context, param, path, "a table with names is given");
		list->count = 1;
		single = true;
	}
	if (!in_range(param, list->count)) {
		snprintf(deeper, sizeof(deeper), "%u elements are too %s", list->count, list->count < param->min ? "few" : "many");
		return refuse(context, param, path, deeper);
	}
	list->items = arena_alloc(context->arena, list->count * size);
	for (uint32_t i = 0; i < list->count; i++) {
		void *item = (uint8_t *)list->items + i * size;

		snprintf(deeper, sizeof(deeper), "%s[%u]", path, i + 1);
		if (single)
			good = decode_value(context, param->item, path, value, item);
		else if (!decode_value(context, param->item, deeper, value_at(value, i + 1), item))
			good = false;
	}
	return good;
}

static bool decode_table(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table, void *base);

static bool decode_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field)
{
	switch (param->type) {
	case PARAM_END:
		break;
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
			return wrong_type(context, param, path, value);
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
		return decode_enum(context, param, path, value, field);
	case PARAM_LIST:
		return decode_list(context, param, path, value, field);
	case PARAM_TABLE:
		if (value->type != VALUE_TABLE)
			return wrong_type(context, param, path, value);
		return decode_table(context, param->fields, path, value, field);
	default:
		return decode_text(context, param, path, value, field);
	}
	nf_bug(__FILE__, __LINE__, "parameter '%s' has no type", path);
}

/* A default's text as the value that a user would have written. */
static struct value text_value(const struct param *param, const char *text)
{
	struct value value = { .type = VALUE_STRING, .count = (uint32_t)strlen(text), .string = text };

	if (param->type == PARAM_BOOL) {
		value = (struct value){ .type = VALUE_BOOL, .boolean = strcmp(text, "true") == 0 };
	} else if (param->type == PARAM_U64) {
		value = (struct value){ .type = VALUE_UNSIGNED, .unsigned_integer = strtoull(text, NULL, 0) };
	} else if (param->type == PARAM_INT) {
		value = (struct value){ .type = VALUE_INTEGER, .integer = strtoll(text, NULL, 0) };
	} else if (param->type < PARAM_INT || param->type == PARAM_NUMBER) {
		value = (struct value){ .type = VALUE_NUMBER, .number = strtod(text, NULL) };
	}
	return value;
}

/* A list's default: its elements, separated by commas. */
static bool default_list(const struct param_context *context, const struct param *param, const char *path,
	struct param_list *list)
{
	size_t size = param_size(param->item);
	char *text = arena_copy(context->arena, param->initial_text, strlen(param->initial_text)), *rest = text, *part;
	bool good = true;

	for (list->count = *text != '\0'; *rest != '\0'; rest++)
		list->count += *rest == ',';
	list->items = arena_alloc(context->arena, list->count * size);
	rest = text;
	for (uint32_t i = 0; i < list->count; i++) {
		struct value value;

		part = strsep(&rest, ",");
		part += strspn(part, " ");
		value = text_value(param->item, part);
		good = decode_value(context, param->item, path, &value, (uint8_t *)list->items + i * size) && good;
	}
	return good;
}

static bool decode_default(const struct param_context *context, const struct param *param, const char *path, void *field)
{
	if (param->type == PARAM_TABLE)
		return decode_table(context, param->fields, path, NULL, field);
	if (param->initial_text != NULL) {
		struct value value = text_value(param, param->initial_text);

		if (param->type == PARAM_LIST)
			return default_list(context, param, path, field);
		return decode_value(context, param, path, &value, field);
	}
	switch (param->type) {
	case PARAM_U8:
		*(uint8_t *)field = (uint8_t)param->initial;
		break;
	case PARAM_U16:
		*(uint16_t *)field = (uint16_t)param->initial;
		break;
	case PARAM_U32:
	case PARAM_ENUM:
		*(uint32_t *)field = (uint32_t)param->initial;
		break;
	case PARAM_U64:
	case PARAM_INT:
	case PARAM_BYTES:
	case PARAM_DURATION:
		*(uint64_t *)field = param->initial;
		break;
	case PARAM_NUMBER:
		*(double *)field = (double)param->initial;
		break;
	case PARAM_BOOL:
		*(bool *)field = param->initial != 0;
		break;
	case PARAM_RATE:
		((struct rate *)field)->per_second = (double)param->initial;
		break;
	default:
		break;                  /* the field stays zero */
	}
	return true;
}

/* One parameter of a struct: from its value, or its default. */
static bool decode_param(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *base)
{
	void *field = (uint8_t *)base + param->offset;

	if (value == NULL) {
		if (param->required)
			return refuse(context, param, path, "is missing");
		return param->optional || decode_default(context, param, path, field);
	}
	if (param->present != 0)
		*(bool *)((uint8_t *)base + param->present) = true;
	return decode_value(context, param, path, value, field);
}

static const struct param *find_param(const struct param *params, const char *name)
{
	for (; params != NULL && params->type != PARAM_END; params++)
		if (strcmp(params->name, name) == 0)
			return params;
	return NULL;
}

/* A key that no parameter has: name the nearest one, or all. */
static void unknown_key(const struct param_context *context, const struct param *params, const char *path, const char *key)
{
	char all[ACCEPTS_TEXT] = "no parameters";
	const char **names, *nearest;
	uint32_t count = 0, length = 0;

	while (params != NULL && params[count].type != PARAM_END)
		count++;
	names = arena_alloc(context->arena, (count + 1) * sizeof(*names));
	for (uint32_t i = 0; i < count; i++) {
		names[i] = params[i].name;
		if (length < sizeof(all))
			length += (uint32_t)snprintf(all + length, sizeof(all) - length, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	nearest = error_nearest(key, names);
	if (nearest != NULL)
		mistake(context, path, "is unknown, did you mean '%s'?", nearest);
	else
		mistake(context, path, "is unknown; accepted: %s", all);
}

/* Keys of a table that mean nothing. An app's own table (path "") has the class name at position 1. */
static bool check_keys(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table)
{
	bool good = true;

	for (uint32_t i = 0; i < table->count; i++) {
		const struct value *key = &table->entry[i].key;
		char shown[SHOWN], deeper[PATH_TEXT];

		if (key->type != VALUE_STRING) {
			if (path[0] == '\0' && i == 0)
				continue;
			snprintf(deeper, sizeof(deeper), "%s[%u]", path, i + 1);
			mistake(context, deeper, "a value without a name is given; accepted: name = value");
			good = false;
		} else if (strlen(key->string) != key->count || find_param(params, key->string) == NULL) {
			show_text(key->string, key->count, shown, sizeof(shown));
			snprintf(deeper, sizeof(deeper), "%s%s%s", path, path[0] != '\0' ? "." : "", shown);
			unknown_key(context, params, deeper, key->string);
			good = false;
		}
	}
	return good;
}

static bool decode_table(const struct param_context *context, const struct param *params, const char *path,
	const struct value *table, void *base)
{
	bool good = table == NULL || check_keys(context, params, path, table);

	for (; params != NULL && params->type != PARAM_END; params++) {
		char deeper[PATH_TEXT];

		snprintf(deeper, sizeof(deeper), "%s%s%s", path, path[0] != '\0' ? "." : "", params->name);
		good = decode_param(context, params, deeper, value_get(table, params->name), base) && good;
	}
	return good;
}

bool param_decode(const struct param *params, const struct value *table, void *base, const struct param_context *context)
{
	if (table != NULL && table->type != VALUE_TABLE) {
		errors_add(context->errors, "%s: %s is given for its parameters; accepted: a table", context->app,
			value_type_name(table));
		return false;
	}
	return decode_table(context, params, "", table, base);
}
