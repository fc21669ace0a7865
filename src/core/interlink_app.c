/* interlink_app -- the two ends of a link between workers, as apps that the graph puts into the workers by itself: nobody writes
 * them into a configuration. In one worker "interlink.output" hands packets over; in the other "interlink.input" brings them in. */
#include "core/core.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* ring->closed: why nothing is taken out any more. */
enum { OPEN, LEAVING, ENDED };

enum {
	RETRY_NS = 20000,               /* a full ring is looked at again so soon: at 60 Mpps it is empty by then */
	SLEEP_NS = 50000                /* half a ring at the line rate of 10 Gbit/s */
};

struct end {
	struct app app;
	const char *link;               /* "w1:a.x -> w2:b.y" */
	uint32_t from, to;              /* numbers of the workers */
	struct interlink *ring;
	uint64_t seen;                  /* the other side's index when it was looked at last */
	int fd;                         /* wakes the consumer */
	bool leaving;                   /* a reload takes it out of the graph */
	bool full;                      /* nothing fitted the last time */
};

static const struct param params[] = {
	{ "link", PARAM_STRING, offsetof(struct end, link), .min = 1, .max = INTERLINK_NAME - 1, .required = true,
		.help = "the link's name" },
	{ "from", PARAM_U32, offsetof(struct end, from), .max = MEMORY_WORKERS, .required = true, .help = "the worker that sends" },
	{ "to", PARAM_U32, offsetof(struct end, to), .max = MEMORY_WORKERS, .required = true, .help = "the worker that receives" },
	{ 0 }
};

static void end_resources(const struct app *app, struct resources *resources)
{
	resources_add(resources, "interlink:%s", ((const struct end *)app)->link);
}

/* In the supervisor: the ring, and the descriptor that wakes its consumer. */
static int end_open(const struct app *app, const char *key)
{
	const struct end *end = (const struct end *)app;
	int fd;

	(void)key;
	if (interlink_make(end->link, (uint8_t)end->from, (uint8_t)end->to) == NULL)
		return -ENOSPC;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd >= 0 ? fd : nf_fail(errno, "link '%s': no event descriptor: %s", end->link, strerror(errno));
}

static int end_prepare(struct app *app, const struct app *old)
{
	struct end *end = (struct end *)app;
	char key[INTERLINK_NAME + 16];

	(void)old;
	snprintf(key, sizeof(key), "interlink:%s", end->link);
	end->fd = resource_open(key);
	if (end->fd < 0)
		return end->fd;
	end->ring = interlink_find(end->link);
	if (end->ring != NULL)
		return 0;
	close(end->fd);
	return nf_fail(ENOENT, "link '%s': its ring is not there", end->link);
}

static void end_retire(struct app *app)
{
	close(((struct end *)app)->fd);
}

/* Wake the consumer if it sleeps, or is about to. The fence stands between what was written to the ring and the look at the flag;
 * the consumer does the same the other way round, so that one of the two sees the other. */
static void wake(struct end *end)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&end->ring->sleeping, __ATOMIC_RELAXED) && __atomic_exchange_n(&end->ring->sleeping, 0, __ATOMIC_RELAXED))
		eventfd_write(end->fd, 1);
}

static void output_commit(struct app *app, struct app *old)
{
	struct end *end = (struct end *)app;

	(void)old;
	end->seen = __atomic_load_n(&end->ring->received, __ATOMIC_ACQUIRE);
}

/* A new graph, in which an input before this app may have something again. */
static void output_link(struct app *app)
{
	__atomic_store_n(&((struct end *)app)->ring->ended, 0, __ATOMIC_RELEASE);
}

static void output_push(struct app *app)
{
	struct end *end = (struct end *)app;
	struct link *input = app->input[0];
	uint32_t waiting = link_waiting(input), sent = 0;

	while (waiting > 0) {
		struct packet *burst[BURST];
		uint32_t n = waiting < BURST ? waiting : BURST, fit;

		for (uint32_t i = 0; i < n; i++)
			burst[i] = link_peek(input, i);
		fit = interlink_send(end->ring, &end->seen, burst, n);
		link_advance(input, fit);
		sent += fit;
		waiting -= fit;
		if (fit < n)
			break;
	}
	app->sent += sent;
	end->full = waiting > 0;
	if (sent > 0)
		wake(end);
	/* The other worker has come to its end: nobody will ever take this. */
	if (end->full && __atomic_load_n(&end->ring->closed, __ATOMIC_RELAXED) == ENDED) {
		while (link_waiting(input) > 0)
			app_drop(app, 0, link_receive(input));
		end->full = false;
	}
}

/* A full ring says nothing when it has room again. */
static uint64_t output_wake_at(const struct app *app)
{
	return ((const struct end *)app)->full && !clock_virtual ? clock_now() + RETRY_NS : CLOCK_NEVER;
}

/* No more will come: the consumer need not wait for the end of this whole worker, which may wait for the consumer's. */
static void output_over(struct app *app)
{
	struct end *end = (struct end *)app;

	if (__atomic_exchange_n(&end->ring->ended, 1, __ATOMIC_RELEASE) == 0)
		wake(end);
}

static void input_commit(struct app *app, struct app *old)
{
	struct end *end = (struct end *)app;

	(void)old;
	end->seen = end->ring->received;
	__atomic_store_n(&end->ring->sleeping, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&end->ring->closed, OPEN, __ATOMIC_RELEASE);
}

/* Bring in what fits; gives how many. */
static uint32_t bring(struct end *end)
{
	struct packet *burst[BURST];
	uint32_t n = interlink_receive(end->ring, &end->seen, burst, app_pull_room(&end->app), &end->app.counter[0]);

	end->app.received += n;
	link_send_burst(end->app.output[0], burst, n);
	return n;
}

static void input_pull(struct app *app)
{
	struct end *end = (struct end *)app;
	bool ended = __atomic_load_n(&end->ring->ended, __ATOMIC_ACQUIRE);

	if (bring(end) == 0 && ended && interlink_count(end->ring) == 0)
		app->ended = true;
}

/* The other end may go on after it had ended: a reload has given it another input. */
static void input_tick(struct app *app)
{
	if (app->ended && !__atomic_load_n(&((struct end *)app)->ring->ended, __ATOMIC_RELAXED))
		app->ended = false;
}

/* Out of the graph by a reload: close the ring, and pass on what is in it as far as there is room. */
static void input_flush(struct app *app)
{
	struct end *end = (struct end *)app;

	end->leaving = true;
	__atomic_store_n(&end->ring->closed, LEAVING, __ATOMIC_SEQ_CST);
	while (bring(end) > 0)
		;
}

static void input_stop(struct app *app)
{
	struct end *end = (struct end *)app;
	uint32_t reason = app_reason(app, end->leaving ? APP_REASON_RELOAD : APP_REASON_STOP), n;
	struct packet *burst[BURST];

	__atomic_store_n(&end->ring->closed, end->leaving ? LEAVING : ENDED, __ATOMIC_SEQ_CST);
	while (interlink_count(end->ring) > 0) {
		n = interlink_receive(end->ring, &end->seen, burst, BURST, &app->counter[0]);
		app->received += n;
		app_drop_burst(app, reason, burst, n);
	}
}

static uint32_t input_held(const struct app *app)
{
	return interlink_count(((const struct end *)app)->ring);
}

static int input_event_fd(const struct app *app)
{
	return ((const struct end *)app)->fd;
}

static bool input_rest(struct app *app, bool begins)
{
	struct end *end = (struct end *)app;
	eventfd_t value;

	__atomic_store_n(&end->ring->sleeping, begins, __ATOMIC_RELAXED);
	if (!begins)                            /* whether it was this that woke us does not matter */
		return eventfd_read(end->fd, &value) == 0 || errno == EAGAIN;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return interlink_count(end->ring) == 0 && !__atomic_load_n(&end->ring->ended, __ATOMIC_RELAXED);
}

static uint64_t input_sleep_limit(const struct app *app)
{
	(void)app;
	return SLEEP_NS;
}

const struct app_class interlink_output_class = {
	.name = "interlink.output",
	.help = "Hand packets over to another worker.",
	.size = sizeof(struct end),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.reasons = (const char *const[]){ "ended", NULL },
	.resources = end_resources, .open = end_open, .prepare = end_prepare, .abort = end_retire, .retire = end_retire,
	.commit = output_commit, .link = output_link, .push = output_push, .flush = output_push, .over = output_over, .stop = output_over, .wake_at = output_wake_at,
};

const struct app_class interlink_input_class = {
	.name = "interlink.input",
	.help = "Take over packets from another worker.",
	.size = sizeof(struct end),
	.params = params,
	.outputs = (const char *const[]){ "output", NULL },
	.counters = (const char *const[]){ "bad", NULL },
	.inner = true,
	.resources = end_resources, .open = end_open, .prepare = end_prepare, .abort = end_retire, .retire = end_retire,
	.commit = input_commit, .pull = input_pull, .tick = input_tick, .flush = input_flush, .stop = input_stop, .held = input_held,
	.event_fd = input_event_fd, .rest = input_rest, .sleep_limit = input_sleep_limit,
};
