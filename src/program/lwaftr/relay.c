/* relay -- the relays of a running instance: see softwire.h. */
#include "program/lwaftr/softwire.h"
#include "program/control.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Take the lines "WORKER APP". */
static void take_lines(struct relays *relays, char *text, const char *app)
{
	for (char *line = strtok(text, "\n"); line != NULL && relays->count < RELAYS; line = strtok(NULL, "\n")) {
		char *tab = strchr(line, '\t');

		if (tab == NULL || (app != NULL && strcmp(tab + 1, app) != 0))
			continue;
		snprintf(relays->relay[relays->count].worker, RELAY_NAME, "%.*s", (int)(tab - line), line);
		snprintf(relays->relay[relays->count].app, RELAY_NAME, "%s", tab + 1);
		relays->count++;
	}
}

int relays_find(struct relays *relays, const char *instance, const char *app)
{
	char *text = control_text(instance, "apps\tlwaftr.lwaftr\n");

	*relays = (struct relays){ .instance = instance };
	if (text == NULL)
		return nf_fail(ENOENT, "%s", nf_error());
	take_lines(relays, text, app);
	free(text);
	if (relays->count > 0)
		return 0;
	if (app != NULL)
		return nf_fail(ENOENT, "instance '%s' has no app lwaftr.lwaftr named '%s'", instance, app);
	return nf_fail(ENOENT, "instance '%s' has no app lwaftr.lwaftr", instance);
}

/* Write all of it. fails: -errno with nf_error() */
static int put(int fd, const void *bytes, uint64_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = write(fd, at, length);

		if (n <= 0)
			return nf_fail(errno, "no memory for a request: %s", strerror(errno));
		at += n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* Read the answer: it was written by a worker, so it is hostile. */
static int take_answer(int fd, struct relay_answer *answer)
{
	struct stat status;
	uint64_t at = 0;

	if (fstat(fd, &status) != 0 || (uint64_t)status.st_size < sizeof(answer->reply) || (uint64_t)status.st_size > 16ull * COMMAND_BYTES)
		return nf_fail(EPROTO, "the relay's answer is cut off");
	answer->rest_bytes = (uint64_t)status.st_size - sizeof(answer->reply);
	answer->rest = malloc(answer->rest_bytes + 1);
	if (answer->rest == NULL)
		return nf_fail(ENOMEM, "no memory for an answer of %llu bytes", (unsigned long long)answer->rest_bytes);
	if (pread(fd, &answer->reply, sizeof(answer->reply), 0) != (ssize_t)sizeof(answer->reply))
		at = answer->rest_bytes + 1;
	while (at < answer->rest_bytes) {
		ssize_t n = pread(fd, answer->rest + at, answer->rest_bytes - at, (off_t)(sizeof(answer->reply) + at));

		if (n <= 0)
			break;
		at += (uint64_t)n;
	}
	if (at == answer->rest_bytes && answer->reply.magic == LWAFTR_MAGIC)
		return 0;
	relay_answer_free(answer);
	return nf_fail(EPROTO, "the relay's answer is none");
}

void relay_answer_free(struct relay_answer *answer)
{
	free(answer->rest);
	answer->rest = NULL;
}

int relay_ask(const struct relays *relays, uint32_t number, const struct lwaftr_request *request, const void *more, uint64_t bytes,
	struct relay_answer *answer)
{
	int fd[2] = { memfd_create("nf-request", MFD_CLOEXEC), memfd_create("nf-answer", MFD_CLOEXEC) }, code = 0;

	*answer = (struct relay_answer){ .rest = NULL };
	if (fd[0] < 0 || fd[1] < 0)
		code = nf_fail(errno, "no memory for a request: %s", strerror(errno));
	else if (bytes > COMMAND_BYTES - sizeof(*request))
		code = nf_fail(E2BIG, "too many changes at once: at most %llu",
			(unsigned long long)((COMMAND_BYTES - sizeof(*request)) / sizeof(struct lwaftr_change)));
	if (code == 0)
		code = put(fd[0], request, sizeof(*request));
	if (code == 0)
		code = put(fd[0], more, bytes);
	if (code == 0)
		code = control_command(relays->instance, relays->relay[number].worker, relays->relay[number].app, fd);
	if (code == 0)
		code = take_answer(fd[1], answer);
	for (uint32_t i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return code;
}
