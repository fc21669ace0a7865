/* screen -- see screen.h. */
#include "program/top/screen.h"

#include <time.h>
#include <unistd.h>

#include <ncurses.h>

enum { KEYS_LINES = 1, ESCAPE_MS = 25 };

struct screen {
	const char *name;
	struct view *view;
	struct history *history;
	uint64_t interval_ns, next_ns;  /* monotonic: when to read again */
	bool paused;                    /* `at` stays; readings go on */
	bool help;
	uint64_t at;                    /* the reading shown, counted from the first of all; when paused */
	uint32_t top;                   /* the first row shown */
	bool gone;                      /* the instance does not run any more */
	char trouble[ERROR_TEXT];       /* why the last reading failed */
	struct reading before, now;     /* what is shown */
	struct measure measure;
};

/* ---- readings ---- */

/* Look at the instance, and remember what there is. An instance that has ended may come back under its name. */
static void look(struct screen *s)
{
	struct reading reading;
	int code = reading_init(&reading, s->name);

	s->trouble[0] = '\0';
	if (code < 0) {
		s->gone = code == -ENOENT;
		if (!s->gone)
			snprintf(s->trouble, sizeof(s->trouble), "%s", nf_error());
		return;
	}
	s->gone = !reading.runs;
	/* The last numbers of one that was killed are shown, but do not fill the history. */
	if ((reading.runs || history_count(s->history) == 0) && history_add(s->history, &reading) < 0)
		snprintf(s->trouble, sizeof(s->trouble), "%s", nf_error());
	reading_fini(&reading);
}

/* The number of the reading to be shown: the youngest, or where the user has stopped, as far as that is remembered. */
static uint32_t shown(const struct screen *s)
{
	uint32_t count = history_count(s->history);
	uint64_t oldest = history_forgotten(s->history), at = s->at > oldest ? s->at - oldest : 0;

	return s->paused && at < count ? (uint32_t)at : count - 1;
}

static void forget_shown(struct screen *s)
{
	measure_fini(&s->measure);
	reading_fini(&s->before);
	reading_fini(&s->now);
}

/* Work out what is to be shown. */
static int update(struct screen *s)
{
	uint32_t i = shown(s);
	int code;

	forget_shown(s);
	code = history_get(s->history, i, &s->now);
	if (code == 0)
		code = history_get(s->history, i > 0 ? i - 1 : 0, &s->before);
	if (code == 0)
		code = measure_init(&s->measure, &s->before, &s->now);
	return code;
}

/* Go to another moment: `by` readings on (back when negative). Beyond the youngest it is live again. */
static void move_in_time(struct screen *s, int64_t by)
{
	uint64_t oldest = history_forgotten(s->history), youngest = oldest + history_count(s->history) - 1;
	int64_t at = (int64_t)(oldest + shown(s)) + by;

	s->paused = at < (int64_t)youngest;
	s->at = at < (int64_t)oldest ? oldest : (uint64_t)at;
}

/* ---- drawing ---- */

static void put_line(int y, const char *text, attr_t attributes)
{
	if (y >= LINES)
		return;
	attrset(attributes);
	mvaddnstr(y, 0, text, COLS);
	if (attributes & A_REVERSE)
		for (int x = (int)strlen(text); x < COLS; x++)
			mvaddch(y, x, ' ');
	attrset(A_NORMAL);
}

/* Name, time, how long ago, what is wrong. */
static void draw_head(const struct screen *s)
{
	time_t seconds = (time_t)(s->now.time_ns / 1000000000);
	char text[VIEW_WIDE], clock[32], state[64] = "";
	struct tm local;
	uint64_t youngest = history_forgotten(s->history) + history_count(s->history) - 1;

	strftime(clock, sizeof(clock), "%T", localtime_r(&seconds, &local));
	if (s->paused)
		snprintf(state, sizeof(state), "  PAUSED, %.0f s ago",
			(double)(youngest - history_forgotten(s->history) - shown(s)) * (double)s->interval_ns / 1e9);
	snprintf(text, sizeof(text), "nf top %s  %s  %s%s%s%s", s->name, clock, view_names[s->view->kind],
		s->view->sort[s->view->kind] > 0 ? " by " : "",
		s->view->sort[s->view->kind] > 0 ? view_title(s->view, s->view->sort[s->view->kind]) : "",
		s->view->reverse[s->view->kind] ? " reversed" : "");
	put_line(0, text, A_BOLD);
	if (s->trouble[0] != '\0')
		printw("  %s", s->trouble);
	else if (s->gone)
		addstr("  it has ended");
	addstr(state);
}

/* A line per worker, on a third of the screen at most. */
static int draw_workers(const struct screen *s, int y)
{
	char text[VIEW_WIDE];
	int most = LINES / 3;

	for (uint32_t w = 0; w < s->measure.worker_count && y < most; w++)
		put_line(y++, view_worker(&s->measure.worker[w], text, sizeof(text)),
			s->measure.worker[w].balanced ? A_NORMAL : A_BOLD);
	return y;
}

static void draw_rows(struct screen *s, int y)
{
	uint32_t count, room = LINES - KEYS_LINES - y > 1 ? (uint32_t)(LINES - KEYS_LINES - y - 1) : 0;
	char **lines = view_lines(s->view, &s->measure, (uint32_t)COLS, &count);

	if (lines == NULL)
		return;
	if (s->top + room > count - 1)
		s->top = count - 1 > room ? count - 1 - room : 0;
	put_line(y++, lines[0], A_REVERSE);
	for (uint32_t i = 0; i < room && s->top + 1 + i < count; i++)
		put_line(y++, lines[s->top + 1 + i], A_NORMAL);
	view_free(lines);
}

static void draw_help(int y)
{
	static const char *const help[] = {
		"a l d w      apps, links, drops and counters, workers; Tab: the next of them",
		"s S          sort by the next column, by the one before; r: the other way round",
		"up down      scroll; PgUp, PgDn by a page",
		"< >          a reading back, or on (left, right); [ ] a minute; Home, End",
		"space        pause, go on",
		"? q          this help; quit",
		"",
		"APP    NS, CYCLES  per packet          CORE%  of the worker's core",
		"       FOR         what it drops most for at present",
		"LINK   WAIT        packets on it       FILL%  of its 1,024 places",
		"       P50 P99     how long packets stay on it",
		"WORKER P50 P99 MAX of the breaths that moved packets",
		NULL,
	};

	for (int i = 0; help[i] != NULL; i++)
		put_line(y + i, help[i], A_NORMAL);
}

static void draw(struct screen *s)
{
	int y = 1;

	erase();
	draw_head(s);
	y = draw_workers(s, y);
	if (s->help)
		draw_help(y + 1);
	else
		draw_rows(s, y);
	move(LINES - 1, 0);
	clrtoeol();
	put_line(LINES - 1, "a apps  l links  d drops  w workers  s sort  r reverse  < > time  ? help  q quit", A_REVERSE);
	refresh();
}

/* ---- keys ---- */

static void show_kind(struct screen *s, enum view_kind kind)
{
	s->view->kind = kind;
	s->top = 0;
	s->help = false;
}

static void scroll_rows(struct screen *s, int64_t by)
{
	s->top = by < 0 && (uint64_t)-by > s->top ? 0 : (uint32_t)((int64_t)s->top + by);
}

static bool time_key(struct screen *s, int key)
{
	int64_t minute = (int64_t)(60000000000 / s->interval_ns), hour = INT32_MAX;

	switch (key) {
	case KEY_LEFT: case '<': move_in_time(s, -1); return true;
	case KEY_RIGHT: case '>': move_in_time(s, 1); return true;
	case '[': move_in_time(s, -minute); return true;
	case ']': move_in_time(s, minute); return true;
	case KEY_HOME: move_in_time(s, -hour); return true;
	case KEY_END: move_in_time(s, hour); return true;
	case ' ':
		s->at = history_forgotten(s->history) + shown(s);
		s->paused = !s->paused;
		return true;
	default: return false;
	}
}

/* gives: false when the user has enough */
static bool key_pressed(struct screen *s, int key)
{
	static const char views[] = "aldw";
	const char *view = key > 0 && key < 128 ? strchr(views, key) : NULL;

	if (view != NULL)
		show_kind(s, (enum view_kind)(view - views));
	else if (time_key(s, key))
		return true;
	switch (key) {
	case 'q': return false;
	case '\t': show_kind(s, (s->view->kind + 1) % VIEW_KINDS); break;
	case 's': view_sort_next(s->view, 1); break;
	case 'S': view_sort_next(s->view, -1); break;
	case 'r': s->view->reverse[s->view->kind] = !s->view->reverse[s->view->kind]; break;
	case KEY_UP: scroll_rows(s, -1); break;
	case KEY_DOWN: scroll_rows(s, 1); break;
	case KEY_PPAGE: scroll_rows(s, -LINES / 2); break;
	case KEY_NPAGE: scroll_rows(s, LINES / 2); break;
	case '?': case 'h': s->help = !s->help; break;
	default: break;
	}
	return true;
}

/* Wait for a key until the next reading is due. gives: ERR when that has come */
static int wait_key(const struct screen *s)
{
	uint64_t now = clock_system_ns();

	timeout(now < s->next_ns ? (int)((s->next_ns - now) / 1000000) + 1 : 0);
	return getch();
}

static int loop(struct screen *s)
{
	bool go_on = true;
	int code = 0;

	while (go_on && code == 0) {
		int key = wait_key(s);

		if (key == ERR && !isatty(STDIN_FILENO))
			break;
		if (key != ERR && key != KEY_RESIZE)
			go_on = key_pressed(s, key);
		if (clock_system_ns() >= s->next_ns) {
			look(s);
			s->next_ns = clock_system_ns() + s->interval_ns;
		}
		code = update(s);
		if (code == 0 && go_on)
			draw(s);
	}
	return code;
}

static int run(struct screen *s)
{
	SCREEN *terminal = newterm(NULL, stdout, stdin);
	int code;

	if (terminal == NULL)
		return nf_fail(ENOTTY, "the terminal '%s' is not known here; nf top --count 1 prints text",
			getenv("TERM") != NULL ? getenv("TERM") : "");
	set_escdelay(ESCAPE_MS);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	code = update(s);
	if (code == 0) {
		draw(s);
		code = loop(s);
	}
	endwin();
	delscreen(terminal);
	return code;
}

int screen_run(const char *name, struct view *view, uint64_t interval_ns)
{
	struct screen *s = calloc(1, sizeof(*s));
	struct reading reading;
	int code = reading_init(&reading, name);

	if (code == 0 && s != NULL) {
		*s = (struct screen){ .name = name, .view = view, .interval_ns = interval_ns, .history = history_new(),
			.next_ns = clock_system_ns() + interval_ns, .gone = !reading.runs };
		code = s->history != NULL ? history_add(s->history, &reading) : nf_fail(ENOMEM, "not enough memory");
	}
	if (code == 0 && s != NULL)
		code = run(s);
	if (s != NULL) {
		forget_shown(s);
		history_free(s->history);
	}
	free(s);
	return code;
}
