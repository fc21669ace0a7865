/* counters -- `nf lwaftr counters NAME`: what an instance has counted, under the names that lwAFTRs have for it. A name that several
 * apps have, or the relays of several workers, is told once, with the sum. */
#include "program/lwaftr/lwaftr.h"
#include "program/reading.h"

#include <jansson.h>

enum { NAMES = 256 };

/* Whose counters are meant: what the graph of an lwAFTR is made of. */
static const char *const classes[] = { "lwaftr.lwaftr", "ip.reassemble4", "ip.reassemble6", "ip.fragment4", "ip.fragment6", "ip.echo4",
	"ip.echo6", "ip.arp", "ip.ndp", NULL };
static const char LOST[] = "ingress-packet-drops";

struct tally {
	uint32_t count;
	const char *name[NAMES];        /* sorted */
	uint64_t value[NAMES];
	bool relays;                    /* there is a lwaftr.lwaftr */
};

static void add_name(struct tally *tally, const char *name)
{
	for (uint32_t i = 0; i < tally->count; i++)
		if (strcmp(tally->name[i], name) == 0)
			return;
	nf_assert(tally->count < NAMES, "more counters than NAMES");
	tally->name[tally->count++] = name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void list_names(struct tally *tally)
{
	for (uint32_t i = 0; classes[i] != NULL; i++) {
		const struct app_class *class = app_class_find(classes[i]);

		for (uint32_t c = 0; class != NULL && c < app_name_count(class->counters); c++)
			add_name(tally, class->counters[c]);
	}
	add_name(tally, LOST);
	qsort(tally->name, tally->count, sizeof(tally->name[0]), by_name);
}

static void add(struct tally *tally, const struct stats_entry *entry, uint64_t value)
{
	const char *name = entry->name, **found;

	if (entry->kind == STATS_APP && strcmp(name, "lost-outside") == 0)
		name = LOST;
	else if (entry->kind != STATS_COUNTER && entry->kind != STATS_GAUGE)
		return;
	found = bsearch(&name, tally->name, tally->count, sizeof(tally->name[0]), by_name);
	if (found != NULL)
		tally->value[found - tally->name] += value;
	tally->relays = tally->relays || strcmp(name, "softwires") == 0;
}

static void count(struct tally *tally, const struct reading *reading)
{
	for (uint32_t w = 0; w < reading->workers; w++)
		for (uint32_t i = 0; i < reading->worker[w].count; i++)
			add(tally, &reading->worker[w].entry[i], reading->worker[w].value[i]);
}

static void print_text(const struct tally *tally, bool all)
{
	for (uint32_t i = 0; i < tally->count; i++)
		if (all || tally->value[i] != 0)
			printf("%s %llu\n", tally->name[i], (unsigned long long)tally->value[i]);
}

static void print_json(const struct tally *tally, const struct reading *reading, bool all)
{
	json_t *counters = json_object(), *object;

	for (uint32_t i = 0; i < tally->count; i++)
		if (all || tally->value[i] != 0)
			json_object_set_new(counters, tally->name[i], json_integer((json_int_t)tally->value[i]));
	object = json_pack("{s:s, s:b, s:I, s:o}", "name", reading->name, "running", reading->runs, "time_ns",
		(json_int_t)reading->time_ns, "counters", counters);
	if (object != NULL && json_dumpf(object, stdout, 0) == 0)
		putchar('\n');
	json_decref(object);
}

static int show(const struct options *options, const struct reading *reading)
{
	struct tally tally = { 0 };

	list_names(&tally);
	count(&tally, reading);
	if (!tally.relays) {
		fprintf(stderr, "nf %s: instance '%s' has no app lwaftr.lwaftr\n", options->program->name, reading->name);
		return EXIT_FAILED;
	}
	if (options_has(options, "--json"))
		print_json(&tally, reading, options_has(options, "--all"));
	else
		print_text(&tally, options_has(options, "--all"));
	return EXIT_DONE;
}

int program_lwaftr_counters(int argc, char **argv)
{
	struct options options;
	struct reading reading;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (reading_init(&reading, options.argument[0]) < 0) {
		fprintf(stderr, "nf %s: %s\n", options.program->name, nf_error());
		return EXIT_FAILED;
	}
	code = show(&options, &reading);
	reading_fini(&reading);
	return code;
}
