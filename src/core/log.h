#pragma once
/* log -- one line to stderr per message. Never called from pull or push. */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* What is printed: messages up to this level. NF_LOG=error|warn|info|debug sets it at start; default warn. */
extern enum log_level log_level;

/* Read NF_LOG. An unknown word is reported once and leaves the default. */
void log_init(void);

/* What stands before each message, e.g. "worker 2: ". Copied; at most 31 bytes. */
void log_prefix(const char *prefix);

/* One call site's rate limit: at most 10 lines a second, then one line that tells how many were left out. */
struct log_site {
	uint64_t second;                /* the second of CLOCK_MONOTONIC that is counted */
	uint32_t count, left_out;
};

/* Print one line "nf: error: ..."; used through the macros log_error, log_warn, log_info and log_debug of core.h.
 *   cost: one write(2) */
void log_write(struct log_site *site, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
