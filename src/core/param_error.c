/* param_error -- the messages about parameters. See param_decode.h. */
#include "core/param_decode.h"

#include <stdarg.h>

enum { ACCEPTS_TEXT = 400 };

/* Add "app 'x': key 'path': ..." to the errors. */
void param_error_add(const struct param_context *context, const char *path, const char *format, ...)
{
	char text[ERROR_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	errors_add(context->errors, "%s: key '%s': %s", context->app, path, text);
}

/* The same, ending with what the parameter accepts. gives: false, so that it can be returned */
bool param_error_refuse(const struct param_context *context, const struct param *param, const char *path, const char *wrong)
{
	char accepts[ACCEPTS_TEXT];

	param_accepts(param, accepts, sizeof(accepts));
	param_error_add(context, path, "%s%s accepted: %s", wrong, wrong[strlen(wrong) - 1] == '?' ? "" : ";", accepts);
	return false;
}

/* A string for a message: cut off, without control characters. */
void param_error_show(const char *text, size_t length, char *shown, size_t size)
{
	size_t n = length < size - 4 ? length : size - 4;

	for (size_t i = 0; i < n; i++)
		shown[i] = (unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	snprintf(shown + n, size - n, "%s", n < length ? "..." : "");
}

/* A value for a message: "'abc'", "300", "a table". */
static void show_value(const struct value *value, char shown[PARAM_ERROR_SHOWN])
{
	if (value->type == VALUE_STRING) {
		shown[0] = '\'';
		param_error_show(value->string, value->count, shown + 1, PARAM_ERROR_SHOWN - 2);
		strcat(shown, "'");
	} else if (value->type == VALUE_TABLE) {
		snprintf(shown, PARAM_ERROR_SHOWN, "a table");
	} else {
		value_print(value, shown, PARAM_ERROR_SHOWN);
	}
}

bool param_error_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char *what)
{
	char shown[PARAM_ERROR_SHOWN], wrong[PARAM_ERROR_SHOWN + 200];

	show_value(value, shown);
	snprintf(wrong, sizeof(wrong), "%s %s", shown, what);
	return param_error_refuse(context, param, path, wrong);
}

bool param_error_type(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value)
{
	char what[64];

	if (value->type == VALUE_TABLE || value->type == VALUE_NIL)
		return param_error_value(context, param, path, value, "is given");
	snprintf(what, sizeof(what), "is %s", value_type_name(value));
	return param_error_value(context, param, path, value, what);
}
