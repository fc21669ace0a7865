#pragma once
/* history -- the readings of the last hour, one per second, kept small: a whole one each minute, and what changed between.
 *
 * An instance of 100 apps has about 3,000 numbers. Most of them stand still or go on by little, so a second of it takes about
 * a kilobyte, and an hour some megabytes. */
#include "program/reading.h"

enum {
	HISTORY_MOST = 3600,            /* readings kept at least; the oldest go first */
	HISTORY_CHUNK = 60              /* readings that begin with one whole one */
};

struct history;

/* gives: NULL when memory is short */
struct history *history_new(void);
void history_free(struct history *history);

/* Remember a reading; it stays with the caller.
 *   fails: -ENOMEM with nf_error(); nothing is remembered */
int history_add(struct history *history, const struct reading *reading) __attribute__((warn_unused_result));

uint32_t history_count(const struct history *history);
/* How many were forgotten: number i of now is number history_forgotten() + i of all. */
uint64_t history_forgotten(const struct history *history);

/* Reading number i, 0 the oldest, as it was but for `stats`, which is NULL.
 *   needs: i < history_count(history)
 *   gives: 0; give it back with reading_fini
 *   fails: -ENOMEM with nf_error() */
int history_get(const struct history *history, uint32_t i, struct reading *reading) __attribute__((warn_unused_result));

/* Bytes that the changes take. */
uint64_t history_bytes(const struct history *history);
