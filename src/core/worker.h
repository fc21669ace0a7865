#pragma once
/* worker -- the process that runs one worker's graph: a packet thread, and a house-keeping thread that prepares, retires and
 * does what may block. In --single-process mode the supervisor's own process is the worker.
 *
 *      worker                          supervisor
 *      prepare its graph
 *      READY  ----------------------->
 *                                      when all are ready
 *             <----------------------- GO
 *      run
 *             <----------------------- PREPARE (new graph, segments, statistics)     a reload
 *      PREPARED or REFUSED ---------->
 *             <----------------------- COMMIT when all have prepared, else ABORT
 *      COMMITTED -------------------->
 *             <----------------------- COMMAND (an app's name, request, answer)      a command of a client
 *      DONE ------------------------->
 *      ENDED or FAILED -------------->                                               the end
 *      BROKE ------------------------>                                               a system call that no worker makes
 *      STUCK ------------------------>                                               a Lua app's call of C does not come back
 */

/* What the packet thread is called, to those who look for it from outside. */
extern const char worker_thread[];

/* Lua apps that have ended a worker, since they did not come back: its successor does not run them. */
enum { WORKER_STUCKS = 8, WORKER_APP = 64 };
struct worker_stuck {
	uint32_t count;
	char app[WORKER_STUCKS][WORKER_APP];
};

/* What every worker of a run has in common. */
struct worker_options {
	enum engine_idle idle;
	uint64_t duration_ns;           /* 0: until it ends or is stopped */
	bool virtual_clock;
	bool sandbox;                   /* only the system calls of sandbox_calls */
	bool compiles;                  /* may make memory executable, whatever its first graph has */
	bool successor;                 /* of a worker that has died: take over what it left */
	int cpu;                        /* for the first worker without a cpu of its own; -1: anywhere */
	const struct worker_stuck *stuck;       /* successor: what ended its predecessors; NULL: nothing */
};

/* What a worker tells the supervisor, one datagram each on a seqpacket socket. */
enum worker_report_type { WORKER_READY = 1, WORKER_FAILED, WORKER_ENDED, WORKER_PREPARED, WORKER_REFUSED, WORKER_COMMITTED,
	WORKER_BROKE, WORKER_STUCK, WORKER_DONE };

struct worker_report {
	uint32_t type;                  /* enum worker_report_type */
	char text[ERROR_TEXT];          /* FAILED, REFUSED: why; STUCK: the app's name; DONE: why not, or empty */
	struct ledger ledger;           /* ENDED: at the end, before apps are freed */
	uint32_t call;                  /* BROKE: its number */
	uint32_t failed;                /* ENDED: apps that failed; text names the first */
	uint32_t command;               /* DONE: its number */
	uint64_t leaked;                /* ENDED: packets still in use after all apps were freed */
	struct engine_receipt receipt;  /* COMMITTED */
};

/* What the supervisor tells a worker, in the same way. PREPARE comes with descriptors: the encoded configuration, the
 * statistics file, then one for each new segment; PROBE with that of the ring; COMMAND with request and answer. Nothing answers PROBE and PROBE_END: the client
 * reads in the ring how it stands. */
enum worker_order_type { WORKER_GO = 1, WORKER_PREPARE, WORKER_COMMIT, WORKER_ABORT, WORKER_PROBE, WORKER_PROBE_END, WORKER_COMMAND };
enum { WORKER_SEGMENTS = 16, WORKER_PATH = 4096 };

struct worker_order {
	uint32_t type;                  /* enum worker_order_type */
	uint32_t segment_count;
	struct segment segment[WORKER_SEGMENTS];
	char file[WORKER_PATH], folder[WORKER_PATH];    /* of the configuration */
	uint32_t probe, snaplen;        /* PROBE: its number, bytes of each packet to be copied; PROBE_END: its number */
	char link[PROBE_LINK];          /* PROBE: the link's name; COMMAND: the app's */
	uint32_t command;               /* COMMAND: its number */
};

/* Run worker `number` of a graph in this process until it ends: prepare, wait for the others, run, retire.
 * Resources are asked for as resource_ask or resource_serve_here has set.
 *   needs: memory_reserve, the worker's segments
 *   socket: to the supervisor; -1: none, *report is what would have been sent last
 *   gives: 0; -errno with nf_error() when it could not start */
int worker_run(struct graph *graph, uint32_t number, const struct worker_options *options, struct stats *stats, int socket,
	struct worker_report *report);

/* Ask the worker of this process to end; signal-safe. The second call ends it without draining. */
void worker_stop(void);

/* The processor of a worker's packet thread: its own, else that of the options for the first worker; -1: any. */
int worker_processor(const struct graph_worker *graph, uint32_t number, const struct worker_options *options);
