/* fragmenter -- see fragmenter.h. */
#include "apps/ip/fragmenter.h"

enum { STANDARD = 2048 };               /* bytes that every packet has room for */

/* Later fragments are on their way at once; long ones need long packets. */
void fragmenter_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	if (((const struct fragmenter *)app)->mtu + ETHERNET_HEADER > STANDARD)
		holds[PACKET_JUMBO] = BURST;
}

int fragmenter_prepare(struct app *app, const struct app *old)
{
	struct fragmenter *fragmenter = (struct fragmenter *)app;

	(void)old;
	fragmenter->ident = app_alloc(app, sizeof(*fragmenter->ident));
	return 0;
}

/* Identifications go on where they were, unless other ones are wanted now. */
void fragmenter_commit(struct app *app, struct app *old)
{
	struct fragmenter *fragmenter = (struct fragmenter *)app, *before = (struct fragmenter *)old;
	struct random random;

	token_bucket_init(&fragmenter->errors, fragmenter->error_rate, fragmenter->error_rate, clock_now());
	if (before != NULL && fragmenter->has_first_id == before->has_first_id && fragmenter->first_id == before->first_id) {
		*fragmenter->ident = *before->ident;
		return;
	}
	random_init(&random, random_seed, app->name);
	if (fragmenter->has_first_id)
		ident_init_plain(fragmenter->ident, fragmenter->first_id);
	else
		ident_init(fragmenter->ident, random_u64(&random), random_u64(&random));
}

/* Tell the sender of a packet that it was dropped, when that is wanted and not too often. */
static void tell(struct fragmenter *fragmenter, const struct packet *p)
{
	struct app *app = &fragmenter->app;
	struct packet *error;

	if (!fragmenter->has_source || app->output[ERROR_OUTPUT] == NULL || link_room(app->output[ERROR_OUTPUT]) == 0)
		return;
	token_bucket_fill(&fragmenter->errors, clock_now());
	if (!token_bucket_has(&fragmenter->errors, 1) || (error = packet_alloc()) == NULL)
		return;
	error->length = fragmenter->error(fragmenter, error->data, p);
	if (error->length == 0) {
		packet_free(error);
		return;
	}
	token_bucket_take(&fragmenter->errors, 1);
	app->created++;
	app->counter[ERRORS]++;
	link_send(app->output[ERROR_OUTPUT], error);
}

/* Take n empty packets that have room for a fragment. gives: false when there are not so many; none was taken then */
static bool take(struct packet **burst, uint32_t n, uint32_t length)
{
	for (uint32_t i = 0; i < n; i++) {
		burst[i] = packet_alloc_length(length);
		if (burst[i] == NULL) {
			packet_free_burst(burst, i);
			return false;
		}
	}
	return true;
}

/* Cut a packet and send the fragments in their order. needs: room for all of them */
static void cut(struct fragmenter *fragmenter, struct fragment *plan, struct packet *p)
{
	struct app *app = &fragmenter->app;
	struct packet *later[LINK_SLOTS];
	uint32_t n = plan->count - 1;

	/* What a fragment's sender left undone can only be done while it is whole. */
	if (!offload_complete(p)) {
		app_drop(app, INVALID, p);
		return;
	}
	p->meta.gso = PACKET_GSO_NONE;
	p->meta.flags &= (uint8_t)~PACKET_CHECKSUM_VALID;
	if (!take(later, n, ETHERNET_HEADER + fragmenter->mtu)) {
		app_drop(app, NO_PACKET, p);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		later[i]->meta = p->meta;
		memcpy(later[i]->data, p->data, ETHERNET_HEADER);
	}
	if (!fragmenter->cut(fragmenter, plan, p, later)) {
		packet_free_burst(later, n);
		app_drop(app, NO_PACKET, p);
		return;
	}
	app->created += n;
	app->counter[FRAGMENTS] += plan->count;
	link_send(app->output[OUTPUT], p);
	link_send_burst(app->output[OUTPUT], later, n);
}

/* A frame that an output will cut into segments, none of which is too long. */
static bool is_segmented(const struct fragmenter *fragmenter, const struct packet *p)
{
	struct gso gso;

	return p->meta.gso != PACKET_GSO_NONE && offload_cut(p, &gso) &&
		gso.header + gso.bytes <= fragmenter->mtu + ETHERNET_HEADER;
}

/* A packet whose frame is longer than the MTU allows, the first of the input. gives: false when it must wait for room */
static bool handle(struct fragmenter *fragmenter)
{
	struct app *app = &fragmenter->app;
	struct link *input = app->input[0];
	struct packet *p = link_peek(input, 0);
	enum fragment_verdict verdict = is_segmented(fragmenter, p) ? FRAGMENT_FITS : FRAGMENT_INVALID;
	struct fragment plan;

	if (verdict != FRAGMENT_FITS)
		verdict = fragmenter->plan(fragmenter, &plan, p);
	if (verdict == FRAGMENT_CUT && plan.count <= LINK_SLOTS && plan.count > link_room(app->output[OUTPUT]))
		return false;
	link_receive(input);
	if (verdict == FRAGMENT_FITS) {
		app->counter[WHOLE]++;
		link_send(app->output[OUTPUT], p);
	} else if (verdict == FRAGMENT_CUT && plan.count <= LINK_SLOTS) {
		cut(fragmenter, &plan, p);
	} else {
		if (verdict == FRAGMENT_FORBIDDEN)
			tell(fragmenter, p);
		app_drop(app, verdict == FRAGMENT_FORBIDDEN ? FORBIDDEN : verdict == FRAGMENT_INVALID ? INVALID : TOO_MANY, p);
	}
	return true;
}

/* Packets that need nothing are told apart by the lengths of their frames alone: of their data nothing is read. */
void fragmenter_push(struct app *app)
{
	struct fragmenter *fragmenter = (struct fragmenter *)app;
	struct link *input = app->input[0], *output = app->output[OUTPUT];
	uint32_t limit = fragmenter->mtu + ETHERNET_HEADER, left = link_waiting(input) < BURST ? link_waiting(input) : BURST;

	while (left > 0 && link_room(output) > 0) {
		uint32_t n = left < link_room(output) ? left : link_room(output), fit = 0;
		struct packet *const *list = link_front(input, &n);
		uint64_t bytes = 0;

		for (; fit < n; fit++) {
			uint32_t length = list[fit]->length;

			if (__builtin_expect(length > limit, 0))
				break;
			bytes += length;
		}
		link_pass(input, output, fit, bytes);
		app->counter[WHOLE] += fit;
		left -= fit;
		if (fit < n) {
			if (!handle(fragmenter))
				return;
			left--;
		}
	}
}
