/* xdp -- a port on an interface of the kernel through an AF_XDP socket. See xdp.h for its parts. */
#include "apps/xdp/xdp.h"
#include "apps/xdp/xdp_port.h"

#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_NS = 67,                  /* time of the shortest frame at 10 Gb/s */
	LOOK_NS = 100000000             /* how often the kernel's counters are read, and whether the interface is there */
};

static const struct param params[] = {
	{ "interface", PARAM_STRING, offsetof(struct xdp, interface), .min = 1, .max = IFNAMSIZ - 1, .required = true,
		.help = "the interface, which must be there" },
	{ "namespace", PARAM_STRING, offsetof(struct xdp, namespace), .min = 1, .max = 4000, .optional = true,
		.help = "network namespace of the interface: a name under /run/netns or an absolute path" },
	{ "queue", PARAM_U32, offsetof(struct xdp, queue), .max = 1023, .initial = 0,
		.help = "which of its queues; each is an app of its own, in any worker" },
	{ "mode", PARAM_ENUM, offsetof(struct xdp, mode), .choices = xdp_mode_names, .initial = XDP_AUTO,
		.help = "zero-copy: the card uses packet memory, which must be huge pages; driver: the driver copies; generic: any "
			"interface, slower; auto: the first that works" },
	{ "filter", PARAM_STRING, offsetof(struct xdp, filter), .optional = true,
		.help = "take only what matches, see pcap-filter(7); the rest goes on to the kernel; the same for all queues of "
			"an interface" },
	{ "receive", PARAM_BOOL, offsetof(struct xdp, receive), .initial = true,
		.help = "false: only send; the interface gets no XDP program, all that arrives goes to the kernel" },
	{ "busy_poll", PARAM_U32, offsetof(struct xdp, busy_poll), .max = 1024, .initial = 0,
		.help = "frames that a look at the rings may fetch from the driver in this thread; 0: interrupts do that" },
	{ "rx_ring", PARAM_U32, offsetof(struct xdp, rx_ring), .min = 64, .max = 16384, .initial = 2048,
		.help = "slots of the receive ring, a power of two" },
	{ "tx_ring", PARAM_U32, offsetof(struct xdp, tx_ring), .min = 64, .max = 16384, .initial = 2048,
		.help = "slots of the transmit ring, a power of two" },
	{ 0 }
};

static void xdp_check(const struct app *app, struct errors *errors)
{
	const struct xdp *xdp = (const struct xdp *)app;

	if (xdp->rx_ring & (xdp->rx_ring - 1))
		errors_add(errors, "app '%s': key 'rx_ring': %u is no power of two", app->name, xdp->rx_ring);
	if (xdp->tx_ring & (xdp->tx_ring - 1))
		errors_add(errors, "app '%s': key 'tx_ring': %u is no power of two", app->name, xdp->tx_ring);
	if (xdp->filter != NULL)
		filter_check(app, "filter", xdp->filter, errors);
	if (xdp->filter != NULL && !xdp->receive)
		errors_add(errors, "app '%s': key 'filter': nothing is received (receive = false)", app->name);
}

void xdp_program_key(const struct xdp *xdp, char *key, size_t size)
{
	snprintf(key, size, "xdp:%s%s%s", xdp->interface, xdp->namespace != NULL ? "@" : "",
		xdp->namespace != NULL ? xdp->namespace : "");
}

void xdp_socket_key(const struct xdp *xdp, char *key, size_t size)
{
	snprintf(key, size, "xdp-socket:%s/%u%s%s", xdp->interface, xdp->queue, xdp->namespace != NULL ? "@" : "",
		xdp->namespace != NULL ? xdp->namespace : "");
}

/* All queues of an interface share its program: they must want the same one. */
static void check_others(const struct xdp *xdp, const char *key, struct resources *resources)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		const struct xdp *other = (const struct xdp *)resources->list[i].app;
		const char *theirs, *ours = xdp->filter != NULL ? xdp->filter : "";

		if (strcmp(resources->list[i].key, key) != 0)
			continue;
		theirs = other->filter != NULL ? other->filter : "";
		if (strcmp(theirs, ours) != 0)
			errors_add(resources->errors, "app '%s': key 'filter': '%s' has one filter for all its queues, and app "
				"'%s' has \"%s\"", xdp->app.name, xdp->interface, other->app.name, theirs);
		if (other->mode != xdp->mode)
			errors_add(resources->errors, "app '%s': key 'mode': '%s' has one mode for all its queues, and app '%s' "
				"has \"%s\"", xdp->app.name, xdp->interface, other->app.name, xdp_mode_names[other->mode]);
	}
}

static void xdp_resources(const struct app *app, struct resources *resources)
{
	const struct xdp *xdp = (const struct xdp *)app;
	char key[RESOURCE_KEY];

	if (xdp->receive) {
		xdp_program_key(xdp, key, sizeof(key));
		check_others(xdp, key, resources);
		resources_add(resources, "%s", key);
	}
	xdp_socket_key(xdp, key, sizeof(key));
	resources_add(resources, "%s", key);
}

static void xdp_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	const struct xdp *xdp = (const struct xdp *)app;

	holds[PACKET_STANDARD] = (xdp->receive ? xdp->rx_ring * 2 : 0) + xdp->tx_ring + BURST;
}

static void xdp_link(struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;

	app->ended = app->output[0] == NULL;
	if (app->ended && xdp->receive)
		log_warn("app '%s': what arrives on '%s' is lost, as the output is not linked; receive = false leaves it to the "
			"kernel", app->name, xdp->interface);
}

/* Add what the kernel has counted since the last look. */
static void count_kernel(struct xdp *xdp)
{
	struct app *app = &xdp->app;
	struct xdp_statistics now, *seen = &xdp->port->seen;
	socklen_t size = sizeof(now);

	if (getsockopt(xdp->port->fd, SOL_XDP, XDP_STATISTICS, &now, &size) != 0)
		return;
	app->counter[XDP_COUNT_RX_DROPPED] += now.rx_dropped - seen->rx_dropped;
	app->counter[XDP_COUNT_RX_FULL] += now.rx_ring_full - seen->rx_ring_full;
	app->counter[XDP_COUNT_FILL_EMPTY] += now.rx_fill_ring_empty_descs - seen->rx_fill_ring_empty_descs;
	app->counter[XDP_COUNT_RX_INVALID] += now.rx_invalid_descs - seen->rx_invalid_descs;
	app->counter[XDP_COUNT_TX_INVALID] += now.tx_invalid_descs - seen->tx_invalid_descs;
	/* A frame for which no buffer was posted is among the dropped ones already. */
	app->lost_outside += now.rx_dropped - seen->rx_dropped + now.rx_ring_full - seen->rx_ring_full;
	*seen = now;
}

static void xdp_tick(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;

	xdp_life_tick(xdp);
	if (app->down)
		return;
	app->sent += xdp_port_complete(xdp->port);
	if (clock_now() >= xdp->look_at) {
		xdp->look_at = clock_now() + LOOK_NS;
		count_kernel(xdp);
		/* The same call that sends tells whether the interface is there. */
		if (sendto(xdp->port->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == ENXIO)
			xdp_life_lose(xdp);
	} else if (xdp_port_unsent(xdp->port)) {
		xdp_life_call(xdp, xdp_port_kick_send(xdp->port));
	}
	/* What is left of a GSO frame goes on, also when nothing comes behind it. */
	if (xdp->pending != NULL && xdp->port != NULL && !xdp->replacing)
		xdp_send_waiting(xdp);
}

static uint32_t xdp_held(const struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;

	return xdp_life_sending(xdp) + (xdp->pending != NULL ? 1 : 0);
}

static uint32_t xdp_posted(const struct app *app)
{
	return xdp_life_posted((const struct xdp *)app);
}

static int xdp_event_fd(const struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;

	return xdp->port != NULL ? xdp->port->fd : -1;
}

/* Half of the receive ring, filled with the shortest frames at 10 Gb/s. */
static uint64_t xdp_sleep_limit(const struct app *app)
{
	return (uint64_t)((const struct xdp *)app)->rx_ring * FRAME_NS / 2;
}

static void xdp_pull(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;
	struct packet *burst[BURST];
	uint32_t n;

	if (app->output[0] == NULL || xdp->port == NULL || !xdp->receive || !xdp->port->note.receive)
		return;
	xdp_port_post(xdp->port);
	n = xdp_port_receive(xdp->port, burst, app_pull_room(app));
	app->received += n;
	link_send_burst(app->output[0], burst, n);
	if (n < BURST)
		xdp_life_call(xdp, xdp_port_kick_receive(xdp->port));
}

static void xdp_push(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;

	if (xdp->replacing)
		return;                 /* for a moment */
	if (xdp->port != NULL)
		xdp_send_waiting(xdp);
	else
		xdp_send_drop(xdp);
}

const struct app_class xdp_xdp_class = {
	.name = "xdp.xdp",
	.help = "A port on a queue of a kernel interface through an AF_XDP socket: faster than socket.raw, and the interface "
		"stays the kernel's.\n"
		"What arrives, or what of it matches the filter, is taken before the kernel's stack sees it; what is sent goes "
		"straight to the driver. Packets go from one port of a worker to another without being copied. XDP sees no checksum "
		"that a local sender left unfinished, and no tag that a card took out: switch such offloads off (ethtool -K; for a "
		"veth those of the peer: tx, tso, gso, txvlan). Frames of up to 1,920 bytes are received. Frames that arrive on a "
		"queue without an app go to the kernel. The interface is given back however nf ends. One that is deleted while nf "
		"runs is opened again when it is there again.",
	.size = sizeof(struct xdp),
	.params = params,
	.inputs = (const char *const[]){ "input?", NULL },
	.outputs = (const char *const[]){ "output?", NULL },
	.counters = (const char *const[]){ "copied", "segments", "rx-dropped", "rx-ring-full", "fill-ring-empty", "tx-invalid",
		"wakeups", "lost", "reopened", "rx-invalid", NULL },
	.reasons = (const char *const[]){ "down", "too-long", "too-short", "gso", "metadata", NULL },
	.gives = true,
	.check = xdp_check,
	.resources = xdp_resources,
	.open = xdp_open,
	.is_open = xdp_is_open,
	.adopt = xdp_adopt,
	.quiesce = xdp_quiesce,
	.close = xdp_close,
	.holds = xdp_holds,
	.prepare = xdp_life_prepare,
	.commit = xdp_life_commit,
	.abort = xdp_life_retire,
	.stop = xdp_life_stop,
	.retire = xdp_life_retire,
	.link = xdp_link,
	.pull = xdp_pull,
	.push = xdp_push,
	.tick = xdp_tick,
	.held = xdp_held,
	.posted = xdp_posted,
	.event_fd = xdp_event_fd,
	.sleep_limit = xdp_sleep_limit,
};
