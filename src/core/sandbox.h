#pragma once
/* sandbox -- what a worker may still do once it runs: no capability, a user of its own, the system calls of one table. C only.
 *
 *      supervisor                              worker
 *      sandbox_user_find
 *      fork ---------------------------------> sandbox_drop (one thread), prepare, start the threads, sandbox_filter */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Who workers are. */
struct sandbox_user {
	bool set;                       /* else they stay who the supervisor is */
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* A system call of the table. */
struct sandbox_call {
	const char *name;               /* NULL ends the table */
	const char *why;
};

extern const struct sandbox_call sandbox_calls[];

/* Whether this nf has a filter: one that was built with sanitizers has none, as their run-time library does what it likes. */
extern const bool sandbox_has_filter;

/* The user for workers: when nf runs as root the one named; without a name `nf` if there is one, else `nobody`.
 *   fails: -errno with nf_error(): there is no such user, it is root, or only root can give workers another user */
int sandbox_user_find(const char *name, struct sandbox_user *user) __attribute__((warn_unused_result));

/* Give up all capabilities of the supervisor but those that opening devices and files, and starting and ending workers, takes.
 *   namespaces: devices lie in network namespaces: the capability to enter them stays, too
 *   programs: so do those to load programs for XDP, and to lock packet memory for its sockets
 *   fails: -errno with nf_error() */
int sandbox_keep(bool namespaces, bool programs) __attribute__((warn_unused_result));

/* Whether what sandbox_keep has given up stands in the way of a device in a network namespace. */
bool sandbox_lacks_namespaces(void);
/* The same of XDP programs. */
bool sandbox_lacks_programs(void);

/* Give up this process's user, groups and capabilities for ever. Who it then is cannot trace or read it.
 *   needs: one thread
 *   fails: -errno with nf_error(): the process is halfway, end it */
int sandbox_drop(const struct sandbox_user *user) __attribute__((warn_unused_result));

/* Let all threads of this process make the calls of the table only. Any other is reported over `socket` as WORKER_BROKE with the
 * call's number and ends the process with SIGSYS.
 *   compiles: memory may be made executable, though never writable at once, for LuaJIT and filters
 *   fails: -errno with nf_error() */
int sandbox_filter(bool compiles, int socket) __attribute__((warn_unused_result));

/* The name of a system call by its number; "?" for none. */
void sandbox_call_name(uint32_t number, char *name, size_t size);
