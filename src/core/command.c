/* command -- see command.h. */
#include "core/core.h"

#include "core/command.h"

#include <sys/stat.h>
#include <unistd.h>

int command_write(struct command *command, const void *bytes, uint64_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = pwrite(command->reply, at, length, (off_t)command->written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return nf_fail(n < 0 ? errno : EIO, "the answer cannot be written: %s", strerror(n < 0 ? errno : EIO));
		at += n;
		length -= (uint64_t)n;
		command->written += (uint64_t)n;
	}
	return 0;
}

/* Read the whole request into memory of our own: the file may change under our hands. gives: malloc'ed; NULL with nf_error() */
static uint8_t *read_request(int fd, uint64_t *length)
{
	struct stat status;
	uint8_t *bytes;
	uint64_t at = 0;

	if (fstat(fd, &status) != 0 || status.st_size < 0 || status.st_size > COMMAND_BYTES) {
		nf_fail(EBADMSG, "the command did not arrive");
		return NULL;
	}
	*length = (uint64_t)status.st_size;
	bytes = malloc(*length + 1);
	if (bytes == NULL) {
		nf_fail(ENOMEM, "no memory for a command of %llu bytes", (unsigned long long)*length);
		return NULL;
	}
	while (at < *length) {
		ssize_t n = pread(fd, bytes + at, *length - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			nf_fail(EBADMSG, "the command did not arrive");
			free(bytes);
			return NULL;
		}
		at += (uint64_t)n;
	}
	return bytes;
}

int command_run(struct engine *engine, const char *name, int request, int reply)
{
	struct app *app = engine_app_find(engine, name);
	struct command command = { .engine = engine, .reply = reply };
	uint8_t *bytes;
	int code;

	if (app == NULL)
		return nf_fail(ENOENT, "there is no app '%s'", name);
	if (app->class->command == NULL)
		return nf_fail(EOPNOTSUPP, "app '%s': %s takes no commands", name, app->class->name);
	bytes = read_request(request, &command.length);
	if (bytes == NULL)
		return -EBADMSG;
	command.request = bytes;
	code = app->class->command(app, &command);
	free(bytes);
	return code;
}
