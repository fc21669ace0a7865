/* reload -- `nf reload`, `nf diff`, `nf confirm`: change the graph of a running instance. */
#include "program/control.h"
#include "program/options.h"

#include <inttypes.h>
#include <limits.h>

/* An absolute path: the supervisor stands in another folder. fails: false after a message */
static bool find_file(const struct program *program, const char *file, char path[PATH_MAX])
{
	if (realpath(file, path) != NULL && strpbrk(path, "\t\n") == NULL)
		return true;
	fprintf(stderr, "nf %s: %s: %s\n", program->name, file, strpbrk(file, "\t\n") ? "a tab in its name" : strerror(errno));
	return false;
}

int program_reload(int argc, char **argv)
{
	struct options options;
	uint64_t confirm_ns = 0;
	char path[PATH_MAX] = "", line[PATH_MAX + 64];
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!options_duration(&options, "--confirm", &confirm_ns))
		return EXIT_USAGE;
	if (options.count > 1 && !find_file(options.program, options.argument[1], path))
		return EXIT_FAILED;
	snprintf(line, sizeof(line), "reload\t%" PRIu64 "\t%s\n", confirm_ns, path);
	return control_ask(options.program, options.argument[0], line);
}

int program_diff(int argc, char **argv)
{
	struct options options;
	char path[PATH_MAX], line[PATH_MAX + 64];
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!find_file(options.program, options.argument[1], path))
		return EXIT_FAILED;
	snprintf(line, sizeof(line), "diff\t%s\n", path);
	return control_ask(options.program, options.argument[0], line);
}

int program_confirm(int argc, char **argv)
{
	struct options options;
	int code = options_parse(&options, argc, argv);

	return code != OPTIONS_GO ? code : control_ask(options.program, options.argument[0], "confirm\n");
}
