#pragma once
/* descriptor -- messages with file descriptors over a seqpacket socket between supervisor and worker. C only. */
#include <stddef.h>

enum { DESCRIPTOR_MOST = 64 };          /* descriptors in one message */

/* Send one message. fails: -errno */
int descriptor_send(int socket, const void *bytes, size_t length, const int *fds, int count);

/* Receive one message of exactly `length` bytes and up to `most` descriptors, which are the caller's.
 *   gives: 1, and *count descriptors; 0 when the other end is closed; -EAGAIN when none waits (flags MSG_DONTWAIT)
 *   fails: -EPROTO: another length, or too many descriptors (which are closed); -errno */
int descriptor_receive(int socket, void *bytes, size_t length, int *fds, int most, int *count, int flags);
