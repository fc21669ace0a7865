/* tag -- put a VLAN tag into every frame. source: IEEE 802.1Q, clause 9 */
#include "apps/vlan/tags.h"

struct tag {
	struct app app;
	uint16_t vlan;
	uint8_t priority;
	uint32_t type;                  /* index in tags_types */
};

static const struct param params[] = {
	{ "vlan", PARAM_U16, offsetof(struct tag, vlan), "the VLAN id", .max = TAGS_ID_MOST, .required = true },
	{ "priority", PARAM_U8, offsetof(struct tag, priority), "the priority (PCP)", .max = 7, .initial = 0 },
	{ "type", PARAM_ENUM, offsetof(struct tag, type), "the kind of tag: 0x8100 of a customer, or 0x88a8 of a provider",
		.choices = tags_type_names, .initial_text = "802.1Q" },
	{ 0 }
};

enum { UNTAGGABLE };

static void tag_push(struct app *app)
{
	const struct tag *tag = (const struct tag *)app;
	uint16_t tci = (uint16_t)(tag->priority << VLAN_PRIORITY | tag->vlan), type = tags_types[tag->type];
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[0], burst, app_push_room(app, app->input[0])), tagged = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (__builtin_expect(tags_insert(burst[i], type, tci), 1))
			burst[tagged++] = burst[i];
		else
			app_drop(app, UNTAGGABLE, burst[i]);
	}
	link_send_burst(app->output[0], burst, tagged);
}

const struct app_class vlan_tag_class = {
	.name = "vlan.tag",
	.help = "Put a VLAN tag into every frame, before the tags that it has already.\n"
		"A frame without both addresses, or with no room for the tag, is dropped as untaggable.",
	.size = sizeof(struct tag),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", NULL },
	.reasons = (const char *const[]){ "untaggable", NULL },
	.push = tag_push,
};
