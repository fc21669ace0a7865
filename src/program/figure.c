/* figure -- see figure.h. */
#include "program/figure.h"

#include <inttypes.h>

const char *figure_rate(double rate, char text[FIGURE_SIZE])
{
	static const struct { double least; const char *prefix; } units[] = { { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		/* What %.3g would round up to 1e+03 is of the next unit. */
		if (rate >= units[i].least * 0.9995) {
			snprintf(text, FIGURE_SIZE, "%.3g%s", rate / units[i].least, units[i].prefix);
			return text;
		}
	}
	snprintf(text, FIGURE_SIZE, "%.0f", rate);
	return text;
}

const char *figure_duration(uint64_t ns, char text[FIGURE_SIZE])
{
	static const struct { double least; const char *unit; } units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if ((double)ns >= units[i].least * 0.9995) {
			snprintf(text, FIGURE_SIZE, "%.3g %s", (double)ns / units[i].least, units[i].unit);
			return text;
		}
	}
	snprintf(text, FIGURE_SIZE, "%" PRIu64 " ns", ns);
	return text;
}
