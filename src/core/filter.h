#pragma once
/* filter -- decides about frames by expressions in the pcap-filter language. Expressions may name hosts, ports and protocols, which
 * takes files and questions to name servers: the supervisor compiles them, the worker gets the programs.
 *
 *      supervisor                                      worker
 *      filter_check       class->check
 *      filter_resource    class->resources
 *      filter_open        class->open -------------->  filter_prepare    class->prepare
 *                                                      filter_match      class->push
 *                                                      filter_delete     class->retire, class->abort
 *
 * A program or a test without a graph does filter_compile and filter_new. */

enum { FILTER_TEXT = 65536 };            /* bytes of an expression, at most: libpcap goes a call deeper for each term */

struct bpf_ops;
struct bpf_native;

struct filter {
	uint32_t (*native)(const uint8_t *data, uint32_t length);       /* NULL: interpreted */
	const struct bpf_ops *program;
	uint32_t count;                 /* programs */
	int32_t constant;               /* the answer when it is the same for every frame; -1: it is not */
	struct bpf_native *code;        /* what native lies in */
};

/* Compile an expression for Ethernet frames; an empty one matches all. Reads files, may ask name servers: supervisor and programs.
 *   gives: 0 and a program; undo: filter_program_free
 *   fails: -EINVAL with nf_error(): libpcap's message and the place in the expression, or that it is longer than FILTER_TEXT, or
 *          that libpcap takes too long for it */
int filter_compile(const char *expression, struct bpf_ops *program) __attribute__((warn_unused_result));
void filter_program_free(struct bpf_ops *program);

/* Make a filter of checked or unchecked programs, which are copied. native: as native code, where that can be (filter_compiles).
 *   fails: -EINVAL with nf_error(): no good program; -ENOMEM */
int filter_new(struct filter **filter, const struct bpf_ops *programs, uint32_t count, bool native) __attribute__((warn_unused_result));
void filter_delete(struct filter *filter);      /* NULL: nothing */

/* What an interpreted filter says; filter_match calls it. */
uint32_t filter_run(const struct filter *filter, const uint8_t *data, uint32_t length);

/* The number, from 1, of the first expression that matches the frame; 0: none does.
 *   needs: length <= INT32_MAX */
inline uint32_t filter_match(const struct filter *filter, const uint8_t *data, uint32_t length)
{
	return filter->native ? filter->native(data, length) : filter_run(filter, data, length);
}

/* Whether this process may map executable memory; else filters are interpreted. Set by the worker. */
extern bool filter_compiles;

/* For apps. An expression is a resource: a key, and a file with the program behind it. */

/* Add a message to errors when the expression under `key` is no good. In a worker, where the supervisor has done so: nothing. */
void filter_check(const struct app *app, const char *key, const char *expression, struct errors *errors);
void filter_resource(struct resources *resources, const char *expression);
/* Whether the key is that of the expression. */
bool filter_is_key(const char *expression, const char *key);
/* gives: a descriptor of a sealed file; fails: -errno with nf_error() */
int filter_open(const char *expression) __attribute__((warn_unused_result));

/* Get the programs of `count` expressions and make a filter of them, see filter_new. When native is wanted and cannot be, the log
 * says so. House-keeping thread.
 *   fails: -errno with nf_error() */
int filter_prepare(struct filter **filter, const struct app *app, const char *const *expressions, uint32_t count, bool native)
	__attribute__((warn_unused_result));
