#pragma once
/* table -- rows of text for a terminal: columns as wide as what stands in them, numbers to the right. */
#include "core/core.h"

struct table {
	const char *align;              /* a letter per column: 'l' left, 'r' right */
	uint32_t columns, count;        /* count cells so far, row by row */
	char **cell;                    /* owned; NULL: memory was short, prints as nothing */
};

/* Begin a table; the first row are its titles. needs: as many titles as letters in align */
void table_init(struct table *table, const char *align, const char *const *titles);

/* Add the next cell. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print it, each line behind `indent` blanks, and free it. */
void table_print(struct table *table, int indent, FILE *out);
