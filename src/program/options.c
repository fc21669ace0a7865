/* options -- see options.h. */
#include "program/options.h"
#include "program/help.h"

#include "core/param_text.h"

#include <limits.h>
#include <stdarg.h>

/* What the `arguments` text of a program allows. */
struct shape {
	int least, most;
	bool rest;                      /* "[-- ARGS]" */
	bool first_ends;                /* "ARGS...": the first argument ends the options */
};

/* Read the text: words, of which those in brackets may be left out. */
static struct shape read_shape(const char *text)
{
	struct shape shape = { 0 };

	for (const char *p = text; p != NULL && *p != '\0';) {
		size_t length = strcspn(p, " ");
		bool optional = *p == '[';

		if (strncmp(p, "[--", length) == 0) {
			shape.rest = true;
			break;
		}
		if (memmem(p, length, "ARGS...", 7) != NULL) {
			shape.first_ends = true;
			break;
		}
		shape.least += !optional;
		shape.most = memmem(p, length, "...", 3) != NULL ? INT_MAX : shape.most + 1;
		p += length;
		p += strspn(p, " ");
	}
	return shape;
}

int options_wrong(const struct program *program, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "nf %s: ", program->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n       nf %s --help shows how it is used\n", program->name);
	return EXIT_USAGE;
}

/* The place of an option of `length` bytes in the table, or -1. */
static int find_option(const struct program *program, const char *name, size_t length)
{
	const struct program_option *options = program->options;

	for (int i = 0; options != NULL && options[i].name != NULL; i++)
		if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
			return i;
	return -1;
}

static int unknown_option(const struct program *program, const char *name, size_t length)
{
	const char *names[OPTIONS_MOST + 2] = { "--help" }, *nearest;
	char wrong[64];

	for (int i = 0; program->options != NULL && program->options[i].name != NULL; i++)
		names[i + 1] = program->options[i].name;
	snprintf(wrong, sizeof(wrong), "%.*s", (int)length, name);
	nearest = error_nearest(wrong, names);
	if (nearest != NULL)
		return options_wrong(program, "unknown option '%s'; did you mean '%s'?", wrong, nearest);
	return options_wrong(program, "unknown option '%s'", wrong);
}

/* Take the option argv[i] and its value.
 *   gives: how many of argv were used; 0 after a message */
static int take_option(struct options *options, int i, int argc, char **argv)
{
	size_t length = strcspn(argv[i], "=");
	int place = find_option(options->program, argv[i], length);
	const struct program_option *option;
	bool joined = argv[i][length] == '=';

	if (place < 0) {
		unknown_option(options->program, argv[i], length);
		return 0;
	}
	option = &options->program->options[place];
	if (option->value == NULL && joined) {
		options_wrong(options->program, "option '%s' takes no value", option->name);
		return 0;
	}
	if (option->value != NULL && !joined && i + 1 >= argc) {
		options_wrong(options->program, "option '%s' needs a value: %s %s", option->name, option->name, option->value);
		return 0;
	}
	if (option->value == NULL)
		options->value[place] = "";
	else
		options->value[place] = joined ? argv[i] + length + 1 : argv[i + 1];
	return option->value != NULL && !joined ? 2 : 1;
}

/* Compare the number of arguments with what the program takes. */
static int check_count(const struct options *options, const struct shape *shape)
{
	if (options->count < shape->least) {
		const char *word = options->program->arguments;

		for (int i = 0; i < options->count; i++)
			word += strcspn(word, " ") + 1;
		return options_wrong(options->program, "%.*s is missing", (int)strcspn(word, " "), word);
	}
	if (options->count > shape->most)
		return options_wrong(options->program, "unexpected argument '%s'", options->argument[shape->most]);
	return OPTIONS_GO;
}

int options_parse(struct options *options, int argc, char **argv)
{
	struct shape shape;
	int i = 1;

	/* The arguments are moved to the front of argv: there the final NULL has a place, too. */
	*options = (struct options){ .program = program_find(argv[0]), .argument = argv, .rest = argv + argc };
	nf_assert(options->program != NULL, "a program that is not in the table reads its options");
	shape = read_shape(options->program->arguments);
	while (i < argc) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			help_program(options->program);
			return EXIT_DONE;
		}
		if (argv[i][0] == '-' && argv[i][1] != '\0') {
			int used = take_option(options, i, argc, argv);

			if (used == 0)
				return EXIT_USAGE;
			i += used;
		} else {
			options->argument[options->count++] = argv[i++];
			if (shape.first_ends)
				break;
		}
	}
	if (shape.rest || (shape.first_ends && options->count > 0)) {
		options->rest = argv + i;
		options->rest_count = argc - i;
	} else {
		while (i < argc)
			options->argument[options->count++] = argv[i++];
		shape.most = shape.first_ends ? INT_MAX : shape.most;
	}
	options->argument[options->count] = NULL;
	return check_count(options, &shape);
}

const char *options_value(const struct options *options, const char *name)
{
	int place = find_option(options->program, name, strlen(name));

	nf_assert(place >= 0, "option '%s' is not in the table of nf %s", name, options->program->name);
	return options->value[place];
}

bool options_has(const struct options *options, const char *name)
{
	return options_value(options, name) != NULL;
}

bool options_number(const struct options *options, const char *name, uint64_t min, uint64_t max, uint64_t *number)
{
	const char *text = options_value(options, name);
	char *rest;

	if (text == NULL)
		return true;
	errno = 0;
	*number = strtoull(text, &rest, 0);
	if (*text >= '0' && *text <= '9' && *rest == '\0' && errno == 0 && *number >= min && *number <= max)
		return true;
	options_wrong(options->program, "option '%s': '%s' is not a number %llu..%llu", name, text, (unsigned long long)min,
		(unsigned long long)max);
	return false;
}

bool options_duration(const struct options *options, const char *name, uint64_t *ns)
{
	const char *text = options_value(options, name);
	char seconds[64], why[PARAM_TEXT_WHY];

	if (text == NULL)
		return true;
	snprintf(seconds, sizeof(seconds), "%ss", text);
	if (param_text_parse(PARAM_DURATION, text, ns, why) || param_text_parse(PARAM_DURATION, seconds, ns, why))
		return true;
	options_wrong(options->program, "option '%s': '%s' is not a duration, for example 10s, 1.5min or 100us", name, text);
	return false;
}

bool options_choice(const struct options *options, const char *name, const char *const *names, uint32_t *choice)
{
	const char *text = options_value(options, name), *nearest;
	char accepted[256] = "";

	if (text == NULL)
		return true;
	for (uint32_t i = 0; names[i] != NULL; i++) {
		size_t length = strlen(accepted);

		if (strcmp(text, names[i]) == 0) {
			*choice = i;
			return true;
		}
		snprintf(accepted + length, sizeof(accepted) - length, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	nearest = error_nearest(text, names);
	options_wrong(options->program, "option '%s': '%s' is none of %s%s%s%s", name, text, accepted,
		nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return false;
}
