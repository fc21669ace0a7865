/* shaper -- a rate limit with a queue: what is above the rate waits, and is dropped only when the queue is full. */
#include "core/core.h"
#include "lib/lib.h"

struct shaper {
	struct app app;
	struct rate rate;
	uint64_t burst;                 /* bytes or packets; 0: none was given */
	uint32_t limit;                 /* of the queue */
	struct token_bucket bucket;     /* of bits or packets */
	struct fifo queue;              /* struct packet */
};

static const struct param params[] = {
	{ "rate", PARAM_RATE, offsetof(struct shaper, rate), "bits of the frames (without FCS), or packets, per second that pass",
		.required = true },
	{ "burst", PARAM_BYTES, offsetof(struct shaper, burst), "bytes (packets, when the rate is in packets) that may pass at once "
		"after a pause; without it what the rate gives in 10 ms", .min = 1, .optional = true },
	{ "queue", PARAM_U32, offsetof(struct shaper, limit), "packets that may wait", .min = 1, .max = 1 << 20, .initial = 1000 },
	{ 0 }
};

enum { QUEUE_FULL };

static void shaper_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = ((const struct shaper *)app)->limit;
}

static int shaper_prepare(struct app *app, const struct app *old)
{
	struct shaper *shaper = (struct shaper *)app;

	(void)old;
	fifo_init(&shaper->queue, app_alloc(app, fifo_slots(shaper->limit) * sizeof(struct fifo_entry)), shaper->limit);
	return 0;
}

/* Take over tokens and queue; what does not fit into a shorter queue is dropped, the newest packets. */
static void shaper_commit(struct app *app, struct app *old)
{
	struct shaper *shaper = (struct shaper *)app, *before = (struct shaper *)old;
	double unit = shaper->rate.packets ? 1 : 8, least = shaper->rate.packets ? 1 : 1514 * 8;
	double capacity = shaper->burst != 0 ? (double)shaper->burst * unit :
		token_bucket_capacity(shaper->rate.per_second, least);

	token_bucket_init(&shaper->bucket, shaper->rate.per_second, capacity, clock_now());
	if (before == NULL)
		return;
	if (before->rate.packets == shaper->rate.packets) {
		shaper->bucket = before->bucket;
		token_bucket_change(&shaper->bucket, shaper->rate.per_second, capacity, clock_now());
	}
	while (fifo_count(&before->queue) > 0) {
		struct packet *p = fifo_take(&before->queue);

		if (fifo_room(&shaper->queue) > 0)
			fifo_put(&shaper->queue, p, 0);
		else
			app_drop(app, app_reason(app, APP_REASON_RELOAD), p);
	}
	app->ended = fifo_count(&shaper->queue) == 0;
}

/* Its place in the graph goes: what waits leaves faster than the rate rather than not at all. */
static void shaper_flush(struct app *app)
{
	struct shaper *shaper = (struct shaper *)app;

	while (fifo_count(&shaper->queue) > 0 && link_room(app->output[0]) > 0)
		link_send(app->output[0], fifo_take(&shaper->queue));
}

static void shaper_stop(struct app *app)
{
	struct shaper *shaper = (struct shaper *)app;

	while (fifo_count(&shaper->queue) > 0)
		app_drop(app, app_reason(app, APP_REASON_STOP), fifo_take(&shaper->queue));
}

/* What a packet costs in the unit of the rate. */
static double price(const struct shaper *shaper, const struct packet *p)
{
	return shaper->rate.packets ? 1 : p->length * 8.0;
}

/* Send what the rate and the output allow. */
static void release(struct shaper *shaper)
{
	struct link *output = shaper->app.output[0];
	struct fifo *queue = &shaper->queue;
	struct packet *burst[BURST];
	uint32_t n = 0, room = app_pull_room(&shaper->app);

	while (n < room && fifo_count(queue) > 0 &&
		token_bucket_take(&shaper->bucket, price(shaper, fifo_first(queue)->item)))
		burst[n++] = fifo_take(queue);
	link_send_burst(output, burst, n);
}

/* Queue up to n packets of the input, as many as fit; gives how many. */
static uint32_t accept(struct shaper *shaper, uint32_t n)
{
	struct packet *burst[BURST];

	n = link_receive_burst(shaper->app.input[0], burst, n < fifo_room(&shaper->queue) ? n : fifo_room(&shaper->queue));
	for (uint32_t i = 0; i < n; i++)
		fifo_put(&shaper->queue, burst[i], 0);
	return n;
}

/* Packets pass through the queue as far as the rate allows. What then does not fit is dropped when the output has room, for it is
 * the rate that holds up the queue; when the output has none, it waits on the input. */
static void shaper_push(struct app *app)
{
	struct shaper *shaper = (struct shaper *)app;
	uint32_t n = link_waiting(app->input[0]) < BURST ? link_waiting(app->input[0]) : BURST, taken;
	struct packet *burst[BURST];

	token_bucket_fill(&shaper->bucket, clock_now());
	do {
		release(shaper);
		taken = accept(shaper, n);
		n -= taken;
	} while (taken > 0);
	if (link_room(app->output[0]) > 0) {
		n = link_receive_burst(app->input[0], burst, n);
		app_drop_burst(app, QUEUE_FULL, burst, n);
	}
	app->ended = fifo_count(&shaper->queue) == 0;
}

static uint32_t shaper_held(const struct app *app)
{
	return fifo_walk(&((const struct shaper *)app)->queue);
}

static uint64_t shaper_wake_at(const struct app *app)
{
	const struct shaper *shaper = (const struct shaper *)app;

	if (fifo_count(&shaper->queue) == 0 || link_room(app->output[0]) == 0)
		return CLOCK_NEVER;
	return token_bucket_ready(&shaper->bucket, price(shaper, fifo_first(&shaper->queue)->item));
}

const struct app_class basic_shaper_class = {
	.name = "basic.shaper",
	.help = "Delay packets so that they leave at a rate; drop what does not fit into the queue.\n"
		"A token bucket: a packet longer than the whole burst leaves when the bucket is full, and the rate is still kept.",
	.size = sizeof(struct shaper),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.reasons = (const char *const[]){ "queue-full", NULL },
	.holds = shaper_holds, .prepare = shaper_prepare, .commit = shaper_commit, .flush = shaper_flush,
	.stop = shaper_stop,
	.push = shaper_push, .held = shaper_held, .wake_at = shaper_wake_at,
};
