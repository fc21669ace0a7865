/* check -- `nf check FILE`: is a configuration right? Says all that is wrong with it, and starts nothing. */
#include "program/options.h"

/* Print each message on a line of its own; gives EXIT_FAILED. */
static int print_errors(const char *file, struct errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++)
		fprintf(stderr, "nf check: %s\n", errors->text[i]);
	fprintf(stderr, "nf check: %s: %u mistake%s\n", file, errors->count, errors->count == 1 ? "" : "s");
	errors_fini(errors);
	return EXIT_FAILED;
}

static void print_count(const char *comma, uint32_t n, const char *what)
{
	printf("%s%u %s%s", comma, n, what, n == 1 ? "" : "s");
}

/* "router.lua: good: 5 apps, 4 links, 12288 packets"; a line per worker when there are several. */
static void print_graph(const char *file, const struct graph *graph)
{
	printf("%s: good", file);
	for (uint32_t w = 0; w < graph->worker_count; w++) {
		const struct graph_worker *worker = &graph->worker[w];

		if (graph->worker_count > 1)
			printf("\n    worker %s", worker->name);
		print_count(": ", worker->app_count, "app");
		print_count(", ", worker->link_count, "link");
		print_count(", memory for ", worker->packets[PACKET_STANDARD], "packet");
		if (worker->packets[PACKET_JUMBO] > 0)
			print_count(", ", worker->packets[PACKET_JUMBO], "jumbo packet");
		if (worker->packets[PACKET_GSO] > 0)
			print_count(", ", worker->packets[PACKET_GSO], "GSO packet");
	}
	printf("\n");
}

int program_check(int argc, char **argv)
{
	struct errors errors = { 0 };
	struct options options;
	struct graph *graph;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	graph = graph_load(options.argument[0], (const char *const *)options.rest, &errors);
	if (graph == NULL)
		return print_errors(options.argument[0], &errors);
	print_graph(options.argument[0], graph);
	graph_free(graph);
	return EXIT_DONE;
}
