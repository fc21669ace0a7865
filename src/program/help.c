/* help -- `nf help [PROGRAM | APP]`: everything it prints comes from the tables of programs and apps. */
#include "program/help.h"
#include "program/options.h"

void help_sentence(FILE *out, const char *help)
{
	fprintf(out, "%.*s", (int)strcspn(help, "\n"), help);
}

const char *help_details(const char *help)
{
	const char *newline = strchr(help, '\n');

	return newline != NULL && newline[1] != '\0' ? newline + 1 : NULL;
}

void help_programs(FILE *out)
{
	fprintf(out, "nf %s -- packets through a graph of apps: described in Lua, run in C.\n\n", NF_VERSION);
	fprintf(out, "usage: nf PROGRAM [OPTIONS] [ARGUMENTS]\n\n");
	for (const struct program *p = programs; p->name != NULL; p++) {
		fprintf(out, "  %-8s ", p->name);
		help_sentence(out, p->help);
		fputc('\n', out);
	}
	fprintf(out, "\nnf help PROGRAM tells more about one of them, nf help apps lists the apps, nf help APP describes one.\n");
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
		printf("  %s %-*s %s\n", o->name, 22 - (int)strlen(o->name), o->value ? o->value : "", o->help);
	printf("  %s %-*s %s\n", help.name, 22 - (int)strlen(help.name), "", help.help);
	if (help_details(program->help) != NULL)
		printf("\n%s\n", help_details(program->help));
}

/* Nothing of that name: say so, with the nearest. */
static int unknown(const char *name)
{
	const char *nearest = program_nearest(name);

	fprintf(stderr, "nf help: there is no program or app '%s'", name);
	if (nearest != NULL)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fprintf(stderr, "\n         nf help lists the programs, nf help apps the apps\n");
	return EXIT_USAGE;
}

int program_help(int argc, char **argv)
{
	struct options options;
	int code = options_parse(&options, argc, argv);
	const struct program *program;

	if (code != OPTIONS_GO)
		return code;
	if (options_has(&options, "--man")) {
		help_man(stdout);
	} else if (options_has(&options, "--bash")) {
		help_bash(stdout);
	} else if (options.count == 0) {
		help_programs(stdout);
	} else {
		program = program_find(options.argument[0]);
		if (program == NULL)
			return unknown(options.argument[0]);
		help_program(program);
	}
	return EXIT_DONE;
}
