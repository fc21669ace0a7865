/* ps -- `nf ps`: which instances of nf there are. */
#include "program/options.h"
#include "program/reading.h"
#include "program/table.h"

#include <dirent.h>
#include <jansson.h>
#include <time.h>

enum { PAUSE_NS = 250000000 };          /* between the two readings that give packets per second */

struct list {
	uint32_t count;
	struct reading *before, *now;   /* count of each; now[i].workers == 0: it has gone meanwhile */
};

/* Add one to the list; a folder that has no statistics yet, or no more, is passed over. */
static void read_one(struct list *list, const char *name)
{
	int code = reading_init(&list->before[list->count], name);

	if (code == 0)
		list->count++;
	else if (code != -ENOENT)
		fprintf(stderr, "nf ps: %s\n", nf_error());
}

/* Look at all instances. */
static int read_all(struct list *list)
{
	char root[INSTANCE_PATH];
	struct dirent **entry;
	int n, code = instance_root(root);

	memset(list, 0, sizeof(*list));
	if (code < 0)
		return code;
	n = scandir(root, &entry, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : nf_fail(errno, "cannot read %s: %s", root, strerror(errno));
	list->before = calloc((size_t)n + 1, sizeof(*list->before));
	list->now = calloc((size_t)n + 1, sizeof(*list->now));
	for (int i = 0; i < n; i++) {
		if (list->before == NULL || list->now == NULL)
			code = nf_fail(ENOMEM, "not enough memory for %d instances", n);
		else if (entry[i]->d_name[0] != '.')
			read_one(list, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	return code;
}

static void read_again(struct list *list)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };

	if (list->count > 0)
		nanosleep(&pause, NULL);
	for (uint32_t i = 0; i < list->count; i++)
		if (list->before[i].runs && reading_init(&list->now[i], list->before[i].name) < 0)
			memset(&list->now[i], 0, sizeof(list->now[i]));
}

static void free_all(struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		reading_fini(&list->before[i]);
		reading_fini(&list->now[i]);
	}
	free(list->before);
	free(list->now);
}

static uint32_t count_apps(const struct reading *reading)
{
	uint32_t apps = 0;

	for (uint32_t w = 0; w < reading->workers; w++)
		for (uint32_t i = 0; i < reading->worker[w].count; i++)
			apps += reading_is_first(&reading->worker[w], i, STATS_APP);
	return apps;
}

static void print_table(const struct list *list)
{
	static const char *const titles[] = { "name", "pid", "workers", "apps", "packets/s", "since", "file" };
	struct table table;

	table_init(&table, "lrrrrll", titles);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct reading *reading = &list->before[i];
		const struct stats_header *header = &reading->header;
		time_t started = (time_t)(header->started_ns / 1000000000);
		char since[32];
		struct tm local;

		strftime(since, sizeof(since), "%F %T", localtime_r(&started, &local));
		table_add(&table, "%s", reading->name);
		table_add(&table, reading->runs ? "%d" : "stale", header->supervisor);
		table_add(&table, "%u", reading->workers);
		table_add(&table, "%u", count_apps(reading));
		table_add(&table, "%.0f", reading_packet_rate(reading, &list->now[i]));
		table_add(&table, "%s", since);
		table_add(&table, "%s", header->file);
	}
	table_print(&table, 0, stdout);
}

/* One object per line. */
static void print_json(const struct list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct reading *reading = &list->before[i];
		const struct stats_header *header = &reading->header;
		json_t *object = json_pack("{s:s, s:i, s:b, s:i, s:i, s:f, s:I, s:s}", "name", reading->name, "pid", (int)header->supervisor,
			"running", reading->runs, "workers", (int)reading->workers, "apps", (int)count_apps(reading), "packets_per_second",
			reading_packet_rate(reading, &list->now[i]), "started_ns", (json_int_t)header->started_ns, "file", header->file);

		if (object != NULL && json_dumpf(object, stdout, 0) == 0)
			putchar('\n');
		json_decref(object);
	}
}

int program_ps(int argc, char **argv)
{
	struct options options;
	struct list list;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	code = read_all(&list);
	if (code < 0) {
		fprintf(stderr, "nf ps: %s\n", nf_error());
	} else if (options_has(&options, "--names")) {
		for (uint32_t i = 0; i < list.count; i++)
			printf("%s\n", list.before[i].name);
	} else if (list.count == 0 && !options_has(&options, "--json")) {
		printf("no nf is running\n");
	} else {
		read_again(&list);
		(options_has(&options, "--json") ? print_json : print_table)(&list);
	}
	free_all(&list);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}
