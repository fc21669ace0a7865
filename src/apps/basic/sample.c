/* sample -- every n-th packet passes. */
#include "core/core.h"

struct sample {
	struct app app;
	uint32_t n;
	uint32_t seen;                  /* packets since the last one that passed */
};

static const struct param params[] = {
	{ "n", PARAM_U32, offsetof(struct sample, n), "one of so many packets passes: the n-th, the 2n-th, ...", .min = 1, .initial = 100 },
	{ 0 }
};

enum { SKIPPED };
enum { OUTPUT, REJECTED };

static void sample_commit(struct app *app, struct app *old)
{
	struct sample *sample = (struct sample *)app;

	if (old != NULL)
		sample->seen = ((struct sample *)old)->seen % sample->n;
}

static void sample_push(struct app *app)
{
	struct sample *sample = (struct sample *)app;
	struct packet *burst[BURST], *passed[BURST];
	uint32_t n = app_push_room(app, app->input[0]), passes = 0, rest = 0;

	link_receive_burst(app->input[0], burst, n);
	for (uint32_t i = 0; i < n; i++) {
		if (++sample->seen == sample->n) {
			sample->seen = 0;
			passed[passes++] = burst[i];
		} else {
			burst[rest++] = burst[i];
		}
	}
	link_send_burst(app->output[OUTPUT], passed, passes);
	if (app->output[REJECTED] != NULL)
		link_send_burst(app->output[REJECTED], burst, rest);
	else
		app_drop_burst(app, SKIPPED, burst, rest);
}

const struct app_class basic_sample_class = {
	.name = "basic.sample",
	.help = "Pass one packet in n.\nThe others go to the output 'rejected' when it is linked, else they are dropped.",
	.size = sizeof(struct sample),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "rejected?", NULL },
	.reasons = (const char *const[]){ "skipped", NULL },
	.commit = sample_commit, .push = sample_push,
};
