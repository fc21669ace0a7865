#pragma once
/* namespace -- do something in another network namespace, for apps whose interface lives there. Set-up only. */

/* Run a function in the namespace `name`: a name under /run/netns (as `ip netns` makes them) or an absolute path; NULL or
 * "" is the present one. It runs in a thread of its own, so that no other thread ever leaves its namespace.
 *   gives: what run gives
 *   fails: -errno with nf_error(), which names the app: no such namespace, not permitted; what run said */
int namespace_run(const char *app, const char *name, int (*run)(void *context), void *context) __attribute__((warn_unused_result));
