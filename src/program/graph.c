/* graph -- `nf graph FILE`: draw the graph of a configuration, for a terminal, for Graphviz, or as SVG through it. */
#include "program/options.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

int program_graph(int argc, char **argv)
{
	struct errors errors = { 0 };
	struct options options;
	struct graph *graph;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (options_has(&options, "--dot") && options_has(&options, "--svg"))
		return options_wrong(options.program, "--dot and --svg exclude each other");
	graph = graph_load(options.argument[0], (const char *const *)options.rest, &errors);
	for (uint32_t i = 0; i < errors.count; i++)
		fprintf(stderr, "nf graph: %s\n", errors.text[i]);
	errors_fini(&errors);
	if (graph == NULL)
		return EXIT_FAILED;
	code = print_graph(graph, options_has(&options, "--dot"), options_has(&options, "--svg"));
	graph_free(graph);
	return code;
}
