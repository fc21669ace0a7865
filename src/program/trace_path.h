#pragma once
/* trace_path -- the way of one packet through a graph, as far as it was seen. */
#include "core/core.h"

enum { TRACE_BYTES = 512 };             /* of each packet that are looked at */

struct trace_path {
	struct trace_path *next;        /* in its bucket */
	bool on_link;                   /* lies on link `where`, else app `where` holds it */
	uint32_t where;
	uint64_t total;                 /* its number on the link */
	uint64_t place;                 /* its buffer */
	bool wanted;                    /* the filter matched somewhere */
	uint32_t length, wire_length;
	uint8_t data[TRACE_BYTES];      /* as it was last seen */
	char *text;                     /* lines, malloc'ed */
};

/* A new one, without text; NULL: no memory. */
struct trace_path *trace_path_new(void);
void trace_path_free(struct trace_path *path);

/* Add a line: when, which app, what. */
void trace_path_add(struct trace_path *path, uint64_t timestamp, const char *app, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The packet as it is now; gives in `text` which fields changed, "" when nothing did. */
void trace_path_see(struct trace_path *path, const struct probe_record *record, char *text, size_t size);
