/* sim_judge -- what a driver did wrong: named lines, counts, and the report at the end. */
#include "nicsim/sim.h"

#include <stdarg.h>

enum { PRINTED = 3 };                   /* lines of a rule; the rest is only counted */

#define RULE_ROW(id, severity, name, meaning) { SIM_##severity, name, meaning },
static const struct { enum sim_severity severity; const char *name, *meaning; } rules[] = { SIM_RULES(RULE_ROW) };

static uint64_t counts[SIM_RULE_COUNT];

static bool is_violation(const struct sim *sim, enum sim_rule rule)
{
	return sim->strict || rules[rule].severity == SIM_VIOLATION;
}

void sim_judge(const struct sim_card *card, enum sim_rule rule, const char *format, ...)
{
	char text[256];
	va_list list;

	if (counts[rule]++ >= PRINTED)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	fprintf(stderr, "nicsim: %s %s: %s: %s\n", is_violation(card->sim, rule) ? "violation" : "note", rules[rule].name, card->address,
		text);
}

uint64_t sim_judge_violations(const struct sim *sim)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SIM_RULE_COUNT; i++)
		if (is_violation(sim, (enum sim_rule)i))
			sum += counts[i];
	return sum;
}

static void report_card(const struct sim_card *card, FILE *out)
{
	const struct sim_counts *c = &card->counts;
	const struct { const char *name; uint64_t value; } rows[] = {
		{ "received", c->received }, { "sent", c->sent }, { "filtered", c->filtered }, { "no-descriptor", c->no_descriptor },
		{ "no-queue", c->no_queue }, { "not-ready", c->not_ready }, { "crc-error", c->crc_errors },
		{ "length-error", c->length_errors }, { "send-lost", c->send_lost }, { "looped", c->looped },
		{ "spoofed", c->spoofed }, { "paced", c->paced }, { "register-reads", c->reads },
		{ "register-writes", c->writes },
	};

	fprintf(out, "nicsim: card %s (%s):", card->address, card->kind->name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (i < 2 || rows[i].value > 0)
			fprintf(out, " %s %llu", rows[i].name, (unsigned long long)rows[i].value);
	fprintf(out, "\n");
}

void sim_judge_report(const struct sim *sim, FILE *out)
{
	uint64_t violations = sim_judge_violations(sim);

	for (uint32_t i = 0; i < sim->card_count; i++)
		report_card(&sim->card[i], out);
	for (uint32_t i = 0; i < SIM_RULE_COUNT; i++)
		if (counts[i] > 0)
			fprintf(out, "nicsim: %s %s: %llu times: %s\n", is_violation(sim, (enum sim_rule)i) ? "violation" : "note",
				rules[i].name, (unsigned long long)counts[i], rules[i].meaning);
	if (violations == 0)
		fprintf(out, "nicsim: no violation\n");
	else
		fprintf(out, "nicsim: %llu violations\n", (unsigned long long)violations);
}
