/* tap -- a tap interface: the kernel's network stack, or a virtual machine, as neighbour. One read or write per packet. */
#include "apps/tap/tap.h"

#include "core/netlink.h"

#include <net/if.h>
#include <unistd.h>

enum {
	/* Half of a tap's queue of 1,000 frames, filled with the shortest ones at 10 Gb/s (67.2 ns each). */
	SLEEP_NS = 33000,
	STATISTICS_NS = 100000000       /* how often the kernel's drops are read */
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
	resources_add(resources, TAP_NETLINK "%s", app->name);
}

static void tap_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	netdev_holds(((const struct tap *)app)->gso, holds);
}

/* House-keeping thread. */
static void read_drops(struct job *job)
{
	struct tap_drops *drops = (struct tap_drops *)job;

	drops->code = netlink_send_drops(drops->fd, drops->interface, &drops->total);
	if (drops->code == -ENODEV) {
		int fd = resource_open(drops->key);

		if (fd < 0)
			return;
		close(drops->fd);
		drops->fd = fd;
	}
}

/* Add what came since the last reading; an interface that was made anew counts from 0. */
static void count_drops(struct tap *tap)
{
	struct tap_drops *drops = &tap->drops;

	if (job_finished(&drops->job) && drops->code == 0) {
		tap->app.lost_outside += drops->total >= drops->seen ? drops->total - drops->seen : drops->total;
		drops->seen = drops->total;
	}
	if (job_is_idle(&drops->job) && clock_now() >= drops->read_at) {
		drops->read_at = clock_now() + STATISTICS_NS;
		job_submit(&drops->job);
	}
}

static int tap_prepare(struct app *app, const struct app *old)
{
	struct tap *tap = (struct tap *)app;
	char key[RESOURCE_KEY];
	int code;

	(void)old;
	snprintf(key, sizeof(key), TAP_NETLINK "%s", app->name);
	tap->drops = (struct tap_drops){ .job.run = read_drops, .interface = tap->interface, .fd = resource_open(key),
		.key = arena_copy(&app->arena, key, strlen(key)) };
	if (tap->drops.fd < 0)
		return tap->drops.fd;
	make_key(tap, key, sizeof(key));
	code = netdev_prepare(&tap->dev, app, key, tap->gso);
	if (code < 0) {
		close(tap->drops.fd);
		return code;
	}
	read_drops(&tap->drops.job);
	tap->drops.seen = tap->drops.total;     /* what was lost before is not nf's loss */
	return 0;
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
	struct tap *tap = (struct tap *)app;

	netdev_retire(&tap->dev);
	job_wait(&tap->drops.job);
	close(tap->drops.fd);
}

static void tap_tick(struct app *app)
{
	struct tap *tap = (struct tap *)app;

	netdev_tick(&tap->dev);
	if (app->output[0] != NULL && !app->down)
		count_drops(tap);
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
	.adopt = tap_adopt,
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
