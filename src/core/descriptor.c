/* descriptor -- see descriptor.h. */
#include "core/core.h"

#include "core/descriptor.h"

#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(DESCRIPTOR_MOST * sizeof(int))];
};

int descriptor_send(int socket, const void *bytes, size_t length, const int *fds, int count)
{
	union control control = { 0 };
	struct iovec part = { (void *)(uintptr_t)bytes, length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (count > DESCRIPTOR_MOST)
		return nf_fail(E2BIG, "no more than %d descriptors in a message", DESCRIPTOR_MOST);
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
	}
	do {
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Take the descriptors out of a message. gives: how many; those beyond `most` are closed */
static int take(struct msghdr *message, int *fds, int most)
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t n = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (count < most)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

int descriptor_receive(int socket, void *bytes, size_t length, int *fds, int most, int *count, int flags)
{
	union control control = { 0 };
	struct iovec part = { bytes, length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control.space) };
	ssize_t n;
	int taken;

	do {
		n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (count != NULL)
		*count = 0;
	if (n < 0)
		return -errno;
	taken = take(&message, fds, most);
	if (n == 0 && taken == 0)
		return 0;
	if ((size_t)n != length || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		for (int i = 0; i < taken; i++)
			close(fds[i]);
		return -EPROTO;
	}
	if (count != NULL)
		*count = taken;
	return 1;
}
