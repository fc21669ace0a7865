#pragma once
/* command -- what a client of the control socket asks of one app of a running graph: bytes there and bytes back, of which only the app
 * and its program know the meaning. They are files in memory, which the client makes and the supervisor hands on unread.
 *
 *      client                      supervisor                     worker, house-keeping thread
 *      "command WORKER APP", two
 *      descriptors  ------------->
 *                                  one at a time, not during
 *                                  a reload ---------------------> class->command(app, command)
 *                                  <---- DONE (and why not) -----
 *      "ok" or "failed" <---------
 *      reads the answer
 */

enum { COMMAND_BYTES = 1 << 30 };               /* of a request, at most */

struct command {
	const uint8_t *request;                 /* a copy of our own; hostile */
	uint64_t length;
	struct engine *engine;                  /* for engine_slices */
	int reply;                              /* command_write writes there */
	uint64_t written;
};

/* Write the next bytes of the answer. fails: -errno with nf_error() */
int command_write(struct command *command, const void *bytes, uint64_t length) __attribute__((warn_unused_result));

/* Worker: do a command whose files these are, with the app of a name. They stay open. fails: -errno with nf_error() */
int command_run(struct engine *engine, const char *app, int request, int reply) __attribute__((warn_unused_result));
