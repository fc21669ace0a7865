/* supervisor_read -- evaluate the configuration of a reload or a difference in a child process, while the supervisor goes on: a
 * worker that dies meanwhile is started again at once, however long the configuration takes.
 *
 *      supervisor                          child
 *      fork ----------------------------->  graph_load: evaluate, check, try the Lua apps
 *      all else; wait for its pidfd      <- a memory file with the value that it checked, or with its messages
 *      make the graph of the value
 *      when all workers run: the reload */
#include "core/supervisor_state.h"

#include "core/graph_build.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The first byte of what the child writes. Behind READ_GRAPH stand the file and the folder, each with its final zero, and the
 * encoded value; behind READ_MESSAGES, messages with their final zeros. */
enum { READ_GRAPH = 'g', READ_MESSAGES = 'm' };

static bool write_all(const void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(GRAPH_RESULT_FD, (const char *)bytes + done, length - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static bool write_messages(const struct errors *errors)
{
	const char head = READ_MESSAGES;
	bool written = write_all(&head, 1);

	for (uint32_t i = 0; i < errors->count && written; i++)
		written = write_all(errors->text[i], strlen(errors->text[i]) + 1);
	return written;
}

static bool write_graph(const struct graph *graph)
{
	const char head = READ_GRAPH;
	uint8_t *bytes;
	size_t length;
	bool written;

	if (value_encode(graph->value, &bytes, &length) < 0)
		return false;
	written = write_all(&head, 1) && write_all(graph->file, strlen(graph->file) + 1) &&
		write_all(graph->folder, strlen(graph->folder) + 1) && write_all(bytes, length);
	free(bytes);
	return written;
}

/* gives: the child's exit code */
static int run_child(const struct supervisor *s, const char *file, int fd)
{
	struct errors errors = { 0 };
	struct graph *graph;

	graph_detach(fd);
	if (file == NULL && s->options->make != NULL)
		graph = s->options->make(s->options->context, &errors);
	else
		graph = graph_load(file != NULL ? file : s->graph->file, s->options->arguments, &errors);
	return (graph != NULL ? write_graph(graph) : write_messages(&errors)) ? 0 : 1;
}

/* All messages of a configuration as one text. */
static void refuse(int client, struct errors *errors)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t i = 0; out != NULL && i < errors->count; i++)
		fprintf(out, "%s%s", i > 0 ? "\n" : "", errors->text[i]);
	if (out != NULL)
		fclose(out);
	log_warn("reload given up, the old graph goes on: %s", errors->count > 0 ? errors->text[0] : "not enough memory");
	supervisor_answer(client, false, text != NULL ? text : "not enough memory");
	free(text);
	errors_fini(errors);
}

static int start_child(struct supervisor *s, const char *file)
{
	struct reading *reading = &s->reading;

	reading->result = memfd_create("nf-reading", MFD_CLOEXEC);
	if (reading->result < 0)
		return nf_fail(errno, "no memory file: %s", strerror(errno));
	fflush(NULL);
	reading->pid = fork();
	if (reading->pid == 0)
		_exit(run_child(s, file, reading->result));
	if (reading->pid > 0)
		reading->ended = pidfd_open(reading->pid, 0);
	return reading->pid > 0 && reading->ended >= 0 ? 0 : nf_fail(errno, "no process for the configuration: %s", strerror(errno));
}

/* Forget what is being read, whose client has its answer or was handed on. */
static void clear(struct supervisor *s)
{
	struct reading *reading = &s->reading;

	if (reading->pid > 0) {
		kill(reading->pid, SIGKILL);
		while (waitpid(reading->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (reading->result >= 0)
		close(reading->result);
	if (reading->ended >= 0)
		close(reading->ended);
	graph_free(reading->graph);
	*reading = (struct reading){ .result = -1, .ended = -1, .client = -1 };
}

/* A worker whose graph has come to its end runs nothing any more, so that not all could change over.
 *   gives: the sentence for the client; NULL: all run, or will run again */
static const char *who_has_ended(const struct supervisor *s, char text[ERROR_TEXT])
{
	for (uint32_t w = 0; w < s->graph->worker_count; w++)
		if (s->child[w].ended) {
			snprintf(text, ERROR_TEXT, "the graph of worker '%s' has ended, and a reload changes all workers or none; start nf "
				"anew", s->graph->worker[w].name);
			return text;
		}
	return NULL;
}

void supervisor_read(struct supervisor *s, enum reading_purpose purpose, const char *file, uint64_t confirm_ns, int client)
{
	const char *refusal = s->stops > 0 || s->failed ? "the instance is ending" :
		s->reading.purpose != READING_NONE || (purpose == READING_RELOAD && s->reload.phase != RELOAD_NONE) ?
		"another reload is under way" : NULL;
	char text[ERROR_TEXT];

	if (refusal == NULL && purpose == READING_RELOAD)
		refusal = who_has_ended(s, text);
	if (refusal != NULL) {
		supervisor_answer(client, false, refusal);
		return;
	}
	s->reading = (struct reading){ .purpose = purpose, .client = client, .confirm_ns = confirm_ns, .result = -1, .ended = -1 };
	if (start_child(s, file) < 0) {
		log_warn("reload given up, the old graph goes on: %s", nf_error());
		supervisor_answer(client, false, nf_error());
		clear(s);
	}
}

/* The messages of the child; each ends with a zero. */
static void take_messages(const char *text, size_t length, struct errors *errors)
{
	for (const char *end; length > 0 && (end = memchr(text, 0, length)) != NULL; text = end + 1) {
		length -= (size_t)(end + 1 - text);
		errors_add(errors, "%s", text);
	}
}

/* gives: the graph; NULL with messages */
static struct graph *take_graph(const char *text, size_t length, struct errors *errors)
{
	const char *folder = memchr(text, 0, length), *value = folder == NULL ? NULL : memchr(folder + 1, 0,
		length - (size_t)(folder + 1 - text));
	struct value *decoded;

	if (value == NULL || value_decode((const uint8_t *)value + 1, length - (size_t)(value + 1 - text), &decoded) < 0) {
		errors_add(errors, "the evaluation of the configuration gave no proper result");
		return NULL;
	}
	return graph_from_value(decoded, text, folder + 1, errors);
}

/* What the child has written, once it has ended. gives: the graph; NULL with messages */
static struct graph *take(struct reading *reading, int exit_status, struct errors *errors)
{
	struct stat status;
	struct graph *graph = NULL;
	char *bytes = MAP_FAILED;

	if (WIFSIGNALED(exit_status)) {
		errors_add(errors, "the evaluation of the configuration was ended by signal %d (%s)", WTERMSIG(exit_status),
			strsignal(WTERMSIG(exit_status)));
		return NULL;
	}
	if (WEXITSTATUS(exit_status) == 0 && fstat(reading->result, &status) == 0 && status.st_size > 0)
		bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, reading->result, 0);
	if (bytes == MAP_FAILED) {
		errors_add(errors, "the evaluation of the configuration gave no result: not enough memory");
		return NULL;
	}
	if (bytes[0] == READ_GRAPH)
		graph = take_graph(bytes + 1, (size_t)status.st_size - 1, errors);
	else
		take_messages(bytes + 1, (size_t)status.st_size - 1, errors);
	munmap(bytes, (size_t)status.st_size);
	return graph;
}

void supervisor_read_end(struct supervisor *s)
{
	struct reading *reading = &s->reading;
	struct errors errors = { 0 };
	int status;

	if (waitpid(reading->pid, &status, WNOHANG) != reading->pid)
		return;
	reading->pid = 0;
	close(reading->ended);
	reading->ended = -1;
	reading->graph = take(reading, status, &errors);
	if (reading->graph == NULL) {
		refuse(reading->client, &errors);
		clear(s);
	} else if (reading->purpose == READING_DIFF) {
		supervisor_diff(s, reading->graph, reading->client);
		clear(s);
	}
}

/* Do all workers run? */
static bool is_complete(const struct supervisor *s)
{
	for (uint32_t w = 0; w < s->graph->worker_count; w++)
		if (s->child[w].pid == 0 || !s->child[w].ready)
			return false;
	return s->started;
}

void supervisor_read_tick(struct supervisor *s)
{
	struct reading *reading = &s->reading;
	struct graph *graph = reading->graph;
	char text[ERROR_TEXT];

	if (graph != NULL && who_has_ended(s, text) != NULL) {
		supervisor_answer(reading->client, false, text);
		clear(s);
		return;
	}
	if (graph == NULL || s->reload.phase != RELOAD_NONE || !is_complete(s))
		return;
	reading->graph = NULL;
	supervisor_reload(s, graph, reading->confirm_ns, reading->client);
	clear(s);
}

void supervisor_read_fini(struct supervisor *s)
{
	if (s->reading.purpose != READING_NONE)
		supervisor_answer(s->reading.client, false, "the instance is ending");
	clear(s);
}
