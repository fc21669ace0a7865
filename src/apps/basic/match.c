/* match -- compare two streams packet by packet: the first with the first, the second with the second. For tests. */
#include "core/core.h"
#include "lib/lib.h"

enum { EXPECTED, ACTUAL, SIDES };

struct match {
	struct app app;
	uint32_t window;
	uint64_t compared;              /* pairs, and packets without a counterpart */
	uint64_t first_fault;           /* number of the first that did not match, from 1 */
	struct fifo side[SIDES];        /* struct packet: what waits for its counterpart */
};

static const struct param params[] = {
	{ "window", PARAM_U32, offsetof(struct match, window), "how many packets of one input may wait for those of the other; when "
		"more come, the oldest has no counterpart", .min = 1, .max = 1 << 20, .initial = 4096 },
	{ 0 }
};

enum { MATCHED, DIFFERENT, MISSING, UNEXPECTED, FIRST_FAULT };  /* counters */

static void match_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = SIDES * ((const struct match *)app)->window;
}

static int match_prepare(struct app *app, const struct app *old)
{
	struct match *match = (struct match *)app;
	size_t bytes = fifo_slots(match->window) * sizeof(struct fifo_entry);

	(void)old;
	for (uint32_t i = 0; i < SIDES; i++)
		fifo_init(&match->side[i], app_alloc(app, bytes), match->window);
	return 0;
}

/* Count what came of one comparison, and where the first fault was. */
static void count(struct match *match, uint32_t counter)
{
	match->compared++;
	match->app.counter[counter]++;
	if (counter != MATCHED && match->first_fault == 0)
		match->app.counter[FIRST_FAULT] = match->first_fault = match->compared;
}

/* Swallow the oldest packet of one side, which has no counterpart. */
static void take_single(struct match *match, uint32_t side)
{
	packet_free(fifo_take(&match->side[side]));
	match->app.consumed++;
	count(match, side == EXPECTED ? MISSING : UNEXPECTED);
}

/* Compare and swallow the oldest packet of both sides. */
static void take_pair(struct match *match)
{
	struct packet *expected = fifo_take(&match->side[EXPECTED]), *actual = fifo_take(&match->side[ACTUAL]);
	bool equal = expected->length == actual->length && memcmp(expected->data, actual->data, expected->length) == 0;

	packet_free(expected);
	packet_free(actual);
	match->app.consumed += SIDES;
	count(match, equal ? MATCHED : DIFFERENT);
}

/* What an earlier instance kept waits on; what does not fit into a smaller window has no counterpart. */
static void match_commit(struct app *app, struct app *old)
{
	struct match *match = (struct match *)app, *before = (struct match *)old;

	if (before == NULL)
		return;
	match->compared = before->compared;
	match->first_fault = before->first_fault;
	for (uint32_t i = 0; i < SIDES; i++) {
		while (fifo_count(&before->side[i]) > 0) {
			if (fifo_room(&match->side[i]) == 0)
				take_single(match, i);
			fifo_put(&match->side[i], fifo_take(&before->side[i]), 0);
		}
	}
}

static void match_push(struct app *app)
{
	struct match *match = (struct match *)app;

	for (uint32_t i = 0; i < BURST; i++) {
		for (uint32_t side = 0; side < SIDES; side++) {
			if (link_waiting(app->input[side]) == 0)
				continue;
			if (fifo_room(&match->side[side]) == 0)
				take_single(match, side);
			fifo_put(&match->side[side], link_receive(app->input[side]), 0);
		}
		if (fifo_count(&match->side[EXPECTED]) > 0 && fifo_count(&match->side[ACTUAL]) > 0)
			take_pair(match);
	}
}

/* At the end nothing that still waits has a counterpart. */
static void match_stop(struct app *app)
{
	struct match *match = (struct match *)app;

	for (uint32_t side = 0; side < SIDES; side++)
		while (fifo_count(&match->side[side]) > 0)
			take_single(match, side);
}

static uint32_t match_held(const struct app *app)
{
	const struct match *match = (const struct match *)app;

	return fifo_walk(&match->side[EXPECTED]) + fifo_walk(&match->side[ACTUAL]);
}

const struct app_class basic_match_class = {
	.name = "basic.match",
	.help = "Compare the packets of two inputs, the first with the first, the second with the second, and swallow them.\n"
		"Counters: matched and different pairs; missing: expected, but nothing came in its place by the end; unexpected: came, but "
		"was not expected; first-fault: the number of the first packet that did not match, from 1; 0: all did.",
	.size = sizeof(struct match),
	.params = params,
	.inputs = (const char *const[]){ "expected", "actual", NULL },
	.counters = (const char *const[]){ "matched", "different", "missing", "unexpected", "first-fault", NULL },
	.holds = match_holds, .prepare = match_prepare, .commit = match_commit, .stop = match_stop,
	.push = match_push, .held = match_held,
};
