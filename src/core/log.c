/* log -- see log.h. */
#include "core/core.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { LINES_PER_SECOND = 10, LINE = 1400 };

enum log_level log_level = LOG_WARN;
static char prefix_text[32];
static const char *const level_names[] = { "error", "warn", "info", "debug", NULL };

void log_init(void)
{
	const char *wanted = getenv("NF_LOG");

	if (wanted == NULL || *wanted == '\0')
		return;
	for (uint32_t i = 0; level_names[i] != NULL; i++) {
		if (strcmp(wanted, level_names[i]) == 0) {
			log_level = (enum log_level)i;
			return;
		}
	}
	log_warn("NF_LOG=%s is no level; accepted: error, warn, info, debug", wanted);
}

void log_prefix(const char *prefix)
{
	snprintf(prefix_text, sizeof(prefix_text), "%s", prefix);
}

void log_write(struct log_site *site, enum log_level level, const char *format, ...)
{
	char line[LINE];
	struct timespec now;
	va_list arguments;
	int length = 0, first;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (site->second != (uint64_t)now.tv_sec) {
		if (site->left_out > 0)
			length = snprintf(line, sizeof(line), "nf: %s%s: (%u more of these were left out)\n", prefix_text,
				level_names[level], site->left_out);
		*site = (struct log_site){ .second = (uint64_t)now.tv_sec };
	}
	if (++site->count > LINES_PER_SECOND) {
		site->left_out++;
		return;
	}
	length += snprintf(line + length, sizeof(line) - (size_t)length, "nf: %s%s: ", prefix_text, level_names[level]);
	first = length;
	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	if (length > LINE - 2)
		length = LINE - 2;
	/* One message, one line: whatever a file or a peer put into it. A tab stays: Lua's print puts it between values. */
	for (int i = first; i < length; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t')
			line[i] = '?';
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;                 /* nobody reads our errors: nothing to be done */
}
