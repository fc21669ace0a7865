/* result -- see result.h. */
#include "program/bench/result.h"

void result_add_cost(struct bench_result *result, double ns, double cycles)
{
	uint32_t i = result->runs++;

	result->ns[i] = ns;
	result->cycles[i] = cycles;
	result->mpps[i] = ns > 0 ? 1e3 / ns : 0;
}

void result_add(struct bench_result *result, const struct bench_sample *sample)
{
	double packets = (double)(sample->packets > 0 ? sample->packets : 1);

	for (uint32_t i = 0; i < BENCH_EXTRAS; i++)
		result->extra[i][result->runs] = sample->extra[i];
	result_add_cost(result, (double)sample->ns / packets, (double)sample->cycles / packets);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double result_median(const double *values, uint32_t n)
{
	double sorted[BENCH_RUNS];

	if (n == 0)
		return 0;
	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}
