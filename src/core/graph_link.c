/* graph_link -- the links of a configuration: "a.x -> b.y", and chains "a.x -> b -> c.y". See graph_build.h. */
#include "core/graph_build.h"

#include <ctype.h>
#include <stdarg.h>

enum { LINK_TEXT = 4096, LIST_TEXT = 300, PORTS_MOST = 4096 };

/* One link text while it is being read. */
struct reader {
	struct build *b;
	char shown[GRAPH_SHOWN];        /* the text, for messages */
	uint32_t text;                  /* its number, from 1 */
	bool unclear;                   /* it names an app whose class is unknown */
	uint32_t room;                  /* for links in worker->link */
};

enum side { OUTPUT, INPUT };
static const char *const side_names[] = { "output", "input" };

static bool refuse(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct reader *r, const char *format, ...)
{
	char text[ERROR_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	errors_add(r->b->errors, "link '%s': %s", r->shown, text);
	return false;
}

static struct build_ports *ports_of(struct build *b, uint32_t app, enum side side)
{
	return side == OUTPUT ? &b->output[app] : &b->input[app];
}

/* The number of an app of the worker by name: they are sorted. UINT32_MAX: there is none. */
static uint32_t find_app(const struct graph_worker *worker, const char *name)
{
	uint32_t low = 0, high = worker->app_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = strcmp(worker->app[middle].name, name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return UINT32_MAX;
}

static bool unknown_app(struct reader *r, const char *name)
{
	struct graph_worker *worker = r->b->worker;
	const char **names = arena_alloc(&r->b->graph->arena, (worker->app_count + 1) * sizeof(*names)), *nearest;

	for (uint32_t i = 0; i < worker->app_count; i++)
		names[i] = worker->app[i].name;
	nearest = error_nearest(name, names);
	if (nearest != NULL) {
		r->b->input[find_app(worker, nearest)].text = r->text;
		return refuse(r, "there is no app '%s', did you mean '%s'?", name, nearest);
	}
	return refuse(r, "there is no app '%s'", name);
}

/* A new port of "*". */
static uint32_t add_port(struct build *b, struct build_ports *ports, const char *name)
{
	struct arena *arena = &b->graph->arena;

	if (ports->count + 1 >= ports->room) {
		uint32_t room = ports->room * 2 + 6;
		const char **names = arena_alloc(arena, room * sizeof(*names));
		uint32_t *link = arena_alloc(arena, room * sizeof(*link));

		memcpy(names, ports->name, ports->count * sizeof(*names));
		memcpy(link, ports->link, ports->count * sizeof(*link));
		ports->name = names;
		ports->link = link;
		ports->room = room;
	}
	ports->name[ports->count] = arena_copy(arena, name, strlen(name));
	return ports->count++;
}

/* No such port on this side: say what is nearest, or what there is. */
static bool unknown_port(struct reader *r, const char *app, const struct build_ports *ports, const struct build_ports *others,
	enum side side, const char *name)
{
	const char *nearest;
	char list[LIST_TEXT];

	if (app_name_find(others->name, name) >= 0)
		return refuse(r, "'%s' is an %s of app '%s'; a link goes from an output to an input", name,
			side_names[1 - side], app);
	if (ports->count == 0)
		return refuse(r, "app '%s' has no %ss", app, side_names[side]);
	nearest = error_nearest(name, ports->name);
	if (nearest != NULL)
		return refuse(r, "app '%s' has no %s '%s', did you mean '%s'?", app, side_names[side], name, nearest);
	return refuse(r, "app '%s' has no %s '%s'; accepted: %s", app, side_names[side], name,
		graph_list(ports->name, list, sizeof(list)));
}

/* The port of an app that a link names, or the only one when it names none (port NULL). */
static bool find_port(struct reader *r, uint32_t app, enum side side, const char *port, uint32_t *number)
{
	struct build_ports *ports = ports_of(r->b, app, side), *others = ports_of(r->b, app, 1 - side);
	const char *name = r->b->worker->app[app].name;
	char list[LIST_TEXT];
	int found;

	if (port == NULL && ports->any)
		port = side_names[side];        /* of ports of any name, the one with the usual name */
	if (port == NULL && ports->count == 0)
		return refuse(r, "app '%s' has no %ss", name, side_names[side]);
	if (port == NULL && ports->count > 1)
		return refuse(r, "app '%s' has several %ss: say which, as in '%s.%s'; accepted: %s", name, side_names[side], name,
			ports->name[0], graph_list(ports->name, list, sizeof(list)));
	found = port == NULL ? 0 : app_name_find(ports->name, port);
	if (found >= 0) {
		*number = (uint32_t)found;
		return true;
	}
	if (!ports->any)
		return unknown_port(r, name, ports, others, side, port);
	if (!graph_name_is_good(port, strlen(port)))
		return refuse(r, "'%s' is no good name for a port; " GRAPH_NAME_RULE, port);
	if (ports->count == PORTS_MOST)
		return refuse(r, "app '%s' has more than %d %ss", name, PORTS_MOST, side_names[side]);
	*number = add_port(r->b, ports, port);
	return true;
}

/* Room for one more link in the worker. */
static struct graph_link *next_link(struct reader *r)
{
	struct graph_worker *worker = r->b->worker;

	if (worker->link_count == r->room) {
		struct graph_link *link = arena_alloc(&r->b->graph->arena, (r->room * 2 + 8) * sizeof(*link));

		if (worker->link_count > 0)
			memcpy(link, worker->link, worker->link_count * sizeof(*link));
		worker->link = link;
		r->room = r->room * 2 + 8;
	}
	return &worker->link[worker->link_count];
}

static bool is_taken(struct reader *r, uint32_t app, enum side side, uint32_t port)
{
	const struct build_ports *ports = ports_of(r->b, app, side);

	if (ports->link[port] == 0)
		return false;
	refuse(r, "%s '%s' of app '%s' is linked already, by '%s'", side_names[side], ports->name[port],
		r->b->worker->app[app].name, r->b->worker->link[ports->link[port] - 1].name);
	return true;
}

/* "app.port"; an app that stands for another worker's port has its name already. */
static const char *end_name(struct build *b, uint32_t app, enum side side, uint32_t port, char *text, size_t size)
{
	const char *name = b->worker->app[app].name;

	if (strchr(name, ':') != NULL)
		snprintf(text, size, "%s", name);
	else
		snprintf(text, size, "%s.%s", name, ports_of(b, app, side)->name[port]);
	return text;
}

/* Link an output to an input, both known. */
static bool connect(struct reader *r, uint32_t from, uint32_t output, uint32_t to, uint32_t input)
{
	struct build *b = r->b;
	struct graph_link *link = next_link(r);
	bool taken = is_taken(r, from, OUTPUT, output);
	char name[8 * (GRAPH_SHOWN + 1)], left[4 * GRAPH_SHOWN], right[4 * GRAPH_SHOWN];

	if (is_taken(r, to, INPUT, input) || taken)
		return false;
	snprintf(name, sizeof(name), "%s -> %s", end_name(b, from, OUTPUT, output, left, sizeof(left)),
		end_name(b, to, INPUT, input, right, sizeof(right)));
	*link = (struct graph_link){ .name = arena_copy(&b->graph->arena, name, strlen(name)), .from = from, .output = output,
		.to = to, .input = input };
	b->output[from].link[output] = b->input[to].link[input] = ++b->worker->link_count;
	return true;
}

/* One part of a link text: "app" or "app.port". */
struct part {
	char *app, *port;               /* port NULL: not given */
	uint32_t number;                /* of the app */
};

static bool read_part(struct reader *r, char *text, struct part *part)
{
	char *end = text + strlen(text);

	while (isspace((unsigned char)*text))
		text++;
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	part->app = text;
	part->port = strchr(text, '.');
	if (part->port != NULL)
		*part->port++ = '\0';
	if (*text == '\0' || (part->port != NULL && *part->port == '\0'))
		return refuse(r, "is no link; accepted: \"app.output -> app.input\"");
	part->number = find_app(r->b->worker, part->app);
	if (part->number == UINT32_MAX)
		return unknown_app(r, part->app);
	r->b->input[part->number].text = r->text;
	return true;
}

/* Cut the text at "->" and link each part with the next. */
static void read_chain(struct reader *r, char *text)
{
	struct part last = { 0 }, part;
	bool good, first = true;
	char *next;

	for (; text != NULL; text = next) {
		next = strstr(text, "->");
		if (next != NULL) {
			*next = '\0';
			next += 2;
		}
		if (first && next == NULL) {
			refuse(r, "is no link; accepted: \"app.output -> app.input\"");
			return;
		}
		part = (struct part){ 0 };
		good = read_part(r, text, &part);
		/* An app whose class is unknown has got its message: what its ports are nobody knows. */
		if (good && r->b->worker->app[part.number].class == NULL) {
			r->unclear = true;
			good = false;
		}
		if (good && !first && next != NULL && part.port != NULL)
			good = refuse(r, "'%s.%s' stands in the middle of a chain, where an app has no port; accepted: '%s', when it "
				"has one input and one output", part.app, part.port, part.app);
		if (good && !first && last.app != NULL) {
			uint32_t output, input;
			bool from = find_port(r, last.number, OUTPUT, last.port, &output);

			if (find_port(r, part.number, INPUT, part.port, &input) && from)
				connect(r, last.number, output, part.number, input);
		}
		last = good ? part : (struct part){ 0 };
		first = false;
	}
}

/* No name has control characters; in a message they would break the line. */
static char plain_character(char c)
{
	if (isspace((unsigned char)c))
		return ' ';
	return c != '\0' && iscntrl((unsigned char)c) ? '?' : c;
}

/* The apps that a link names which has got messages since `before`. */
static void mark_doubtful(struct reader *r, uint32_t before)
{
	for (uint32_t i = 0; i < r->b->worker->app_count && (r->unclear || r->b->errors->count > before); i++)
		if (r->b->input[i].text == r->text)
			r->b->input[i].doubtful = true;
}

static void read_link(struct reader *r, const struct value *text)
{
	uint32_t before = r->b->errors->count;
	char copy[LINK_TEXT];

	r->text++;
	r->unclear = false;
	graph_show(text, r->shown);
	if (text->count >= LINK_TEXT || strlen(text->string) != text->count) {
		refuse(r, text->count >= LINK_TEXT ? "is longer than a link may be" : "has a zero byte inside");
		return;
	}
	if (strchr(text->string, ':') != NULL) {
		refuse(r, "names a worker, and there are no 'workers'");
		return;
	}
	for (uint32_t i = 0; i <= text->count; i++)
		copy[i] = plain_character(text->string[i]);
	read_chain(r, copy);
	mark_doubtful(r, before);
}

/* One end of a link between workers: an app and port of this worker, or the app that stands for the other worker's. */
static bool find_end(struct reader *r, const struct build_end *end, const char *app, enum side side, uint32_t *number, uint32_t *port)
{
	bool here = end->worker == r->b->number;

	*number = find_app(r->b->worker, app);
	*port = 0;
	if (*number == UINT32_MAX)
		return here ? unknown_app(r, app) : false;
	r->b->input[*number].text = r->text;
	if (r->b->worker->app[*number].class == NULL)
		r->unclear = true;
	return !r->unclear && (!here || find_port(r, *number, side, end->port, port));
}

static void read_interlink(struct reader *r, const struct build_interlink *il)
{
	uint32_t from, output, to, input, before = r->b->errors->count;
	bool from_here = il->from.worker == r->b->number, to_here = il->to.worker == r->b->number, good;

	r->text++;
	r->unclear = false;
	snprintf(r->shown, sizeof(r->shown), "%s", il->text);
	good = find_end(r, &il->from, from_here ? il->from.app : il->from.name, OUTPUT, &from, &output);
	if (find_end(r, &il->to, to_here ? il->to.app : il->to.name, INPUT, &to, &input) && good)
		connect(r, from, output, to, input);
	mark_doubtful(r, before);
}

/* Ports that must be linked and are not. */
static void check_ports(struct build *b, uint32_t app, enum side side)
{
	const struct build_ports *ports = ports_of(b, app, side);
	const char *name = b->worker->app[app].name;

	if (ports->any && ports->count == 0)
		errors_add(b->errors, "app '%s': no %s is linked; it needs one or more, of any name", name, side_names[side]);
	for (uint32_t i = 0; i < ports->count; i++)
		if (!ports->any && !ports->optional[i] && ports->link[i] == 0)
			errors_add(b->errors, "app '%s': %s '%s' is not linked", name, side_names[side], ports->name[i]);
}

void graph_read_links(struct build *b, const struct value *links)
{
	struct reader r = { .b = b };

	if (links != NULL && links->type != VALUE_TABLE) {
		errors_add(b->errors, "'links' is %s; accepted: a list, { \"app.output -> app.input\", ... }", value_type_name(links));
		return;
	}
	for (uint32_t i = 0; links != NULL && i < links->count; i++) {
		const struct value *key = &links->entry[i].key, *link = &links->entry[i].value;

		if (key->type == VALUE_STRING)
			errors_add(b->errors, "'links' has the key '%s'; accepted: a list, { \"app.output -> app.input\", ... }",
				graph_show(key, r.shown));
		else if (link->type != VALUE_STRING)
			errors_add(b->errors, "'links' has %s at position %u; accepted: \"app.output -> app.input\"",
				value_type_name(link), i + 1);
		else if (!b->many || !graph_names_worker(link))         /* those have been read for all workers together */
			read_link(&r, link);
	}
	for (const struct build_interlink *il = b->interlinks; il != NULL; il = il->next)
		if (il->from.worker == b->number || il->to.worker == b->number)
			read_interlink(&r, il);
	/* A wrong link leaves ports unlinked: no second message for that. */
	for (uint32_t i = 0; i < b->worker->app_count; i++) {
		if (!b->input[i].doubtful) {
			check_ports(b, i, INPUT);
			check_ports(b, i, OUTPUT);
		}
	}
}
