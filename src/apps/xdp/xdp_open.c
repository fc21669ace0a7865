/* xdp_open -- make an AF_XDP socket: register packet memory, size the rings, bind; supervisor. See xdp.h.
 * Registering and binding take no privilege, but the memory must be mapped, locked memory allowed, and the entry in the map made
 * before frames come: all of it happens here, and the worker gets a socket that works.
 * source: Linux Documentation/networking/af_xdp.rst */
#include "apps/xdp/xdp.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

enum {
	MAX_TX_SKB_BUDGET = 9,          /* XDP_MAX_TX_SKB_BUDGET of Linux 6.17: frames that one call sends; else 32 */
	BUSY_TRIES = 40,                /* a queue whose socket was just closed is free a moment later */
	BUSY_PAUSE_NS = 5000000,
	BUSY_POLL_US = 20               /* longest time that a look at the rings may spend in the driver */
};

const char *const xdp_mode_names[] = { "auto", "zero-copy", "driver", "generic", NULL };

/* What open_here needs and gives. */
struct opening {
	const struct xdp *xdp;
	bool program;                   /* the program's link is asked for, not a socket */
	bool idle;                      /* only wait until nobody has the queue */
	int link;                       /* of the program that runs, when it is to be changed */
};

/* The longest run of packet memory that belongs to the app's worker, without other memory in it. */
static void find_memory(const struct xdp *xdp, struct xdp_note *note, bool *huge)
{
	for (uint32_t i = 0; i < memory_segment_count; i++) {
		const struct segment *s = &memory_segment[i];
		uint64_t bytes = 0;
		bool all_huge = true;

		if (s->base == NULL || s->worker != xdp->app.worker || s->size != PACKET_STANDARD)
			continue;
		nf_assert(s->stride == XDP_CHUNK + sizeof(struct packet), "buffers of XDP are those of standard packets");
		for (uint32_t j = 0; j < memory_segment_count; j++) {
			const struct segment *t = &memory_segment[j];

			if (t->base == s->base + bytes && t->base != NULL && t->worker == s->worker && t->size == s->size) {
				bytes += t->bytes;
				all_huge = all_huge && t->huge;
				j = UINT32_MAX;         /* look again from the start: segments are not sorted */
			}
		}
		if (bytes > note->bytes) {
			*note = (struct xdp_note){ .base = (uint64_t)(uintptr_t)s->base, .bytes = bytes };
			*huge = all_huge;
		}
	}
}

static int set(const struct xdp *xdp, int fd, int option, uint32_t value, const char *what)
{
	if (setsockopt(fd, SOL_XDP, option, &value, sizeof(value)) == 0)
		return 0;
	return nf_fail(errno, "app '%s': no %s of %u for '%s': %s", xdp->app.name, what, value, xdp->interface, strerror(errno));
}

/* Tell the kernel where packets are, and make the rings. */
static int register_memory(const struct xdp *xdp, int fd, const struct xdp_note *note)
{
	struct xdp_umem_reg memory = { .addr = note->base, .len = note->bytes, .chunk_size = XDP_CHUNK,
		.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG };
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	uint32_t budget = xdp->tx_ring;
	int code = 0;

	if (note->bytes == 0)
		return nf_fail(ENOMEM, "app '%s': its worker has no packet memory", xdp->app.name);
	/* Memory that is registered counts as locked, for each socket anew. Without the right to raise the limit it must be enough. */
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		log_debug("the limit of locked memory stays: %s", strerror(errno));
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) != 0)
		return nf_fail(errno, "app '%s': %llu MiB of packet memory cannot be registered for XDP: %s%s", xdp->app.name,
			(unsigned long long)(note->bytes >> 20), strerror(errno),
			errno == ENOBUFS ? ": the limit of locked memory (ulimit -l)" : "");
	code = set(xdp, fd, XDP_UMEM_FILL_RING, xdp->rx_ring * 2, "fill ring");
	if (code == 0)
		code = set(xdp, fd, XDP_UMEM_COMPLETION_RING, xdp->tx_ring, "completion ring");
	if (code == 0 && xdp->receive)
		code = set(xdp, fd, XDP_RX_RING, xdp->rx_ring, "receive ring");
	if (code == 0)
		code = set(xdp, fd, XDP_TX_RING, xdp->tx_ring, "transmit ring");
	if (setsockopt(fd, SOL_XDP, MAX_TX_SKB_BUDGET, &budget, sizeof(budget)) != 0)
		log_debug("app '%s': one call sends 32 frames: %s", xdp->app.name, strerror(errno));
	return code;
}

/* Have the app's own thread process the frames of the queue, when it looks at the rings. */
static int set_busy_poll(const struct xdp *xdp, int fd)
{
	int one = 1, time_us = BUSY_POLL_US, budget = (int)xdp->busy_poll;

	if (budget == 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &one, sizeof(one)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &time_us, sizeof(time_us)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)) == 0)
		return 0;
	return nf_fail(errno, "app '%s': key 'busy_poll': not on '%s': %s%s", xdp->app.name, xdp->interface, strerror(errno),
		errno == EPERM ? ": it takes CAP_NET_ADMIN" : errno == ENOPROTOOPT ? ": it takes Linux 5.11" : "");
}

/* Bind in one mode; a queue whose socket was closed just now is waited for. gives: 0 or -errno, without nf_error() */
static int bind_as(const struct xdp *xdp, int fd, uint32_t ifindex, uint16_t flags)
{
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP, .sxdp_flags = flags | XDP_USE_NEED_WAKEUP, .sxdp_ifindex = ifindex,
		.sxdp_queue_id = xdp->queue };
	struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };

	for (int i = 0; i < BUSY_TRIES; i++) {
		if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return 0;
		if (errno != EBUSY)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static int fail_bind(const struct xdp *xdp, int error, bool zero_copy)
{
	if (error == EBUSY)
		return nf_fail(error, "app '%s': queue %u of '%s' is in use by another XDP socket", xdp->app.name, xdp->queue,
			xdp->interface);
	if (error == EINVAL)
		return nf_fail(error, "app '%s': key 'queue': '%s' has no queue %u", xdp->app.name, xdp->interface, xdp->queue);
	return nf_fail(error, "app '%s': queue %u of '%s' cannot be bound%s: %s", xdp->app.name, xdp->queue, xdp->interface,
		zero_copy ? " without copying (mode \"zero-copy\")" : "", strerror(error));
}

/* Bind in the best mode that there is. */
static int bind_socket(const struct xdp *xdp, int fd, uint32_t ifindex, bool huge, struct xdp_note *note)
{
	bool generic = xdp->receive ? xdp_program_is_generic(xdp) : xdp->mode == XDP_GENERIC;
	int code = -EOPNOTSUPP;

	if (xdp->mode == XDP_ZERO_COPY && !huge)
		return nf_fail(ENOMEM, "app '%s': key 'mode': to go without copying takes packet memory in huge pages, of which "
			"there are not enough", xdp->app.name);
	/* Buffers cross the boundaries of ordinary pages, which a card may find anywhere. */
	if (xdp->mode == XDP_ZERO_COPY || (xdp->mode == XDP_AUTO && !generic && huge)) {
		code = bind_as(xdp, fd, ifindex, XDP_ZEROCOPY);
		note->mode = XDP_ZERO_COPY;
		note->fill = xdp->rx_ring * 2;  /* a driver keeps as many as its own ring has */
	}
	if (code < 0 && xdp->mode != XDP_ZERO_COPY && code != -EBUSY) {
		code = bind_as(xdp, fd, ifindex, XDP_COPY);
		note->mode = generic ? XDP_GENERIC : XDP_DRIVER;
		note->fill = xdp->rx_ring;
	}
	return code == 0 ? 0 : fail_bind(xdp, -code, xdp->mode == XDP_ZERO_COPY);
}

/* Leave the note in the fill ring. */
static int leave_note(const struct xdp *xdp, int fd, const struct xdp_note *note)
{
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	uint8_t *ring = MAP_FAILED;
	size_t bytes = 0;

	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) == 0) {
		bytes = offsets.fr.desc + sizeof(*note);
		ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)XDP_UMEM_PGOFF_FILL_RING);
	}
	if (ring == MAP_FAILED)
		return nf_fail(errno, "app '%s': the rings of '%s' cannot be mapped: %s", xdp->app.name, xdp->interface,
			strerror(errno));
	memcpy(ring + offsets.fr.desc, note, sizeof(*note));
	munmap(ring, bytes);
	return 0;
}

static bool is_veth(const char *interface)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (void *)&driver };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	found = fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && strcmp(driver.driver, "veth") == 0;
	if (fd >= 0)
		close(fd);
	return found;
}

/* What a user must know: XDP does not see what a frame's sender left undone. */
static void tell(const struct xdp *xdp, const struct xdp_note *note)
{
	log_info("app '%s': queue %u of '%s' in mode %s", xdp->app.name, xdp->queue, xdp->interface, xdp_mode_names[note->mode]);
	if (xdp->queue == 0 && xdp->receive && !resource_was_given() && is_veth(xdp->interface))
		log_warn("app '%s': '%s' is a veth: frames of its peer come with unfinished checksums, which XDP cannot tell, "
			"unless the peer finishes them: ethtool -K PEER tx off tso off gso off txvlan off", xdp->app.name,
			xdp->interface);
}

static int open_socket(const struct xdp *xdp, uint32_t ifindex)
{
	struct xdp_note note = { 0 };
	bool huge = false;
	int code, fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return nf_fail(errno, "app '%s': no XDP socket: %s%s", xdp->app.name, strerror(errno), errno == EPERM ?
			": run as root, or with the capability CAP_NET_RAW" :
			errno == EAFNOSUPPORT ? ": this kernel has none" : "");
	find_memory(xdp, &note, &huge);
	note.rx_ring = xdp->rx_ring;
	note.tx_ring = xdp->tx_ring;
	note.busy_poll = xdp->busy_poll;
	note.receive = xdp->receive;
	code = register_memory(xdp, fd, &note);
	if (code == 0)
		code = set_busy_poll(xdp, fd);
	if (code == 0)
		code = bind_socket(xdp, fd, ifindex, huge, &note);
	if (code == 0)
		code = leave_note(xdp, fd, &note);
	if (code == 0 && xdp->receive)
		code = xdp_program_enter(xdp, fd);
	if (code < 0) {
		close(fd);
		return code;
	}
	tell(xdp, &note);
	return fd;
}

/* The settings of the sockets that were opened last, by their keys. One for each queue that was ever used. */
struct settings {
	struct settings *next;
	char *key;
	uint32_t mode, rx_ring, tx_ring, busy_poll;
};
static struct settings *settings;

static struct settings *find_settings(const char *key)
{
	struct settings *s = settings;

	while (s != NULL && strcmp(s->key, key) != 0)
		s = s->next;
	return s;
}

static void keep_settings(const struct xdp *xdp, const char *key)
{
	struct settings *s = find_settings(key);

	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL || (s->key = strdup(key)) == NULL) {
			free(s);        /* then there is nothing to go back to */
			return;
		}
		s->next = settings;
		settings = s;
	}
	s->mode = xdp->mode;
	s->rx_ring = xdp->rx_ring;
	s->tx_ring = xdp->tx_ring;
	s->busy_poll = xdp->busy_poll;
}

/* A running app gets, when a socket as it wants it cannot be had, one like the one that it had. */
static int open_queue(const struct xdp *xdp, uint32_t ifindex)
{
	struct xdp before = *xdp;
	const struct settings *s;
	char key[RESOURCE_KEY], text[ERROR_TEXT];
	int fd = open_socket(xdp, ifindex), code;

	xdp_socket_key(xdp, key, sizeof(key));
	if (fd >= 0) {
		keep_settings(xdp, key);
		return fd;
	}
	code = fd;
	snprintf(text, sizeof(text), "%s", nf_error());
	s = resource_was_given() ? find_settings(key) : NULL;
	if (s != NULL && (s->mode != xdp->mode || s->rx_ring != xdp->rx_ring || s->tx_ring != xdp->tx_ring ||
		s->busy_poll != xdp->busy_poll)) {
		before.mode = s->mode;
		before.rx_ring = s->rx_ring;
		before.tx_ring = s->tx_ring;
		before.busy_poll = s->busy_poll;
		fd = open_socket(&before, ifindex);
		if (fd >= 0)
			log_error("%s; it goes on with mode \"%s\", rx_ring %u, tx_ring %u and busy_poll %u, as before", text,
				xdp_mode_names[s->mode], s->rx_ring, s->tx_ring, s->busy_poll);
	}
	return fd >= 0 ? fd : nf_fail(-code, "%s", text);
}

/* Wait until the kernel has given a queue back, whose socket is closed already: a card writes to packets until then. A socket with a
 * page of its own can be bound when it is so. */
static int wait_for_queue(const struct xdp *xdp, uint32_t ifindex)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xdp_umem_reg memory = { .addr = (uint64_t)(uintptr_t)page, .len = bytes, .chunk_size = (uint32_t)bytes };
	int code, fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	code = page == MAP_FAILED || fd < 0 || setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) != 0 ? -errno : 0;
	if (code == 0)
		code = set(xdp, fd, XDP_UMEM_FILL_RING, 1, "fill ring");
	if (code == 0)
		code = set(xdp, fd, XDP_UMEM_COMPLETION_RING, 1, "completion ring");
	if (code == 0)
		code = set(xdp, fd, XDP_TX_RING, 1, "transmit ring");
	if (code == 0)
		code = bind_as(xdp, fd, ifindex, XDP_COPY);
	if (fd >= 0)
		close(fd);
	if (page != MAP_FAILED)
		munmap(page, bytes);
	return code == -EBUSY ? nf_fail(EBUSY, "app '%s': queue %u of '%s' is still in use after its worker has died",
		xdp->app.name, xdp->queue, xdp->interface) : 0;
}

/* Runs in the interface's namespace. gives: a descriptor */
static int open_here(void *context)
{
	const struct opening *opening = context;
	const struct xdp *xdp = opening->xdp;
	uint32_t ifindex = if_nametoindex(xdp->interface);

	if (opening->idle)
		return ifindex == 0 ? 0 : wait_for_queue(xdp, ifindex);
	if (ifindex == 0)
		return nf_fail(ENODEV, "app '%s': there is no interface '%s'%s%s", xdp->app.name, xdp->interface,
			xdp->namespace != NULL ? " in the network namespace " : "", xdp->namespace != NULL ? xdp->namespace : "");
	return opening->program ? xdp_program_attach(xdp, ifindex) : open_queue(xdp, ifindex);
}

/* In the interface's namespace, too. One that is gone has nothing to be changed. */
static int adopt_here(void *context)
{
	const struct opening *opening = context;
	uint32_t ifindex = if_nametoindex(opening->xdp->interface);

	return ifindex == 0 ? 0 : xdp_program_update(opening->xdp, opening->link, ifindex);
}

int xdp_open(const struct app *app, const char *key)
{
	struct opening opening = { .xdp = (const struct xdp *)app, .program = strncmp(key, "xdp:", 4) == 0 };

	return namespace_run(app->name, opening.xdp->namespace, open_here, &opening);
}

/* A link whose interface was deleted has none any more; a socket is asked for only once. */
bool xdp_is_open(const struct app *app, const char *key, int fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	(void)app;
	if (strncmp(key, "xdp:", 4) != 0)
		return true;
	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.xdp.ifindex != 0;
}

int xdp_adopt(const struct app *app, const char *key, int fd)
{
	struct opening opening = { .xdp = (const struct xdp *)app, .link = fd };

	return strncmp(key, "xdp:", 4) == 0 ? namespace_run(app->name, opening.xdp->namespace, adopt_here, &opening) : 0;
}

int xdp_quiesce(const struct app *app, const char *key, int fd)
{
	struct opening opening = { .xdp = (const struct xdp *)app, .idle = true };

	(void)fd;
	return strncmp(key, "xdp:", 4) == 0 ? 0 : namespace_run(app->name, opening.xdp->namespace, open_here, &opening);
}

void xdp_close(const struct app *app, const char *key, int fd)
{
	(void)fd;
	if (strncmp(key, "xdp:", 4) == 0)
		xdp_program_forget((const struct xdp *)app);
}
