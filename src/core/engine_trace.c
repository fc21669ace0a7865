/* engine_trace -- a probe that tells what each call of an app did: which packets it took from which links, which it sent, and how
 * its counters changed. Whole breaths are told or left out: half of one would be worth nothing. */
#include "core/engine_state.h"

enum { BUSY_PAUSE = 15 };               /* as in probe.c */

void engine_trace_begin(struct engine *engine, struct probe *probe, bool busy)
{
	uint64_t now = clock_cycles();

	(void)engine;
	if (probe->on)
		probe->resume_cycles = now + probe->spent * BUSY_PAUSE;
	probe->spent = 0;
	probe->on = probe_room(probe) >= PROBE_RING / 2 && (!busy || now >= probe->resume_cycles);
	if (!probe->on)
		probe->left_out++;
	probe_publish(probe);
}

/* The counters of an app before its call; gives false when it has more ports than can be told. */
static bool note(struct probe_before *before, const struct app *app)
{
	if (app->input_count > PROBE_PORTS || app->output_count > PROBE_PORTS || app->reason_count + APP_REASONS > PROBE_REASONS)
		return false;
	for (uint32_t i = 0; i < app->input_count; i++)
		before->input[i] = app->input[i] != NULL ? app->input[i]->received : 0;
	for (uint32_t i = 0; i < app->output_count; i++) {
		before->output[i] = app->output[i] != NULL ? app->output[i]->sent : 0;
		before->dropped[i] = app->output[i] != NULL ? app->output[i]->dropped : 0;
	}
	for (uint32_t i = 0; i < app->reason_count + APP_REASONS; i++)
		before->reason[i] = app->reason[i];
	before->received = app->received;
	before->created = app->created;
	before->sent = app->sent;
	before->consumed = app->consumed;
	return true;
}

void engine_trace_before(struct probe *probe, const struct app *app)
{
	if (probe->on)
		probe->noted = note(probe->before, app);
}

static void fill(struct probe_call *call, const struct probe_before *before, const struct app *app)
{
	struct probe_span *span = call->span;

	*call = (struct probe_call){ .app = app->number, .received = app->received - before->received,
		.created = app->created - before->created, .sent = app->sent - before->sent,
		.consumed = app->consumed - before->consumed };
	for (uint32_t i = 0; i < app->input_count; i++) {
		const struct link *l = app->input[i];

		if (l != NULL && l->received != before->input[i]) {
			*span++ = (struct probe_span){ l->number, (uint32_t)(l->received - before->input[i]), before->input[i] };
			call->inputs++;
		}
	}
	for (uint32_t i = 0; i < app->output_count; i++) {
		const struct link *l = app->output[i];

		if (l == NULL)
			continue;
		call->full += l->dropped - before->dropped[i];
		if (l->sent != before->output[i]) {
			*span++ = (struct probe_span){ l->number, (uint32_t)(l->sent - before->output[i]), before->output[i] };
			call->outputs++;
		}
	}
	for (uint32_t i = 0; i < app->reason_count + APP_REASONS; i++)
		call->reason[i] = (uint32_t)(app->reason[i] - before->reason[i]);
}

void engine_trace_after(struct probe *probe, const struct app *app)
{
	uint64_t start = clock_cycles();
	struct probe_call call;

	if (!probe->on || !probe->noted)
		return;
	fill(&call, probe->before, app);
	if (call.inputs + call.outputs > 0) {
		for (uint32_t i = 0; i < app->output_count; i++)
			if (app->output[i] != NULL)
				probe_copy_from(probe, app->output[i], probe->before->output[i]);
		probe_call(probe, &call);
		probe_publish(probe);
	}
	probe->spent += clock_cycles() - start;
}
