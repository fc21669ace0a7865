/* stick -- one wire for both sides of an lwAFTR: frames go by what they carry. */
#include "core/core.h"
#include "lib/lib.h"

enum { V4, V6 };

struct stick {
	struct app app;
	bool tags;
};

static const struct param params[] = {
	{ "tags", PARAM_BOOL, offsetof(struct stick, tags), .initial = true,
		.help = "look behind VLAN tags; without it, frames with a tag go to v6, as everything that is neither IPv4 nor ARP" },
	{ 0 }
};

static uint16_t type_of(const struct stick *stick, const struct packet *p)
{
	uint16_t type = 0;

	if (stick->tags)
		ethernet_payload(p->data, p->length, &type);
	else if (p->length >= ETHERNET_HEADER)
		type = bytes_read16(p->data + ETHERNET_HEADER - sizeof(type));
	return type;
}

static void stick_push(struct app *app)
{
	struct packet *burst[BURST], *out[2][BURST];
	uint32_t n = link_receive_burst(app->input[0], burst, app_push_room(app, app->input[0])), count[2] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		uint16_t type = type_of((const struct stick *)app, burst[i]);
		uint32_t side = type == ETHERNET_IPV4 || type == ETHERNET_ARP ? V4 : V6;

		out[side][count[side]++] = burst[i];
	}
	link_send_burst(app->output[V4], out[V4], count[V4]);
	link_send_burst(app->output[V6], out[V6], count[V6]);
}

const struct app_class lwaftr_stick_class = {
	.name = "lwaftr.stick",
	.help = "Divide the frames of one wire between the sides of an lwAFTR.\n"
		"IPv4 and ARP, behind VLAN tags too (but see tags), go to v4, everything else to v6.",
	.size = sizeof(struct stick),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "v4", "v6", NULL },
	.push = stick_push,
};
