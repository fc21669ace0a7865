/* help_export -- the manual page and the completion for bash, made from the table of programs. See help.h. */
#include "program/help.h"

/* Print text with what roff would take for its own escaped. */
static void roff(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else if ((text[i] == '.' || text[i] == '\'') && (i == 0 || text[i - 1] == '\n'))
			fprintf(out, "\\&%c", text[i]);
		else
			fputc(text[i], out);
	}
}

static void roff_option(FILE *out, const struct program_option *option)
{
	fputs(".TP\n\\fB", out);
	roff(out, option->name, strlen(option->name));
	fputs("\\fR", out);
	if (option->value != NULL)
		fprintf(out, " \\fI%s\\fR", option->value);
	fputc('\n', out);
	roff(out, option->help, strlen(option->help));
	fputc('\n', out);
}

static void roff_program(FILE *out, const struct program *program)
{
	const char *details = help_details(program->help);

	fprintf(out, ".SS \"nf %s", program->name);
	if (program->arguments != NULL) {
		fputc(' ', out);
		roff(out, program->arguments, strlen(program->arguments));
	}
	fputs("\"\n", out);
	roff(out, program->help, strcspn(program->help, "\n"));
	fputc('\n', out);
	for (const struct program_option *o = program->options; o != NULL && o->name != NULL; o++)
		roff_option(out, o);
	/* Each line of the help is a paragraph; man fills it to the width of the terminal. */
	while (details != NULL && *details != '\0') {
		size_t length = strcspn(details, "\n");

		fputs(".PP\n", out);
		roff(out, details, length);
		fputc('\n', out);
		details += length + (details[length] == '\n');
	}
}

void help_man(FILE *out)
{
	fprintf(out, ".TH NF 1 \"\" \"nf %s\" \"User commands\"\n", NF_VERSION);
	fputs(".SH NAME\nnf \\- packets through a graph of apps: described in Lua, run in C\n", out);
	fputs(".SH SYNOPSIS\n.B nf\n.I PROGRAM\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n", out);
	fputs(".SH DESCRIPTION\nA Lua file declares apps and the links between them; nf checks it, runs it, and accounts for every packet.\n"
		"The apps and their parameters are described by\n.BR \"nf help apps\" \" and \" \"nf help \"\\fIAPP\\fR.\n"
		".SH PROGRAMS\n", out);
	for (const struct program *p = programs; p->name != NULL; p++)
		roff_program(out, p);
	fputs(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n", out);
	fputs(".SH ENVIRONMENT\n.TP\n.B NF_LOG\nWhat is logged to standard error: error, warn (the default), info or debug.\n", out);
	fputs(".SH FILES\n.TP\n.I /run/nf/NAME\nState of the running instance NAME; \\fI$XDG_RUNTIME_DIR/nf/NAME\\fR when not root.\n", out);
}

/* A program with commands is a row "lwaftr" and rows "lwaftr check"; gives the length of the first word. */
static size_t first_word(const char *name)
{
	return strcspn(name, " ");
}

/* The commands of a program, if it has any. */
static void bash_commands(FILE *out, const char *program)
{
	size_t length = strlen(program);

	for (const struct program *p = programs; p->name != NULL; p++)
		if (strncmp(p->name, program, length) == 0 && p->name[length] == ' ')
			fprintf(out, " %s", p->name + length + 1);
}

void help_bash(FILE *out)
{
	fputs("# Completion of nf for bash; made by `nf help --bash`.\n_nf()\n{\n"
		"\tlocal word=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[1]} words=\n\n"
		"\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords=\"", out);
	for (const struct program *p = programs; p->name != NULL; p++)
		if (p->name[first_word(p->name)] == '\0')
			fprintf(out, "%s%s", p == programs ? "" : " ", p->name);
	fputs("\"\n\telse\n\t\tif [ \"$COMP_CWORD\" -gt 2 ]; then\n\t\t\tcase \"$program ${COMP_WORDS[2]}\" in\n\t\t\t'-'", out);
	for (const struct program *p = programs; p->name != NULL; p++)
		if (p->name[first_word(p->name)] != '\0')
			fprintf(out, " | '%s'", p->name);
	fputs(") program=\"$program ${COMP_WORDS[2]}\" ;;\n\t\t\tesac\n\t\tfi\n\t\tcase $program in\n", out);
	for (const struct program *p = programs; p->name != NULL; p++) {
		fprintf(out, "\t\t'%s') words=\"--help", p->name);
		bash_commands(out, p->name);
		for (const struct program_option *o = p->options; o != NULL && o->name != NULL; o++)
			fprintf(out, " %s", o->name);
		fputs("\" ;;\n", out);
	}
	/* Names of instances and apps are asked for when they are needed: they change. */
	fputs("\t\tesac\n"
		"\t\tcase $program:$word in\n"
		"\t\t*:-*) ;;\n"
		"\t\tlwaftr:*) ;;\n"
		"\t\thelp:*) words=\"$(nf help --names 2>/dev/null)\" ;;\n"
		"\t\tstats:* | stop:* | top:*) words=\"$(nf ps --names 2>/dev/null)\" ;;\n"
		"\t\t*) words= ;;\n"
		"\t\tesac\n"
		"\tfi\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		"}\ncomplete -o default -F _nf nf\n", out);
}
