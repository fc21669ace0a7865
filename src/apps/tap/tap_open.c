/* tap_open -- make or attach to a tap interface and set it up; runs in the supervisor. See tap.h.
 * source: Linux Documentation/networking/tuntap.rst, and its include/uapi/linux/if_tun.h */
#include "apps/tap/tap.h"

#include "core/netlink.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* UDP segmentation, Linux 6.2: in its if_tun.h, but not in older ones. */
enum { USO4 = 0x20, USO6 = 0x40 };

/* Make the descriptor one of the interface; the interface is made when it is not there. */
static int attach(const struct tap *tap, int fd)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	bool there = if_nametoindex(tap->interface) != 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", tap->interface);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return 0;
	if (errno == EINVAL && there) {         /* made for several queues: be one of them */
		request.ifr_flags |= IFF_MULTI_QUEUE;
		if (ioctl(fd, TUNSETIFF, &request) == 0)
			return 0;
		return nf_fail(EINVAL, "app '%s': '%s' is there, but it is no tap interface (socket.raw takes any interface)",
			tap->app.name, tap->interface);
	}
	if (errno == EBUSY)
		return nf_fail(EBUSY, "app '%s': another process has the tap interface '%s'", tap->app.name, tap->interface);
	if (errno == EPERM)
		return nf_fail(EPERM, "app '%s': not permitted to %s the tap interface '%s': run as root, or let root type: "
			"ip tuntap add %s mode tap user NAME", tap->app.name, there ? "attach to" : "make", tap->interface,
			tap->interface);
	return nf_fail(errno, "app '%s': cannot %s the tap interface '%s': %s", tap->app.name, there ? "attach to" : "make",
		tap->interface, strerror(errno));
}

/* Tell the kernel which frames nf takes with their checksums unfinished and their segments uncut. Kernels before 6.2 do not
 * know UDP segmentation (USO). */
static int set_offload(const struct tap *tap, int fd)
{
	unsigned gso = tap->gso ? TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0, uso = tap->gso ? USO4 | USO6 : 0;
	int header = VIRTIO_NET_HEADER, little_endian = 0;

	if (ioctl(fd, TUNSETVNETHDRSZ, &header) != 0 || ioctl(fd, TUNSETVNETLE, &little_endian) != 0 ||
		(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | gso | uso) != 0 && ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | gso) != 0))
		return nf_fail(errno, "app '%s': the tap interface '%s' takes no virtio-net headers: %s", tap->app.name,
			tap->interface, strerror(errno));
	return 0;
}

/* One setting of the interface. */
static int configure(const struct tap *tap, int sock, unsigned long call, struct ifreq *request, const char *what)
{
	if (ioctl(sock, call, request) == 0)
		return 0;
	return nf_fail(errno, "app '%s': cannot %s '%s': %s", tap->app.name, what, tap->interface, strerror(errno));
}

/* MTU, address, up: only what is asked for and not so already, as an ordinary user may change nothing. */
static int set_up(const struct tap *tap, int sock)
{
	struct ifreq request = { 0 };
	int code = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", tap->interface);
	if (tap->mtu != 0 && ioctl(sock, SIOCGIFMTU, &request) == 0 && request.ifr_mtu != (int)tap->mtu) {
		request.ifr_mtu = (int)tap->mtu;
		code = configure(tap, sock, SIOCSIFMTU, &request, "set the MTU of");
	}
	if (code == 0 && tap->has_mac && ioctl(sock, SIOCGIFHWADDR, &request) == 0 &&
		memcmp(request.ifr_hwaddr.sa_data, tap->mac, sizeof(tap->mac)) != 0) {
		request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(request.ifr_hwaddr.sa_data, tap->mac, sizeof(tap->mac));
		code = configure(tap, sock, SIOCSIFHWADDR, &request, "set the address of");
	}
	if (code == 0 && tap->up && ioctl(sock, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		code = configure(tap, sock, SIOCSIFFLAGS, &request, "bring up");
	}
	return code;
}

/* What the parameters say about an interface that is attached to. */
static int apply(const struct tap *tap, int fd)
{
	int code = set_offload(tap, fd), sock;

	if (code < 0)
		return code;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return nf_fail(errno, "app '%s': no socket: %s", tap->app.name, strerror(errno));
	code = set_up(tap, sock);
	close(sock);
	return code;
}

/* Runs in the interface's namespace. gives: a descriptor */
static int open_here(void *context)
{
	const struct tap *tap = context;
	int code, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return nf_fail(errno, "app '%s': cannot open /dev/net/tun: %s", tap->app.name, strerror(errno));
	code = attach(tap, fd);
	if (code == 0)
		code = apply(tap, fd);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

static int open_netlink(void *context)
{
	(void)context;
	return netlink_open();
}

static bool is_netlink(const char *key)
{
	return strncmp(key, TAP_NETLINK, strlen(TAP_NETLINK)) == 0;
}

int tap_open(const struct app *app, const char *key)
{
	const struct tap *tap = (const struct tap *)app;

	return namespace_run(tap->app.name, tap->namespace, is_netlink(key) ? open_netlink : open_here, (void *)(uintptr_t)tap);
}

/* A deleted interface leaves its descriptors detached. A netlink socket is asked for again when it finds no interface: the
 * namespace may have been made anew. */
bool tap_is_open(const struct app *app, const char *key, int fd)
{
	struct ifreq request;

	(void)app;
	return !is_netlink(key) && ioctl(fd, TUNGETIFF, &request) == 0;
}

struct adoption {
	const struct tap *tap;
	int fd;
};

static int adopt_here(void *context)
{
	const struct adoption *adoption = context;

	return apply(adoption->tap, adoption->fd);
}

int tap_adopt(const struct app *app, const char *key, int fd)
{
	struct adoption adoption = { (const struct tap *)app, fd };

	if (!tap_is_open(app, key, fd))
		return 0;
	return namespace_run(adoption.tap->app.name, adoption.tap->namespace, adopt_here, &adoption);
}
