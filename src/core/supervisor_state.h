#pragma once
/* supervisor_state -- the inside of a supervisor, for the supervisor*.c files alone. */
#include "core/core.h"

#include "core/descriptor.h"
#include "core/worker.h"
#include "core/sandbox.h"
#include "core/supervisor.h"

#include <signal.h>

struct child {
	pid_t pid;                      /* 0: not running */
	int control, resource;          /* our ends of its sockets; -1 */
	bool ready, released, ended;    /* has prepared; was told to go; has said that it ends */
	uint64_t died_ns;               /* when it died last */
	uint64_t breaths;               /* the watchdog's: the heartbeat when it was looked at last, */
	uint32_t breathless;            /* how many looks ago that was, */
	uint32_t starved;               /* how many more found it ready to run, without a processor, */
	uint64_t ticks;                 /* and what processor time it had had then */
	bool breathes;                  /* has published something since it was released */
	bool died;                      /* once: the next one is a successor */
	uint32_t deaths;                /* within the window */
	struct worker_stuck stuck;      /* apps of the present graph that its predecessors have died of */
	uint64_t first_death_ns, restart_ns;    /* restart_ns: CLOCK_NEVER unless it waits for its restart */
	struct worker_report report;
};

enum reload_phase { RELOAD_NONE, RELOAD_PREPARING, RELOAD_COMMITTING };

enum reading_purpose { READING_NONE, READING_RELOAD, READING_DIFF };

/* A configuration that a child process evaluates, or that waits until all workers run. */
struct reading {
	enum reading_purpose purpose;
	int client;                     /* who asked; -1: nobody who waits for an answer */
	uint64_t confirm_ns;
	pid_t pid;                      /* 0: it has ended */
	int result, ended;              /* its memory file; its pidfd; -1 */
	struct graph *graph;            /* what it has read */
};

/* A reload on its way. */
struct reload {
	enum reload_phase phase;
	struct graph *graph;            /* the new one */
	struct stats *stats;            /* its statistics, not in their place yet */
	int client;                     /* who asked over the control socket; -1: a signal, --watch, or time is over */
	bool adopting;                  /* devices that stay open may have the settings of the new graph already */
	uint64_t confirm_ns;            /* go back unless it is confirmed in this time; 0: no */
	bool answered[MEMORY_WORKERS];  /* in the present phase */
	struct engine_receipt receipt[MEMORY_WORKERS];
	uint16_t segment[WORKER_SEGMENTS];      /* added for it */
	uint32_t segment_count;
	uint64_t start_ns;
};

/* A capture: while its client is connected. */
struct supervisor_probe {
	int client;                     /* -1: none */
	uint32_t worker;
	bool ending;                    /* the worker is still to be told that it ends */
};

/* A command of a client for an app. */
enum { SUPERVISOR_COMMANDS = 16 };
struct supervisor_command {
	int client, fd[2];              /* request and answer; the worker gets them */
	uint32_t worker, number;
	bool sent;                      /* to the worker; its report is waited for */
	char app[WORKER_APP];
};

struct supervisor {
	struct graph *graph;            /* what runs; owned */
	struct graph *previous;         /* while a reload waits to be confirmed: what it replaced */
	uint64_t confirm_until_ns;      /* CLOCK_NEVER: nothing waits */
	struct reload reload;
	struct reading reading;
	uint64_t generation;
	int listener;                   /* the control socket; -1 */
	struct supervisor_probe probe[PROBE_MOST];
	struct supervisor_command command[SUPERVISOR_COMMANDS];         /* the first one is under way, or due */
	uint32_t command_count, command_number;
	uint64_t watched, watch_ns;     /* --watch: a hash of what is watched; when to look again */
	const struct supervisor_options *options;
	struct supervisor_result *result;
	struct child child[MEMORY_WORKERS];
	int lock, signals;
	sigset_t mask, before;
	uint32_t stops;
	uint64_t watchdog_ns;           /* when the watchdog looks again */
	bool started;                   /* all workers were ready once */
	bool failed;
	char text[ERROR_TEXT];          /* why */
};

/* supervisor_control.c: the control socket, one line of text each way. */
int supervisor_listen(struct supervisor *s) __attribute__((warn_unused_result));
void supervisor_accept(struct supervisor *s);
void supervisor_control_fini(struct supervisor *s);
/* Send an answer to a client and close it; nothing for -1. */
void supervisor_answer(int client, bool done, const char *text);

/* supervisor_reload.c: change the graph in all workers, or in none. */
/* Begin: have all workers prepare a checked graph; takes it. client: gets the receipt; taken. */
void supervisor_reload(struct supervisor *s, struct graph *graph, uint64_t confirm_ns, int client);
/* What a reload to the graph would do. */
void supervisor_diff(const struct supervisor *s, const struct graph *graph, int client);
void supervisor_confirm(struct supervisor *s, int client);
/* A worker's report about it; gives false when it has nothing to do with a reload. */
bool supervisor_reload_report(struct supervisor *s, uint32_t number, const struct worker_report *report);
/* A worker has died or ended: what is not committed is given up. */
void supervisor_reload_lost(struct supervisor *s, uint32_t number);
/* Go back to a graph that was replaced; takes it. */
void supervisor_back(struct supervisor *s, struct graph *previous);
/* Deadlines: confirmation, --watch. gives: milliseconds until the next one, -1: none */
int supervisor_reload_tick(struct supervisor *s);
void supervisor_reload_fini(struct supervisor *s);

/* supervisor_read.c: configurations that are evaluated beside all else, one at a time. */
/* Begin to read `file` (NULL: the present one). client: gets what comes of it, or why not; taken. */
void supervisor_read(struct supervisor *s, enum reading_purpose purpose, const char *file, uint64_t confirm_ns, int client);
/* The child's pidfd is readable. */
void supervisor_read_end(struct supervisor *s);
/* What has been read is reloaded as soon as all workers run. */
void supervisor_read_tick(struct supervisor *s);
void supervisor_read_fini(struct supervisor *s);

/* supervisor_probe.c: captures of running links. */
/* Begin one for a client, whose connection stays open; taken. text: a link's name, or an unambiguous part of it. */
void supervisor_probe(struct supervisor *s, const char *text, uint32_t snaplen, int client);
/* The same for a trace of worker `number`, from 1. */
void supervisor_trace(struct supervisor *s, uint32_t number, uint32_t snaplen, int client);
/* End one, or all of a worker that is gone; why: a line for the client, NULL: none. */
void supervisor_probe_end(struct supervisor *s, uint32_t slot, const char *why);
/* Tell workers what they had no room for before. gives: milliseconds until the next try, -1: none */
int supervisor_probe_tick(struct supervisor *s);
void supervisor_probe_lost(struct supervisor *s, uint32_t worker, const char *why);

/* supervisor_command.c: commands for apps. */
/* Queue one; takes the client, and the descriptors (which are -1 then) unless it is refused. */
void supervisor_command(struct supervisor *s, const char *worker, const char *app, int client, int *fds, int count);
/* Start what is due. gives: milliseconds until the next look, -1: none */
int supervisor_command_tick(struct supervisor *s);
/* A worker's report; gives false when it is not about the command that it has. */
bool supervisor_command_report(struct supervisor *s, uint32_t number, const struct worker_report *report);
void supervisor_command_lost(struct supervisor *s, uint32_t number);
void supervisor_command_fini(struct supervisor *s);
/* Tell a client the apps of a class: lines "WORKER APP", a tab between. */
void supervisor_apps(const struct supervisor *s, const char *class, int client);

/* supervisor_prepare.c: what the supervisor does before the workers are asked.
 *   fails: -errno with nf_error(); what it made so far is in s->reload */
int supervisor_prepare(struct supervisor *s) __attribute__((warn_unused_result));
/* A reload starts and ends no processes: both graphs must have the same workers. fails: -EINVAL with nf_error() */
int supervisor_same_workers(const struct graph *old, const struct graph *new) __attribute__((warn_unused_result));

/* supervisor_receipt.c: the text of a receipt or of a difference; malloc'ed, NULL when memory is short. */
char *supervisor_receipt(const struct graph *old, const struct graph *new, const struct reload *reload);

/* The NUMA node for a worker's packets: that of its processor, else of its devices; -1: any. */
int supervisor_node(const struct supervisor *s, const struct graph *graph, uint32_t worker);
/* The processor that a worker runs on: its own, or that of the option --cpu; -1: any. A reload leaves it. */
int supervisor_processor(const struct supervisor *s, uint32_t worker);
/* Warn of each device that is on another node than the worker of its app. */
void supervisor_check_placement(const struct supervisor *s, const struct graph *graph);

/* supervisor_home.c: count what comes home to workers that have ended. gives: milliseconds until the next look, -1: none */
int supervisor_home(struct supervisor *s);

/* supervisor_child.c: one process per worker. */
int supervisor_order(struct supervisor *s, uint32_t number, const struct worker_order *order, const int *fds, int count);
int supervisor_start_worker(struct supervisor *s, uint32_t number) __attribute__((warn_unused_result));
void supervisor_read_report(struct supervisor *s, uint32_t number);
/* A worker's socket for resources is closed, or what came over it is nonsense: then the worker is ended. */
void supervisor_cut_off(struct supervisor *s, uint32_t number);
void supervisor_reap(struct supervisor *s);
/* Start again those whose time has come; gives how many milliseconds until the next one, -1: none. */
int supervisor_restart(struct supervisor *s);
/* End workers whose packet threads have not breathed for a second; gives milliseconds until the next look. */
int supervisor_watchdog(struct supervisor *s);          /* supervisor_watchdog.c */
void supervisor_signal_workers(struct supervisor *s, int signal_number);
/* The run has failed: remember the first reason. */
void supervisor_give_up(struct supervisor *s, const char *text);
/* What SIGTERM does in a worker's process. */
void supervisor_on_stop(int signal_number);
