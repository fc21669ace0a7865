/* truncate -- cut long packets off. */
#include "core/core.h"

struct truncate {
	struct app app;
	uint32_t length;
};

static const struct param params[] = {
	{ "length", PARAM_U32, offsetof(struct truncate, length), "bytes that are kept of a packet", .min = 1, .required = true },
	{ 0 }
};

enum { TRUNCATED };                     /* counter */

/* A packet that was cut has no transport checksum to complete and nothing to segment any more. */
static void cut(struct packet *p, uint32_t length)
{
	p->length = length;
	p->meta.flags &= (uint8_t)~(PACKET_CHECKSUM_PARTIAL | PACKET_CHECKSUM_VALID);
	p->meta.gso = PACKET_GSO_NONE;
}

static void truncate_push(struct app *app)
{
	const struct truncate *truncate = (struct truncate *)app;
	struct packet *burst[BURST];
	uint32_t n = app_push_room(app, app->input[0]);

	link_receive_burst(app->input[0], burst, n);
	for (uint32_t i = 0; i < n; i++) {
		if (burst[i]->length > truncate->length) {
			cut(burst[i], truncate->length);
			app->counter[TRUNCATED]++;
		}
	}
	link_send_burst(app->output[0], burst, n);
}

const struct app_class basic_truncate_class = {
	.name = "basic.truncate",
	.help = "Cut packets that are longer than a length.\nLengths and checksums in their headers stay as they are.",
	.size = sizeof(struct truncate),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.counters = (const char *const[]){ "truncated", NULL },
	.push = truncate_push,
};
