#pragma once
/* graph_build -- the parts that make a graph of a configuration; used by graph*.c only. */
#include "core/core.h"

/* The ports of one side of an app while links are being read. */
struct build_ports {
	const char **name;              /* bare names; of "*" those that links have named so far; NULL at the end */
	uint32_t *link;                 /* for each: number of the link at it + 1; 0: none */
	bool *optional;
	uint32_t count, room;
	bool any;                       /* "*" */
	uint32_t text;                  /* the last link text that named the app, from 1 */
	bool doubtful;                  /* a wrong link names the app: what is not linked may have been meant there */
};

/* One end of a link between workers. */
struct build_end {
	uint32_t worker;
	const char *app, *port;
	const char *name;               /* "w1:a.x" */
};

struct build_interlink {
	struct build_end from, to;
	const char *name, *text;        /* canonical; as it stands in the configuration, for messages */
	struct build_interlink *next;
};

/* What is known of a worker while it is being built, beside its struct graph_worker. */
struct build {
	struct graph *graph;
	struct graph_worker *worker;
	struct build_ports *input, *output;     /* of each app */
	struct errors *errors;
	const struct build_interlink *interlinks;       /* of all workers */
	uint32_t number;                        /* of the worker */
	bool many;                              /* there are several workers, with names */
	const struct value *modules;            /* the child's description of Lua modules */
};

/* Names of apps, workers and ports: 1 .. GRAPH_NAME letters, digits, _ and -. */
enum { GRAPH_NAME = 31 };
bool graph_name_is_good(const char *name, size_t length);
#define GRAPH_NAME_RULE "accepted: 1..31 letters, digits, _ and -"

/* A string of the configuration for a message: at most 95 bytes, without control characters. */
enum { GRAPH_SHOWN = 100 };
const char *graph_show(const struct value *string, char shown[GRAPH_SHOWN]);

/* "a, b, c" of a list of names into text. gives: text */
const char *graph_list(const char *const *names, char *text, size_t size);

/* Read the apps of a worker: names and classes; ports are laid out, nothing is decoded yet. */
void graph_read_apps(struct build *b, const struct value *apps);

/* Read the links of a worker into worker->link, and find what is wrong with them and with unlinked ports. */
void graph_read_links(struct build *b, const struct value *links);

/* Decode and check each app, ask for its resources, add up the packets that the worker needs, hash. */
void graph_check_apps(struct build *b);

/* Does the text of a link name a worker? */
bool graph_names_worker(const struct value *link);
/* Read such a link into the list. home: the worker in whose links it stands, UINT32_MAX: beside the workers */
void graph_read_interlink(struct graph *graph, const struct value *link, uint32_t home, struct build_interlink **list,
	struct errors *errors);
/* Add the apps that are the ends of the links to and from this worker; how many they are. */
uint32_t graph_interlink_count(const struct build *b);
void graph_add_interlinks(struct build *b);
/* A worker needs packets for those workers, too, that its packets go to. */
void graph_share_packets(struct graph *graph, const struct build_interlink *interlinks);

/* Lay out the ports of one side of an app; those of "*" come from the links. */
void graph_lay_out(struct build *b, struct build_ports *ports, const char *const *names);

/* Put worker->order in topological order, and mark the links that close a cycle. */
void graph_order(struct graph_worker *worker, struct arena *arena);

/* The child: evaluate a file (text NULL) or a text, and give what it sends.
 *   gives: 0 and a value { config =, modules = } to be freed; fails: a message in errors */
int graph_evaluate(const char *file, const char *text, const char *folder, const char *const *arguments, struct value **value,
	struct errors *errors);

/* Make this process a child of its own: own signals and process group (what it starts ends with it), standard error for all that
 * it prints, and no descriptor but `fd`, which becomes GRAPH_RESULT_FD. Not being in the foreground it would be stopped if it read
 * from a terminal: it has none. */
enum { GRAPH_RESULT_FD = 3 };
void graph_detach(int fd);

/* Make each app written in Lua once, in a child.
 *   fails: -EINVAL: messages in errors, of all apps that cannot be made */
int graph_try(const struct graph *graph, struct errors *errors);
