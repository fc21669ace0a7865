/* join -- put the packets of several inputs on one output. */
#include "core/core.h"

struct join {
	struct app app;
	uint32_t first;                 /* the input that is served first this time */
};

/* Each push begins with another input: when the output has little room, all inputs get their share of it. */
static void join_push(struct app *app)
{
	struct join *join = (struct join *)app;
	uint32_t at = join->first;

	for (uint32_t i = 0; i < app->input_count; i++) {
		link_move(app->input[at], app->output[0], BURST);
		if (++at == app->input_count)
			at = 0;
	}
	if (++join->first >= app->input_count)
		join->first = 0;
}

/* Fewer inputs than before: begin with one that is there. */
static void join_link(struct app *app)
{
	((struct join *)app)->first = 0;
}

const struct app_class basic_join_class = {
	.name = "basic.join",
	.help = "Put the packets of any number of inputs on one output.\n"
		"The order within an input is kept; when the output is slow, all inputs get an equal share of it.",
	.size = sizeof(struct join),
	.inputs = (const char *const[]){ "*", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.link = join_link, .push = join_push,
};
