/* graph_draw -- a graph as a picture for a terminal:
 *
 *     ┌──────────────┐   ┌───────────┐      ┌────────────┐
 *     │ source       ├──▶│ tee       ├─┬─a─▶│ left       │
 *     │ basic.source │   │ basic.tee │ │    │ basic.sink │
 *     └──────────────┘   └───────────┘ │    └────────────┘
 *                                      └─b─▶ source.input (back)
 *
 * An app stands in the column of its longest way from the left; its first output leads on in the same line, the others below.
 * A link to an app that another line leads to already, or back, is drawn as a reference. */
#include "core/graph_draw.h"

#include <stdarg.h>

enum { WIDEST = 120, BOX_ROWS = 4, TRUNK = 2 };

/* The picture while it is being drawn: a grid of characters, and the layout of the columns. */
struct picture {
	const struct graph_tree *tree;
	uint32_t *cell;                 /* height rows of WIDEST code points; 0: blank */
	uint32_t height;
	uint32_t left[WIDEST], width[WIDEST], gap[WIDEST];      /* of each column: its boxes, and the space to the next */
};

void graph_text_add(struct graph_text *t, const char *format, ...)
{
	va_list arguments;
	char *piece = NULL, *text;
	int n;

	va_start(arguments, format);
	n = vasprintf(&piece, format, arguments);
	va_end(arguments);
	if (n >= 0 && !t->failed && t->length + (size_t)n + 1 > t->size) {
		t->size = 2 * t->size + (size_t)n + 256;
		text = realloc(t->text, t->size);
		t->failed = text == NULL;
		if (text != NULL)
			t->text = text;
	}
	if (n >= 0 && !t->failed) {
		memcpy(t->text + t->length, piece, (size_t)n + 1);
		t->length += (size_t)n;
	} else {
		t->failed = true;
	}
	if (n >= 0)
		free(piece);
}

static void put(struct picture *p, uint32_t x, uint32_t y, uint32_t character)
{
	if (x < WIDEST && y < p->height)
		p->cell[y * WIDEST + x] = character;
}

static void put_text(struct picture *p, uint32_t x, uint32_t y, const char *text)
{
	while (*text != '\0')
		put(p, x++, y, (unsigned char)*text++);
}

static uint32_t max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* "app.port" of a reference, "(back)" when it closes a cycle. */
static void reference(const struct graph_worker *worker, const struct graph_link *link, char *text, size_t size)
{
	snprintf(text, size, "%s.%s%s", worker->app[link->to].name, worker->app[link->to].input_names[link->input],
		link->back ? " (back)" : "");
}

static uint32_t box_width(const struct graph_app *app)
{
	return (uint32_t)max((uint32_t)strlen(app->name), (uint32_t)strlen(app->class->name)) + 4;
}

/* Where the columns begin. gives: false when the picture would be too wide */
static bool lay_out(struct picture *p)
{
	const struct graph_worker *worker = p->tree->worker;
	uint32_t right = 0;

	if (p->tree->columns >= WIDEST / 4)
		return false;
	for (uint32_t i = 0; i < worker->app_count; i++)
		p->width[p->tree->column[i]] = max(p->width[p->tree->column[i]], box_width(&worker->app[i]));
	for (uint32_t i = 0; i < worker->link_count; i++) {
		const struct graph_link *link = &worker->link[i];
		const char *output = graph_output_label(worker, link), *input = graph_input_label(worker, link);
		uint32_t *gap = &p->gap[p->tree->column[link->from]];
		uint32_t trunk = p->tree->next[p->tree->first[link->from]] != UINT32_MAX ? TRUNK : 0;
		bool line = graph_tree_is_line(p->tree, i);

		*gap = max(*gap, (uint32_t)(3 + trunk + strlen(output) +
			(line && *input != '\0' ? strlen(input) + 2 : 0)));
	}
	for (uint32_t c = 0; c < p->tree->columns; c++) {
		p->left[c] = right;
		right += p->width[c] + p->gap[c];
		if (right > WIDEST)
			return false;
	}
	for (uint32_t i = 0; i < worker->link_count; i++) {
		uint32_t c = p->tree->column[worker->link[i].from];
		char text[128];

		if (graph_tree_is_line(p->tree, i))
			continue;
		reference(worker, &worker->link[i], text, sizeof(text));
		if (p->left[c] + p->width[c] + p->gap[c] + 1 + strlen(text) > WIDEST)
			return false;
	}
	return true;
}

static void draw_box(struct picture *p, const struct graph_app *app, uint32_t column, uint32_t top)
{
	uint32_t left = p->left[column], right = left + p->width[column] - 1;

	for (uint32_t x = left + 1; x < right; x++) {
		put(p, x, top, 0x2500);         /* ─ */
		put(p, x, top + 3, 0x2500);
	}
	for (uint32_t y = top + 1; y < top + 3; y++) {
		put(p, left, y, 0x2502);        /* │ */
		put(p, right, y, 0x2502);
	}
	put(p, left, top, 0x250c);              /* ┌ ┐ └ ┘ */
	put(p, right, top, 0x2510);
	put(p, left, top + 3, 0x2514);
	put(p, right, top + 3, 0x2518);
	put_text(p, left + 2, top + 1, app->name);
	put_text(p, left + 2, top + 2, app->class->name);
}

/* The line of a link in row y from the box (or the trunk, which is drawn later) to the arrow before the next column. */
static void draw_line(struct picture *p, const struct graph_link *link, uint32_t y, bool has_trunk)
{
	const struct graph_worker *worker = p->tree->worker;
	uint32_t column = p->tree->column[link->from], start = p->left[column] + p->width[column];
	uint32_t end = start + p->gap[column] - 1, x = start + (has_trunk ? TRUNK : 0);
	const char *input = graph_input_label(worker, link);
	bool is_line = graph_tree_is_line(p->tree, (uint32_t)(link - worker->link));

	for (uint32_t i = x; i < end; i++)
		put(p, i, y, 0x2500);
	put_text(p, x + 1, y, graph_output_label(worker, link));
	if (is_line && *input != '\0') {
		put(p, end - 2 - (uint32_t)strlen(input), y, '(');
		put_text(p, end - 1 - (uint32_t)strlen(input), y, input);
		put(p, end - 1, y, ')');
	}
	put(p, end, y, 0x25b6);                 /* ▶ */
	if (!is_line) {
		char text[128];

		reference(worker, link, text, sizeof(text));
		put_text(p, end + 2, y, text);
	}
}

/* The vertical line from which an app's several outputs leave: rows `from` to `to`, with a branch in each row of `link_row`. */
static void draw_trunk(struct picture *p, uint32_t column, uint32_t from, uint32_t to)
{
	uint32_t x = p->left[column] + p->width[column] + 1;

	put(p, x - 1, from, 0x2500);
	put(p, x, from, 0x252c);                /* ┬ */
	for (uint32_t y = from + 1; y < to; y++)
		put(p, x, y, p->cell[y * WIDEST + x + 1] == 0x2500 ? 0x251c : 0x2502);  /* ├ │ */
	put(p, x, to, 0x2514);                  /* └ */
}

/* Draw an app with its box at row `top`, and all that it leads to. Without a grid only the rows are counted.
 * gives: the first row below */
static uint32_t draw_app(struct picture *p, uint32_t app, uint32_t top)
{
	const struct graph_tree *tree = p->tree;
	uint32_t column = tree->column[app], line = top + 1, bottom = top + BOX_ROWS, row = top, last = line;
	bool has_trunk = tree->first[app] != UINT32_MAX && tree->next[tree->first[app]] != UINT32_MAX;

	draw_box(p, &tree->worker->app[app], column, top);
	if (tree->first[app] != UINT32_MAX)
		put(p, p->left[column] + p->width[column] - 1, line, 0x251c);   /* ├ */
	for (uint32_t l = tree->first[app]; l != UINT32_MAX; l = tree->next[l]) {
		bool is_first = l == tree->first[app];

		if (graph_tree_is_line(tree, l)) {
			last = row + 1;
			row = draw_app(p, tree->worker->link[l].to, row);
		} else {
			last = is_first ? line : row;
			row = last + 1;
		}
		draw_line(p, &tree->worker->link[l], last, has_trunk);
	}
	if (has_trunk && p->height > 0)
		draw_trunk(p, column, line, last);
	return max(bottom, row);
}

/* All apps that no line leads to, one below the other. gives: the rows that are needed */
static uint32_t draw_all(struct picture *p)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < p->tree->worker->app_count; i++)
		if (p->tree->parent[p->tree->worker->order[i]] == UINT32_MAX)
			row = draw_app(p, p->tree->worker->order[i], row);
	return row;
}

/* A row as UTF-8, without blanks at its end. */
static void add_row(struct graph_text *t, const uint32_t *cell)
{
	char text[3 * WIDEST + 1];
	uint32_t end = WIDEST, length = 0;

	while (end > 0 && cell[end - 1] == 0)
		end--;
	for (uint32_t x = 0; x < end; x++) {
		if (cell[x] < 0x80) {
			text[length++] = cell[x] != 0 ? (char)cell[x] : ' ';
		} else {
			text[length++] = (char)(0xe0 | cell[x] >> 12);
			text[length++] = (char)(0x80 | (cell[x] >> 6 & 0x3f));
			text[length++] = (char)(0x80 | (cell[x] & 0x3f));
		}
	}
	text[length] = '\0';
	graph_text_add(t, "%s\n", text);
}

static void draw_picture(struct graph_text *t, struct picture *p)
{
	uint32_t height = draw_all(p);

	p->cell = calloc((size_t)height * WIDEST + 1, sizeof(*p->cell));
	if (p->cell == NULL) {
		t->failed = true;
		return;
	}
	p->height = height;
	draw_all(p);
	for (uint32_t y = 0; y < height; y++)
		add_row(t, p->cell + (size_t)y * WIDEST);
	free(p->cell);
}

char *graph_draw_text(const struct graph *graph)
{
	struct graph_text t = { 0 };

	for (uint32_t w = 0; w < graph->worker_count && !t.failed; w++) {
		const struct graph_worker *worker = &graph->worker[w];
		struct picture picture = { 0 };
		struct graph_tree tree;

		if (graph->worker_count > 1 && worker->cpu >= 0)
			graph_text_add(&t, "%sworker %s, cpu %d\n", w > 0 ? "\n" : "", worker->name, worker->cpu);
		else if (graph->worker_count > 1)
			graph_text_add(&t, "%sworker %s\n", w > 0 ? "\n" : "", worker->name);
		if (!graph_tree_make(&tree, worker)) {
			t.failed = true;
			break;
		}
		picture.tree = &tree;
		if (lay_out(&picture))
			draw_picture(&t, &picture);
		else
			graph_draw_list(&t, &tree);
		graph_tree_free(&tree);
	}
	if (t.failed) {
		free(t.text);
		return NULL;
	}
	return t.text;
}
