/* doctor_xdp -- which mode of xdp.xdp each interface can, as its driver tells; nothing is tried, as an XDP program makes some drivers
 * set their queues up anew. See doctor.h.
 * source: Linux Documentation/netlink/specs/netdev.yaml (the family "netdev", Linux 6.3); genetlink: linux/genetlink.h */
#include "program/doctor/doctor.h"

#include <bpf/libbpf.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	REPLY = 16 << 10,
	/* Of the family "netdev", which the headers of Linux 6.1 do not have. */
	DEV_GET = 1, ATTRIBUTE_IFINDEX = 1, ATTRIBUTE_FEATURES = 3,
	FEATURE_BASIC = 1, FEATURE_REDIRECT = 2, FEATURE_ZERO_COPY = 8
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

struct look {
	struct doctor_finding *finding;
	int fd;                         /* netlink; -1 */
	uint16_t family;                /* "netdev"; 0: the kernel has none */
	uint32_t interfaces, driver;
	bool veth;
};

static void find_family(struct look *look)
{
	struct timeval limit = { .tv_sec = 1 };
	struct request request = { 0 };
	union reply reply;
	int length;

	look->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (look->fd < 0 || setsockopt(look->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		return;
	strcpy(request.value.name, "netdev");
	length = ask(look->fd, &request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, sizeof("netdev"), &reply);
	if (length <= 0 || !find(&reply, length, CTRL_ATTR_FAMILY_ID, &look->family, sizeof(look->family)))
		look->family = 0;
}

/* What the driver of an interface can; 0: it does not tell. */
static uint64_t features(const struct look *look, uint32_t ifindex)
{
	struct request request = { .value.number = ifindex };
	union reply reply;
	uint64_t set = 0;
	int length;

	if (look->family == 0 || ifindex == 0)
		return 0;
	length = ask(look->fd, &request, look->family, DEV_GET, ATTRIBUTE_IFINDEX, sizeof(uint32_t), &reply);
	return length > 0 && find(&reply, length, ATTRIBUTE_FEATURES, &set, sizeof(set)) ? set : 0;
}

static void add_interface(const char *name, void *context)
{
	struct look *look = context;
	uint32_t ifindex = (uint32_t)doctor_read_number("/sys/class/net/%s/ifindex", name), program = 0;
	uint64_t set = features(look, ifindex);
	bool driver = (set & FEATURE_BASIC) && (set & FEATURE_REDIRECT);
	char link[256], path[1024];
	ssize_t n;

	if (doctor_read_number("/sys/class/net/%s/type", name) != ARPHRD_ETHER)
		return;
	doctor_say(look->finding->found, "%s%s %s", look->interfaces++ > 0 ? ", " : "", name,
		!driver ? "generic" : set & FEATURE_ZERO_COPY ? "zero-copy" : "driver");
	look->driver += driver;
	if (ifindex != 0 && bpf_xdp_query_id((int)ifindex, 0, &program) == 0 && program != 0)
		doctor_say(look->finding->found, " (has a program, number %u)", program);
	/* A veth has no device, as a card has. */
	doctor_path(path, sizeof(path), "/sys/class/net/%s", name);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = '\0';
	look->veth = look->veth || (driver && strstr(link, "/virtual/") != NULL);
}

void doctor_xdp(struct doctor_finding *finding)
{
	struct look look = { .finding = finding, .fd = -1 };
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	doctor_say(finding->wanted, "permission to open XDP sockets, and a driver that runs XDP programs: xdp.xdp");
	if (fd < 0) {
		doctor_say(finding->found, "cannot be opened: %s", strerror(errno));
		doctor_say(finding->mend, "run as root or with cap_net_raw, cap_net_admin and cap_bpf; a kernel with "
			"CONFIG_XDP_SOCKETS");
		finding->state = DOCTOR_POOR;
		return;
	}
	close(fd);
	find_family(&look);
	doctor_each("/sys/class/net", "", add_interface, &look);
	if (look.fd >= 0)
		close(look.fd);
	if (look.interfaces == 0)
		doctor_say(finding->found, "can be opened; no Ethernet interface is here");
	if (look.family == 0)
		doctor_say(finding->found, "; this kernel does not tell what drivers can (Linux 6.3): mode \"auto\" finds out");
	if (look.veth)
		doctor_say(finding->found, "; of a veth's peer, switch off what XDP cannot see: ethtool -K PEER tx off tso off "
			"gso off txvlan off");
	doctor_say(finding->mend, "none is needed: generic mode works with any interface, at about half the speed");
	finding->state = look.interfaces > 0 && look.driver == 0 && look.family != 0 ? DOCTOR_POOR : DOCTOR_GOOD;
}
