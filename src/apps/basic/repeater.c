/* repeater -- collect packets, then replay them again and again.
 *
 *      state           leaves it when                                  goes to
 *      COLLECTING      `number` packets are there, or none has come    REPLAYING
 *                      for `wait` and at least one is there
 *      REPLAYING       `count` rounds are over (without it: never)     FINISHED
 *      FINISHED        never; what comes is dropped as surplus */
#include "core/core.h"

enum state { COLLECTING, REPLAYING, FINISHED };

struct repeater {
	struct app app;
	uint32_t number;
	uint64_t count;                 /* rounds; 0: no end */
	uint64_t wait_ns;
	struct packet **store;          /* number slots */
	uint32_t stored, at;            /* packets in the store; the one that is next */
	uint64_t rounds;                /* that are over */
	uint64_t last_ns;               /* when the last packet was collected */
	enum state state;
};

static const struct param params[] = {
	{ "number", PARAM_U32, offsetof(struct repeater, number), "how many packets are collected", .min = 1, .max = 1 << 20,
		.initial = 1000 },
	{ "count", PARAM_U64, offsetof(struct repeater, count), "how often they are sent; without it there is no end", .min = 1,
		.optional = true },
	{ "wait", PARAM_DURATION, offsetof(struct repeater, wait_ns), "when no more come for so long, fewer will do",
		.initial_text = "100ms" },
	{ 0 }
};

enum { SURPLUS };

static void repeater_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = ((const struct repeater *)app)->number;
}

static int repeater_prepare(struct app *app, const struct app *old)
{
	struct repeater *repeater = (struct repeater *)app;

	(void)old;
	repeater->store = app_alloc(app, repeater->number * sizeof(*repeater->store));
	return 0;
}

/* Take over what an earlier instance collected; what does not fit is dropped. The round begins anew, those before count. */
static void repeater_commit(struct app *app, struct app *old)
{
	struct repeater *repeater = (struct repeater *)app, *before = (struct repeater *)old;

	app->ended = true;
	if (before == NULL)
		return;
	for (uint32_t i = 0; i < before->stored; i++) {
		struct packet *p = before->store[i];

		before->store[i] = NULL;
		if (p == NULL)
			continue;
		if (repeater->stored < repeater->number)
			repeater->store[repeater->stored++] = p;
		else
			app_drop(app, app_reason(app, APP_REASON_RELOAD), p);
	}
	before->stored = 0;
	repeater->rounds = before->rounds;
	repeater->last_ns = before->last_ns;
	repeater->state = before->state == REPLAYING && repeater->stored == 0 ? FINISHED : before->state;
	app->ended = repeater->stored == 0;
}

static void repeater_stop(struct app *app)
{
	struct repeater *repeater = (struct repeater *)app;

	for (uint32_t i = 0; i < repeater->stored; i++) {
		if (repeater->store[i] != NULL)
			app_drop(app, app_reason(app, APP_REASON_STOP), repeater->store[i]);
		repeater->store[i] = NULL;
	}
	repeater->stored = 0;
	app->ended = true;
}

/* While it replays, packets wait on the input: who sends as fast as links take is held up, and costs nothing. */
static void repeater_push(struct app *app)
{
	struct repeater *repeater = (struct repeater *)app;
	struct packet *burst[BURST];
	uint32_t room = repeater->number - repeater->stored, n;

	if (repeater->state == FINISHED) {
		n = link_receive_burst(app->input[0], burst, BURST);
		app_drop_burst(app, SURPLUS, burst, n);
	} else if (repeater->state == COLLECTING) {
		n = link_receive_burst(app->input[0], repeater->store + repeater->stored, room < BURST ? room : BURST);
		repeater->stored += n;
		if (n > 0)
			repeater->last_ns = clock_now();
		app->ended = repeater->stored == 0;
		if (repeater->stored == repeater->number ||
			(repeater->stored > 0 && clock_now() - repeater->last_ns >= repeater->wait_ns))
			repeater->state = REPLAYING;
	}
}

/* Send up to n packets of this round: copies, in the last round the packets themselves. gives: how many */
static uint32_t replay(struct repeater *repeater, uint32_t n)
{
	struct packet **from = repeater->store + repeater->at, *copy[BURST];

	if (n > repeater->stored - repeater->at)
		n = repeater->stored - repeater->at;
	if (repeater->count != 0 && repeater->rounds + 1 >= repeater->count) {
		link_send_burst(repeater->app.output[0], from, n);
		memset(from, 0, n * sizeof(*from));
	} else {
		n = packet_copy_burst(from, copy, n);
		link_send_burst(repeater->app.output[0], copy, n);
		repeater->app.created += n;
	}
	repeater->at += n;
	return n;
}

/* One round is over. */
static void end_round(struct repeater *repeater)
{
	repeater->at = 0;
	repeater->rounds++;
	if (repeater->count != 0 && repeater->rounds >= repeater->count) {
		repeater->stored = 0;
		repeater->state = FINISHED;
		repeater->app.ended = true;
	}
}

static void repeater_pull(struct app *app)
{
	struct repeater *repeater = (struct repeater *)app;
	uint32_t room = app_pull_room(app);

	while (repeater->state == REPLAYING && room > 0) {
		uint32_t n = replay(repeater, room);

		if (n == 0)
			break;          /* no packets for copies at the moment */
		room -= n;
		if (repeater->at == repeater->stored)
			end_round(repeater);
	}
}

static uint32_t repeater_held(const struct app *app)
{
	const struct repeater *repeater = (const struct repeater *)app;
	uint32_t count = 0;

	for (uint32_t i = 0; i < repeater->stored; i++)
		count += repeater->store[i] != NULL;
	return count;
}

static uint64_t repeater_wake_at(const struct app *app)
{
	const struct repeater *repeater = (const struct repeater *)app;

	if (repeater->state == COLLECTING && repeater->stored > 0)
		return repeater->last_ns + repeater->wait_ns;
	return repeater->state == REPLAYING && app_pull_room(app) > 0 ? clock_now() : CLOCK_NEVER;
}

const struct app_class basic_repeater_class = {
	.name = "basic.repeater",
	.help = "Collect packets, then send them again and again, as fast as the output takes them.",
	.size = sizeof(struct repeater),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.reasons = (const char *const[]){ "surplus", NULL },
	.holds = repeater_holds, .prepare = repeater_prepare, .commit = repeater_commit, .stop = repeater_stop,
	.pull = repeater_pull, .push = repeater_push, .held = repeater_held, .wake_at = repeater_wake_at,
};
