/* trace_path -- see trace_path.h. */
#include "program/trace_path.h"
#include "program/dissect.h"

#include <stdarg.h>
#include <time.h>

struct trace_path *trace_path_new(void)
{
	return calloc(1, sizeof(struct trace_path));
}

void trace_path_free(struct trace_path *path)
{
	if (path != NULL)
		free(path->text);
	free(path);
}

void trace_path_add(struct trace_path *path, uint64_t timestamp, const char *app, const char *format, ...)
{
	time_t seconds = (time_t)(timestamp / 1000000000u);
	char at[32], *what = NULL, *text = NULL;
	va_list arguments;
	struct tm local;

	strftime(at, sizeof(at), "%T", localtime_r(&seconds, &local));
	va_start(arguments, format);
	if (vasprintf(&what, format, arguments) < 0)
		what = NULL;
	va_end(arguments);
	if (what != NULL && asprintf(&text, "%s  %s.%06u  %-12s  %s\n", path->text != NULL ? path->text : "", at,
		(uint32_t)(timestamp % 1000000000u / 1000), app, what) >= 0) {
		free(path->text);
		path->text = text;
	}
	free(what);
}

/* The value of the field of a name that is its `nth`, from 0, in a frame; NULL when there are fewer. */
static const char *nth_value(const struct dissect *d, const char *name, uint32_t nth)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (strcmp(d->field[i].name, name) == 0 && nth-- == 0)
			return d->field[i].value;
	return NULL;
}

/* How many fields of field i's name stand before it. */
static uint32_t rank(const struct dissect *d, uint32_t i)
{
	uint32_t before = 0;

	for (uint32_t j = 0; j < i; j++)
		before += strcmp(d->field[j].name, d->field[i].name) == 0;
	return before;
}

static void append(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list arguments;

	if (length > 0 && length + 2 < size) {
		strcat(text, ", ");
		length += 2;
	}
	va_start(arguments, format);
	vsnprintf(text + length, size - length, format, arguments);
	va_end(arguments);
}

/* Fields that are new or have another value, then those that are gone. */
static void compare_fields(const struct dissect *old, const struct dissect *new, char *text, size_t size)
{
	for (uint32_t i = 0; i < new->count; i++) {
		const struct dissect_field *field = &new->field[i];
		const char *before = nth_value(old, field->name, rank(new, i));

		if (before == NULL)
			append(text, size, "+%s %s", field->name, field->value);
		else if (strcmp(before, field->value) != 0)
			append(text, size, "%s %s -> %s", field->name, before, field->value);
	}
	for (uint32_t i = 0; i < old->count; i++)
		if (nth_value(new, old->field[i].name, rank(old, i)) == NULL)
			append(text, size, "-%s %s", old->field[i].name, old->field[i].value);
}

/* Where the payloads, as far as both are known, differ first; UINT32_MAX: nowhere. */
static uint32_t payload_difference(const struct trace_path *path, uint32_t at, const uint8_t *data, uint32_t length, uint32_t from)
{
	for (uint32_t i = 0; at + i < path->length && from + i < length; i++)
		if (path->data[at + i] != data[from + i])
			return i;
	return UINT32_MAX;
}

void trace_path_see(struct trace_path *path, const struct probe_record *record, char *text, size_t size)
{
	const uint8_t *data = (const uint8_t *)(record + 1);
	uint32_t length = record->length < TRACE_BYTES ? record->length : TRACE_BYTES;
	struct dissect old, new;

	text[0] = '\0';
	if (path->length != length || path->wire_length != record->wire_length || memcmp(path->data, data, length) != 0) {
		uint32_t at;

		dissect_frame(&old, path->data, path->length);
		dissect_frame(&new, data, length);
		if (path->wire_length != record->wire_length)
			append(text, size, "length %u -> %u", path->wire_length, record->wire_length);
		compare_fields(&old, &new, text, size);
		at = payload_difference(path, old.payload, data, length, new.payload);
		if (at != UINT32_MAX)
			append(text, size, "payload from byte %u on", at);
	}
	memcpy(path->data, data, length);
	path->length = length;
	path->wire_length = record->wire_length;
}
