/* supervisor_receipt -- what a reload did, or would do, in words. */
#include "core/supervisor_state.h"

#include <inttypes.h>

/* Whether any worker has an action of this kind; prints their names to `out`, after `title`. */
static void print_names(FILE *out, const struct graph_diff *diff, uint32_t workers, enum graph_verb verb, const char *title)
{
	uint32_t count = 0;

	for (uint32_t w = 0; w < workers; w++)
		for (uint32_t i = 0; i < diff[w].count; i++)
			count += diff[w].action[i].verb == verb;
	fprintf(out, "%-14s %u", title, count);
	count = 0;
	for (uint32_t w = 0; w < workers; w++)
		for (uint32_t i = 0; i < diff[w].count; i++)
			if (diff[w].action[i].verb == verb)
				fprintf(out, "%s%s", count++ > 0 ? ", " : "  ", diff[w].action[i].name);
	fprintf(out, "\n");
}

static void print_pauses(FILE *out, const struct graph *graph, const struct reload *reload)
{
	uint32_t moved = 0, dropped = 0;

	for (uint32_t w = 0; w < graph->worker_count; w++) {
		moved += reload->receipt[w].moved;
		dropped += reload->receipt[w].dropped;
		fprintf(out, "%-14s %.1f us  %s", w == 0 ? "pause" : "", (double)reload->receipt[w].pause_ns / 1000,
			graph->worker[w].name);
		if (reload->receipt[w].slice_ns > 0)
			fprintf(out, ", and later ones of up to %.1f us", (double)reload->receipt[w].slice_ns / 1000);
		fputc('\n', out);
	}
	fprintf(out, "%-14s %u\n", "segments", reload->segment_count);
	fprintf(out, "%-14s %u to other links\n", "packets moved", moved);
	fprintf(out, "%-14s %u%s\n", "packets lost", dropped, dropped > 0 ? "  (nf stats says by which app)" : "");
	fprintf(out, "%-14s %.1f ms from the request to the last commit\n", "in all",
		(double)(clock_system_ns() - reload->start_ns) / 1e6);
}

char *supervisor_receipt(const struct graph *old, const struct graph *new, const struct reload *reload)
{
	struct graph_diff *diff = calloc(new->worker_count, sizeof(*diff));
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t w = 0; diff != NULL && w < new->worker_count; w++)
		if (graph_diff(&diff[w], &old->worker[w], &new->worker[w]) < 0)
			diff[w] = (struct graph_diff){ 0 };
	if (out != NULL && diff != NULL) {
		print_names(out, diff, new->worker_count, GRAPH_KEEP, "kept");
		print_names(out, diff, new->worker_count, GRAPH_RECONFIGURE, "reconfigured");
		print_names(out, diff, new->worker_count, GRAPH_REPLACE, "replaced");
		print_names(out, diff, new->worker_count, GRAPH_START, "started");
		print_names(out, diff, new->worker_count, GRAPH_STOP, "stopped");
		print_names(out, diff, new->worker_count, GRAPH_LINK_ADD, "links added");
		print_names(out, diff, new->worker_count, GRAPH_LINK_REMOVE, "links removed");
		if (reload != NULL)
			print_pauses(out, new, reload);
	}
	if (out != NULL)
		fclose(out);
	for (uint32_t w = 0; diff != NULL && w < new->worker_count; w++)
		graph_diff_free(&diff[w]);
	free(diff);
	return text;
}
