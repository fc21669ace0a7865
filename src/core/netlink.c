/* netlink -- see netlink.h. */
#include "core/core.h"
#include "core/netlink.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REPLY = 16 << 10 };              /* bytes; a description of an interface has about 2,000 */

int netlink_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval limit = { .tv_sec = 1 };

	if (fd < 0)
		return nf_fail(errno, "no netlink socket: %s", strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
		return fd;
	close(fd);
	return nf_fail(errno, "no time limit for a netlink socket: %s", strerror(errno));
}

/* Ask for the description of an interface by its name. */
static int ask(int fd, const char *interface, uint32_t sequence)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
		struct rtattr attribute;
		char name[IFNAMSIZ];
	} request = {
		.header = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = sequence },
		.attribute = { .rta_type = IFLA_IFNAME }
	};
	size_t length = strlen(interface) + 1;

	if (length > sizeof(request.name))
		return -ENODEV;
	memcpy(request.name, interface, length);
	request.attribute.rta_len = (unsigned short)RTA_LENGTH(length);
	request.header.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(request.info)) + RTA_SPACE(length));
	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The counter in a description of `length` bytes. */
static int read_drops(const struct nlmsghdr *header, uint64_t *drops)
{
	int length = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(struct ifinfomsg));
	const struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(header));

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		struct rtnl_link_stats64 statistics;

		/* Later kernels add fields behind those of the header that this was compiled with, earlier ones have fewer. */
		if (attribute->rta_type != IFLA_STATS64 || RTA_PAYLOAD(attribute) < offsetof(struct rtnl_link_stats64, multicast))
			continue;
		memcpy(&statistics, RTA_DATA(attribute), offsetof(struct rtnl_link_stats64, multicast));
		*drops = statistics.tx_dropped;
		return 0;
	}
	return -ENODATA;
}

int netlink_send_drops(int fd, const char *interface, uint64_t *drops)
{
	static uint32_t sequence;
	uint32_t mine = __atomic_add_fetch(&sequence, 1, __ATOMIC_RELAXED);
	union {
		struct nlmsghdr header;
		char bytes[REPLY];
	} reply;
	int code = ask(fd, interface, mine);

	while (code == 0) {
		ssize_t n = recv(fd, &reply, sizeof(reply), 0);

		if (n < 0)
			return -errno;
		/* An answer that came too late for an earlier question is passed over. */
		if (!NLMSG_OK(&reply.header, n) || reply.header.nlmsg_seq != mine)
			continue;
		if (reply.header.nlmsg_type == RTM_NEWLINK)
			return read_drops(&reply.header, drops);
		code = reply.header.nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(&reply.header))->error : -EPROTO;
		if (code == 0)
			code = -EPROTO;
	}
	return code;
}
