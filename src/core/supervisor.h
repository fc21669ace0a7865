#pragma once
/* supervisor -- the process that never touches packets: opens devices and memory, forks the workers, restarts them when they die,
 * tells the others what runs. */

struct supervisor_options {
	const char *name;               /* of the instance */
	bool single_process;            /* no fork: for debuggers */
	bool watch;                     /* reload when the configuration or a Lua module of it changes */
	const char *const *arguments;   /* of the configuration: for reloads */
	/* Make the graph of a reload without a file; its messages go to errors. NULL: the graph's own file is read again. */
	struct graph *(*make)(void *context, struct errors *errors);
	void *context;
	struct sandbox_user user;       /* who workers are */
	struct worker_options worker;
};

/* How a run ended. */
struct supervisor_result {
	struct ledger ledger;           /* of all workers */
	bool balanced;                  /* both equations hold, and no packet leaked */
	char unbalanced[ERROR_TEXT];    /* else: the sentence */
	uint32_t failed;                /* apps whose output is not complete, */
	char failed_app[ERROR_TEXT];    /* and the first of them */
	uint32_t crashes;               /* workers that died and were restarted */
	bool stopped;                   /* by a signal or nf stop, not by itself */
	struct stats *stats;            /* the last snapshot; owned by the caller: stats_close */
};

/* Run a checked graph until all its workers have ended or it is told to stop (SIGINT, SIGTERM; twice: without draining).
 * Takes the graph, also on failure.
 *   gives: 0 when every worker ended well
 *   fails: -errno with nf_error(): it could not start (nothing is left behind), or a worker died again and again */
int supervisor_run(struct graph *graph, const struct supervisor_options *options, struct supervisor_result *result);
