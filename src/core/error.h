#pragma once
/* error -- what went wrong, in words. Set-up code returns 0 or -errno and leaves a sentence here; packets never do. */

enum { ERROR_TEXT = 1024 };             /* bytes of one message, with the final zero */

/* Remember a sentence for this thread and return -code, so that a failing function ends in `return nf_fail(EINVAL, ...)`.
 *   needs: code > 0 */
int nf_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The sentence of this thread's last nf_fail; never NULL. */
const char *nf_error(void);

/* A collection of messages: the errors of a configuration, all of them. */
struct errors {
	uint32_t count;
	char **text;                    /* count strings, owned */
};

/* Add a message. Never fails: when memory is short the message is lost but counted as one "out of memory". */
void errors_add(struct errors *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Free all messages; the collection is empty and usable again. */
void errors_fini(struct errors *errors);

/* The name in the list that looks most like `name`, or NULL when none is near enough to be meant.
 *   needs: names ends with NULL
 *   cost:  O(names x length^2) */
const char *error_nearest(const char *name, const char *const *names);

/* A bug of nf itself: print the sentence and the place, then abort. */
void nf_bug(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn, cold));
