#pragma once
/* app -- a box of the graph: an instance of a class, with input and output links, parameters, counters and reasons.
 *
 * Life of an instance:
 *
 *    check      (supervisor) parameters decoded, class->check, class->resources, class->holds: nothing is opened
 *    prepare    (house-keeping thread) may block, allocate, fail; touches nothing that runs
 *    commit     (packet thread, between two breaths) bounded, cannot fail; takes over from the old instance
 *    settle     (house-keeping thread) what of a commit takes longer than the packet thread may stand still
 *    link, pull, push, tick, ...  (packet thread) the instance runs
 *    flush      (packet thread) before stop at a reload: it sends what it holds
 *    stop       (packet thread) the instance's last call there: it drops what it holds
 *    retire     (house-keeping thread) close, free
 *    abort      (house-keeping thread) instead of commit, when a reload was given up
 */

struct app;
struct resources;
struct engine;
struct command;

/* Reasons that every app has, behind its own: index class reasons count + these. */
enum app_reason { APP_REASON_RELOAD, APP_REASON_STOP, APP_REASON_QUARANTINED, APP_REASON_CRASH, APP_REASONS };

struct app_class {
	const char *name;               /* "basic.tee" */
	const char *help;               /* a sentence; longer text may follow after a newline */
	uint32_t size;                  /* bytes of an instance, which begins with struct app */
	const struct param *params;     /* NULL: none */
	/* Port names, NULL at the end. "x" must be linked, "x?" may be, "*" stands for one or more ports of any name. */
	const char *const *inputs, *const *outputs;
	const char *const *counters;    /* names of app->counter[]; NULL: none */
	const char *const *gauges;      /* which of them tell how many there are now, so that they go down, too: the app sets them at
	                                 * commit or later, and no predecessor's are added; NULL: none */
	const char *const *reasons;     /* names for app_drop; NULL: none */
	uint32_t expansion;             /* most packets sent to one output for one received; 0 means 1 */
	bool inner;                     /* its pull brings what another worker of this run sends: it goes on while links are drained,
	                                 * until the other end has ended; what `held` counts lies between the workers */
	bool gives;                     /* what `open` gives goes to the worker for good, so that it ends with it: the supervisor keeps
	                                 * no copy, but of what several apps share, and opens it anew when it is asked again */
	bool dma;                       /* the device reads and writes packet memory: huge pages are needed */
	bool two_way;                   /* it stands between two sides: what comes in on one leaves on the other, or is answered. The
	                                 * engine calls its push once more in a breath for what came back meanwhile */
	bool executable;                /* it makes native code: its worker may map executable memory */
	const struct script_module *module;     /* a Lua app's code; NULL for C */

	/* Check, in the supervisor, on a decoded instance that never runs. All optional.
	 * check: add a message to errors for each mistake that the table of parameters cannot express; ports are known. */
	void (*check)(const struct app *app, struct errors *errors);
	/* resources: name each device, file or socket that prepare will ask for, with resources_add. */
	void (*resources)(const struct app *app, struct resources *resources);
	/* open: open one of them, in the supervisor. gives: a descriptor; fails: -errno with nf_error() */
	int (*open)(const struct app *app, const char *key);
	/* is_open: whether a descriptor that was opened earlier still reaches its device; asked before it is handed out again.
	 * false: it is closed and opened anew. Without it: it does. */
	bool (*is_open)(const struct app *app, const char *key, int fd);
	/* adopt: at a reload a device stays open: bring it into the state that this instance asks for; nothing to do when that
	 * is so already, or the device is gone. Also called for the old instance when the reload was given up.
	 * fails: -errno with nf_error(); the reload is given up */
	int (*adopt)(const struct app *app, const char *key, int fd);
	/* quiesce: the worker that had it has died: bring what it left running to rest, so that its memory can be used again.
	 * fails: -errno with nf_error(): it may still run */
	int (*quiesce)(const struct app *app, const char *key, int fd);
	/* close: nobody has the key any more, its last descriptor is closed after this call. Keys that were opened later are
	 * closed earlier. */
	void (*close)(const struct app *app, const char *key, int fd);
	/* holds: packets that the instance may hold at most, by size (standard and jumbo packets are added up by the graph;
	 * any number > 0 of a size makes the worker have that size). */
	void (*holds)(const struct app *app, uint32_t holds[PACKET_SIZES]);

	/* The two phases. `old` is the running instance of the same name and class, or NULL. Optional. */
	int (*prepare)(struct app *app, const struct app *old) __attribute__((warn_unused_result));
	void (*commit)(struct app *app, struct app *old);
	void (*abort)(struct app *app);
	/* settle: the house-keeping thread's first call after commit, before the old instance is retired; may block. What commit had no
	 * time for is done with engine_slices. gives: the longest slice in ns, 0: there was none */
	uint64_t (*settle)(struct app *app, struct engine *engine);
	/* command: do what a client of the control socket asks of this app; house-keeping thread, never while a reload is prepared; may
	 * block. See command.h. fails: -errno with nf_error(), which the client gets */
	int (*command)(struct app *app, struct command *command) __attribute__((warn_unused_result));
	void (*flush)(struct app *app);         /* a reload takes it out of the graph, without a successor of its class: send
	                                         * what is held to the outputs, as far as they have room */
	void (*stop)(struct app *app);
	void (*retire)(struct app *app);

	/* The data path, packet thread. Optional. */
	void (*link)(struct app *app);          /* the links have changed: look at app->input, app->output again */
	void (*pull)(struct app *app);          /* bring in packets from outside: at most app_pull_room() */
	void (*push)(struct app *app);          /* move what waits on the inputs; called when something waits, or always
	                                         * when the class has wake_at */
	void (*tick)(struct app *app);          /* each millisecond */
	uint32_t (*held)(const struct app *app);        /* packets held now, counted by walking, never derived */
	uint32_t (*posted)(const struct app *app);      /* empty packets that a device has to receive into, counted by walking */
	int (*event_fd)(const struct app *app); /* a descriptor that polls readable when a pull would find something; -1 */
	/* begins: the engine is about to block; gives false when it must not, as something has come meanwhile. Else: it is awake. */
	bool (*rest)(struct app *app, bool begins);
	/* Nothing will come to this app any more: all apps before it have ended, and their links are empty. Told while idle. */
	void (*over)(struct app *app);
	uint64_t (*sleep_limit)(const struct app *app); /* longest sleep in ns: half of what its input can buffer */
	uint64_t (*wake_at)(const struct app *app);     /* clock_now() at which it has something to do; CLOCK_NEVER */
	/* What it wakes for is a service to the packets of others (requests, time-outs of state): when all inputs have ended and all
	 * links are empty, its wake_at does not keep the run going. */
	bool attends;
};

struct app {
	const struct app_class *class;
	const char *name;
	/* Links, in the order of the class's port names, NULL where an optional port is not linked; for "*" in the order of
	 * the configuration. */
	struct link **input, **output;
	uint32_t input_count, output_count;
	const char *const *input_name, *const *output_name;

	/* The ledger, class-independent: received + created = sent + consumed + dropped + queued. Increments are plain. */
	uint64_t received;              /* packets brought in from a wire, a file, a socket */
	uint64_t created;               /* packets of a source, copies, extra fragments, generated errors */
	uint64_t sent;                  /* packets given to the outside, and done with */
	uint64_t consumed;              /* packets of a sink, answered requests, merged fragments */
	uint64_t *counter;              /* class->counters */
	uint64_t *reason;               /* class->reasons, then enum app_reason */

	bool ended;                     /* no more will come from here: set by an input at its end, and by an app that holds
	                                 * packets when it is empty. Begins as true when the class has no pull */
	bool down;                      /* its device is not there at the moment; the app retries */
	bool failed;                    /* what it made is not complete, for example as the disk was full: the run ends with 1 */

	/* The engine's part. */
	uint64_t cycles, packets, calls;        /* cost of pull + push: clock_cycles(), packets handled, calls */
	uint32_t number;                /* in the worker's graph */
	uint32_t worker;                /* number of the worker whose app it is */
	uint32_t reason_count;          /* of the class alone */
	const char *folder;             /* where relative paths of the configuration start */
	uint64_t lost_outside;          /* lost before nf had them: missed by the card, by the kernel */
	struct arena arena;             /* memory of decoded parameters and of app_alloc; freed after retire */
};

/* Drop a packet under reason `reason` of the class: count it and free it. owner: takes p */
inline void app_drop(struct app *app, uint32_t reason, struct packet *p)
{
	app->reason[reason]++;
	packet_free(p);
}

/* Drop n packets under one reason. */
inline void app_drop_burst(struct app *app, uint32_t reason, struct packet *const *burst, uint32_t n)
{
	app->reason[reason] += n;
	packet_free_burst(burst, n);
}

/* The index of one of the reasons that every app has. */
inline uint32_t app_reason(const struct app *app, enum app_reason reason)
{
	return app->reason_count + reason;
}

/* How many packets a pull may bring in: min(BURST, room of all its outputs); BURST when nothing is linked. */
inline uint32_t app_pull_room(const struct app *app)
{
	uint32_t room = BURST;

	for (uint32_t i = 0; i < app->output_count; i++)
		if (app->output[i] && link_room(app->output[i]) < room)
			room = link_room(app->output[i]);
	return room;
}

/* How many packets a push may take from `input`: what waits, at most BURST, at most the room of every output divided by
 * the class's expansion. Leave the rest on the link. */
inline uint32_t app_push_room(const struct app *app, const struct link *input)
{
	uint32_t room = link_waiting(input);
	uint32_t expansion = app->class->expansion ? app->class->expansion : 1;

	if (room > BURST)
		room = BURST;
	for (uint32_t i = 0; i < app->output_count; i++)
		if (app->output[i] && link_room(app->output[i]) / expansion < room)
			room = link_room(app->output[i]) / expansion;
	return room;
}

/* Zeroed memory that lives as long as the instance; set-up only. */
void *app_alloc(struct app *app, size_t bytes);

/* Make an instance of a class: decode `params` (a table or NULL) into a new struct of class->size, with ports named but
 * not linked. Used by the check, by workers and by tests.
 *   gives: the instance; NULL when mistakes were added to errors */
struct app *app_new(const struct app_class *class, const char *name, const struct value *params, const char *folder,
	const char *const *input_names, const char *const *output_names, struct errors *errors);
void app_delete(struct app *app);

/* How many names a NULL-terminated list has; 0 for NULL. */
uint32_t app_name_count(const char *const *names);

/* The place of a name in the list, with "x?" matching "x"; -1 when it is not there. */
int app_name_find(const char *const *names, const char *name);
/* Is the counter of that number one of the class's gauges? */
bool app_is_gauge(const struct app_class *class, uint32_t counter);

/* The table of native classes, handed in by main: apps.c. NULL at the end. */
extern const struct app_class *const *app_classes;

/* The native class of a name, or NULL. */
const struct app_class *app_class_find(const char *name);
