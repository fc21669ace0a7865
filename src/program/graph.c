/* graph -- `nf graph FILE|NAME`: draw the graph of a configuration, or that of a running instance with its rates, for a terminal,
 * for Graphviz, or as SVG through it. */
#include "program/graph_live.h"
#include "program/options.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define INTERVAL_NS 250000000u          /* between the two readings that give rates */

extern char **environ;

/* Give text to a process that reads it from `fd`; a process that ends early has said why itself. */
static void feed(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno != EINTR)
			break;
		if (n > 0) {
			text += n;
			length -= (size_t)n;
		}
	}
	close(fd);
}

/* Run Graphviz's dot: it reads the graph from a pipe and writes SVG to our output. gives: an exit code */
static int run_dot(const char *dot)
{
	char *argv[] = { "dot", "-Tsvg", NULL };
	posix_spawn_file_actions_t actions;
	int pipe_fd[2], status = 0, code;
	pid_t child;

	if (pipe(pipe_fd) != 0) {
		fprintf(stderr, "nf graph: no pipe to dot: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	fflush(stdout);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[0], STDIN_FILENO);
	posix_spawn_file_actions_addclose(&actions, pipe_fd[0]);
	posix_spawn_file_actions_addclose(&actions, pipe_fd[1]);
	code = posix_spawnp(&child, "dot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[0]);
	if (code != 0) {
		close(pipe_fd[1]);
		fprintf(stderr, "nf graph: --svg needs the program dot, which is not here (%s); it comes with the package graphviz\n",
			strerror(code));
		return EXIT_FAILED;
	}
	signal(SIGPIPE, SIG_IGN);
	feed(pipe_fd[1], dot);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return EXIT_DONE;
	fprintf(stderr, "nf graph: dot failed\n");
	return EXIT_FAILED;
}

static int print_graph(const struct graph *graph, bool dot, bool svg)
{
	char *text = dot || svg ? graph_draw_dot(graph) : graph_draw_text(graph);
	int code = EXIT_DONE;

	if (text == NULL) {
		fprintf(stderr, "nf graph: no memory for the drawing\n");
		return EXIT_FAILED;
	}
	if (svg)
		code = run_dot(text);
	else
		fputs(text, stdout);
	free(text);
	return code;
}

/* What is no file but an instance's name is drawn as it runs. gives: NULL after a message */
static struct graph *find_graph(const struct options *options, uint64_t interval_ns)
{
	const char *name = options->argument[0];
	struct errors errors = { 0 };
	struct graph *graph;

	if (access(name, F_OK) != 0 && graph_live_exists(name)) {
		graph = graph_live(name, interval_ns);
		if (graph == NULL)
			fprintf(stderr, "nf graph: %s\n", nf_error());
		return graph;
	}
	graph = graph_load(name, (const char *const *)options->rest, &errors);
	for (uint32_t i = 0; i < errors.count; i++)
		fprintf(stderr, "nf graph: %s\n", errors.text[i]);
	errors_fini(&errors);
	return graph;
}

int program_graph(int argc, char **argv)
{
	uint64_t interval_ns = INTERVAL_NS;
	struct options options;
	struct graph *graph;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (options_has(&options, "--dot") && options_has(&options, "--svg"))
		return options_wrong(options.program, "--dot and --svg exclude each other");
	if (!options_duration(&options, "--interval", &interval_ns))
		return EXIT_USAGE;
	graph = find_graph(&options, interval_ns);
	if (graph == NULL)
		return EXIT_FAILED;
	code = print_graph(graph, options_has(&options, "--dot"), options_has(&options, "--svg"));
	graph_free(graph);
	return code;
}
