#pragma once
/* netlink -- what the kernel counts of an interface, and what its driver can. source: rtnetlink(7); netlink_xdp.c */

/* A socket for questions, in this thread's network namespace; it may be used from anywhere. fails: -errno with nf_error() */
int netlink_open(void) __attribute__((warn_unused_result));

/* How many frames that the kernel wanted to send out of an interface it has dropped since the interface was made; of a tap
 * these are the frames that its reader did not fetch in time.
 *   fails: -errno, without nf_error(): no such interface, no answer within a second
 *   cost:  two system calls and the kernel's lock of all interfaces: not for the packet thread */
int netlink_send_drops(int fd, const char *interface, uint64_t *drops);

/* What a driver can of XDP: bits. */
enum { NETLINK_XDP_BASIC = 1, NETLINK_XDP_REDIRECT = 2, NETLINK_XDP_ZERO_COPY = 8 };

/* Of an interface of this thread's network namespace.
 *   fails: -EOPNOTSUPP: this kernel does not tell (Linux 6.3 does); -errno; without nf_error(), no features */
int netlink_xdp_features(uint32_t ifindex, uint64_t *features);
