#pragma once
/* dissect -- a frame's header fields by name: for people. Any bytes may come: what is cut off is not shown. */
#include "core/core.h"

enum { DISSECT_FIELDS = 128, DISSECT_NAME = 24, DISSECT_VALUE = 48 };

struct dissect_field {
	char name[DISSECT_NAME];        /* "ipv4.ttl" */
	char value[DISSECT_VALUE];      /* "64" */
};

struct dissect {
	uint32_t count;
	struct dissect_field field[DISSECT_FIELDS];
	uint32_t payload;               /* bytes from the frame's start to what no field names */
};

void dissect_frame(struct dissect *dissect, const uint8_t *data, uint32_t length);

/* The value of a field, of the innermost header that has it; NULL when there is none. */
const char *dissect_value(const struct dissect *dissect, const char *name);

/* A line about a frame, without a newline: "10.0.0.1:1234 > 10.0.0.2:53 UDP, 60 bytes". */
void dissect_line(const uint8_t *data, uint32_t length, uint32_t wire_length, char *text, size_t size);
