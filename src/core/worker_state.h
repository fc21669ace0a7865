#pragma once
/* worker_state -- the inside of a worker's process, for the worker*.c files alone. */
#include "core/core.h"

#include "core/command.h"
#include "core/descriptor.h"
#include "core/worker.h"

#include <pthread.h>
#include <semaphore.h>

struct worker {
	struct graph *graph;            /* what runs; owned, unless it is the first */
	const struct graph *first;      /* the caller's */
	struct engine *engine;
	uint32_t number;
	int cpu;
	int socket;                     /* to the supervisor; -1: none */
	pthread_t packets;              /* the packet thread */
	sem_t settled, go;              /* it has set itself up; it is to go on */
	bool ran;                       /* the engine's ledger means something */
	bool given_up;                  /* it is to end without having run */
	int ended_fd;                   /* readable when the packet thread has ended */
	int code;                       /* how it ended, */
	char text[ERROR_TEXT];          /* and why */
	struct worker_report *report;
	struct worker_order order;

	/* A reload that is prepared and not committed; next == NULL: none. */
	struct graph *next;
	struct engine_plan *plan;
	struct stats *stats;
	struct memory_growth growth;
	uint32_t attached;              /* how many segments of `order` are mapped */
	struct stats *present;          /* the statistics of an earlier reload; NULL: those of the start */
};

void worker_send(struct worker *w, enum worker_report_type type);

/* worker_reload.c: follow one order. gives: 1; 0 or -errno when the supervisor is gone or speaks nonsense */
int worker_obey(struct worker *w);
/* Give up what is prepared, if anything. */
void worker_forget(struct worker *w);
