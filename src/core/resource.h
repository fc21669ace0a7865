#pragma once
/* resource -- devices, files and sockets that the supervisor opens and keeps, and hands to workers as descriptors.
 *
 * A key names one: "read:/tmp/in.pcap", "write:/tmp/out.pcap", "tap:tap0", "packet:eth0", "pci:0000:01:00.0",
 * "interlink:w1:a.x -> w2:b.y". "kept:NAME" is what an app keeps for the successor of its worker: it stays while the app is the same, and
 * begins anew with one that a reload puts in its place. While the
 * configuration is checked every app instance names its keys; the supervisor serves those and no others, and the same key in
 * two apps is an error of the configuration. What is open survives the worker and is handed on at a reload. */

enum { RESOURCE_KEY = 4200 };            /* bytes of a key with the final zero: PATH_MAX and a prefix */

/* The keys of a checked configuration. */
struct resources {
	uint32_t count;
	struct resource *list;
	const struct app *app;          /* whose class->resources is being asked */
	struct errors *errors;
};

struct resource {
	char *key;
	const struct app *app;          /* the checked instance that named it: class->open(app, key) opens it */
	bool shared;                    /* several apps may name it (a file that is only read, a link between workers, an XDP program,
	                                 * the program of a filter) */
	bool anew;                      /* a reload opens it anew, as another file may have taken the name */
	uint64_t hash;                  /* of the app: graph_app.hash */
	bool given;                     /* to a worker for good (class->gives) */
	int fd;                         /* -1: not open */
	uint32_t *holders;              /* how many lists have it open: those of two graphs, during a reload; NULL: not open */
	bool created;                   /* a file that this opening made: removed again when the start fails */
};

/* Name a key; called from class->resources. A key that another app named already becomes an error message, unless it is
 * a "read:", an "interlink:", an "xdp:", a "filter:" or a "card:" key: both ends of a link between workers name it, all queues of an
 * interface or a card, and all filters with one expression. */
void resources_add(struct resources *resources, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Open, or get again, the resource of a key. Worker side; house-keeping thread (prepare).
 *   gives: a descriptor of the caller's own, close it in retire
 *   fails: -errno with nf_error(): not a key of this configuration, or what the opening said */
int resource_open(const char *key) __attribute__((warn_unused_result));

/* The key's second part, the path, for classes that open files: resource_file opens "read:PATH" and "write:PATH" (made
 * when it is not there, not truncated: commit does that). A class->open may be just this. */
int resource_file(const struct app *app, const char *key);

/* Answer resource_open in this very process from these resources (--single-process, tests); NULL ends that. */
void resource_serve_here(struct resources *resources);

/* Whether one of the keys begins so. */
bool resources_have(const struct resources *resources, const char *prefix);

/* Whether a device of theirs lies in a network namespace: "tap:tap0@blue". */
bool resources_in_namespaces(const struct resources *resources);

/* Make resource_open ask over this socket (worker); -1 ends that. */
void resource_ask(int socket);

/* Whether resource_open asks, so that this process may open nothing itself. */
bool resource_is_asked(void);

/* Answer one request that waits on the socket (supervisor). The request is hostile: it is checked against the keys.
 *   fails: -errno: the socket is closed or the worker broke the protocol; kill it */
int resource_answer(int socket, struct resources *resources) __attribute__((warn_unused_result));

/* Open one of the resources now. gives: its descriptor, owned by `resources`; fails: -errno with nf_error() */
int resource_find_open(struct resources *resources, const char *key) __attribute__((warn_unused_result));

/* Let the classes bring what is open into the state that their instances ask for (class->adopt); all are tried.
 *   fails: -errno of the first one that failed, with nf_error() */
int resources_adopt(struct resources *resources) __attribute__((warn_unused_result));

/* What another list has open and this one names, too: take descriptors of our own, so that it stays open. Files that are only
 * read are opened anew, as another one may have taken the name, and "kept:" ones when the app is another one. A link between workers keeps its descriptor: one end goes on with it
 * when the worker at the other end has died, and must wake its successor. */
void resources_carry(struct resources *resources, const struct resources *old);

/* Asked by a class->open: was the resource given to a worker before, which asks again, as it has lost it or wants another one? Then
 * opening it does not decide about a start or a reload. */
bool resource_was_given(void);

/* Close all; with `undo` also remove the files that were created. */
void resources_fini(struct resources *resources, bool undo);
