/* drop -- lose packets on purpose: each with a probability, or every n-th. */
#include "core/core.h"

struct drop {
	struct app app;
	double probability;
	uint32_t every;                 /* 0: by probability */
	bool has_probability;
	uint32_t seen;                  /* packets since the last one that was dropped */
	struct random random;
};

static const struct param params[] = {
	{ "probability", PARAM_NUMBER, offsetof(struct drop, probability), "with which each packet is dropped", .real_min = 0,
		.real_max = 1, .optional = true, .present = offsetof(struct drop, has_probability) },
	{ "every", PARAM_U32, offsetof(struct drop, every), "drop the n-th, the 2n-th, ... packet", .min = 1, .optional = true },
	{ 0 }
};

enum { CHOSEN };

static void drop_check(const struct app *app, struct errors *errors)
{
	const struct drop *drop = (const struct drop *)app;

	if (drop->has_probability && drop->every != 0)
		errors_add(errors, "app '%s': key 'every': probability is given, too; accepted: one of both", app->name);
	if (!drop->has_probability && drop->every == 0)
		errors_add(errors, "app '%s': key 'probability': neither probability nor every is given; accepted: one of both",
			app->name);
}

static void drop_commit(struct app *app, struct app *old)
{
	struct drop *drop = (struct drop *)app;

	random_init(&drop->random, random_seed, app->name);
	if (old != NULL) {
		drop->random = ((struct drop *)old)->random;
		drop->seen = drop->every != 0 ? ((struct drop *)old)->seen % drop->every : 0;
	}
}

static bool is_chosen(struct drop *drop)
{
	if (drop->every == 0)
		return random_chance(&drop->random, drop->probability);
	if (++drop->seen < drop->every)
		return false;
	drop->seen = 0;
	return true;
}

static void drop_push(struct app *app)
{
	struct drop *drop = (struct drop *)app;
	struct packet *burst[BURST], *dropped[BURST];
	uint32_t n = app_push_room(app, app->input[0]), stays = 0, goes = 0;

	link_receive_burst(app->input[0], burst, n);
	for (uint32_t i = 0; i < n; i++) {
		if (is_chosen(drop))
			dropped[goes++] = burst[i];
		else
			burst[stays++] = burst[i];
	}
	link_send_burst(app->output[0], burst, stays);
	app_drop_burst(app, CHOSEN, dropped, goes);
}

const struct app_class basic_drop_class = {
	.name = "basic.drop",
	.help = "Drop packets by chance, or every n-th.\nChance comes from the seed of the run: with --seed it is repeatable.",
	.size = sizeof(struct drop),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.reasons = (const char *const[]){ "chosen", NULL },
	.check = drop_check, .commit = drop_commit, .push = drop_push,
};
