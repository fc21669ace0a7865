/* explain -- `nf lwaftr explain`: what an lwAFTR does with a packet and why, step by step.
 *
 * The graph is that of `nf lwaftr check`, with sources at its ends that are never called. A packet is put on the link behind one, and
 * the apps are called one by one; what each of them did is read from its links, counters and reasons. So what is told is what the
 * code really did. */
#include "program/dissect.h"
#include "program/lwaftr/frame.h"
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/plan.h"
#include "program/lwaftr/reasoning.h"
#include "program/lwaftr/session.h"
#include "program/trace_path.h"

#include <inttypes.h>

enum { ROUNDS_MOST = 64, COUNTERS_MOST = 256, PORTS_MOST = 8, HEX_COLUMNS = 16 };
static const uint64_t START_NS = 1000000000;    /* what the clock shows all the while */
static const char *const sides[] = { "v4", "v6", NULL };

/* An app before a call. */
struct before {
	uint64_t counter[COUNTERS_MOST], reason[COUNTERS_MOST];
	uint64_t input[PORTS_MOST], output[PORTS_MOST];
	uint64_t created, consumed;
};

/* A packet before a call: its bytes, and whose they are. */
struct seen {
	struct probe_record record;
	uint8_t data[TRACE_BYTES];
	const struct packet *p;
};

static void note(const struct app *app, struct before *before)
{
	for (uint32_t i = 0; i < app_name_count(app->class->counters) && i < COUNTERS_MOST; i++)
		before->counter[i] = app->counter[i];
	for (uint32_t i = 0; i < app->reason_count && i < COUNTERS_MOST; i++)
		before->reason[i] = app->reason[i];
	for (uint32_t i = 0; i < app->input_count && i < PORTS_MOST; i++)
		before->input[i] = app->input[i] != NULL ? app->input[i]->received : 0;
	for (uint32_t i = 0; i < app->output_count && i < PORTS_MOST; i++)
		before->output[i] = app->output[i] != NULL ? app->output[i]->sent : 0;
	before->created = app->created;
	before->consumed = app->consumed;
}

static void see(const struct packet *p, struct seen *seen)
{
	seen->p = p;
	seen->record.wire_length = p->length;
	seen->record.length = p->length < TRACE_BYTES ? p->length : TRACE_BYTES;
	memcpy(seen->data, p->data, seen->record.length);
}

static void print_line(const char *before, const struct packet *p)
{
	char line[256];

	dissect_line(p->data, p->length, p->length, line, sizeof(line));
	printf("%s%s\n", before, line);
}

/* What is different now: a field on each line. */
static void print_changes(const struct seen *seen, const struct packet *p)
{
	struct trace_path *path = trace_path_new();
	char changes[4096], *at = changes, *item;
	struct seen now;

	if (path == NULL)
		return;
	path->length = seen->record.length;
	path->wire_length = seen->record.wire_length;
	memcpy(path->data, seen->data, seen->record.length);
	see(p, &now);
	trace_path_see(path, &now.record, changes, sizeof(changes));
	trace_path_free(path);
	if (changes[0] == '\0')
		printf(", unchanged");
	putchar('\n');
	while (changes[0] != '\0' && (item = strsep(&at, ",")) != NULL)
		printf("        %s\n", item + (item[0] == ' '));
}

/* The packets that a call sent. gone: the one that it took is none of them. gives: how many */
static uint32_t print_sent(const struct app *app, const struct before *before, const struct seen *seen, bool gone)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < app->output_count && i < PORTS_MOST; i++) {
		const struct link *link = app->output[i];

		for (uint64_t total = link != NULL ? before->output[i] : 0; link != NULL && total < link->sent; total++, count++) {
			const struct packet *p = link->slot[link_slot(link, total)];

			if (!gone && p == seen->p) {
				printf("      sent to %s", app->output_name[i]);
				print_changes(seen, p);
			} else {
				printf("      made, and sent to %s", app->output_name[i]);
				print_line(": ", p);
			}
		}
	}
	return count;
}

/* Why a call dropped something. gives: how many */
static uint64_t print_drops(const struct app *app, const struct before *before)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < app->reason_count && i < COUNTERS_MOST; i++) {
		const char *sentence = reasoning_drop(app->class->reasons[i]);

		if (app->reason[i] == before->reason[i])
			continue;
		count += app->reason[i] - before->reason[i];
		printf("      dropped: %s%s%s\n", app->class->reasons[i], sentence != NULL ? ": " : "", sentence != NULL ? sentence : "");
	}
	return count;
}

static void print_counters(const struct app *app, const struct before *before)
{
	const char *begin = "      counted: ";

	for (uint32_t i = 0; i < app_name_count(app->class->counters) && i < COUNTERS_MOST; i++) {
		if (app->counter[i] == before->counter[i])
			continue;
		printf("%s%s %" PRIu64, begin, app->class->counters[i], app->counter[i] - before->counter[i]);
		begin = ", ";
	}
	if (begin[0] == ',')
		putchar('\n');
}

/* Call an app with what waits, and tell what it did. `port`: of its input, where the packet `p` waits. */
static void step(struct app *app, uint32_t port, const struct packet *p)
{
	const bool is_lwaftr = strcmp(app->class->name, "lwaftr.lwaftr") == 0;
	struct before before;
	struct seen seen;
	uint64_t drops, consumed, taken = 0;
	uint32_t sent;

	printf("    %s\n", app->name);
	if (is_lwaftr)
		reasoning_softwires((const struct lwaftr *)app, p->data, p->length, port == LWAFTR_V6);
	note(app, &before);
	see(p, &seen);
	app->class->push(app);
	for (uint32_t i = 0; i < app->input_count && i < PORTS_MOST; i++)
		taken += app->input[i] != NULL ? app->input[i]->received - before.input[i] : 0;
	drops = print_drops(app, &before);
	consumed = app->consumed - before.consumed;
	sent = print_sent(app, &before, &seen, drops + consumed >= taken);
	if (consumed > 0)
		printf("      consumed: %s\n", sent > 0 ? "what was sent stands for it" : "it is done with here");
	if (drops + consumed + sent == 0)
		printf("      kept: it waits for more\n");
	print_counters(app, &before);
}

static void print_bytes(const struct packet *p)
{
	for (uint32_t i = 0; i < p->length; i++)
		printf("%s%02x%s", i % HEX_COLUMNS == 0 ? "      " : " ", p->data[i], i % HEX_COLUMNS == HEX_COLUMNS - 1 || i + 1 == p->length ? "\n" : "");
}

/* What came to an end: it would leave now. */
static void print_leaving(struct app *end)
{
	const struct link *link = end->input[0];

	for (uint32_t i = 0; i < link_waiting(link); i++) {
		printf("  leaves on the IPv%c side: ", end->name[1]);
		print_line("", link_peek(link, i));
		print_bytes(link_peek(link, i));
	}
	end->class->push(end);
}

/* Call every app where something waits, in the order of the graph. gives: whether there was one */
static bool round_of(const struct session *session)
{
	const struct graph_worker *worker = &session->graph->worker[0];
	bool moved = false;

	for (uint32_t i = 0; i < worker->app_count; i++) {
		struct app *app = engine_app_find(session->engine, worker->app[worker->order[i]].name);

		for (uint32_t port = 0; port < app->input_count; port++) {
			struct link *link = app->input[port];

			if (link == NULL || link_waiting(link) == 0)
				continue;
			moved = true;
			if (strcmp(app->class->name, "basic.sink") == 0)
				print_leaving(app);
			else
				step(app, port, link_peek(link, 0));
		}
	}
	return moved;
}

/* The side that a frame comes from: by its type, when nobody says. */
static uint32_t side_of(const struct options *options, const struct frame *frame, uint32_t side)
{
	uint16_t type = 0;

	if (options_has(options, "--side"))
		return side;
	ethernet_payload(frame->data, frame->length, &type);
	return type == ETHERNET_IPV6;
}

static int explain(const struct options *options, const struct session *session, const char *text, uint32_t side)
{
	struct app *from;
	struct frame frame;
	struct packet *p;

	if (frame_read(&frame, text) < 0)
		return -EINVAL;
	side = side_of(options, &frame, side);
	p = packet_alloc_length(frame.length);
	if (p == NULL || !packet_set(p, frame.data, frame.length)) {
		int code = nf_fail(EMSGSIZE, "%s: a packet of %u bytes is too long", text, frame.length);

		if (p != NULL)
			packet_free(p);
		frame_fini(&frame);
		return code;
	}
	frame_fini(&frame);
	from = engine_app_find(session->engine, side == 0 ? "v4_in" : "v6_in");
	from->created++;
	printf("%s: %u bytes, from the IPv%c side: ", frame_is_hex(text) ? "hex" : text, p->length, side == 0 ? '4' : '6');
	print_line("", p);
	link_send(from->output[0], p);
	for (uint32_t i = 0; i < ROUNDS_MOST && round_of(session); i++)
		;
	return 0;
}

/* A next hop that would have to be found out is taken for known: the packet is asked for, not its neighbour. */
static void know_next_hop(struct lwaftr_next_hop *hop, int version)
{
	if (hop->has_mac)
		return;
	printf("(the IPv%d side's next hop is taken for known, with the Ethernet address 02:00:00:00:00:00)\n", version);
	*hop = (struct lwaftr_next_hop){ .has_mac = true, .mac = { 2 } };
}

static char *make_source(const struct options *options, const struct lwaftr_config *config, const char *path)
{
	struct plan_ends ends = { .in4 = "v4_in.output", .in6 = "v6_in.output", .out4 = "v4_out.input", .out6 = "v6_out.input", .fixed = true,
		.apps = "    v4_in = { \"basic.source\" }, v6_in = { \"basic.source\" }, v4_out = { \"basic.sink\" }, v6_out = { \"basic.sink\" },\n" };
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	struct lwaftr_queue known;

	if (!plan_options(options, &ends) || !lwaftr_config_select(config, NULL, -1, &instance, &queue)) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		return NULL;
	}
	known = *queue;
	know_next_hop(&known.external.next_hop, 4);
	know_next_hop(&known.internal.next_hop, 6);
	return plan_graph(config, instance, &known, path, &ends);
}

static int run(const struct options *options, const char *source, uint32_t side)
{
	struct session session;
	int code = 0;

	clock_set(START_NS);
	random_seed = 1;
	if (session_start(&session, options->program->name, source) < 0)
		return EXIT_FAILED;
	for (int i = 1; i < options->count && code >= 0; i++)
		code = explain(options, &session, options->argument[i], side);
	if (code < 0)
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
	fflush(stdout);
	if (session_stop(&session) < 0 && code >= 0) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, nf_error());
		code = -1;
	}
	session_free(&session);
	return code < 0 ? EXIT_FAILED : EXIT_DONE;
}

int program_lwaftr_explain(int argc, char **argv)
{
	struct lwaftr_config config;
	struct options options;
	char *path, *source;
	uint32_t side = 0;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_choice(&options, "--side", sides, &side))
		return EXIT_USAGE;
	if (!lwaftr_read(options.program, options.argument[0], &config, NULL))
		return EXIT_FAILED;
	path = realpath(options.argument[0], NULL);
	source = path != NULL ? make_source(&options, &config, path) : NULL;
	lwaftr_config_fini(&config);
	code = source != NULL ? run(&options, source, side) : EXIT_FAILED;
	free(source);
	free(path);
	return code;
}
