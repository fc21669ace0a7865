/* doctor_xdp -- which mode of xdp.xdp each interface can, as its driver tells. See doctor.h. */
#include "program/doctor/doctor.h"
#include "core/netlink.h"

#include <bpf/libbpf.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <unistd.h>

struct look {
	struct doctor_finding *finding;
	bool silent;                    /* the kernel does not tell what drivers can */
	uint32_t interfaces, driver;
	bool veth;
};

static void add_interface(const char *name, void *context)
{
	struct look *look = context;
	uint32_t ifindex = (uint32_t)doctor_read_number("/sys/class/net/%s/ifindex", name), program = 0;
	uint64_t set = 0;
	bool driver;
	char link[256], path[1024];
	ssize_t n;

	if (doctor_read_number("/sys/class/net/%s/type", name) != ARPHRD_ETHER)
		return;
	look->silent = netlink_xdp_features(ifindex, &set) == -EOPNOTSUPP || look->silent;
	driver = (set & NETLINK_XDP_BASIC) && (set & NETLINK_XDP_REDIRECT);
	doctor_say(look->finding->found, "%s%s %s", look->interfaces++ > 0 ? ", " : "", name,
		!driver ? "generic" : set & NETLINK_XDP_ZERO_COPY ? "zero-copy" : "driver");
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
	struct look look = { .finding = finding };
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
	doctor_each("/sys/class/net", "", add_interface, &look);
	if (look.interfaces == 0)
		doctor_say(finding->found, "can be opened; no Ethernet interface is here");
	if (look.silent)
		doctor_say(finding->found, "; this kernel does not tell what drivers can (Linux 6.3): mode \"auto\" finds out");
	if (look.veth)
		doctor_say(finding->found, "; of a veth's peer, switch off what XDP cannot see: ethtool -K PEER tx off tso off "
			"gso off txvlan off");
	doctor_say(finding->mend, "none is needed: generic mode works with any interface, at about half the speed");
	finding->state = look.interfaces > 0 && look.driver == 0 && !look.silent ? DOCTOR_POOR : DOCTOR_GOOD;
}
