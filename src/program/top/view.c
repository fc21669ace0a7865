/* view -- see view.h. */
#include "program/top/view.h"
#include "program/figure.h"

#include <strings.h>

const char *const view_names[] = { "apps", "links", "drops", "workers", NULL };

enum format { NAME, JOINED, TEXT, RATE, NUMBER, TENTH, PERCENT, DURATION, FILL };

/* A column of a view: which field of its rows it shows, and how. */
struct column {
	const char *title;
	uint32_t width;                 /* 0: what the others leave */
	enum format format;
	size_t offset;                  /* of a double; of a const char * for NAME, TEXT and JOINED, the name of a link */
};

#define APP(field) offsetof(struct measure_app, field)
static const struct column app_columns[] = {
	{ "APP", 0, NAME, APP(name) }, { "PACKETS/S", 9, RATE, APP(packets) }, { "BITS/S", 7, RATE, APP(bits) },
	{ "NS", 6, TENTH, APP(ns) }, { "CYCLES", 7, TENTH, APP(cycles) }, { "CORE%", 5, PERCENT, APP(share) },
	{ "HELD", 5, NUMBER, APP(held) }, { "DROPS/S", 7, RATE, APP(drops) }, { "FOR", 11, TEXT, APP(reason) },
	{ NULL, 0, NAME, 0 },
};

#define LINK(field) offsetof(struct measure_link, field)
static const struct column link_columns[] = {
	{ "LINK", 0, JOINED, LINK(name) }, { "PACKETS/S", 9, RATE, LINK(packets) }, { "BITS/S", 7, RATE, LINK(bits) },
	{ "WAIT", 4, NUMBER, LINK(waiting) }, { "FILL%", 5, FILL, LINK(waiting) }, { "P50", 7, DURATION, LINK(p50) },
	{ "P99", 7, DURATION, LINK(p99) }, { "DROPS/S", 7, RATE, LINK(drops) },
	{ NULL, 0, NAME, 0 },
};

#define COUNT(field) offsetof(struct measure_count, field)
static const struct column count_columns[] = {
	{ "OWNER", 0, JOINED, COUNT(name) }, { "WHAT", 24, TEXT, COUNT(what) }, { "KIND", 7, TEXT, COUNT(kind) },
	{ "PER-S", 8, RATE, COUNT(rate) }, { "TOTAL", 14, NUMBER, COUNT(total) }, { NULL, 0, NAME, 0 },
};

#define WORKER(field) offsetof(struct measure_worker, field)
static const struct column worker_columns[] = {
	{ "WORKER", 0, NAME, WORKER(name) }, { "PID", 7, NUMBER, WORKER(pid) }, { "PACKETS/S", 9, RATE, WORKER(packets) },
	{ "DROPS/S", 7, RATE, WORKER(drops) }, { "CORE%", 5, PERCENT, WORKER(share) }, { "QUEUED", 6, NUMBER, WORKER(queued) },
	{ "P50", 7, DURATION, WORKER(p50) }, { "P99", 7, DURATION, WORKER(p99) }, { "MAX", 7, DURATION, WORKER(most) },
	{ NULL, 0, NAME, 0 },
};

/* The rows of a kind in a measure. */
struct rows {
	const struct column *column;
	const uint8_t *first;
	size_t size;
	uint32_t count;
};

static struct rows rows_of(enum view_kind kind, const struct measure *m)
{
	switch (kind) {
	case VIEW_LINKS:
		return (struct rows){ link_columns, (const uint8_t *)m->link, sizeof(*m->link), m->link_count };
	case VIEW_DROPS:
		return (struct rows){ count_columns, (const uint8_t *)m->count, sizeof(*m->count), m->count_count };
	case VIEW_WORKERS:
		return (struct rows){ worker_columns, (const uint8_t *)m->worker, sizeof(*m->worker), m->worker_count };
	default:
		return (struct rows){ app_columns, (const uint8_t *)m->app, sizeof(*m->app), m->app_count };
	}
}

static const struct column *columns_of(const struct view *view)
{
	static const struct measure nothing;

	return rows_of(view->kind, &nothing).column;
}

uint32_t view_columns(const struct view *view)
{
	uint32_t count = 0;

	while (columns_of(view)[count].title != NULL)
		count++;
	return count;
}

const char *view_title(const struct view *view, uint32_t column)
{
	return columns_of(view)[column - 1].title;
}

void view_sort_next(struct view *view, int by)
{
	uint32_t count = view_columns(view) + 1;

	view->sort[view->kind] = (view->sort[view->kind] + count + (uint32_t)by) % count;
}

bool view_sort_by(struct view *view, const char *title)
{
	for (uint32_t i = 1; i <= view_columns(view); i++) {
		if (strcasecmp(view_title(view, i), title) != 0)
			continue;
		view->sort[view->kind] = i;
		return true;
	}
	return false;
}

static double number_at(const void *row, const struct column *column)
{
	double number;

	memcpy(&number, (const uint8_t *)row + column->offset, sizeof(number));
	return number;
}

static const char *text_at(const void *row, const struct column *column)
{
	const char *text;

	memcpy(&text, (const uint8_t *)row + column->offset, sizeof(text));
	return text != NULL ? text : "";
}

/* Every kind of row has its worker here. */
_Static_assert(offsetof(struct measure_app, worker) == offsetof(struct measure_link, worker) &&
	offsetof(struct measure_app, worker) == offsetof(struct measure_count, worker) &&
	offsetof(struct measure_app, worker) == offsetof(struct measure_worker, worker), "rows that differ in their beginning");

static uint32_t worker_of(const void *row)
{
	return ((const struct measure_app *)row)->worker;
}

struct order {
	const struct column *column;    /* NULL: as they stand */
	bool reverse;
};

/* Texts from A on, numbers from the greatest on; what is equal stays in the order of the configuration. */
static int compare(const void *a, const void *b, void *argument)
{
	const void *x = *(const void *const *)a, *y = *(const void *const *)b;
	const struct order *order = argument;
	int sign = 0;

	if (order->column != NULL && order->column->format <= TEXT)
		sign = strcmp(text_at(x, order->column), text_at(y, order->column));
	else if (order->column != NULL)
		sign = (number_at(x, order->column) < number_at(y, order->column)) -
			(number_at(x, order->column) > number_at(y, order->column));
	if (order->reverse)
		sign = -sign;
	if (sign != 0)
		return sign;
	return x < y ? -1 : x > y;
}

/* Text cut to `width` with a '~' that says so; numbers to the right. gives: how much was written */
static size_t add_cell(char *line, size_t at, uint32_t width, bool right, const char *text)
{
	size_t length = strlen(text);

	if (length > width)
		return at + (size_t)sprintf(line + at, "%.*s~", (int)width - 1, text);
	return at + (size_t)sprintf(line + at, right ? "%*s" : "%-*s", (int)width, text);
}

/* Cut "from -> to" on both sides of the arrow, so that both ends can still be told; of a side that is short the other has the rest.
 * A text without an arrow stays as it is. */
static void cut_link(char text[VIEW_WIDE], uint32_t width)
{
	char *arrow = strstr(text, " -> "), whole[VIEW_WIDE];
	uint32_t from, to, room = width - 4;

	if (arrow == NULL || strlen(text) <= width)
		return;
	snprintf(whole, sizeof(whole), "%s", arrow + 4);
	from = (uint32_t)(arrow - text);
	to = (uint32_t)strlen(whole);
	if (from <= room / 2)
		to = room - from;
	else if (to <= room / 2)
		from = room - to;
	else
		to = room - (from = room / 2);
	if (arrow > text + from)
		text[from - 1] = '~';
	if (strlen(whole) > to)
		strcpy(whole + to - 1, "~");
	snprintf(text + from, VIEW_WIDE - from, " -> %s", whole);
}

/* "12.5", and without the fraction from 1000 on. */
static void tenth(double number, char text[FIGURE_SIZE])
{
	snprintf(text, FIGURE_SIZE, number < 1000 ? "%.1f" : "%.0f", number);
}

static void cell_text(const struct column *column, const void *row, bool workers, char *text, size_t size)
{
	char figure[FIGURE_SIZE];
	double number = column->format > TEXT ? number_at(row, column) : 0;

	switch (column->format) {
	case NAME:
	case JOINED:
		snprintf(text, size, workers ? "%u:%s" : "%.0u%s", workers ? worker_of(row) + 1 : 0, text_at(row, column));
		break;
	case TEXT:
		snprintf(text, size, "%s", text_at(row, column));
		break;
	case RATE:
		snprintf(text, size, "%s", figure_rate(number, figure));
		break;
	case NUMBER:
		snprintf(text, size, "%.0f", number);
		break;
	case TENTH:
		tenth(number, figure);
		snprintf(text, size, "%s", number > 0 ? figure : "-");
		break;
	case PERCENT:
		snprintf(text, size, "%.1f", number * 100);
		break;
	case DURATION:
		snprintf(text, size, "%s", figure_duration((uint64_t)number, figure));
		break;
	case FILL:
		snprintf(text, size, "%.0f", number * 100 / LINK_SLOTS);
		break;
	}
}

/* How wide the name may be. */
static uint32_t flexible(const struct column *column, uint32_t width)
{
	uint32_t others = 0;

	for (; column->title != NULL; column++)
		others += column->width > 0 ? column->width + 1 : 0;
	return width > others + 12 ? width - others : 12;
}

/* A line; row NULL: the titles. */
static char *make_line(const struct column *columns, const void *row, uint32_t width, bool workers)
{
	char line[VIEW_WIDE + 256], text[VIEW_WIDE];
	uint32_t name = flexible(columns, width);
	size_t at = 0;

	for (uint32_t i = 0; columns[i].title != NULL; i++) {
		if (row != NULL)
			cell_text(&columns[i], row, workers, text, sizeof(text));
		else
			snprintf(text, sizeof(text), "%s", columns[i].title);
		if (columns[i].format == JOINED && row != NULL)
			cut_link(text, name);
		if (i > 0)
			line[at++] = ' ';
		at = add_cell(line, at, columns[i].width > 0 ? columns[i].width : name, columns[i].format > TEXT, text);
	}
	if (at > width)
		at = width;
	while (at > 0 && line[at - 1] == ' ')
		at--;
	line[at] = '\0';
	return strdup(line);
}

char **view_lines(const struct view *view, const struct measure *m, uint32_t width, uint32_t *count)
{
	struct rows rows = rows_of(view->kind, m);
	struct order order = { .reverse = view->reverse[view->kind] };
	const void **row = calloc(rows.count + 1, sizeof(*row));
	char **lines = calloc(rows.count + 2, sizeof(*lines));
	bool done = row != NULL && lines != NULL;

	width = width < VIEW_NARROW ? VIEW_NARROW : width > VIEW_WIDE ? VIEW_WIDE : width;
	if (view->sort[view->kind] > 0)
		order.column = &rows.column[view->sort[view->kind] - 1];
	for (uint32_t i = 0; i < rows.count && done; i++)
		row[i] = rows.first + i * rows.size;
	if (done)
		qsort_r(row, rows.count, sizeof(*row), compare, &order);
	for (uint32_t i = 0; i <= rows.count && done; i++) {
		lines[i] = make_line(rows.column, i > 0 ? row[i - 1] : NULL, width, m->worker_count > 1 || view->kind == VIEW_WORKERS);
		done = lines[i] != NULL;
	}
	*count = rows.count + 1;
	free(row);
	if (done)
		return lines;
	view_free(lines);
	return NULL;
}

void view_free(char **lines)
{
	for (char **line = lines; line != NULL && *line != NULL; line++)
		free(*line);
	free(lines);
}

const char *view_worker(const struct measure_worker *w, char *text, size_t size)
{
	char rate[FIGURE_SIZE], p50[FIGURE_SIZE], p99[FIGURE_SIZE], most[FIGURE_SIZE];

	snprintf(text, size, "worker %u %s  %s packets/s  core %.0f %%  breath %s, 99 %% %s, max %s%s", w->worker + 1, w->name,
		figure_rate(w->packets, rate), w->share * 100, figure_duration((uint64_t)w->p50, p50),
		figure_duration((uint64_t)w->p99, p99), figure_duration((uint64_t)w->most, most),
		w->balanced ? "" : "  THE LEDGER DOES NOT BALANCE");
	return text;
}
