/* untag -- take the tag of one VLAN off the frames. source: IEEE 802.1Q, clause 9 */
#include "apps/vlan/tags.h"

struct untag {
	struct app app;
	uint16_t vlan;
	uint32_t type;                  /* index in tags_types */
};

static const struct param params[] = {
	{ "vlan", PARAM_U16, offsetof(struct untag, vlan), "the VLAN id; priority and drop eligibility may be any", .max = TAGS_ID_MOST,
		.required = true },
	{ "type", PARAM_ENUM, offsetof(struct untag, type), "the kind of tag: 0x8100 of a customer, or 0x88a8 of a provider",
		.choices = tags_type_names, .initial_text = "802.1Q" },
	{ 0 }
};

enum { OUTPUT, OTHER };                 /* ports */
enum { UNTAGGED, OTHER_VLAN };

/* A frame that is not of this VLAN. */
static void reject(struct app *app, struct packet *p, int tci)
{
	if (app->output[OTHER] != NULL)
		link_send(app->output[OTHER], p);
	else
		app_drop(app, tci == TAGS_NONE ? UNTAGGED : OTHER_VLAN, p);
}

static void untag_push(struct app *app)
{
	const struct untag *untag = (const struct untag *)app;
	uint16_t type = tags_types[untag->type];
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(app->input[0], burst, app_push_room(app, app->input[0])), passing = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		int tci = tags_look(p, type);

		if (__builtin_expect(tci == TAGS_NONE || (tci & VLAN_ID) != untag->vlan, 0)) {
			reject(app, p, tci);
			continue;
		}
		tags_remove(p);
		burst[passing++] = p;
	}
	link_send_burst(app->output[OUTPUT], burst, passing);
}

const struct app_class vlan_untag_class = {
	.name = "vlan.untag",
	.help = "Take the outermost tag off the frames of one VLAN.\n"
		"Frames without such a tag, or of another VLAN, go unchanged to the output 'other'; without it they are dropped.",
	.size = sizeof(struct untag),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "other?", NULL },
	.reasons = (const char *const[]){ "untagged", "other-vlan", NULL },
	.push = untag_push,
};
