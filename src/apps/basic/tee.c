/* tee -- every packet on every output: copies on all outputs but the last, which gets the packet itself. */
#include "core/core.h"

enum { UNCOPIED };                     /* counter: copies not made, because packet memory was exhausted */

/* One output after the other, a burst each: the burst stays in the first-level cache meanwhile. Complete copies tell how many
 * bytes the packets have, so those need not be looked at again. */
static void tee_push(struct app *app)
{
	struct link *input = app->input[0];
	uint32_t n = app_push_room(app, input), last = app->output_count - 1;

	bool complete = false;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < last; i++) {
		uint64_t before = app->output[i]->bytes;
		uint32_t copies = link_copy(input, app->output[i], n);

		app->created += copies;
		app->counter[UNCOPIED] += n - copies;
		complete = copies == n;
		bytes = app->output[i]->bytes - before;
	}
	if (complete)
		link_pass(input, app->output[last], n, bytes);
	else
		link_move(input, app->output[last], n);
}

const struct app_class basic_tee_class = {
	.name = "basic.tee",
	.help = "Send every packet to every output.\n"
		"The last output of the configuration gets the packet itself, the others get copies. A full output holds up all.",
	.size = sizeof(struct app),
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "*", NULL },
	.counters = (const char *const[]){ "uncopied", NULL },
	.push = tee_push,
};
