/* value_print -- a value as Lua source: what is printed reads back as the same value. See value.h. */
#include "core/core.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>

/* The text so far; `length` counts on when it is full. */
struct printer {
	char *text;
	size_t size, length;
};

static void put(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct printer *p, const char *format, ...)
{
	bool fits = p->length < p->size;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(fits ? p->text + p->length : NULL, fits ? p->size - p->length : 0, format, arguments);
	va_end(arguments);
	if (n > 0)
		p->length += (size_t)n;
}

static void put_string(struct printer *p, const struct value *value)
{
	put(p, "\"");
	for (uint32_t i = 0; i < value->count; i++) {
		unsigned char c = (unsigned char)value->string[i];

		if (c == '"' || c == '\\')
			put(p, "\\%c", c);
		else if (c == '\n')
			put(p, "\\n");
		else if (c < ' ' || c == 127)
			put(p, "\\%03u", c);
		else
			put(p, "%c", c);
	}
	put(p, "\"");
}

/* The shortest form that reads back as the same number. */
static void put_number(struct printer *p, double number)
{
	char text[40];

	if (number != number || isinf(number)) {
		put(p, number != number ? "0/0" : number > 0 ? "1/0" : "-1/0");
		return;
	}
	for (int digits = 14; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	put(p, "%s", text);
}

/* Whether a string may stand before "=" without brackets and quotes. */
static bool is_name(const struct value *key)
{
	static const char *const keywords[] = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto",
		"if", "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" };

	if (key->count == 0 || isdigit((unsigned char)key->string[0]))
		return false;
	for (uint32_t i = 0; i < key->count; i++) {
		unsigned char c = (unsigned char)key->string[i];

		if (c >= 128 || (!isalnum(c) && c != '_'))
			return false;
	}
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++)
		if (strcmp(key->string, keywords[i]) == 0)
			return false;
	return true;
}

static void put_value(struct printer *p, const struct value *value);

static void put_table(struct printer *p, const struct value *table)
{
	put(p, "{");
	for (uint32_t i = 0; i < table->count; i++) {
		const struct value *key = &table->entry[i].key;

		put(p, i > 0 ? ", " : " ");
		if (key->type == VALUE_STRING && is_name(key)) {
			put(p, "%s = ", key->string);
		} else if (key->type == VALUE_STRING) {
			put(p, "[");
			put_string(p, key);
			put(p, "] = ");
		}
		put_value(p, &table->entry[i].value);
	}
	put(p, table->count > 0 ? " }" : "}");
}

static void put_value(struct printer *p, const struct value *value)
{
	switch (value == NULL ? VALUE_NIL : value->type) {
	case VALUE_NIL:
		put(p, "nil");
		break;
	case VALUE_BOOL:
		put(p, value->boolean ? "true" : "false");
		break;
	case VALUE_NUMBER:
		put_number(p, value->number);
		break;
	case VALUE_INTEGER:
		put(p, "%lldLL", (long long)value->integer);
		break;
	case VALUE_UNSIGNED:
		put(p, "%lluULL", (unsigned long long)value->unsigned_integer);
		break;
	case VALUE_STRING:
		put_string(p, value);
		break;
	case VALUE_TABLE:
		put_table(p, value);
		break;
	}
}

size_t value_print(const struct value *value, char *text, size_t size)
{
	struct printer p = { .text = text, .size = size };

	if (size > 0)
		text[0] = '\0';
	put_value(&p, value);
	return p.length;
}
