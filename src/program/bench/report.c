/* report -- see report.h. */
#include "program/bench/report.h"
#include "program/bench/result.h"

#include <jansson.h>

/* The figures of one result. */
struct figures {
	double mpps, ns, cycles;        /* medians */
	double min, max, spread;        /* of mpps; spread = (max - min) / median */
	double extra[BENCH_EXTRAS];     /* medians */
	const char *against;            /* name of the case that it is compared with, NULL: none */
	double ratio;                   /* median of this mpps / that mpps in the same turn */
};

/* True when `against` is that name, or ends in '-' and is how that name begins. */
static bool matches(const char *against, const char *name)
{
	size_t length = strlen(against);

	return strncmp(name, against, length) == 0 && (name[length] == '\0' || against[length - 1] == '-');
}

/* The result that `result` is compared with: the fastest of those that result->against means. */
static const struct bench_result *find_other(const struct bench_result *result, const struct bench_result *all, uint32_t count)
{
	const struct bench_result *best = NULL;

	for (uint32_t i = 0; result->against != NULL && i < count; i++) {
		const struct bench_result *r = &all[i];

		if (!matches(result->against, r->name))
			continue;
		if (best == NULL || result_median(r->mpps, r->runs) > result_median(best->mpps, best->runs))
			best = r;
	}
	return best;
}

static struct figures figure(const struct bench_result *result, const struct bench_result *all, uint32_t count)
{
	struct figures f = {
		.mpps = result_median(result->mpps, result->runs),
		.ns = result_median(result->ns, result->runs),
		.cycles = result_median(result->cycles, result->runs),
		.min = result->mpps[0], .max = result->mpps[0],
	};
	const struct bench_result *other = find_other(result, all, count);

	for (uint32_t i = 1; i < result->runs; i++) {
		if (result->mpps[i] < f.min)
			f.min = result->mpps[i];
		if (result->mpps[i] > f.max)
			f.max = result->mpps[i];
	}
	f.spread = f.mpps != 0 ? (f.max - f.min) / f.mpps : 0;
	for (uint32_t i = 0; i < BENCH_EXTRAS; i++)
		f.extra[i] = result_median(result->extra[i], result->runs);
	if (other != NULL) {
		double ratios[BENCH_RUNS];

		for (uint32_t i = 0; i < result->runs; i++)
			ratios[i] = other->mpps[i] != 0 ? result->mpps[i] / other->mpps[i] : 0;
		f.ratio = result_median(ratios, result->runs);
		f.against = other->name;
	}
	return f;
}

void report_head(void)
{
	printf("%-8s %-16s %9s %9s %9s %5s %8s\n", "name", "case", "Mpps", "ns", "cycles", "runs", "spread");
}

void report_text(const struct benchmark *benchmark, const struct bench_result *results, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct figures f = figure(&results[i], results, count);

		printf("%-8s %-16s %9.3f %9.2f %9.1f %5u %6.1f %%", benchmark->name, results[i].name, f.mpps, f.ns, f.cycles,
			results[i].runs, f.spread * 100);
		for (uint32_t j = 0; benchmark->extras != NULL && benchmark->extras[j] != NULL; j++)
			printf("  %s %.6g", benchmark->extras[j], f.extra[j]);
		if (f.against != NULL)
			printf("  %.3f of %s", f.ratio, f.against);
		printf("\n");
	}
	fflush(stdout);
}

int report_json(const struct benchmark *benchmark, const struct bench_result *results, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct figures f = figure(&results[i], results, count);
		json_t *line = json_pack("{s:s, s:s, s:f, s:f, s:f, s:i, s:f, s:f, s:f}", "name", benchmark->name, "case",
			results[i].name, "mpps", f.mpps, "ns", f.ns, "cycles", f.cycles, "runs", (int)results[i].runs, "spread",
			f.spread, "min", f.min, "max", f.max);
		int code = line == NULL;

		for (uint32_t j = 0; benchmark->extras != NULL && benchmark->extras[j] != NULL; j++)
			code |= json_object_set_new(line, benchmark->extras[j], json_real(f.extra[j]));
		if (f.against != NULL) {
			code |= json_object_set_new(line, "against", json_string(f.against));
			code |= json_object_set_new(line, "ratio", json_real(f.ratio));
		}
		if (code == 0)
			code = json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		json_decref(line);
		if (code != 0)
			return nf_fail(ENOMEM, "no memory for the figures of %s %s", benchmark->name, results[i].name);
		printf("\n");
	}
	fflush(stdout);
	return 0;
}
