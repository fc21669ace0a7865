/* lwaftr -- `nf lwaftr COMMAND`: finds the row of the table that is named "lwaftr COMMAND". */
#include "program/lwaftr/lwaftr.h"

static const char PREFIX[] = "lwaftr ";

/* The names behind "lwaftr " of the table's rows. */
static void list_names(const char *names[OPTIONS_MOST])
{
	uint32_t count = 0;

	for (const struct program *p = programs; p->name != NULL && count < OPTIONS_MOST - 1; p++)
		if (strncmp(p->name, PREFIX, sizeof(PREFIX) - 1) == 0)
			names[count++] = p->name + sizeof(PREFIX) - 1;
	names[count] = NULL;
}

/* The user named no command that there is, nor one like it. */
static int wrong_command(const char *command, const char *const *names)
{
	char accepted[256] = "";
	size_t length = 0;

	for (; *names != NULL && length < sizeof(accepted); names++)
		length += (size_t)snprintf(accepted + length, sizeof(accepted) - length, "%s%s", length > 0 ? ", " : "", *names);
	return options_wrong(program_find("lwaftr"), "unknown command '%s'; accepted: %s", command, accepted);
}

int program_lwaftr(int argc, char **argv)
{
	const char *names[OPTIONS_MOST], *nearest;
	const struct program *program;
	struct options options;
	char name[64];

	if (argc < 2 || argv[1][0] == '-')
		return options_parse(&options, argc, argv) == EXIT_DONE ? EXIT_DONE : EXIT_USAGE;
	snprintf(name, sizeof(name), "%s%s", PREFIX, argv[1]);
	program = program_find(name);
	if (program != NULL) {
		argv[1] = name;
		return program->main(argc - 1, argv + 1);
	}
	list_names(names);
	nearest = error_nearest(argv[1], names);
	if (nearest != NULL)
		return options_wrong(program_find("lwaftr"), "unknown command '%s'; did you mean '%s'?", argv[1], nearest);
	return wrong_command(argv[1], names);
}

/* In one piece: there may be a million, and standard error has no buffer. */
static void print_mistakes(const struct program *program, const char *file, const struct errors *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return;
	for (uint32_t i = 0; i < errors->count; i++)
		fprintf(out, "nf %s: %s\n", program->name, errors->text[i]);
	fprintf(out, "nf %s: %s: %u mistake%s\n", program->name, file, errors->count, errors->count == 1 ? "" : "s");
	fclose(out);
	fwrite(text, 1, size, stderr);
	free(text);
}

static bool read_file(const struct program *program, const char *file, uint32_t flags, struct lwaftr_config *config,
	struct lwaftr_binding *binding)
{
	struct errors errors = { 0 };
	bool good;

	if (lwaftr_config_load(config, file, -1, flags) < 0) {
		fprintf(stderr, "nf %s: %s\n", program->name, nf_error());
		return false;
	}
	if (binding != NULL && lwaftr_binding_init(binding, config, 0, LWAFTR_RESERVED_RFC7597) < 0) {
		fprintf(stderr, "nf %s: %s: %s\n", program->name, file, nf_error());
		lwaftr_config_fini(config);
		return false;
	}
	good = lwaftr_config_mistakes(config, &errors);
	if (!good) {
		print_mistakes(program, file, &errors);
		if (binding != NULL)
			lwaftr_binding_fini(binding);
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
