#pragma once
/* instance -- a running nf as others see it: a folder with its name that holds `lock`, `stats`, `control`, `config.lua`.
 *
 * The folder lies in /run/nf for root, else in $XDG_RUNTIME_DIR/nf, else in /tmp/nf-UID. The lock is held (flock) as long as the
 * supervisor lives, so that a folder that a killed one left behind is known as such and used again. */

enum { INSTANCE_NAME = 63, INSTANCE_PATH = 512 };       /* bytes of a name; of a path with the final zero */

/* The folder of all instances of this user. fails: -ENAMETOOLONG */
int instance_root(char path[INSTANCE_PATH]) __attribute__((warn_unused_result));

/* Make a name of any text that is not empty: what a name cannot have becomes a dash, at its beginning an underscore. */
void instance_name(char *name);

/* The path of `file` in the folder of an instance; file "" for the folder itself.
 *   fails: -EINVAL with nf_error(): a name other than letters, digits, _ - and . (not at its beginning) */
int instance_path(char path[INSTANCE_PATH], const char *name, const char *file) __attribute__((warn_unused_result));

/* Make the folder and take its lock.
 *   gives: the lock's descriptor; close it by instance_remove
 *   fails: -EEXIST: one of that name runs; others: -errno with nf_error() */
int instance_create(const char *name) __attribute__((warn_unused_result));

/* Remove the folder and give the lock back. */
void instance_remove(const char *name, int lock);

/* Is there a running instance of that name?
 *   gives: 0
 *   fails: -ENOENT: there is none; -ESRCH: it was killed, its last numbers are there; -EINVAL: no name; with nf_error() */
int instance_find(const char *name) __attribute__((warn_unused_result));

/* Does a supervisor hold the lock? */
bool instance_runs(const char *name);
