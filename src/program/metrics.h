#pragma once
/* metrics -- the statistics of an instance over HTTP: /metrics for Prometheus, / a page that draws the live graph.
 *
 * A process of its own serves them. It has nothing but the listening socket and reads nothing but the statistics file, so what
 * strangers send reaches neither the supervisor nor a worker. */
#include "core/core.h"

struct metrics;

/* Listen on "PORT" (of 127.0.0.1), "ADDRESS:PORT" or "[ADDRESS]:PORT", port 0: any that is free, and serve the instance `name`
 * until metrics_stop, or until this process ends.
 *   needs: before the supervisor begins: what it opens later is not in the serving process
 *   gives: 0
 *   fails: -EINVAL: no address; others: -errno; with nf_error() */
int metrics_start(struct metrics **metrics, const char *address, const char *name) __attribute__((warn_unused_result));
void metrics_stop(struct metrics *metrics);                     /* NULL: nothing */

/* "http://127.0.0.1:9100/" */
const char *metrics_url(const struct metrics *metrics);

/* metrics_serve.c: answer requests that come to a listening socket, for ever.
 *   fails: -errno with nf_error(): the server could not be started */
int metrics_serve(int listener, const char *name);
