/* help_app -- apps in words: `nf help APP`, `nf help apps`, and docs/apps.md. All of it comes from the class tables. */
#include "program/help.h"

#include "apps/apps.h"

static const char lua_prefix[] = "nf.apps.";    /* of embedded modules: "nf.apps.select" is the app lua.select */

enum { TEXT = 1024, DEEPEST = 4, NAMES_WIDTH = 99 };    /* bytes of a description; parameters in parameters that are shown; columns */

/* "input, second (optional)", "one or more, of any name", "none". */
static void print_ports(FILE *out, const char *const *names)
{
	if (names == NULL || names[0] == NULL)
		fputs("none", out);
	for (uint32_t i = 0; names != NULL && names[i] != NULL; i++) {
		size_t bare = strcspn(names[i], "?");

		fputs(i > 0 ? ", " : "", out);
		if (strcmp(names[i], "*") == 0)
			fputs("one or more, of any name", out);
		else
			fprintf(out, "%.*s%s", (int)bare, names[i], names[i][bare] == '?' ? " (optional)" : "");
	}
	fputc('\n', out);
}

/* "title a, b, c", or nothing when there are none. */
static void print_names(FILE *out, const char *title, const char *const *names)
{
	size_t indent = strlen(title), column = indent;
	bool wraps = title[0] != '-';           /* an item of a list in Markdown stays one line */

	for (uint32_t i = 0; names != NULL && names[i] != NULL; i++) {
		if (i > 0 && wraps && column + 2 + strlen(names[i]) > NAMES_WIDTH) {
			fprintf(out, ",\n%*s%s", (int)indent, "", names[i]);
			column = indent + strlen(names[i]);
			continue;
		}
		column += (size_t)fprintf(out, "%s%s", i > 0 ? ", " : title, names[i]) - (i > 0 ? 0 : indent);
	}
	if (names != NULL && names[0] != NULL)
		fputc('\n', out);
}

/* The same in lines of a page. */
static void wrap_names(FILE *out, const char *what, const char *const *names)
{
	char *text = NULL;
	size_t size = 0;
	FILE *list = names != NULL && names[0] != NULL ? open_memstream(&text, &size) : NULL;

	if (list == NULL)
		return;
	for (uint32_t i = 0; names[i] != NULL; i++)
		fprintf(list, "%s%s", i > 0 ? ", " : "", names[i]);
	fclose(list);
	help_wrap(out, text, (int)strlen(what), fprintf(out, "%.*s", (int)strlen(what) - 1, what));
	free(text);
}

/* "required", "default 60", "may be left out". */
static void print_default(FILE *out, const struct param *param)
{
	char value[TEXT];

	param_default(param, value, sizeof(value));
	if (param->required)
		fputs("required", out);
	else if (value[0] != '\0')
		fprintf(out, "default %s", value);
	else
		fputs("may be left out", out);
}

/* Where parameters are printed, and how. */
struct page {
	FILE *out;
	int width;                      /* of the column of names */
	void (*visit)(struct page *page, const char *path, const struct param *param);
};

/* Visit each parameter and those in nested tables, with its path: "y", "y.z", "y[].z". */
static void each_param(struct page *page, const struct param *params, const char *prefix, int depth)
{
	for (const struct param *p = params; p != NULL && p->type != PARAM_END && depth < DEEPEST; p++) {
		bool list = p->type == PARAM_LIST && p->item != NULL && p->item->type == PARAM_TABLE;
		const struct param *fields = list ? p->item->fields : p->type == PARAM_TABLE ? p->fields : NULL;
		char *path;

		if (asprintf(&path, "%s%s", prefix, p->name) < 0)
			return;
		page->visit(page, path, p);
		free(path);
		if (fields == NULL || asprintf(&path, "%s%s%s.", prefix, p->name, list ? "[]" : "") < 0)
			continue;
		each_param(page, fields, path, depth + 1);
		free(path);
	}
}

static void measure(struct page *page, const char *path, const struct param *param)
{
	(void)param;
	if ((int)strlen(path) > page->width)
		page->width = (int)strlen(path);
}

static void param_lines(struct page *page, const char *path, const struct param *param)
{
	char accepts[TEXT];

	param_accepts(param, accepts, sizeof(accepts));
	fprintf(page->out, "  %-*s  %s; ", page->width, path, accepts);
	print_default(page->out, param);
	fputc('\n', page->out);
	if (param->help != NULL)
		help_wrap(page->out, param->help, page->width + 4, 0);
}

static void print_app(FILE *out, const struct app_class *class)
{
	struct page page = { .out = out, .visit = measure };

	fprintf(out, "%s -- ", class->name);
	help_sentence(out, class->help);
	fputs("\n\n", out);
	if (help_details(class->help) != NULL) {
		help_wrap(out, help_details(class->help), 0, 0);
		fputc('\n', out);
	}
	fputs("inputs:    ", out);
	print_ports(out, class->inputs);
	fputs("outputs:   ", out);
	print_ports(out, class->outputs);
	wrap_names(out, "counters:  ", class->counters);
	wrap_names(out, "drops for: ", class->reasons);
	if (class->params != NULL && class->params->type != PARAM_END) {
		fputs("\nparameters:\n", out);
		each_param(&page, class->params, "", 0);
		page.visit = param_lines;
		each_param(&page, class->params, "", 0);
	}
}

/* Describe a Lua app.
 *   gives: EXIT_DONE, EXIT_FAILED, EXIT_USAGE as help_app */
static int visit_lua(FILE *out, const char *name, void (*visit)(FILE *out, const struct app_class *class))
{
	struct errors errors = { 0 };
	struct arena arena = { 0 };
	struct value *value;
	struct script_module *module = graph_describe(name, ".", &arena, &value, &errors);
	int code = module != NULL ? EXIT_DONE : errors.count > 0 ? EXIT_FAILED : EXIT_USAGE;

	if (module != NULL)
		visit(out, module->class);
	for (uint32_t i = 0; i < errors.count; i++)
		fprintf(stderr, "nf help: %s\n", errors.text[i]);
	errors_fini(&errors);
	arena_free(&arena);
	value_free(value);
	return code;
}

/* The name of the app that an embedded module is, or NULL. */
static const char *lua_name(const struct script_source *source, char name[64])
{
	if (strncmp(source->name, lua_prefix, strlen(lua_prefix)) != 0)
		return NULL;
	snprintf(name, 64, "lua.%s", source->name + strlen(lua_prefix));
	return name;
}

/* All apps, first those in C. */
static void each_app(FILE *out, void (*visit)(FILE *out, const struct app_class *class))
{
	char name[64];

	for (const struct app_class *const *class = apps_table; *class != NULL; class++)
		visit(out, *class);
	for (const struct script_source *source = script_sources; source->name != NULL; source++)
		if (lua_name(source, name) != NULL)
			visit_lua(out, name, visit);
}

int help_app(FILE *out, const char *name)
{
	const struct app_class *class = app_class_find(name);

	if (class == NULL)
		return visit_lua(out, name, print_app);
	print_app(out, class);
	return EXIT_DONE;
}

void help_names(FILE *out)
{
	char name[64];

	for (const struct program *p = programs; p->name != NULL; p++)
		fprintf(out, "%s\n", p->name);
	fputs("apps\n", out);
	for (const struct app_class *const *class = apps_table; *class != NULL; class++)
		fprintf(out, "%s\n", (*class)->name);
	for (const struct script_source *source = script_sources; source->name != NULL; source++)
		if (lua_name(source, name) != NULL)
			fprintf(out, "%s\n", name);
}

static void print_line(FILE *out, const struct app_class *class)
{
	fprintf(out, "  %-16s ", class->name);
	help_sentence(out, class->help);
	fputc('\n', out);
}

void help_apps(FILE *out)
{
	each_app(out, print_line);
	fprintf(out, "\nnf help APP describes one of them.\n");
}

/* Text in a cell of a Markdown table. */
static void markdown_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fprintf(out, *text == '|' ? "\\%c" : "%c", *text == '\n' ? ' ' : *text);
}

static void markdown_param(struct page *page, const char *path, const struct param *param)
{
	char accepts[TEXT];

	param_accepts(param, accepts, sizeof(accepts));
	fprintf(page->out, "| `%s` | ", path);
	markdown_cell(page->out, accepts);
	fputs(" | ", page->out);
	print_default(page->out, param);
	fputs(" | ", page->out);
	markdown_cell(page->out, param->help != NULL ? param->help : "");
	fputs(" |\n", page->out);
}

static void markdown_app(FILE *out, const struct app_class *class)
{
	struct page page = { .out = out, .visit = markdown_param };

	fprintf(out, "\n## %s\n\n", class->name);
	help_sentence(out, class->help);
	fputc('\n', out);
	if (help_details(class->help) != NULL)
		fprintf(out, "\n%s\n", help_details(class->help));
	fputs("\n- inputs: ", out);
	print_ports(out, class->inputs);
	fputs("- outputs: ", out);
	print_ports(out, class->outputs);
	print_names(out, "- counters: ", class->counters);
	print_names(out, "- drops for: ", class->reasons);
	if (class->params != NULL && class->params->type != PARAM_END) {
		fputs("\n| parameter | accepts | | meaning |\n|---|---|---|---|\n", out);
		each_param(&page, class->params, "", 0);
	}
}

void help_markdown(FILE *out)
{
	fputs("# Apps\n\nMade by `make docs` from the tables in the source; `nf help APP` prints the same. Every app also drops for the\n"
		"reasons `reload` and `stop` (what was on its links or held when it went), `quarantined` (a Lua app that failed) and\n"
		"`crash` (what a worker that died had).\n", out);
	each_app(out, markdown_app);
}
