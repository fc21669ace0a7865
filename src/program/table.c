/* table -- see table.h. */
#include "program/table.h"

#include <stdarg.h>

enum { COLUMNS_MOST = 16 };

/* Take a cell's text over. */
static void append(struct table *table, char *text)
{
	char **cell = realloc(table->cell, (table->count + 1) * sizeof(*cell));

	if (cell == NULL) {
		free(text);
		return;
	}
	table->cell = cell;
	table->cell[table->count++] = text;
}

void table_init(struct table *table, const char *align, const char *const *titles)
{
	*table = (struct table){ .align = align, .columns = (uint32_t)strlen(align) };
	nf_assert(table->columns <= COLUMNS_MOST, "a table of %u columns", table->columns);
	for (uint32_t i = 0; i < table->columns; i++)
		append(table, strdup(titles[i]));
}

void table_add(struct table *table, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	append(table, text);
}

static const char *cell_text(const struct table *table, uint32_t i)
{
	return table->cell[i] != NULL ? table->cell[i] : "";
}

void table_print(struct table *table, int indent, FILE *out)
{
	int width[COLUMNS_MOST] = { 0 };

	for (uint32_t i = 0; i < table->count; i++)
		if ((int)strlen(cell_text(table, i)) > width[i % table->columns])
			width[i % table->columns] = (int)strlen(cell_text(table, i));
	for (uint32_t i = 0; i < table->count; i++) {
		uint32_t column = i % table->columns;
		const char *text = cell_text(table, i);
		bool last = column + 1 == table->columns, right = table->align[column] == 'r';

		/* No blanks at the end of a line. */
		if (!last || *text != '\0')
			fprintf(out, "%*s%*s", column == 0 ? indent : 2, "", right ? width[column] : last ? 0 : -width[column], text);
		if (last)
			fputc('\n', out);
		free(table->cell[i]);
	}
	free(table->cell);
	*table = (struct table){ 0 };
}
