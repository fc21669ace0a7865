/* top -- `nf top NAME`: what an instance does, second by second; in a terminal as a screen, else as text. */
#include "program/options.h"
#include "program/top/screen.h"

#include <time.h>
#include <unistd.h>

enum { TEXT_WIDTH = 100, INTERVAL_LEAST = 10000000 };

static void print_lines(char **lines)
{
	for (char **line = lines; lines != NULL && *line != NULL; line++)
		puts(*line);
	view_free(lines);
}

/* One table: when, a line per worker, the view. */
static int print_once(const struct view *view, const struct reading *before, const struct reading *now)
{
	time_t seconds = (time_t)(now->time_ns / 1000000000);
	char when[32], text[VIEW_WIDE];
	struct measure measure;
	struct tm local;
	uint32_t count;

	if (measure_init(&measure, before, now) < 0)
		return -ENOMEM;
	strftime(when, sizeof(when), "%F %T", localtime_r(&seconds, &local));
	printf("%s  %s  generation %llu\n", now->name, when, (unsigned long long)now->header.generation);
	for (uint32_t w = 0; w < measure.worker_count; w++)
		puts(view_worker(&measure.worker[w], text, sizeof(text)));
	print_lines(view_lines(view, &measure, TEXT_WIDTH, &count));
	putchar('\n');
	fflush(stdout);
	measure_fini(&measure);
	return ferror(stdout) ? nf_fail(EIO, "cannot write the output") : 0;
}

/* Print a table after each interval, `count` times (0: until it ends). */
static int print_tables(const char *name, const struct view *view, uint64_t interval_ns, uint64_t count)
{
	struct timespec pause = { .tv_sec = (time_t)(interval_ns / 1000000000), .tv_nsec = (long)(interval_ns % 1000000000) };
	struct reading before, now;
	int code = reading_init(&before, name);

	for (uint64_t i = 0; code == 0 && (count == 0 || i < count); i++) {
		if (before.runs)
			nanosleep(&pause, NULL);
		code = reading_init(&now, name);
		if (code < 0)
			break;
		code = print_once(view, &before, &now);
		reading_fini(&before);
		before = now;
		if (code == 0 && !now.runs)
			code = -ENOENT;
	}
	if (before.workers > 0 && code == -ENOENT) {
		printf("%s has ended\n", name);
		code = 0;
	}
	reading_fini(&before);
	return code;
}

/* gives: OPTIONS_GO, or an exit code after a message */
static int read_view(const struct options *options, struct view *view)
{
	uint32_t kind = VIEW_APPS;
	const char *sort = options_value(options, "--sort");
	char titles[256] = "";

	if (!options_choice(options, "--view", view_names, &kind))
		return EXIT_USAGE;
	*view = (struct view){ .kind = (enum view_kind)kind };
	if (sort == NULL || view_sort_by(view, sort))
		return OPTIONS_GO;
	for (uint32_t i = 1; i <= view_columns(view); i++) {
		size_t length = strlen(titles);

		snprintf(titles + length, sizeof(titles) - length, "%s%s", i > 1 ? ", " : "", view_title(view, i));
	}
	return options_wrong(options->program, "option '--sort': the view %s has no column '%s', but %s", view_names[kind], sort, titles);
}

int program_top(int argc, char **argv)
{
	uint64_t interval_ns = 1000000000, count = 0;
	struct options options;
	struct view view;
	int code = options_parse(&options, argc, argv);

	if (code == OPTIONS_GO)
		code = read_view(&options, &view);
	if (code != OPTIONS_GO)
		return code;
	if (!options_duration(&options, "--interval", &interval_ns) || !options_number(&options, "--count", 1, UINT32_MAX, &count))
		return EXIT_USAGE;
	if (interval_ns < INTERVAL_LEAST)
		return options_wrong(options.program, "option '--interval': at least 10ms");
	if (count == 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		code = screen_run(options.argument[0], &view, interval_ns);
	else
		code = print_tables(options.argument[0], &view, interval_ns, count);
	if (code == 0)
		return EXIT_DONE;
	fprintf(stderr, "nf top: %s\n", nf_error());
	return EXIT_FAILED;
}
