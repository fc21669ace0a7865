/* stats -- `nf stats NAME`: what an instance of nf has done, and where every packet is. */
#include "program/stats.h"
#include "program/options.h"
#include "program/prometheus.h"

#include <time.h>

#define INTERVAL_NS 250000000u          /* between the two readings that give rates */

const char *const stats_state_names[] = { "starting", "running", "draining", "ended" };

/* Does the ledger of each shown worker balance? Where not, it is said on stderr. */
static bool balances(const struct reading *reading, uint32_t only)
{
	bool good = true;

	for (uint32_t w = 0; w < reading->workers; w++) {
		char text[ERROR_TEXT];
		struct ledger ledger;

		reading_ledger(reading, w, &ledger);
		/* Of several workers, one may have packets of another: the memory is no equation of each. */
		if (reading->workers > 1 && ledger_flow_balances(&ledger))
			continue;
		if ((only != UINT32_MAX && only != w) || ledger_balances(&ledger, text, sizeof(text)))
			continue;
		fprintf(stderr, "nf stats: the ledger of worker %u does not balance: %s\n", w + 1, text);
		good = false;
	}
	return good;
}

/* A second reading after a while, when there will be news; else `now` stays empty. */
static int read_again(const struct reading *before, uint64_t interval_ns, struct reading *now)
{
	struct timespec pause = { .tv_sec = (time_t)(interval_ns / 1000000000), .tv_nsec = (long)(interval_ns % 1000000000) };

	if (!before->runs || interval_ns == 0)
		return 0;
	nanosleep(&pause, NULL);
	return reading_init(now, before->name);
}

static int show(const struct options *options, const struct reading *before, uint64_t interval_ns)
{
	struct reading again, *now = &again;
	uint64_t number = 0;
	uint32_t worker;
	int code = EXIT_DONE;

	if (!options_number(options, "--worker", 1, before->workers, &number))
		return EXIT_USAGE;
	worker = number == 0 ? UINT32_MAX : (uint32_t)number - 1;
	memset(&again, 0, sizeof(again));
	/* It may end while we wait: then the first reading is the last one. */
	if (read_again(before, interval_ns, &again) < 0 || again.workers == 0)
		now = (struct reading *)before;
	if (options_has(options, "--prometheus"))
		prometheus_write(now, worker, stdout);
	else if (options_has(options, "--json"))
		stats_print_json(before, now, worker);
	else
		stats_print_text(before, now, worker);
	if (!balances(now, worker))
		code = EXIT_FAILED;
	reading_fini(&again);
	return code;
}

int program_stats(int argc, char **argv)
{
	struct options options;
	struct reading reading;
	uint64_t interval_ns = INTERVAL_NS;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_duration(&options, "--interval", &interval_ns))
		return EXIT_USAGE;
	if (options_has(&options, "--json") && options_has(&options, "--prometheus"))
		return options_wrong(options.program, "--json and --prometheus exclude each other");
	if (options_has(&options, "--prometheus"))
		interval_ns = 0;        /* it has no rates: Prometheus makes them */
	if (reading_init(&reading, options.argument[0]) < 0) {
		fprintf(stderr, "nf stats: %s\n", nf_error());
		return EXIT_FAILED;
	}
	code = show(&options, &reading, interval_ns);
	reading_fini(&reading);
	return code;
}
