/* script_link -- the C side of nf.link: see script_packet.h. */
#include "core/script_app.h"
#include "core/script_packet.h"

/* The link of a handle, or NULL. */
static struct link *input_of(struct script *s, int64_t input)
{
	uint64_t i = (uint64_t)input - SCRIPT_INPUT;

	return i < s->app.input_count ? s->app.input[i] : NULL;
}

static struct link *output_of(struct script *s, int64_t output)
{
	uint64_t i = (uint64_t)output - SCRIPT_OUTPUT;

	return i < s->app.output_count ? s->app.output[i] : NULL;
}

/* What may be taken from input i: of what waited when the call began, as much as has room at the outputs. That room is
 * shared: what was granted to other inputs and not taken is void. */
static uint32_t grant(struct script *s, uint32_t i)
{
	uint32_t room = app_push_room(&s->app, s->app.input[i]);

	for (uint32_t other = 0; other < s->app.input_count; other++)
		s->grant[other] = 0;
	if (room > s->waited[i])
		room = s->waited[i];
	if (room > s->spare_count)
		room = s->spare_count;
	s->grant[i] = room;
	return room;
}

int32_t script_link_count(struct script *s, int64_t input)
{
	if (input_of(s, input) == NULL)
		return SCRIPT_LINK;
	return (int32_t)grant(s, (uint32_t)(input - SCRIPT_INPUT));
}

int32_t script_link_room(struct script *s, int64_t output)
{
	const struct link *l = output_of(s, output);

	return l == NULL ? SCRIPT_LINK : (int32_t)link_room(l);
}

double script_link_receive(struct script *s, int64_t input)
{
	struct link *l = input_of(s, input);
	uint32_t i = (uint32_t)(input - SCRIPT_INPUT);
	double handle;

	if (l == NULL)
		return SCRIPT_LINK;
	if (!s->running)
		return SCRIPT_OUTSIDE;
	if (s->spare_count == 0 || (s->grant[i] == 0 && grant(s, i) == 0))
		return 0;
	script_app_busy(s);
	s->grant[i]--;
	s->waited[i]--;
	handle = script_packet_take(s, link_receive(l));
	script_app_done(s);
	return handle;
}

int32_t script_link_send(struct script *s, int64_t output, int64_t p)
{
	struct link *l = output_of(s, output);
	struct packet *packet;

	if (l == NULL)
		return SCRIPT_LINK;
	if (!s->running)
		return SCRIPT_OUTSIDE;
	script_app_busy(s);
	packet = script_packet_give(s, p);
	if (packet != NULL)
		link_send(l, packet);
	script_app_done(s);
	return packet != NULL ? 0 : SCRIPT_STALE;
}
