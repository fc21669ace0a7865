/* supervisor_reload -- change the graph in all workers, or in none.
 *
 *      evaluate and check (supervisor_read.c) -> open what is new -> add segments -> PREPARE to all workers
 *      all PREPARED -> COMMIT to all -> all COMMITTED -> receipt
 *      any REFUSED, or a worker dies before -> ABORT to all: the old graph has never stopped running */
#include "core/supervisor_state.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCH_NS = 500000000 };

/* Give back the interlinks that the present graph does not have; nobody is at their ends any more. gives: packets left in them */
static uint32_t remove_interlinks(struct supervisor *s)
{
	const struct resources *resources = s->graph->resources;
	uint32_t count = 0;

	for (uint32_t i = 0; i < INTERLINKS; i++) {
		struct interlink *ring = interlink_table(i);
		uint32_t j = 0;

		while (ring != NULL && j < resources->count && (strncmp(resources->list[j].key, "interlink:", 10) != 0 ||
			strcmp(resources->list[j].key + 10, ring->name) != 0))
			j++;
		if (ring != NULL && j == resources->count)
			count += interlink_remove(ring);
	}
	memory_home();
	return count;
}

/* Give up: nothing of it stays. */
static void give_up(struct supervisor *s, const char *why)
{
	const struct worker_order order = { .type = WORKER_ABORT };
	struct reload *reload = &s->reload;
	char text[ERROR_TEXT], path[INSTANCE_PATH];

	snprintf(text, sizeof(text), "%s", why);
	for (uint32_t w = 0; w < s->graph->worker_count; w++)
		if (s->child[w].control >= 0 && supervisor_order(s, w, &order, NULL, 0) < 0)
			log_debug("worker %u is gone", w + 1);
	if (reload->stats != NULL && instance_path(path, s->options->name, "stats.next") == 0)
		unlink(path);
	stats_close(reload->stats);
	for (uint32_t i = 0; i < reload->segment_count; i++)
		memory_segment_remove(reload->segment[i]);
	if (reload->graph != NULL)
		resources_fini(reload->graph->resources, true);
	graph_free(reload->graph);
	if (reload->adopting && resources_adopt(s->graph->resources) < 0)
		log_error("a device could not be set back: %s", nf_error());
	remove_interlinks(s);
	log_warn("reload given up, the old graph goes on: %s", text);
	supervisor_answer(reload->client, false, text);
	s->reload = (struct reload){ .client = -1 };
}

void supervisor_reload(struct supervisor *s, struct graph *graph, uint64_t confirm_ns, int client)
{
	s->reload = (struct reload){ .phase = RELOAD_PREPARING, .graph = graph, .client = client, .confirm_ns = confirm_ns,
		.start_ns = clock_system_ns() };
	if (supervisor_prepare(s) < 0)
		give_up(s, nf_error());
}

void supervisor_diff(const struct supervisor *s, const struct graph *graph, int client)
{
	char *text = supervisor_same_workers(s->graph, graph) < 0 ? NULL : supervisor_receipt(s->graph, graph, NULL);

	supervisor_answer(client, text != NULL, text != NULL ? text : nf_error());
	free(text);
}

void supervisor_confirm(struct supervisor *s, int client)
{
	if (s->previous == NULL) {
		supervisor_answer(client, false, "nothing waits to be confirmed");
		return;
	}
	graph_free(s->previous);
	s->previous = NULL;
	s->confirm_until_ns = CLOCK_NEVER;
	supervisor_answer(client, true, "confirmed\n");
}

static bool all_answered(const struct supervisor *s)
{
	for (uint32_t w = 0; w < s->graph->worker_count; w++)
		if (!s->reload.answered[w])
			return false;
	return true;
}

/* Everybody has prepared: from here on there is no way back. */
static void commit(struct supervisor *s)
{
	const struct worker_order order = { .type = WORKER_COMMIT };

	s->reload.phase = RELOAD_COMMITTING;
	memset(s->reload.answered, 0, sizeof(s->reload.answered));
	for (uint32_t w = 0; w < s->graph->worker_count; w++) {
		stats_header(s->reload.stats)->worker_pid[w] = s->child[w].pid;
		if (supervisor_order(s, w, &order, NULL, 0) < 0)
			s->reload.answered[w] = true;   /* it has died: its successor starts with the new graph */
	}
}

/* Everybody has committed: the new graph is the present one. */
static void finish(struct supervisor *s)
{
	struct reload *reload = &s->reload;
	char next[INSTANCE_PATH], path[INSTANCE_PATH];
	struct graph *old = s->graph;
	uint32_t lost;
	char *text;

	for (uint32_t w = 0; w < s->graph->worker_count; w++)
		s->child[w].stuck.count = 0;
	/* What one worker sent while the other had gone on already came in, and was dropped, here. */
	s->graph = reload->graph;
	lost = remove_interlinks(s);
	s->result->ledger.received += lost;
	s->result->ledger.dropped += lost;
	reload->receipt[0].dropped += lost;
	text = supervisor_receipt(old, reload->graph, reload);

	if (instance_path(next, s->options->name, "stats.next") < 0 || instance_path(path, s->options->name, "stats") < 0 ||
		rename(next, path) != 0)
		log_error("the statistics of the new graph cannot be put in place: %s", strerror(errno));
	stats_header(s->result->stats)->replaced = 1;
	stats_close(s->result->stats);
	s->result->stats = reload->stats;
	s->generation++;
	/* Its descriptors are closed: what the new graph uses, it has its own of. */
	resources_fini(old->resources, false);
	graph_free(s->previous);
	s->previous = NULL;
	s->confirm_until_ns = CLOCK_NEVER;
	if (reload->confirm_ns > 0) {
		s->previous = old;
		s->confirm_until_ns = clock_system_ns() + reload->confirm_ns;
	} else {
		graph_free(old);
	}
	supervisor_answer(reload->client, true, text != NULL ? text : "");
	free(text);
	s->reload = (struct reload){ .client = -1 };
}

/* One worker more has answered, or never will. */
static void go_on(struct supervisor *s)
{
	if (!all_answered(s))
		return;
	if (s->reload.phase == RELOAD_PREPARING)
		commit(s);
	if (s->reload.phase == RELOAD_COMMITTING && all_answered(s))
		finish(s);
}

bool supervisor_reload_report(struct supervisor *s, uint32_t number, const struct worker_report *report)
{
	struct reload *reload = &s->reload;

	if (report->type == WORKER_PREPARED && reload->phase == RELOAD_PREPARING && !reload->answered[number]) {
		reload->answered[number] = true;
		go_on(s);
		return true;
	}
	if (report->type == WORKER_COMMITTED && reload->phase == RELOAD_COMMITTING && !reload->answered[number]) {
		reload->answered[number] = true;
		reload->receipt[number] = report->receipt;
		go_on(s);
		return true;
	}
	if (report->type == WORKER_REFUSED && reload->phase == RELOAD_PREPARING) {
		give_up(s, report->text);
		return true;
	}
	/* An answer to what was given up meanwhile. */
	return report->type == WORKER_PREPARED || report->type == WORKER_REFUSED;
}

void supervisor_reload_lost(struct supervisor *s, uint32_t number)
{
	char text[ERROR_TEXT];

	if (s->reload.phase == RELOAD_PREPARING) {
		snprintf(text, sizeof(text), "worker '%s' ended meanwhile", s->graph->worker[number].name);
		give_up(s, text);
	} else if (s->reload.phase == RELOAD_COMMITTING && !s->reload.answered[number]) {
		s->reload.answered[number] = true;
		go_on(s);
	}
}

/* A number that changes with the files that make the configuration: when they were written, and how long they are. */
static uint64_t watch_hash(const struct graph *graph)
{
	const struct script_module *module = graph->modules;
	const char *path = graph->file;
	uint64_t hash = 0;

	for (;;) {
		struct stat status;

		if (stat(path, &status) == 0)
			hash = (hash ^ (uint64_t)status.st_mtim.tv_nsec ^ (uint64_t)status.st_mtim.tv_sec << 32 ^
				(uint64_t)status.st_size ^ status.st_ino) * 0x100000001b3ULL;
		if (module == NULL)
			return hash;
		path = module->path;
		module = module->next;
	}
}

/* Whether what runs came from files that have changed since. */
static bool has_changed(struct supervisor *s)
{
	uint64_t hash = watch_hash(s->graph);
	bool changed = s->watched != 0 && hash != s->watched;

	s->watched = hash;
	return changed;
}

int supervisor_reload_tick(struct supervisor *s)
{
	uint64_t now = clock_system_ns(), next = s->confirm_until_ns;

	supervisor_read_tick(s);
	if (now >= s->confirm_until_ns && s->reload.phase == RELOAD_NONE) {
		struct graph *back = s->previous;

		log_warn("the reload was not confirmed: back to the graph before");
		s->previous = NULL;
		s->confirm_until_ns = next = CLOCK_NEVER;
		/* Its checked apps and keys are made anew: the old list of keys was closed. */
		supervisor_back(s, back);
	}
	if (s->options->watch && s->started && now >= s->watch_ns) {
		s->watch_ns = now + WATCH_NS;
		if (s->reload.phase == RELOAD_NONE && s->reading.purpose == READING_NONE && has_changed(s))
			supervisor_read(s, READING_RELOAD, NULL, 0, -1);
	}
	if (s->options->watch && s->watch_ns < next)
		next = s->watch_ns;
	return next == CLOCK_NEVER ? -1 : next <= now ? 0 : (int)((next - now) / 1000000) + 1;
}

void supervisor_back(struct supervisor *s, struct graph *previous)
{
	struct errors errors = { 0 };
	struct value *copy = NULL;
	struct graph *graph = NULL;
	uint8_t *bytes;
	size_t length;

	if (value_encode(previous->value, &bytes, &length) == 0) {
		if (value_decode(bytes, length, &copy) == 0)
			graph = graph_from_value(copy, previous->file, previous->folder, &errors);
		free(bytes);
	}
	graph_free(previous);
	if (graph != NULL)
		supervisor_reload(s, graph, 0, -1);
	else
		log_error("the graph before cannot be made again, the present one goes on: %s",
			errors.count > 0 ? errors.text[0] : "not enough memory");
	errors_fini(&errors);
}

void supervisor_reload_fini(struct supervisor *s)
{
	if (s->reload.phase != RELOAD_NONE)
		give_up(s, "the instance ends");
	supervisor_read_fini(s);
	graph_free(s->previous);
	s->previous = NULL;
}
