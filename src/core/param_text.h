#pragma once
/* param_text -- single parameters written as text, and as text for people. Used by param.c and by the options of programs. */
#include "core/core.h"

/* Parse text of a type that is written as text into its field (see param.h for the field of each type): BYTES, RATE,
 * DURATION, MAC, IPV4, IPV6, PREFIX4, PREFIX6, PCI (a buffer of PARAM_TEXT_PCI bytes).
 *   gives: true; false when it is nothing of that type, with the reason in why when there is more to say than that */
enum { PARAM_TEXT_PCI = 16, PARAM_TEXT_WHY = 128 };
bool param_text_parse(enum param_type type, const char *text, void *field, char why[PARAM_TEXT_WHY]);

/* Numbers with a unit, as a user would write them: 65536 as "64K", 1e10 as "10G", 5000000 as "5ms". */
void param_text_bytes(uint64_t bytes, char *text, size_t size);
void param_text_rate(double per_second, bool packets, char *text, size_t size);
void param_text_duration(uint64_t ns, char *text, size_t size);
