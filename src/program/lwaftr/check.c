/* check -- `nf lwaftr check`: what an lwAFTR does with the packets of two captures, as captures and counters. Nothing depends on time
 * or chance: the clock stands still, and of next hops that are to be found out each is asked for once. */
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/plan.h"
#include "program/lwaftr/session.h"

#include <limits.h>
#include <unistd.h>

static const uint64_t START_NS = 1000000000;    /* what the clock shows all the while */

/* The apps at the ends: captures. */
static char *end_apps(char *const *files)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fputs("    v4_in = { \"pcap.replay\", file = ", out);
	plan_quote(out, files[0]);
	fputs(" },\n    v6_in = { \"pcap.replay\", file = ", out);
	plan_quote(out, files[1]);
	fputs(" },\n    v4_out = { \"pcap.writer\", file = ", out);
	plan_quote(out, files[2]);
	fputs(" },\n    v6_out = { \"pcap.writer\", file = ", out);
	plan_quote(out, files[3]);
	fputs(" },\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* The graph's source, or NULL after a message. Paths are made absolute: the graph has no folder. */
static char *make_source(const struct options *options, const struct lwaftr_config *config)
{
	struct plan_ends ends = { .in4 = "v4_in.output", .in6 = "v6_in.output", .out4 = "v4_out.input", .out6 = "v6_out.input",
		.on_a_stick = options_has(options, "--on-a-stick"), .fixed = true };
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	char *apps, *source = NULL;

	if (!plan_options(options, &ends) || !lwaftr_config_select(config, NULL, -1, &instance, &queue)) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		return NULL;
	}
	apps = end_apps(options->argument + 1);
	ends.apps = apps;
	if (apps != NULL)
		source = plan_graph(config, instance, queue, options->argument[0], &ends);
	if (source == NULL)
		fprintf(stderr, "nf %s: no memory\n", options->program->name);
	free(apps);
	return source;
}

/* Breathe until all is read and nothing moves any more. */
static void run(const struct session *session)
{
	const struct app *v4 = engine_app_find(session->engine, "v4_in"), *v6 = engine_app_find(session->engine, "v6_in");
	uint64_t moved;

	do
		moved = engine_breathe(session->engine);
	while (moved > 0 || !v4->ended || !v6->ended);
}

/* Write all counters of all apps but the ends, each name once: what several apps count under one name is added. */
static int dump_counters(const struct session *session, const char *file)
{
	FILE *out = fopen(file, "w");

	if (out == NULL)
		return nf_fail(errno, "cannot write %s: %s", file, strerror(errno));
	for (uint32_t i = 0; i < engine_app_count(session->engine); i++) {
		const struct app *app = engine_app(session->engine, i);
		const char *class = app->class->name;

		if (strncmp(class, "pcap.", 5) == 0 || strncmp(class, "basic.", 6) == 0 || strncmp(class, "filter.", 7) == 0)
			continue;
		fprintf(out, "# %s: %s\n", app->name, class);
		for (uint32_t c = 0; c < app_name_count(app->class->counters); c++)
			if (app->counter[c] != 0)
				fprintf(out, "%s %llu\n", app->class->counters[c], (unsigned long long)app->counter[c]);
	}
	if (fclose(out) != 0)
		return nf_fail(errno, "cannot write %s: %s", file, strerror(errno));
	return 0;
}

/* The ledger must balance, here as everywhere. */
static int balance(const struct session *session)
{
	struct ledger ledger;
	char text[512];

	engine_ledger(session->engine, &ledger);
	return ledger_balances(&ledger, text, sizeof(text)) ? 0 : nf_fail(EPROTO, "%s", text);
}

static int check(const struct options *options, const char *source)
{
	const char *counters = options_value(options, "--dump-counters");
	struct session session;
	int code;

	clock_set(START_NS);
	random_seed = 1;
	if (session_start(&session, options->program->name, source) < 0)
		return EXIT_FAILED;
	run(&session);
	code = session_stop(&session);
	if (code >= 0 && counters != NULL)
		code = dump_counters(&session, counters);
	if (code >= 0)
		code = balance(&session);
	if (code < 0)
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
	session_free(&session);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Make the paths absolute; those that cannot be (a file that is not there yet) get the present folder before them. */
static void make_absolute(struct options *options, char paths[][PATH_MAX])
{
	char folder[PATH_MAX] = "";

	if (getcwd(folder, sizeof(folder)) == NULL)
		folder[0] = '\0';
	for (int i = 0; i < options->count; i++) {
		if (options->argument[i][0] == '/' || snprintf(paths[i], PATH_MAX, "%s/%s", folder, options->argument[i]) >= PATH_MAX)
			continue;
		options->argument[i] = paths[i];
	}
}

int program_lwaftr_check(int argc, char **argv)
{
	enum { FILES = 5 };
	static char paths[FILES][PATH_MAX];
	struct lwaftr_config config;
	struct options options;
	char *source;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!lwaftr_read(options.program, options.argument[0], &config, NULL))
		return EXIT_FAILED;
	make_absolute(&options, paths);
	source = make_source(&options, &config);
	lwaftr_config_fini(&config);
	code = source != NULL ? check(&options, source) : EXIT_FAILED;
	free(source);
	return code;
}
