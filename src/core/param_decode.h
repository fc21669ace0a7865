#pragma once
/* param_decode -- the parts of the decoder of parameters; used by param*.c only. `path` is the parameter as the user wrote it:
 * "y", "y.z", "y[3]". */
#include "core/core.h"

/* Add "app 'x': key 'path': ..." to the errors. */
void param_error_add(const struct param_context *context, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What is wrong, and what is accepted; of a value: "300 is out of range", "'x' is a string". All give false, so that they can
 * be returned. */
bool param_error_refuse(const struct param_context *context, const struct param *param, const char *path, const char *wrong);
bool param_error_value(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, const char *what);
bool param_error_type(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value);

/* A string for a message: cut off, without control characters. */
enum { PARAM_ERROR_SHOWN = 48 };
void param_error_show(const char *text, size_t length, char *shown, size_t size);

/* Decode one value that is neither a list nor a table into its field. gives: false after a message */
bool param_scalar_decode(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, void *field);

/* The index of a word in the parameter's choices. gives: false after a message */
bool param_scalar_enum(const struct param_context *context, const struct param *param, const char *path,
	const struct value *value, uint32_t *field);

/* Whether an amount lies in the parameter's min..max, where max 0 means no end. */
bool param_scalar_in_range(const struct param *param, uint64_t amount);
