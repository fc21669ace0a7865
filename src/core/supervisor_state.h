#pragma once
/* supervisor_state -- the inside of a supervisor, for the supervisor*.c files alone. */
#include "core/core.h"

#include "core/worker.h"

#include "core/supervisor.h"

#include <signal.h>

struct child {
	pid_t pid;                      /* 0: not running */
	int control, resource;          /* our ends of its sockets; -1 */
	bool ready, ended;
	uint32_t deaths;                /* within the window */
	uint64_t first_death_ns, restart_ns;    /* restart_ns: CLOCK_NEVER unless it waits for its restart */
	struct worker_report report;
};

struct supervisor {
	struct graph *graph;
	const struct supervisor_options *options;
	struct supervisor_result *result;
	struct child child[MEMORY_WORKERS];
	int lock, signals;
	sigset_t mask, before;
	uint32_t stops;
	bool started;                   /* all workers were ready once */
	bool failed;
	char text[ERROR_TEXT];          /* why */
};

/* supervisor_child.c: one process per worker. */
int supervisor_start_worker(struct supervisor *s, uint32_t number) __attribute__((warn_unused_result));
void supervisor_read_report(struct supervisor *s, uint32_t number);
void supervisor_reap(struct supervisor *s);
/* Start again those whose time has come; gives how many milliseconds until the next one, -1: none. */
int supervisor_restart(struct supervisor *s);
void supervisor_signal_workers(struct supervisor *s, int signal_number);
/* The run has failed: remember the first reason. */
void supervisor_give_up(struct supervisor *s, const char *text);
/* What SIGTERM does in a worker's process. */
void supervisor_on_stop(int signal_number);
