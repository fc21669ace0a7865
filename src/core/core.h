#pragma once
/* core -- the C library headers and all public headers of core/, in order. The public headers themselves hold only what
 * LuaJIT's FFI accepts, hence no #include; this file is for C alone. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKET_DEBUG
#define PACKET_DEBUG 0
#endif

#include "core/error.h"
#include "core/log.h"
#include "core/clock.h"
#include "core/random.h"
#include "core/packet.h"
#include "core/link.h"
#include "core/memory.h"
#include "core/pci.h"
#include "core/memory_dma.h"
#include "core/value.h"
#include "core/param.h"
#include "core/app.h"
#include "core/interlink.h"
#include "core/resource.h"
#include "core/job.h"
#include "core/script.h"
#include "core/graph.h"
#include "core/probe.h"
#include "core/stats.h"
#include "core/engine.h"
#include "core/namespace.h"
#include "core/offload.h"
#include "core/instance.h"
#include "core/placement.h"

/* A deadline that does not come. */
#define CLOCK_NEVER UINT64_MAX

/* A message of a level, rate-limited per place in the source. */
#define log_at(level, ...) \
	do { \
		static struct log_site log_site_; \
		if ((level) <= log_level) \
			log_write(&log_site_, (level), __VA_ARGS__); \
	} while (0)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* An assertion about nf itself, never about what a user, a card or a packet did. */
#define nf_assert(condition, ...) \
	do { \
		if (__builtin_expect(!(condition), 0)) \
			nf_bug(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
