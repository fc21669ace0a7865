#pragma once
/* prometheus -- a reading in the text exposition format of Prometheus, version 0.0.4. */
#include "program/reading.h"

/* Write all numbers of all workers, or only of number `worker` (UINT32_MAX: all), with HELP and TYPE of each family. */
void prometheus_write(const struct reading *reading, uint32_t worker, FILE *out);
