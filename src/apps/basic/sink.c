/* sink -- swallow everything that comes in; what it got is in the ledger as consumed. */
#include "core/core.h"

static void sink_push(struct app *app)
{
	for (uint32_t i = 0; i < app->input_count; i++)
		app->consumed += link_free(app->input[i], BURST);
}

const struct app_class basic_sink_class = {
	.name = "basic.sink",
	.help = "Swallow all packets of any number of inputs.\nThe ledger counts them as consumed.",
	.size = sizeof(struct app),
	.inputs = (const char *const[]){ "*", NULL },
	.push = sink_push,
};
