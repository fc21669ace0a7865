#pragma once
/* figure -- numbers for people: three digits, and a prefix or unit. */
#include "core/core.h"

enum { FIGURE_SIZE = 32 };

/* "14.9 M", "250 k", "7". gives: text */
const char *figure_rate(double rate, char text[FIGURE_SIZE]);

/* "1.5 us", "40 ms". gives: text */
const char *figure_duration(uint64_t ns, char text[FIGURE_SIZE]);
