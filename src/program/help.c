/* help -- `nf help [PROGRAM | APP]`: everything it prints comes from the tables of programs and apps. */
#include "program/help.h"
#include "program/options.h"

enum {
	COLUMNS = 100,                  /* of a line */
	OPTION_WIDTH = 28,              /* columns of an option and its value */
	NAMES_MOST = 1000               /* programs and apps among which the nearest is looked for */
};

void help_sentence(FILE *out, const char *help)
{
	fprintf(out, "%.*s", (int)strcspn(help, "\n"), help);
}

const char *help_details(const char *help)
{
	const char *newline = strchr(help, '\n');

	return newline != NULL && newline[1] != '\0' ? newline + 1 : NULL;
}

void help_wrap(FILE *out, const char *text, int indent, int used)
{
	int column = 0;                 /* of this line; 0: nothing printed yet */

	if (used > 0 && used >= indent) {
		fputc('\n', out);
		used = 0;
	}
	while (*text != '\0') {
		int word = (int)strcspn(text, " \n");

		if (column > 0 && column + 1 + word > COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0)
			column = used + fprintf(out, "%*s%.*s", indent - used, "", word, text);
		else
			column += fprintf(out, " %.*s", word, text);
		used = 0;
		text += word;
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
		}
		text += *text != '\0';
	}
	if (column > 0)
		fputc('\n', out);
}

void help_programs(FILE *out)
{
	fprintf(out, "nf %s -- packets through a graph of apps: described in Lua, run in C.\n\n", NF_VERSION);
	fprintf(out, "usage: nf PROGRAM [OPTIONS] [ARGUMENTS]\n\n");
	for (const struct program *p = programs; p->name != NULL; p++) {
		fprintf(out, "  %-15s ", p->name);
		help_sentence(out, p->help);
		fputc('\n', out);
	}
	fprintf(out, "\nnf help PROGRAM tells more about one of them, nf help apps lists the apps, nf help APP describes one.\n");
}

/* An option and its help; a long one has a line of its own. */
static void print_option(const struct program_option *option)
{
	int length = printf("  %s%s%s", option->name, option->value ? " " : "", option->value ? option->value : "");

	help_wrap(stdout, option->help, OPTION_WIDTH, length);
}

void help_program(const struct program *program)
{
	const struct program_option help = { "--help", NULL, "Print this text." };
	const struct program_option *o = program->options;

	printf("nf %s -- ", program->name);
	help_sentence(stdout, program->help);
	printf("\n\nusage: nf %s%s%s%s\n\noptions:\n", program->name, o != NULL ? " [OPTIONS]" : "",
		program->arguments != NULL ? " " : "", program->arguments != NULL ? program->arguments : "");
	for (; o != NULL && o->name != NULL; o++)
		print_option(o);
	print_option(&help);
	if (help_details(program->help) != NULL) {
		putchar('\n');
		help_wrap(stdout, help_details(program->help), 0, 0);
	}
}

/* The name of a program or app that looks most like `name`; "" when none does. */
static void find_nearest(const char *name, char *nearest, size_t size)
{
	const char *names[NAMES_MOST + 1] = { NULL };
	char *text = NULL, *rest;
	size_t length = 0;
	uint32_t n = 0;
	FILE *out = open_memstream(&text, &length);

	*nearest = '\0';
	if (out == NULL)
		return;
	help_names(out);
	fclose(out);
	for (char *line = strtok_r(text, "\n", &rest); line != NULL && n < NAMES_MOST; line = strtok_r(NULL, "\n", &rest))
		names[n++] = line;
	if (error_nearest(name, names) != NULL)
		snprintf(nearest, size, "%s", error_nearest(name, names));
	free(text);
}

/* Nothing of that name: say so, with the nearest. */
static int unknown(const char *name)
{
	char nearest[64];

	find_nearest(name, nearest, sizeof(nearest));
	fprintf(stderr, "nf help: there is no program or app '%s'", name);
	if (nearest[0] != '\0')
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fprintf(stderr, "\n         nf help lists the programs, nf help apps the apps\n");
	return EXIT_USAGE;
}

/* What the user named: a program, all apps, or an app. */
static int print_named(const char *name)
{
	const struct program *program = program_find(name);
	int code = EXIT_DONE;

	if (program != NULL)
		help_program(program);
	else if (strcmp(name, "apps") == 0)
		help_apps(stdout);
	else
		code = help_app(stdout, name);
	return code == EXIT_USAGE ? unknown(name) : code;
}

int program_help(int argc, char **argv)
{
	static const struct { const char *option; void (*print)(FILE *out); } documents[] = {
		{ "--man", help_man }, { "--bash", help_bash }, { "--markdown", help_markdown }, { "--names", help_names }
	};
	struct options options;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		if (options_has(&options, documents[i].option)) {
			documents[i].print(stdout);
			return EXIT_DONE;
		}
	}
	if (options.count > 0) {
		char name[64] = "";
		size_t length = 0;

		for (int i = 0; i < options.count && length < sizeof(name); i++)
			length += (size_t)snprintf(name + length, sizeof(name) - length, "%s%s", i > 0 ? " " : "", options.argument[i]);
		return print_named(name);
	}
	help_programs(stdout);
	return EXIT_DONE;
}
