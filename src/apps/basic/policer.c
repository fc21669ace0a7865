/* policer -- a rate limit without a queue: what is above the rate is dropped. */
#include "core/core.h"
#include "lib/lib.h"

struct policer {
	struct app app;
	struct rate rate;
	uint64_t burst;                 /* bytes or packets; 0: none was given */
	struct token_bucket bucket;     /* of bits or packets */
};

static const struct param params[] = {
	{ "rate", PARAM_RATE, offsetof(struct policer, rate), "bits of the frames (without FCS), or packets, per second that pass",
		.required = true },
	{ "burst", PARAM_BYTES, offsetof(struct policer, burst), "bytes (packets, when the rate is in packets) that may pass at once "
		"after a pause; without it what the rate gives in 10 ms", .min = 1, .optional = true },
	{ 0 }
};

enum { EXCEEDED };

/* The bucket is full at the start; an earlier instance's tokens stay, as far as they fit. */
static void policer_commit(struct app *app, struct app *old)
{
	struct policer *policer = (struct policer *)app;
	const struct policer *before = (const struct policer *)old;
	double unit = policer->rate.packets ? 1 : 8, least = policer->rate.packets ? 1 : 1514 * 8;
	double capacity = policer->burst != 0 ? (double)policer->burst * unit :
		token_bucket_capacity(policer->rate.per_second, least);

	if (before != NULL && before->rate.packets == policer->rate.packets) {
		policer->bucket = before->bucket;
		token_bucket_change(&policer->bucket, policer->rate.per_second, capacity, clock_now());
	} else {
		token_bucket_init(&policer->bucket, policer->rate.per_second, capacity, clock_now());
	}
}

static void policer_push(struct app *app)
{
	struct policer *policer = (struct policer *)app;
	struct packet *burst[BURST], *above[BURST];
	uint32_t n = app_push_room(app, app->input[0]), passed = 0, exceeded = 0;
	bool packets = policer->rate.packets;

	link_receive_burst(app->input[0], burst, n);
	token_bucket_fill(&policer->bucket, clock_now());
	for (uint32_t i = 0; i < n; i++) {
		if (token_bucket_take(&policer->bucket, packets ? 1 : burst[i]->length * 8.0))
			burst[passed++] = burst[i];
		else
			above[exceeded++] = burst[i];
	}
	link_send_burst(app->output[0], burst, passed);
	app_drop_burst(app, EXCEEDED, above, exceeded);
}

const struct app_class basic_policer_class = {
	.name = "basic.policer",
	.help = "Let packets pass up to a rate, drop what is above it.\n"
		"A token bucket: a packet longer than the whole burst passes when the bucket is full, and the rate is still kept.",
	.size = sizeof(struct policer),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.reasons = (const char *const[]){ "exceeded", NULL },
	.commit = policer_commit, .push = policer_push,
};
