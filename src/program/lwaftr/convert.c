/* convert -- `nf lwaftr convert IN OUT`: a configuration from one form into another. What a form has no place for is told; what would
 * be wrong is not written. */
#include "apps/lwaftr/config_print.h"
#include "apps/lwaftr/config_rfc8676.h"
#include "apps/lwaftr/config_source.h"
#include "core/graph_build.h"
#include "program/lwaftr/lwaftr.h"

#include <unistd.h>

enum form { TEXT, LUA, JSON };
static const char *const forms[] = { "text", "lua", "json", NULL };

/* The form that a file's name says, unless the option does. fails: false after a message */
static bool choose(const struct options *options, const char *option, const char *file, uint32_t *form)
{
	const char *dot = strrchr(file, '.');

	*form = dot != NULL && strcmp(dot, ".lua") == 0 ? LUA : dot != NULL && strcmp(dot, ".json") == 0 ? JSON : TEXT;
	return options_choice(options, option, forms, form);
}

static void tell(const struct program *program, const char *what, const struct errors *errors)
{
	for (uint32_t i = 0; i < errors->count; i++)
		fprintf(stderr, "nf %s: %s%s\n", program->name, what, errors->text[i]);
}

static void print(FILE *out, const struct lwaftr_config *config, uint32_t form)
{
	if (form == JSON)
		config_rfc8676_print(out, config);
	else
		config_print(out, config, form == LUA ? CONFIG_LUA : CONFIG_TEXT);
}

/* Write it beside the file, which it replaces when it is whole. fails: -errno with nf_error() */
static int write_file(const struct lwaftr_config *config, const char *file, uint32_t form)
{
	char *name = NULL;
	FILE *out;
	int code = 0;

	if (strcmp(file, "-") == 0) {
		print(stdout, config, form);
		return fflush(stdout) == 0 ? 0 : nf_fail(errno, "cannot write: %s", strerror(errno));
	}
	if (asprintf(&name, "%s.new", file) < 0)
		return nf_fail(ENOMEM, "no memory");
	out = fopen(name, "w");
	if (out == NULL)
		code = nf_fail(errno, "cannot write %s: %s", name, strerror(errno));
	if (code == 0) {
		bool wrong;

		print(out, config, form);
		wrong = ferror(out) != 0;
		if (fclose(out) != 0 || wrong || rename(name, file) != 0)
			code = nf_fail(errno, "cannot write %s: %s", file, strerror(errno));
		if (code < 0)
			unlink(name);
	}
	free(name);
	return code;
}

/* Everything is as it was in the other form, or it is said. */
static int convert(const struct options *options, const struct lwaftr_config *config, uint32_t to)
{
	struct errors lost = { 0 }, wrong = { 0 };
	bool fits = to != JSON || config_rfc8676_fits(config, &lost, &wrong);
	int code = EXIT_DONE;

	if (config->paddings > 0)
		errors_add(&lost, "'padding' of %llu softwires, which means nothing, is left out", (unsigned long long)config->paddings);
	tell(options->program, "", &wrong);
	if (fits)
		tell(options->program, "not in the new form: ", &lost);
	if (!fits || write_file(config, options->argument[1], to) < 0) {
		fprintf(stderr, "nf %s: %s\n", options->program->name, fits ? nf_error() : "nothing was written");
		code = EXIT_FAILED;
	}
	errors_fini(&lost);
	errors_fini(&wrong);
	return code;
}

/* The whole of a file, or of standard input. gives: malloc'ed; NULL with nf_error() */
static char *read_all(const char *file, size_t *length)
{
	FILE *in = strcmp(file, "-") == 0 ? stdin : fopen(file, "r"), *out;
	char *text = NULL, block[65536];
	size_t n;

	if (in == NULL) {
		nf_fail(errno, "cannot open %s: %s", file, strerror(errno));
		return NULL;
	}
	out = open_memstream(&text, length);
	while (out != NULL && (n = fread(block, 1, sizeof(block), in)) > 0)
		fwrite(block, 1, n, out);
	if (out == NULL || ferror(in) != 0 || fclose(out) != 0) {
		nf_fail(EIO, "cannot read %s", file);
		free(text);
		text = NULL;
	}
	if (in != stdin)
		fclose(in);
	return text;
}

static int read_json(const struct program *program, const char *file, struct lwaftr_config *config)
{
	struct errors lost = { 0 };
	size_t length;
	char *text = read_all(file, &length);
	int code = text != NULL ? config_rfc8676_parse(config, file, text, length, 0, &lost) : -EIO;

	tell(program, "", &lost);
	errors_fini(&lost);
	free(text);
	return code;
}

/* The table that a Lua file gives; its evaluation's messages go to errors. */
static int read_lua(const char *file, struct lwaftr_config *config, struct errors *errors)
{
	struct config_source source;
	struct value *value = NULL;
	const struct value *table;
	int code = graph_evaluate(file, NULL, ".", NULL, &value, errors);

	if (code < 0)
		return nf_fail(EINVAL, "%s", errors->count > 0 ? errors->text[0] : "it cannot be evaluated");
	table = value_get(value, "config");
	if (table == NULL || table->type != VALUE_TABLE)
		code = nf_fail(EINVAL, "%s: a table is expected", file);
	else if (!config_source_begin(&source))
		code = nf_fail(ENOMEM, "%s: no memory for a configuration", file);
	if (code == 0) {
		source.value = value;
		config_source_value(&source, table);
		return config_source_parse(&source, config, file, 0);
	}
	value_free(value);
	return code;
}

static int read_config(const struct program *program, const char *file, uint32_t form, struct lwaftr_config *config)
{
	struct errors errors = { 0 };
	int code;

	if (form == LUA)
		code = read_lua(file, config, &errors);
	else
		code = form == JSON ? read_json(program, file, config) : lwaftr_load_list(config, file, 0);
	errors_fini(&errors);
	return code;
}

int program_lwaftr_convert(int argc, char **argv)
{
	struct lwaftr_binding binding;
	struct lwaftr_config config;
	struct options options;
	uint32_t from, to;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!choose(&options, "--from", options.argument[0], &from) || !choose(&options, "--to", options.argument[1], &to))
		return EXIT_USAGE;
	if (read_config(options.program, options.argument[0], from, &config) < 0) {
		fprintf(stderr, "nf %s: %s\n", options.program->name, nf_error());
		return EXIT_FAILED;
	}
	code = EXIT_FAILED;
	/* The table is made for its mistakes alone. */
	if (lwaftr_is_good(options.program, options.argument[0], &config, &binding)) {
		lwaftr_binding_fini(&binding);
		code = convert(&options, &config, to);
	}
	lwaftr_config_fini(&config);
	return code;
}
