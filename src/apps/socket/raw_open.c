/* raw_open -- open a packet socket on an interface and set it up; runs in the supervisor. See raw.h.
 * source: packet(7) */
#include "apps/socket/raw.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* One option of the socket. */
static int set_option(const struct raw *raw, int fd, int level, int option, const void *value, socklen_t size, const char *what)
{
	if (setsockopt(fd, level, option, value, size) == 0)
		return 0;
	return nf_fail(errno, "app '%s': no %s for '%s': %s", raw->app.name, what, raw->interface, strerror(errno));
}

/* Memory of the socket: what is asked for as root, else as much as the system allows (net.core.rmem_max, wmem_max). */
static void set_buffers(const struct raw *raw, int fd)
{
	int bytes = (int)(raw->buffer / 2);     /* the kernel doubles it */

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* Options first, then the interface: nothing is received before all is set. */
static int set_up(const struct raw *raw, int fd)
{
	struct ifreq request = { 0 };
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int one = 1, code;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", raw->interface);
	if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
		return nf_fail(errno, "app '%s': there is no interface '%s'%s%s", raw->app.name, raw->interface,
			raw->namespace != NULL ? " in the network namespace " : "", raw->namespace != NULL ? raw->namespace : "");
	address.sll_ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &request) != 0 ||
		(request.ifr_hwaddr.sa_family != ARPHRD_ETHER && request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK))
		return nf_fail(EINVAL, "app '%s': '%s' is no Ethernet interface", raw->app.name, raw->interface);
	code = set_option(raw, fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one), "virtio-net headers");
	if (code == 0)
		code = set_option(raw, fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one), "auxiliary data");
	if (code == 0)
		code = set_option(raw, fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one),
			"way to leave out sent packets (Linux 4.20)");
	if (code == 0 && raw->promiscuous) {
		struct packet_mreq member = { .mr_ifindex = address.sll_ifindex, .mr_type = PACKET_MR_PROMISC };

		code = set_option(raw, fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &member, sizeof(member), "promiscuous mode");
	}
	if (code != 0)
		return code;
	set_buffers(raw, fd);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return nf_fail(errno, "app '%s': cannot bind to '%s': %s", raw->app.name, raw->interface, strerror(errno));
	return 0;
}

/* Runs in the interface's namespace. gives: a descriptor */
static int open_here(void *context)
{
	const struct raw *raw = context;
	int code, fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return nf_fail(errno, "app '%s': no packet socket: %s%s", raw->app.name, strerror(errno),
			errno == EPERM ? ": run as root, or with the capability CAP_NET_RAW" : "");
	code = set_up(raw, fd);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

int raw_open(const struct app *app, const char *key)
{
	const struct raw *raw = (const struct raw *)app;

	(void)key;
	return namespace_run(raw->app.name, raw->namespace, open_here, (void *)(uintptr_t)raw);
}

/* A socket whose interface was deleted has no interface number any more. */
bool raw_is_open(const struct app *app, const char *key, int fd)
{
	struct sockaddr_ll address;
	socklen_t size = sizeof(address);

	(void)app;
	(void)key;
	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.sll_ifindex > 0;
}

/* Be promiscuous, or not, once: the kernel counts memberships and does not tell how many there are. Another one, told apart by its
 * address, keeps the interface promiscuous meanwhile, so that no frame is missed. */
static int set_promiscuous(const struct raw *raw, int fd, int ifindex)
{
	struct packet_mreq member = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };
	struct packet_mreq guard = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC, .mr_alen = 1, .mr_address = { 1 } };
	int code;

	if (!raw->promiscuous)
		return set_option(raw, fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &member, sizeof(member), "end of promiscuous mode");
	code = set_option(raw, fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &guard, sizeof(guard), "promiscuous mode");
	if (code < 0)
		return code;
	code = set_option(raw, fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &member, sizeof(member), "end of promiscuous mode");
	if (code == 0)
		code = set_option(raw, fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &member, sizeof(member), "promiscuous mode");
	setsockopt(fd, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &guard, sizeof(guard));
	return code;
}

int raw_adopt(const struct app *app, const char *key, int fd)
{
	const struct raw *raw = (const struct raw *)app;
	struct sockaddr_ll address;
	socklen_t size = sizeof(address);

	if (!raw_is_open(app, key, fd))
		return 0;
	set_buffers(raw, fd);
	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return nf_fail(errno, "app '%s': no address of its socket: %s", app->name, strerror(errno));
	return set_promiscuous(raw, fd, address.sll_ifindex);
}
