/* xdp_life -- how an xdp.xdp gets its port, keeps it over a reload, gives it up, and gets another one when the interface was lost.
 * See xdp.h.
 *
 *      open --(ENXIO)--> lost --(job: close)--> packets taken back --(job: open)--> open
 *                         ^                              ^----(fails: wait)----'
 *      open --(a reload wants other rings, polling or a mode that its socket cannot)--> replacing: sends what it has taken */
#include "apps/xdp/xdp.h"
#include "apps/xdp/xdp_port.h"

#include <unistd.h>

enum {
	RETRY_FIRST_NS = 50000000,      /* an interface that is made anew is used at once, ... */
	RETRY_MOST_NS = 2000000000,     /* ... one that stays away costs an attempt each two seconds */
	REPLACE_NS = 10000000           /* a socket that is replaced has so long to send what it was given */
};

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
	if (opening->dead != NULL && !opening->replaces)
		log_warn("app '%s': its interface '%s' is gone; trying to open it again", opening->xdp->app.name,
			opening->xdp->interface);
	if (opening->dead != NULL)
		xdp_port_close(opening->dead);
	if (open_port(opening->xdp, &opening->made) == 0) {
		if (!opening->replaces)
			log_warn("app '%s': queue %u of '%s' is open again", opening->xdp->app.name, opening->xdp->queue,
				opening->xdp->interface);
	} else if (opening->replaces) {
		log_warn("%s; trying again", nf_error());
	}
	opening->replaces = false;
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

int xdp_life_prepare(struct app *app, const struct app *old)
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

void xdp_life_commit(struct app *app, struct app *old)
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
	if (xdp->port != NULL) {
		xdp->port->user = app;
		xdp->replacing = !xdp_port_fits(xdp->port, xdp);
		xdp->replace_at = clock_now() + REPLACE_NS;
	}
	if (before == NULL)
		return;
	xdp->pending = before->pending;
	xdp->cut = before->cut;
	xdp->next = before->next;
	before->pending = NULL;
}

void xdp_life_stop(struct app *app)
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

void xdp_life_retire(struct app *app)
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

/* Let the job close the socket, when what the kernel has of packets is ours again, and open another one. */
static void give_up(struct xdp *xdp)
{
	xdp->app.sent += xdp_port_complete(xdp->port);
	xdp->port->lost = true;
	xdp->opening.dead = xdp->port;
	xdp->port = NULL;
	go_down(xdp);
	xdp->retry_at = clock_now();
}

void xdp_life_lose(struct xdp *xdp)
{
	xdp->app.counter[XDP_COUNT_LOST]++;
	xdp->replacing = false;
	give_up(xdp);
}

/* A queue has one socket at a time: this one goes before the next one comes. In between its frames are the kernel's. */
static void replace(struct xdp *xdp)
{
	xdp->app.sent += xdp_port_complete(xdp->port);
	if (xdp->port->sending.count > 0 && clock_now() < xdp->replace_at) {
		xdp_life_call(xdp, xdp_port_kick_send(xdp->port));
		return;
	}
	xdp->opening.replaces = true;
	give_up(xdp);
}

bool xdp_life_call(struct xdp *xdp, int code)
{
	if (code == 0)
		return true;
	xdp->app.counter[XDP_COUNT_WAKEUPS]++;
	if (code != -ENXIO)
		return true;
	xdp_life_lose(xdp);
	return false;
}

/* While it is down: take over what the job has opened, or ask again. */
static void reopen(struct xdp *xdp)
{
	struct xdp_opening *opening = &xdp->opening;

	if (job_finished(&opening->job)) {
		xdp->replacing = false;
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

void xdp_life_tick(struct xdp *xdp)
{
	if (xdp == running && leaving != NULL)
		clear_leaving(xdp, false);
	if (xdp->replacing && xdp->port != NULL)
		replace(xdp);
	if (xdp->app.down)
		reopen(xdp);
}

/* The ports whose packets this instance has to count: its own, one that is lost, and those that leave. */
static uint32_t walk(const struct xdp *xdp, size_t which)
{
	const struct xdp_port *own[] = { xdp->port, xdp->opening.dead };
	uint32_t count = 0;

	for (uint32_t i = 0; i < 2; i++)
		if (own[i] != NULL)
			count += xdp_away_walk((const struct xdp_away *)((const char *)own[i] + which));
	for (const struct xdp_port *port = xdp == running ? leaving : NULL; port != NULL; port = port->leaves_next)
		count += xdp_away_walk((const struct xdp_away *)((const char *)port + which));
	return count;
}

uint32_t xdp_life_sending(const struct xdp *xdp)
{
	return walk(xdp, offsetof(struct xdp_port, sending));
}

uint32_t xdp_life_posted(const struct xdp *xdp)
{
	return walk(xdp, offsetof(struct xdp_port, posted));
}
