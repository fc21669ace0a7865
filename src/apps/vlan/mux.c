/* mux -- several VLANs on one trunk: a port for each of them. source: IEEE 802.1Q, clauses 6 and 9 */
#include "apps/vlan/tags.h"

enum { NATIVE = 4096, TRUNK, NOTHING, TARGETS = NATIVE + 1 };   /* what a port is for: a VLAN id, or one of these */

struct mux {
	struct app app;
	uint32_t type;                  /* index in tags_types */
	uint8_t priority;
	struct link *target[TARGETS];   /* where frames of a VLAN go, and untagged ones; NULL: nowhere */
	struct link *trunk;
	uint16_t *role;                 /* of each input */
};

static const struct param params[] = {
	{ "type", PARAM_ENUM, offsetof(struct mux, type), "the kind of tag: 0x8100 of a customer, or 0x88a8 of a provider",
		.choices = tags_type_names, .initial_text = "802.1Q" },
	{ "priority", PARAM_U8, offsetof(struct mux, priority), "the priority (PCP) of frames that get a tag", .max = 7, .initial = 0 },
	{ 0 }
};

enum { UNKNOWN_VLAN, UNTAGGED, UNTAGGABLE };

/* What a port of that name is for. */
static uint32_t role_of(const char *name)
{
	static const char prefix[] = "vlan";
	const char *digits = name + sizeof(prefix) - 1;
	unsigned long id;
	char *rest;

	if (strcmp(name, "trunk") == 0)
		return TRUNK;
	if (strcmp(name, "native") == 0)
		return NATIVE;
	/* Numbers as one writes them: no sign, no blank, no zero in front. */
	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 || digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1] != '\0'))
		return NOTHING;
	id = strtoul(digits, &rest, 10);
	return *rest == '\0' && id <= TAGS_ID_MOST ? (uint32_t)id : NOTHING;
}

/* Look at the ports of one side; tells whether the trunk is among them. */
static bool check_side(const struct app *app, const char *const *names, uint32_t count, struct errors *errors)
{
	bool has_trunk = false;

	for (uint32_t i = 0; i < count; i++) {
		if (role_of(names[i]) == NOTHING)
			errors_add(errors, "app '%s': there is no port '%s'; accepted: trunk, native, vlan0 to vlan%u", app->name, names[i],
				TAGS_ID_MOST);
		has_trunk = has_trunk || role_of(names[i]) == TRUNK;
	}
	return has_trunk;
}

static void mux_check(const struct app *app, struct errors *errors)
{
	bool in = check_side(app, app->input_name, app->input_count, errors);
	bool out = check_side(app, app->output_name, app->output_count, errors);

	if (app->input_count > (in ? 1u : 0u) && !out)
		errors_add(errors, "app '%s': its output 'trunk' is not linked", app->name);
	if (app->output_count > (out ? 1u : 0u) && !in)
		errors_add(errors, "app '%s': its input 'trunk' is not linked", app->name);
}

static int mux_prepare(struct app *app, const struct app *old)
{
	struct mux *mux = (struct mux *)app;

	(void)old;
	mux->role = app_alloc(app, (app->input_count + 1) * sizeof(*mux->role));
	for (uint32_t i = 0; i < app->input_count; i++)
		mux->role[i] = (uint16_t)role_of(app->input_name[i]);
	return 0;
}

static void mux_link(struct app *app)
{
	struct mux *mux = (struct mux *)app;

	memset(mux->target, 0, sizeof(mux->target));
	mux->trunk = NULL;
	for (uint32_t i = 0; i < app->output_count; i++) {
		uint32_t role = role_of(app->output_name[i]);

		if (role == TRUNK)
			mux->trunk = app->output[i];
		else
			mux->target[role] = app->output[i];
	}
}

/* How many packets may be taken from the trunk: all might go to one output, and a full one holds up all. */
static uint32_t trunk_room(const struct mux *mux, const struct link *input)
{
	uint32_t room = link_waiting(input) < BURST ? link_waiting(input) : BURST;

	for (uint32_t i = 0; i < mux->app.output_count; i++) {
		const struct link *output = mux->app.output[i];

		if (output != mux->trunk && link_room(output) < room)
			room = link_room(output);
	}
	return room;
}

/* Frames from the trunk go to the port of their VLAN, without the tag. */
static void take_trunk(struct mux *mux, struct link *input)
{
	uint16_t type = tags_types[mux->type];
	struct packet *burst[BURST];
	uint32_t n = link_receive_burst(input, burst, trunk_room(mux, input));

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		int tci = tags_look(p, type);
		struct link *target = mux->target[tci == TAGS_NONE ? NATIVE : tci & VLAN_ID];

		if (target == NULL) {
			app_drop(&mux->app, tci == TAGS_NONE ? UNTAGGED : UNKNOWN_VLAN, p);
			continue;
		}
		if (tci != TAGS_NONE)
			tags_remove(p);
		link_send(target, p);
	}
}

/* Frames of a VLAN go to the trunk with its tag. */
static void take_vlan(struct mux *mux, struct link *input, uint16_t id)
{
	uint16_t type = tags_types[mux->type], tci = (uint16_t)(mux->priority << VLAN_PRIORITY | id);
	uint32_t room = link_room(mux->trunk) < BURST ? link_room(mux->trunk) : BURST, tagged = 0, n;
	struct packet *burst[BURST];

	n = link_receive_burst(input, burst, room);
	for (uint32_t i = 0; i < n; i++) {
		if (tags_insert(burst[i], type, tci))
			burst[tagged++] = burst[i];
		else
			app_drop(&mux->app, UNTAGGABLE, burst[i]);
	}
	link_send_burst(mux->trunk, burst, tagged);
}

static void mux_push(struct app *app)
{
	struct mux *mux = (struct mux *)app;

	for (uint32_t i = 0; i < app->input_count; i++) {
		if (mux->role[i] == TRUNK)
			take_trunk(mux, app->input[i]);
		else if (mux->role[i] == NATIVE)
			link_move(app->input[i], mux->trunk, BURST);
		else
			take_vlan(mux, app->input[i], mux->role[i]);
	}
}

const struct app_class vlan_mux_class = {
	.name = "vlan.mux",
	.help = "Join and split VLANs: several of them on one trunk.\n"
		"Ports, as inputs, outputs or both: 'trunk'; 'vlan7' (any id 0 to 4094) for the frames of VLAN 7, untagged; 'native' for "
		"frames that are untagged on the trunk. Frames from the trunk with a VLAN that has no output are dropped, untagged ones "
		"without a native output, too. A full output holds up all that comes from the trunk.",
	.size = sizeof(struct mux),
	.params = params,
	.inputs = (const char *const[]){ "*", NULL },
	.outputs = (const char *const[]){ "*", NULL },
	.reasons = (const char *const[]){ "unknown-vlan", "untagged", "untaggable", NULL },
	.check = mux_check, .prepare = mux_prepare, .link = mux_link, .push = mux_push,
};
