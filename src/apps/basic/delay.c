/* delay -- every packet leaves a while after it came. */
#include "core/core.h"
#include "lib/lib.h"

struct delay {
	struct app app;
	uint64_t time_ns, jitter_ns;
	uint32_t limit;
	bool order;
	uint64_t last_due_ns;           /* of the packet that came last; with `order` none leaves before it */
	struct random random;
	/* One of both holds the packets, by the time at which they are due. */
	struct fifo fifo;               /* with `order` */
	struct heap heap;
};

static const struct param params[] = {
	{ "time", PARAM_DURATION, offsetof(struct delay, time_ns), "the least delay", .max = 3600000000000, .required = true },
	{ "jitter", PARAM_DURATION, offsetof(struct delay, jitter_ns), "up to so much is added by chance, for each packet anew",
		.max = 3600000000000, .initial = 0 },
	{ "order", PARAM_BOOL, offsetof(struct delay, order), "packets leave in the order in which they came, whatever the jitter",
		.initial = true },
	{ "queue", PARAM_U32, offsetof(struct delay, limit), "packets that may be on their way; more wait on the input link",
		.min = 1, .max = 1 << 20, .initial = 10000 },
	{ 0 }
};

static uint32_t delay_count(const struct delay *delay)
{
	return delay->order ? fifo_count(&delay->fifo) : delay->heap.count;
}

/* When the first packet is due. needs: there is one */
static uint64_t first_due(const struct delay *delay)
{
	return delay->order ? fifo_first(&delay->fifo)->key : delay->heap.entry[0].key;
}

static struct packet *take(struct delay *delay)
{
	return delay->order ? fifo_take(&delay->fifo) : heap_take(&delay->heap);
}

/* Keep a packet until a time. needs: there is room */
static void keep(struct delay *delay, struct packet *p, uint64_t due_ns)
{
	if (!delay->order) {
		heap_put(&delay->heap, p, due_ns);
		return;
	}
	if (due_ns < delay->last_due_ns)
		due_ns = delay->last_due_ns;
	delay->last_due_ns = due_ns;
	fifo_put(&delay->fifo, p, due_ns);
}

static void delay_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = ((const struct delay *)app)->limit;
}

static int delay_prepare(struct app *app, const struct app *old)
{
	struct delay *delay = (struct delay *)app;

	(void)old;
	if (delay->order)
		fifo_init(&delay->fifo, app_alloc(app, fifo_slots(delay->limit) * sizeof(struct fifo_entry)), delay->limit);
	else
		heap_init(&delay->heap, app_alloc(app, delay->limit * sizeof(struct heap_entry)), delay->limit);
	return 0;
}

/* Packets on their way keep their time; the last ones are dropped when there is less room than before. */
static void delay_commit(struct app *app, struct app *old)
{
	struct delay *delay = (struct delay *)app, *before = (struct delay *)old;

	random_init(&delay->random, random_seed, app->name);
	if (before == NULL)
		return;
	delay->random = before->random;
	while (delay_count(before) > 0) {
		uint64_t due_ns = first_due(before);
		struct packet *p = take(before);

		if (delay_count(delay) < delay->limit)
			keep(delay, p, due_ns);
		else
			app_drop(app, app_reason(app, APP_REASON_RELOAD), p);
	}
	app->ended = delay_count(delay) == 0;
}

/* Its place in the graph goes: what is on its way arrives early rather than not at all. */
static void delay_flush(struct app *app)
{
	struct delay *delay = (struct delay *)app;

	while (delay_count(delay) > 0 && link_room(app->output[0]) > 0)
		link_send(app->output[0], take(delay));
}

static void delay_stop(struct app *app)
{
	struct delay *delay = (struct delay *)app;

	while (delay_count(delay) > 0)
		app_drop(app, app_reason(app, APP_REASON_STOP), take(delay));
}

/* Send what is due, as far as the output has room. */
static void release(struct delay *delay)
{
	uint64_t now = clock_now();
	uint32_t n = 0, room = app_pull_room(&delay->app);
	struct packet *burst[BURST];

	while (n < room && delay_count(delay) > 0 && first_due(delay) <= now)
		burst[n++] = take(delay);
	link_send_burst(delay->app.output[0], burst, n);
}

/* Jitter for one packet: uniform in 0 .. jitter. Scaled from 53 bits, so durations above 2^32 ns are possible. */
static uint64_t jitter(struct delay *delay)
{
	if (delay->jitter_ns == 0)
		return 0;
	return (uint64_t)((double)(random_u64(&delay->random) >> 11) * 0x1p-53 * (double)(delay->jitter_ns + 1));
}

static void delay_push(struct app *app)
{
	struct delay *delay = (struct delay *)app;
	struct packet *burst[BURST];
	uint32_t room = delay->limit - delay_count(delay), n;
	uint64_t due_ns = clock_now() + delay->time_ns;

	n = link_receive_burst(app->input[0], burst, room < BURST ? room : BURST);
	for (uint32_t i = 0; i < n; i++)
		keep(delay, burst[i], due_ns + jitter(delay));
	release(delay);
	app->ended = delay_count(delay) == 0;
}

static uint32_t delay_held(const struct app *app)
{
	const struct delay *delay = (const struct delay *)app;
	uint32_t count = 0;

	if (delay->order)
		return fifo_walk(&delay->fifo);
	for (uint32_t i = 0; i < delay->heap.count; i++)
		count += delay->heap.entry[i].item != NULL;
	return count;
}

static uint64_t delay_wake_at(const struct app *app)
{
	const struct delay *delay = (const struct delay *)app;

	return delay_count(delay) == 0 || link_room(app->output[0]) == 0 ? CLOCK_NEVER : first_due(delay);
}

const struct app_class basic_delay_class = {
	.name = "basic.delay",
	.help = "Let every packet leave some time after it came.\nChance comes from the seed of the run: with --seed it is repeatable.",
	.size = sizeof(struct delay),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.holds = delay_holds, .prepare = delay_prepare, .commit = delay_commit, .flush = delay_flush,
	.stop = delay_stop,
	.push = delay_push, .held = delay_held, .wake_at = delay_wake_at,
};
