/* error -- see error.h. */
#include "core/core.h"

#include <stdarg.h>

static __thread char error_text[ERROR_TEXT];

int nf_fail(int code, const char *format, ...)
{
	char text[ERROR_TEXT];          /* the arguments may contain nf_error() itself */
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	memcpy(error_text, text, sizeof(error_text));
	return -code;
}

const char *nf_error(void)
{
	return error_text;
}

void errors_add(struct errors *errors, const char *format, ...)
{
	char **text = realloc(errors->text, (errors->count + 1) * sizeof(*text));
	va_list arguments;

	if (text == NULL)
		return;
	errors->text = text;
	va_start(arguments, format);
	if (vasprintf(&text[errors->count], format, arguments) < 0)
		text[errors->count] = strdup("out of memory");
	va_end(arguments);
	if (text[errors->count] != NULL)
		errors->count++;
}

void errors_fini(struct errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++)
		free(errors->text[i]);
	free(errors->text);
	*errors = (struct errors){ 0 };
}

enum { NAME_MOST = 64 };                /* longer names have no nearest one */

/* Edit distance with transpositions (optimal string alignment) of two names. */
static uint32_t distance(const char *a, const char *b)
{
	uint32_t rows[3][NAME_MOST + 1];
	size_t a_length = strlen(a), b_length = strlen(b);
	uint32_t *before = rows[0], *last = rows[1], *row = rows[2];

	if (a_length > NAME_MOST || b_length > NAME_MOST)      /* too long to be a name that was meant */
		return UINT32_MAX;
	for (uint32_t j = 0; j <= b_length; j++)
		last[j] = j;
	for (uint32_t i = 1; i <= a_length; i++) {
		uint32_t *spare = before;

		row[0] = i;
		for (uint32_t j = 1; j <= b_length; j++) {
			uint32_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_length];
}

const char *error_nearest(const char *name, const char *const *names)
{
	const char *nearest = NULL;
	uint32_t least = (uint32_t)strlen(name) / 3 + 1;        /* further away it is another word */

	for (; *names != NULL; names++) {
		uint32_t d = distance(name, *names);
		const char *dot = strchr(*names, '.');

		/* "tee" means "basic.tee". */
		if (dot != NULL && strchr(name, '.') == NULL && distance(name, dot + 1) < d)
			d = distance(name, dot + 1) + 1;
		if (d < least) {
			least = d;
			nearest = *names;
		}
	}
	return nearest;
}

void nf_bug(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "nf: bug: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, " (%s:%d)\n", file, line);
	abort();
}
