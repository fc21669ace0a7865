/* tap -- a tap interface: the kernel's network stack, or a virtual machine, as neighbour. One read or write per packet. */
#include "core/core.h"
#include "core/netdev.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* UDP segmentation, Linux 6.2: in its linux/if_tun.h, but not in older ones. */
	USO4 = 0x20,
	USO6 = 0x40,
	/* Half of a tap's queue of 1,000 frames, filled with the shortest ones at 10 Gb/s (67.2 ns each). */
	SLEEP_NS = 33000
};

struct tap {
	struct app app;
	struct netdev dev;
	const char *interface, *namespace;
	uint32_t mtu;                   /* 0: as it is */
	uint8_t mac[6];
	bool has_mac, up, gso;
};

static const struct param params[] = {
	{ "name", PARAM_STRING, offsetof(struct tap, interface), .min = 1, .max = IFNAMSIZ - 1, .required = true,
		.help = "the interface: attached to when it is there, else made" },
	{ "namespace", PARAM_STRING, offsetof(struct tap, namespace), .min = 1, .max = 4000, .optional = true,
		.help = "network namespace of the interface: a name under /run/netns or an absolute path" },
	{ "mtu", PARAM_U32, offsetof(struct tap, mtu), .min = 68, .max = 65521, .optional = true, .help = "MTU to set" },
	{ "mac", PARAM_MAC, offsetof(struct tap, mac), .optional = true, .present = offsetof(struct tap, has_mac),
		.help = "address to give to the kernel's side" },
	{ "up", PARAM_BOOL, offsetof(struct tap, up), .initial = true, .help = "bring the interface up" },
	{ "gso", PARAM_BOOL, offsetof(struct tap, gso), .initial = true,
		.help = "exchange frames with the kernel that are to be segmented later (TSO, USO)" },
	{ 0 }
};

static void tap_check(const struct app *app, struct errors *errors)
{
	const struct tap *tap = (const struct tap *)app;

	if (strpbrk(tap->interface, "/: \t\n%") != NULL || strcmp(tap->interface, ".") == 0 || strcmp(tap->interface, "..") == 0)
		errors_add(errors, "app '%s': key 'name': '%s' cannot be the name of an interface", app->name, tap->interface);
	if (tap->has_mac && ethernet_is_group(tap->mac))
		errors_add(errors, "app '%s': key 'mac': a group address, accepted is one of a single station", app->name);
}

/* The key of the interface; of the same interface in another namespace it is another. */
static void make_key(const struct tap *tap, char *key, size_t size)
{
	snprintf(key, size, "tap:%s%s%s", tap->interface, tap->namespace != NULL ? "@" : "",
		tap->namespace != NULL ? tap->namespace : "");
}

static void tap_resources(const struct app *app, struct resources *resources)
{
	char key[RESOURCE_KEY];

	make_key((const struct tap *)app, key, sizeof(key));
	resources_add(resources, "%s", key);
}

static void tap_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	netdev_holds(((const struct tap *)app)->gso, holds);
}

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

/* Runs in the interface's namespace. gives: a descriptor */
static int open_here(void *context)
{
	const struct tap *tap = context;
	int sock = -1, code, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return nf_fail(errno, "app '%s': cannot open /dev/net/tun: %s", tap->app.name, strerror(errno));
	code = attach(tap, fd);
	if (code == 0)
		code = set_offload(tap, fd);
	if (code == 0) {
		sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		code = sock < 0 ? nf_fail(errno, "app '%s': no socket: %s", tap->app.name, strerror(errno)) : set_up(tap, sock);
	}
	if (sock >= 0)
		close(sock);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

static int tap_open(const struct app *app, const char *key)
{
	const struct tap *tap = (const struct tap *)app;

	(void)key;
	return namespace_run(tap->namespace, open_here, (void *)(uintptr_t)tap);
}

/* A deleted interface leaves its descriptors detached. */
static bool tap_is_open(const struct app *app, const char *key, int fd)
{
	struct ifreq request;

	(void)app;
	(void)key;
	return ioctl(fd, TUNGETIFF, &request) == 0;
}

static int tap_prepare(struct app *app, const struct app *old)
{
	struct tap *tap = (struct tap *)app;
	char key[RESOURCE_KEY];

	(void)old;
	make_key(tap, key, sizeof(key));
	return netdev_prepare(&tap->dev, app, key, tap->gso);
}

static void tap_commit(struct app *app, struct app *old)
{
	if (old != NULL)
		netdev_commit(&((struct tap *)app)->dev, &((struct tap *)old)->dev);
}

static void tap_stop(struct app *app)
{
	netdev_stop(&((struct tap *)app)->dev);
}

static void tap_retire(struct app *app)
{
	netdev_retire(&((struct tap *)app)->dev);
}

static void tap_tick(struct app *app)
{
	netdev_tick(&((struct tap *)app)->dev);
}

static uint32_t tap_held(const struct app *app)
{
	return netdev_held(&((const struct tap *)app)->dev);
}

/* Nothing comes from a tap whose output leads nowhere. */
static void tap_link(struct app *app)
{
	app->ended = app->output[0] == NULL;
}

static int tap_event_fd(const struct app *app)
{
	return app->down ? -1 : ((const struct tap *)app)->dev.fd;
}

static uint64_t tap_sleep_limit(const struct app *app)
{
	(void)app;
	return SLEEP_NS;
}

static void tap_pull(struct app *app)
{
	struct tap *tap = (struct tap *)app;
	struct packet *burst[BURST];
	struct netdev_slot slot = { 0 };
	uint32_t room = app_pull_room(app), n = 0;

	if (app->output[0] == NULL || app->down)
		return;
	for (uint32_t i = 0; i < room; i++) {
		uint32_t parts = netdev_slot_open(&tap->dev, &slot);
		ssize_t bytes = parts == 0 ? 0 : readv(tap->dev.fd, slot.part, (int)parts);
		uint32_t length;

		if (bytes < VIRTIO_NET_HEADER) {
			if (bytes < 0)
				netdev_verdict(&tap->dev, errno);
			break;
		}
		/* A longer frame is cut off without a word. */
		length = (uint32_t)bytes - VIRTIO_NET_HEADER;
		burst[n] = netdev_receive(&tap->dev, &slot, length, length >= slot.room);
		n += burst[n] != NULL;
		netdev_slot_close(&slot);
	}
	netdev_slot_close(&slot);
	link_send_burst(app->output[0], burst, n);
}

/* Write a packet. gives: false when the kernel takes no more now */
static bool send_one(struct tap *tap, struct link *input)
{
	struct app *app = &tap->app;
	struct packet *p = link_peek(input, 0);
	struct virtio_net virtio;
	int reason = netdev_ready(p, &virtio);

	if (reason < 0 && netdev_must_cut(&tap->dev, p)) {
		netdev_cut(&tap->dev, link_receive(input));
		return netdev_continue(&tap->dev);
	}
	if (reason < 0) {
		struct iovec part[2] = { { &virtio, sizeof(virtio) }, { p->data, p->length } };

		if (writev(tap->dev.fd, part, 2) >= 0) {
			app->counter[NETDEV_GSO_SENT] += p->meta.gso != PACKET_GSO_NONE;
			app->sent++;
			packet_free(link_receive(input));
			return true;
		}
		if (errno == EINVAL && p->meta.gso != PACKET_GSO_NONE) {        /* a kind that this kernel does not know */
			netdev_cut(&tap->dev, link_receive(input));
			return netdev_continue(&tap->dev);
		}
		reason = netdev_verdict(&tap->dev, errno);
		if (reason < 0)
			return false;
	}
	app_drop(app, (uint32_t)reason, link_receive(input));
	return true;
}

static void tap_push(struct app *app)
{
	struct tap *tap = (struct tap *)app;
	uint32_t n = link_waiting(app->input[0]);

	if (app->down) {
		netdev_drop_waiting(&tap->dev, app->input[0]);
		return;
	}
	/* Nothing goes from here to the output, whose room does not matter. */
	if (n > BURST)
		n = BURST;
	if (!netdev_continue(&tap->dev))
		return;
	for (uint32_t i = 0; i < n; i++)
		if (!send_one(tap, app->input[0]))
			return;
}

const struct app_class tap_tap_class = {
	.name = "tap.tap",
	.help = "A tap interface: packets to and from this machine's own network stack.\n"
		"It is made when it is not there, and then ends with nf; an ordinary user may attach to a tap that belongs to them. "
		"Frames come with unfinished checksums and, with gso, uncut: outputs that cannot pass that on finish them. While nf "
		"has the interface these offloads are switched on in it (see ethtool -k). An interface that is deleted while nf runs "
		"is opened again, for which root must make it again or nf must run as root.",
	.size = sizeof(struct tap),
	.params = params,
	.inputs = (const char *const[]){ "input?", NULL },
	.outputs = (const char *const[]){ "output?", NULL },
	.counters = netdev_counters,
	.reasons = netdev_reasons,
	.check = tap_check,
	.resources = tap_resources,
	.open = tap_open,
	.is_open = tap_is_open,
	.holds = tap_holds,
	.prepare = tap_prepare,
	.commit = tap_commit,
	.abort = tap_retire,
	.stop = tap_stop,
	.retire = tap_retire,
	.link = tap_link,
	.pull = tap_pull,
	.push = tap_push,
	.tick = tap_tick,
	.held = tap_held,
	.event_fd = tap_event_fd,
	.sleep_limit = tap_sleep_limit,
};
