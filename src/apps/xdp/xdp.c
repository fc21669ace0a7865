/* xdp -- a port on an interface of the kernel through an AF_XDP socket. See xdp.h for its parts. */
#include "apps/xdp/xdp.h"
#include "apps/xdp/xdp_port.h"

#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FRAME_NS = 67,                  /* time of the shortest frame at 10 Gb/s */
	LOOK_NS = 100000000,            /* how often the kernel's counters are read, and whether the interface is there */
	RETRY_FIRST_NS = 50000000,      /* an interface that is made anew is used at once, ... */
	RETRY_MOST_NS = 2000000000      /* ... one that stays away costs an attempt each two seconds */
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

/* Open it, not in the packet thread: the program first, which an interface that was made anew has lost. */
static int open_port(const struct xdp *xdp, struct xdp_port **port)
{
	char key[RESOURCE_KEY];
	int link;

	if (xdp->receive) {
		xdp_program_key(xdp, key, sizeof(key));
		link = resource_open(key);
		if (link < 0)
			return link;
		close(link);            /* the supervisor holds it */
	}
	return xdp_port_get(xdp, port);
}

static void open_again(struct job *job)
{
	struct xdp_opening *opening = (struct xdp_opening *)job;

	if (opening->spent != NULL)
		xdp_port_put(opening->spent);
	opening->spent = NULL;
	if (opening->dead != NULL) {
		log_warn("app '%s': its interface '%s' is gone; trying to open it again", opening->xdp->app.name,
			opening->xdp->interface);
		xdp_port_close(opening->dead);
	}
	if (open_port(opening->xdp, &opening->made) == 0)
		log_warn("app '%s': queue %u of '%s' is open again", opening->xdp->app.name, opening->xdp->queue,
			opening->xdp->interface);
}

/* Of this worker, packet thread: the instances that run, and ports that a reload has taken out of the graph. To close a socket takes
 * so long that other ports would overflow: the house-keeping thread does it, and the first of the instances that go on takes the
 * packets back. Only when none goes on it is done at once. */
static struct xdp *running;
static struct xdp_port *leaving;

static void stop_running(struct xdp *xdp)
{
	struct xdp **place = &running;

	while (*place != NULL && *place != xdp)
		place = &(*place)->running_next;
	if (*place == xdp)
		*place = xdp->running_next;
}

/* Take back what closed ports had. at_once: close them first. */
static void clear_leaving(struct xdp *xdp, bool at_once)
{
	struct xdp_port **place = &leaving;

	while (*place != NULL) {
		struct xdp_port *port = *place;

		if (at_once)
			xdp_port_close(port);
		if (xdp_port_is_closed(port)) {
			/* Once it is empty the other thread may free it. */
			*place = port->leaves_next;
			xdp_port_clear(port, &xdp->app, app_reason(&xdp->app, APP_REASON_STOP));
		} else {
			place = &port->leaves_next;
		}
	}
}

/* It is not there now: look again a little later. */
static void go_down(struct xdp *xdp)
{
	xdp->app.down = true;
	xdp->retry_ns = RETRY_FIRST_NS;
	xdp->retry_at = clock_now() + xdp->retry_ns;
}

/* Take back what the kernel had of a port that is closed. */
static void bury(struct xdp *xdp)
{
	struct xdp_opening *opening = &xdp->opening;

	if (opening->dead == NULL)
		return;
	xdp_port_clear(opening->dead, &xdp->app, XDP_REASON_DOWN);
	opening->spent = opening->dead;
	opening->dead = NULL;
}

static int xdp_prepare(struct app *app, const struct app *old)
{
	struct xdp *xdp = (struct xdp *)app;
	int code;

	(void)old;
	xdp->opening = (struct xdp_opening){ .job.run = open_again, .xdp = xdp };
	code = open_port(xdp, &xdp->port);
	if (code == -EINVAL)
		return code;
	if (code < 0) {
		/* The supervisor opened it a moment ago, or another worker has it until the reload is done. */
		log_warn("%s; trying again", nf_error());
		go_down(xdp);
	}
	return 0;
}

static void xdp_commit(struct app *app, struct app *old)
{
	struct xdp *xdp = (struct xdp *)app, *before = (struct xdp *)old;

	xdp->running_next = running;
	running = xdp;
	if (xdp->port != NULL && xdp->port->lost) {
		/* Since it was prepared; the instance before takes back what the kernel had. */
		xdp->opening.spent = xdp->port;
		xdp->port = NULL;
		go_down(xdp);
	}
	if (xdp->port != NULL)
		xdp->port->user = app;
	if (before == NULL)
		return;
	xdp->pending = before->pending;
	xdp->cut = before->cut;
	xdp->next = before->next;
	before->pending = NULL;
}

static void xdp_stop(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;
	struct xdp_port *port = xdp->port;

	if (xdp->pending != NULL)
		app_drop(app, app_reason(app, APP_REASON_STOP), xdp->pending);
	xdp->pending = NULL;
	if (xdp->opening.dead != NULL) {
		job_wait(&xdp->opening.job);
		xdp_port_close(xdp->opening.dead);
		bury(xdp);
	}
	stop_running(xdp);
	if (port != NULL && port->user == app) {        /* else another instance goes on with it */
		xdp_port_kick_send(port);
		app->sent += xdp_port_complete(port);
		port->leaves_next = leaving;
		leaving = port;
	}
	if (running == NULL)
		clear_leaving(xdp, true);
}

static void xdp_retire(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;

	job_wait(&xdp->opening.job);
	if (xdp->opening.spent != NULL)
		xdp_port_put(xdp->opening.spent);
	if (xdp->opening.made != NULL)
		xdp_port_put(xdp->opening.made);
	if (xdp->port != NULL)
		xdp_port_put(xdp->port);
}

static void xdp_link(struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;

	app->ended = app->output[0] == NULL;
	if (app->ended && xdp->receive)
		log_warn("app '%s': what arrives on '%s' is lost, as the output is not linked; receive = false leaves it to the "
			"kernel", app->name, xdp->interface);
}

/* The interface is gone. What the kernel has of packets is ours again when the socket is closed, which the job does. */
static void lose(struct xdp *xdp)
{
	xdp->app.sent += xdp_port_complete(xdp->port);
	xdp->app.counter[XDP_COUNT_LOST]++;
	xdp->port->lost = true;
	xdp->opening.dead = xdp->port;
	xdp->port = NULL;
	go_down(xdp);
	xdp->retry_at = clock_now();
}

bool xdp_check_call(struct xdp *xdp, int code)
{
	if (code == 0)
		return true;
	xdp->app.counter[XDP_COUNT_WAKEUPS]++;
	if (code != -ENXIO)
		return true;
	lose(xdp);
	return false;
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
	app->counter[XDP_COUNT_TX_INVALID] += now.tx_invalid_descs - seen->tx_invalid_descs;
	/* A frame for which no buffer was posted is among the dropped ones already. */
	app->lost_outside += now.rx_dropped - seen->rx_dropped + now.rx_ring_full - seen->rx_ring_full;
	*seen = now;
}

/* While it is down: take over what the job has opened, or ask again. */
static void reopen(struct xdp *xdp)
{
	struct xdp_opening *opening = &xdp->opening;

	if (job_finished(&opening->job)) {
		bury(xdp);
		if (opening->made != NULL) {
			xdp->port = opening->made;
			opening->made = NULL;
			xdp->port->user = &xdp->app;
			xdp->app.down = false;
			xdp->app.counter[XDP_COUNT_REOPENED]++;
			return;
		}
		xdp->retry_at = clock_now() + xdp->retry_ns;
		xdp->retry_ns = xdp->retry_ns * 2 < RETRY_MOST_NS ? xdp->retry_ns * 2 : RETRY_MOST_NS;
	}
	if (job_is_idle(&opening->job) && clock_now() >= xdp->retry_at)
		job_submit(&opening->job);
}

static void xdp_tick(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;

	if (xdp == running && leaving != NULL)
		clear_leaving(xdp, false);
	if (app->down) {
		reopen(xdp);
		return;
	}
	app->sent += xdp_port_complete(xdp->port);
	if (clock_now() >= xdp->look_at) {
		xdp->look_at = clock_now() + LOOK_NS;
		count_kernel(xdp);
		/* The same call that sends tells whether the interface is there. */
		if (sendto(xdp->port->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == ENXIO)
			lose(xdp);
	} else if (xdp_port_unsent(xdp->port)) {
		xdp_check_call(xdp, xdp_port_kick_send(xdp->port));
	}
	/* What is left of a GSO frame goes on, also when nothing comes behind it. */
	if (xdp->pending != NULL && xdp->port != NULL)
		xdp_send_waiting(xdp);
}

static uint32_t xdp_held(const struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;
	uint32_t held = xdp->pending != NULL ? 1 : 0;

	for (const struct xdp_port *port = xdp == running ? leaving : NULL; port != NULL; port = port->leaves_next)
		held += xdp_away_walk(&port->sending);
	if (xdp->opening.dead != NULL)
		held += xdp_away_walk(&xdp->opening.dead->sending);
	return xdp->port != NULL ? held + xdp_away_walk(&xdp->port->sending) : held;
}

static uint32_t xdp_posted(const struct app *app)
{
	const struct xdp *xdp = (const struct xdp *)app;

	uint32_t posted = 0;

	for (const struct xdp_port *port = xdp == running ? leaving : NULL; port != NULL; port = port->leaves_next)
		posted += xdp_away_walk(&port->posted);
	if (xdp->opening.dead != NULL)
		posted += xdp_away_walk(&xdp->opening.dead->posted);
	return xdp->port != NULL ? posted + xdp_away_walk(&xdp->port->posted) : posted;
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

	if (app->output[0] == NULL || xdp->port == NULL || !xdp->receive)
		return;
	xdp_port_post(xdp->port);
	n = xdp_port_receive(xdp->port, burst, app_pull_room(app));
	app->received += n;
	link_send_burst(app->output[0], burst, n);
	if (n < BURST)
		xdp_check_call(xdp, xdp_port_kick_receive(xdp->port));
}

static void xdp_push(struct app *app)
{
	struct xdp *xdp = (struct xdp *)app;

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
		"wakeups", "lost", "reopened", NULL },
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
	.prepare = xdp_prepare,
	.commit = xdp_commit,
	.abort = xdp_retire,
	.stop = xdp_stop,
	.retire = xdp_retire,
	.link = xdp_link,
	.pull = xdp_pull,
	.push = xdp_push,
	.tick = xdp_tick,
	.held = xdp_held,
	.posted = xdp_posted,
	.event_fd = xdp_event_fd,
	.sleep_limit = xdp_sleep_limit,
};
