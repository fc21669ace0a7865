#pragma once
/* netlink -- what the kernel counts of an interface. source: rtnetlink(7) */

/* A socket for questions, in this thread's network namespace; it may be used from anywhere. fails: -errno with nf_error() */
int netlink_open(void) __attribute__((warn_unused_result));

/* How many frames that the kernel wanted to send out of an interface it has dropped since the interface was made; of a tap
 * these are the frames that its reader did not fetch in time.
 *   fails: -errno, without nf_error(): no such interface, no answer within a second
 *   cost:  two system calls and the kernel's lock of all interfaces: not for the packet thread */
int netlink_send_drops(int fd, const char *interface, uint64_t *drops);
