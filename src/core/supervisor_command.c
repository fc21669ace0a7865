/* supervisor_command -- what clients ask of apps: handed on unread, one at a time, in the order in which they came. While a reload is
 * under way, or their worker is being started again, they wait. */
#include "core/supervisor_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RETRY_MS = 5 };

/* The client is answered, and the first one of the queue is done with. */
static void end(struct supervisor *s, bool done, const char *text)
{
	struct supervisor_command *command = &s->command[0];

	supervisor_answer(command->client, done, text);
	close(command->fd[0]);
	close(command->fd[1]);
	s->command_count--;
	memmove(s->command, s->command + 1, s->command_count * sizeof(*s->command));
}

/* Hand the first one to its worker. gives: false when it has to wait */
static bool start(struct supervisor *s)
{
	struct supervisor_command *command = &s->command[0];
	struct worker_order order = { .type = WORKER_COMMAND, .command = ++s->command_number };
	const struct child *child = &s->child[command->worker];

	if (command->sent || s->reload.phase != RELOAD_NONE || (child->restart_ns != CLOCK_NEVER && child->pid == 0))
		return false;
	if (child->pid > 0 && !child->released && s->stops == 0)
		return false;
	snprintf(order.link, sizeof(order.link), "%s", command->app);
	if (child->control < 0 || child->ended || supervisor_order(s, command->worker, &order, command->fd, 2) < 0) {
		end(s, false, "its worker does not run any more");
		return true;
	}
	command->sent = true;
	command->number = order.command;
	return false;
}

int supervisor_command_tick(struct supervisor *s)
{
	while (s->command_count > 0 && start(s))
		;
	/* What it waits for wakes us, but for a worker that is to be released. */
	return s->command_count > 0 && !s->command[0].sent ? RETRY_MS : -1;
}

/* The worker of a name that has an app of a name. gives: -1 when there is none */
static int find_worker(const struct graph *graph, const char *worker, const char *app)
{
	for (uint32_t w = 0; w < graph->worker_count; w++)
		for (uint32_t i = 0; i < graph->worker[w].app_count; i++)
			if (strcmp(graph->worker[w].name, worker) == 0 && strcmp(graph->worker[w].app[i].name, app) == 0)
				return (int)w;
	return -1;
}

/* Files alone are handed on: nothing that a worker could wait for. */
static bool are_files(const int *fds, int count)
{
	struct stat status;

	for (int i = 0; i < count; i++)
		if (fstat(fds[i], &status) != 0 || !S_ISREG(status.st_mode))
			return false;
	return count == 2;
}

void supervisor_command(struct supervisor *s, const char *worker, const char *app, int client, int *fds, int count)
{
	int number = find_worker(s->graph, worker, app);
	struct supervisor_command *command = &s->command[s->command_count];

	if (!are_files(fds, count)) {
		supervisor_answer(client, false, "a command comes with two files");
	} else if (number < 0) {
		supervisor_answer(client, false, "there is no such app, or no such worker");
	} else if (s->stops > 0 || s->failed) {
		supervisor_answer(client, false, "the instance is ending");
	} else if (s->command_count == SUPERVISOR_COMMANDS) {
		supervisor_answer(client, false, "too many other commands are waiting");
	} else {
		*command = (struct supervisor_command){ .client = client, .fd = { fds[0], fds[1] }, .worker = (uint32_t)number };
		snprintf(command->app, sizeof(command->app), "%s", app);
		s->command_count++;
		fds[0] = fds[1] = -1;
	}
}

bool supervisor_command_report(struct supervisor *s, uint32_t number, const struct worker_report *report)
{
	const struct supervisor_command *command = &s->command[0];

	if (report->type != WORKER_DONE || s->command_count == 0 || !command->sent || command->worker != number ||
		command->number != report->command)
		return false;
	end(s, report->text[0] == '\0', report->text);
	return true;
}

void supervisor_command_lost(struct supervisor *s, uint32_t number)
{
	if (s->command_count > 0 && s->command[0].sent && s->command[0].worker == number)
		end(s, false, "the worker died, or ended, before it answered");
}

void supervisor_command_fini(struct supervisor *s)
{
	while (s->command_count > 0)
		end(s, false, "the instance is ending");
}

void supervisor_apps(const struct supervisor *s, const char *class, int client)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t w = 0; w < s->graph->worker_count && out != NULL; w++)
		for (uint32_t i = 0; i < s->graph->worker[w].app_count; i++)
			if (strcmp(s->graph->worker[w].app[i].class->name, class) == 0)
				fprintf(out, "%s\t%s\n", s->graph->worker[w].name, s->graph->worker[w].app[i].name);
	if (out != NULL)
		fclose(out);
	supervisor_answer(client, text != NULL, text != NULL ? text : "not enough memory");
	free(text);
}
