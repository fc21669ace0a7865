/* netlink_xdp -- what a driver can of XDP, as it tells itself; nothing is tried, as an XDP program makes some drivers set their queues
 * up anew. See netlink.h.
 * source: Linux Documentation/netlink/specs/netdev.yaml (the family "netdev", Linux 6.3); genetlink: linux/genetlink.h */
#include "core/core.h"
#include "core/netlink.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	REPLY = 16 << 10,
	/* Of the family "netdev", which the headers of Linux 6.1 do not have. */
	DEV_GET = 1, ATTRIBUTE_IFINDEX = 1, ATTRIBUTE_FEATURES = 3
};

struct request {
	struct nlmsghdr header;
	struct genlmsghdr command;
	struct nlattr attribute;
	union {
		char name[GENL_NAMSIZ];
		uint32_t number;
	} value;
};

union reply {
	struct nlmsghdr header;
	char bytes[REPLY];
};

/* Ask one question and get its answer. gives: bytes of it, -errno */
static int ask(int fd, struct request *request, uint16_t family, uint8_t command, uint16_t attribute, uint16_t bytes,
	union reply *reply)
{
	ssize_t n;

	request->header = (struct nlmsghdr){ .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST,
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(GENL_HDRLEN) + (uint32_t)NLA_ALIGN(NLA_HDRLEN + bytes) };
	request->command = (struct genlmsghdr){ .cmd = command, .version = 1 };
	request->attribute = (struct nlattr){ .nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = attribute };
	if (send(fd, request, request->header.nlmsg_len, 0) < 0 || (n = recv(fd, reply, sizeof(*reply), 0)) < 0)
		return -errno;
	if (!NLMSG_OK(&reply->header, n))
		return -EPROTO;
	if (reply->header.nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(&reply->header))->error;
	return (int)reply->header.nlmsg_len;
}

/* Copy the value of an attribute of an answer. fails: false when it is not there */
static bool find(const union reply *reply, int length, uint16_t type, void *value, size_t bytes)
{
	int at = (int)NLMSG_LENGTH(GENL_HDRLEN);

	while (at + NLA_HDRLEN <= length) {
		const struct nlattr *attribute = (const struct nlattr *)(reply->bytes + at);

		if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > length)
			return false;
		if ((attribute->nla_type & NLA_TYPE_MASK) == type && attribute->nla_len >= NLA_HDRLEN + bytes) {
			memcpy(value, reply->bytes + at + NLA_HDRLEN, bytes);
			return true;
		}
		at += NLA_ALIGN(attribute->nla_len);
	}
	return false;
}

/* gives: the number of the family "netdev"; 0: the kernel has none */
static uint16_t find_family(int fd)
{
	struct request request = { 0 };
	union reply reply;
	uint16_t family;
	int length;

	strcpy(request.value.name, "netdev");
	length = ask(fd, &request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, sizeof("netdev"), &reply);
	return length > 0 && find(&reply, length, CTRL_ATTR_FAMILY_ID, &family, sizeof(family)) ? family : 0;
}

int netlink_xdp_features(uint32_t ifindex, uint64_t *features)
{
	struct timeval limit = { .tv_sec = 1 };
	struct request request = { .value.number = ifindex };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), length, code = -EOPNOTSUPP;
	union reply reply;
	uint16_t family;

	*features = 0;
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		code = -errno;
	else if ((family = find_family(fd)) != 0) {
		length = ask(fd, &request, family, DEV_GET, ATTRIBUTE_IFINDEX, sizeof(uint32_t), &reply);
		code = length < 0 ? length :
			find(&reply, length, ATTRIBUTE_FEATURES, features, sizeof(*features)) ? 0 : -EPROTO;
	}
	close(fd);
	return code;
}
