/* lwaftr -- `nf lwaftr COMMAND`: finds the row of the table that is named "lwaftr COMMAND". */
#include "program/lwaftr/lwaftr.h"

/* The names behind a prefix of the table's rows, of one word each. */
static void list_names(const char *prefix, const char *names[OPTIONS_MOST])
{
	size_t length = strlen(prefix);
	uint32_t count = 0;

	for (const struct program *p = programs; p->name != NULL && count < OPTIONS_MOST - 1; p++)
		if (strncmp(p->name, prefix, length) == 0 && strchr(p->name + length, ' ') == NULL)
			names[count++] = p->name + length;
	names[count] = NULL;
}

/* The user named no command that there is, nor one like it. */
static int wrong_command(const struct program *program, const char *command, const char *const *names)
{
	char accepted[256] = "";
	size_t length = 0;

	for (; *names != NULL && length < sizeof(accepted); names++)
		length += (size_t)snprintf(accepted + length, sizeof(accepted) - length, "%s%s", length > 0 ? ", " : "", *names);
	return options_wrong(program, "unknown command '%s'; accepted: %s", command, accepted);
}

/* Run the row whose name is that of this program and the next argument. */
static int dispatch(int argc, char **argv)
{
	const char *names[OPTIONS_MOST], *nearest;
	const struct program *program;
	struct options options;
	char name[96], prefix[64];

	if (argc < 2 || argv[1][0] == '-')
		return options_parse(&options, argc, argv) == EXIT_DONE ? EXIT_DONE : EXIT_USAGE;
	snprintf(prefix, sizeof(prefix), "%.30s ", argv[0]);
	snprintf(name, sizeof(name), "%s%.30s", prefix, argv[1]);
	program = program_find(name);
	if (program != NULL) {
		argv[1] = name;
		return program->main(argc - 1, argv + 1);
	}
	list_names(prefix, names);
	nearest = error_nearest(argv[1], names);
	if (nearest != NULL)
		return options_wrong(program_find(argv[0]), "unknown command '%s'; did you mean '%s'?", argv[1], nearest);
	return wrong_command(program_find(argv[0]), argv[1], names);
}

int program_lwaftr(int argc, char **argv)
{
	return dispatch(argc, argv);
}

int program_lwaftr_softwire(int argc, char **argv)
{
	return dispatch(argc, argv);
}

/* In one piece: there may be a million, and standard error has no buffer. */
void lwaftr_print_mistakes(const struct program *program, const struct errors *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	for (uint32_t i = 0; i < errors->count; i++)
		fprintf(out, "nf %s: %s\n", program->name, errors->text[i]);
	fclose(out);
	fwrite(text, 1, size, stderr);
	free(text);
}

static void print_mistakes(const struct program *program, const char *file, const struct errors *errors)
{
	lwaftr_print_mistakes(program, errors);
	fprintf(stderr, "nf %s: %s: %u mistake%s\n", program->name, file, errors->count, errors->count == 1 ? "" : "s");
}

bool lwaftr_is_good(const struct program *program, const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding)
{
	struct errors errors = { 0 };
	bool good;

	if (binding != NULL && lwaftr_binding_init(binding, config, 0, LWAFTR_RESERVED_RFC7597) < 0) {
		fprintf(stderr, "nf %s: %s: %s\n", program->name, file, nf_error());
		return false;
	}
	good = lwaftr_config_mistakes(config, &errors);
	if (!good) {
		print_mistakes(program, file, &errors);
		if (binding != NULL)
			lwaftr_binding_fini(binding);
	}
	errors_fini(&errors);
	return good;
}

static bool read_file(const struct program *program, const char *file, uint32_t flags, struct lwaftr_config *config,
	struct lwaftr_binding *binding)
{
	bool good;

	if (lwaftr_config_load(config, file, -1, flags) < 0) {
		fprintf(stderr, "nf %s: %s\n", program->name, nf_error());
		return false;
	}
	good = lwaftr_is_good(program, file, config, binding);
	if (!good)
		lwaftr_config_fini(config);
	return good;
}

/* All of standard input. gives: malloc'ed; NULL with nf_error() */
static char *read_input(uint64_t *length)
{
	char *text = NULL, block[65536];
	size_t size = 0, n;
	FILE *out = open_memstream(&text, &size);

	while (out != NULL && (n = fread(block, 1, sizeof(block), stdin)) > 0)
		fwrite(block, 1, n, out);
	if (out == NULL || fclose(out) != 0)
		nf_fail(ENOMEM, "no memory for standard input");
	*length = size;
	return text;
}

int lwaftr_load_list(struct lwaftr_config *config, const char *file, uint32_t flags)
{
	uint64_t length;
	char *text;

	if (strcmp(file, "-") != 0)
		return lwaftr_config_load(config, file, -1, flags);
	text = read_input(&length);
	if (text == NULL)
		return -ENOMEM;
	return lwaftr_config_parse(config, "standard input", text, length, flags | LWAFTR_OWN_TEXT);
}

bool lwaftr_read_list(const struct program *program, const char *file, uint32_t flags, struct lwaftr_config *config)
{
	struct errors errors = { 0 };
	bool good;

	if (lwaftr_load_list(config, file, flags) < 0) {
		fprintf(stderr, "nf %s: %s\n", program->name, nf_error());
		return false;
	}
	/* What is found later is told with its place, so the text stays. */
	good = lwaftr_config_mistakes(config, &errors);
	if (!good) {
		print_mistakes(program, file, &errors);
		lwaftr_config_fini(config);
	}
	errors_fini(&errors);
	return good;
}

bool lwaftr_read(const struct program *program, const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding)
{
	return read_file(program, file, binding == NULL ? LWAFTR_WITHOUT_SOFTWIRES : 0, config, binding);
}

bool lwaftr_read_ahead(const struct program *program, const char *file, struct lwaftr_config *config)
{
	return read_file(program, file, 0, config, NULL);
}
