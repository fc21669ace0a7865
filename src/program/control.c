/* control -- see control.h. */
#include "program/control.h"

#include "core/descriptor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BLOCK = 4096 };

/* gives: a connection; fails: -errno with nf_error() */
static int reach(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[INSTANCE_PATH];
	int fd, code = instance_find(name);

	if (code == 0)
		code = instance_path(path, name, "control");
	if (code < 0)
		return code;
	if (strlen(path) >= sizeof(address.sun_path))
		return nf_fail(ENAMETOOLONG, "%s is too long for a socket", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = nf_fail(errno, "instance '%s' cannot be reached at %s: %s", name, path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return code;
}

int control_reach(const struct program *program, const char *name)
{
	int fd = reach(name);

	if (fd < 0)
		fprintf(stderr, "nf %s: %s\n", program->name, nf_error());
	return fd;
}

/* Read the whole answer; NULL when memory is short. */
static char *receive(int fd)
{
	char *text = NULL, block[BLOCK];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ssize_t n;

	if (out == NULL)
		return NULL;
	while ((n = read(fd, block, sizeof(block))) > 0)
		fwrite(block, 1, (size_t)n, out);
	fclose(out);
	return text;
}

/* Print an answer's text, each line of a failure behind the program's name. */
static void print(const struct program *program, char *text, bool done)
{
	if (done) {
		fputs(text, stdout);
		return;
	}
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		fprintf(stderr, "nf %s: %s\n", program->name, line);
}

void control_refused(const struct program *program, int fd)
{
	char *text = receive(fd), *rest = text != NULL ? strchr(text, '\n') : NULL;

	if (rest != NULL && rest[1] != '\0')
		print(program, rest + 1, false);
	else
		fprintf(stderr, "nf %s: the instance does not answer\n", program->name);
	free(text);
}

/* What an instance said behind "failed" becomes nf_error(). */
static int keep_refusal(const char *name, const char *text)
{
	const char *rest = text != NULL ? strchr(text, '\n') : NULL;

	if (rest != NULL && rest[1] != '\0')
		return nf_fail(EIO, "%s", rest + 1);
	return nf_fail(EIO, "instance '%s' does not answer", name);
}

char *control_text(const char *name, const char *line)
{
	int fd = reach(name);
	char *text = NULL;

	if (fd < 0)
		return NULL;
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line))
		text = receive(fd);
	close(fd);
	if (text != NULL && strncmp(text, "ok\n", 3) == 0) {
		memmove(text, text + 3, strlen(text + 3) + 1);
		return text;
	}
	keep_refusal(name, text);
	free(text);
	return NULL;
}

int control_command(const char *name, const char *worker, const char *app, const int fd[2])
{
	int socket = reach(name), code;
	char line[256], *text = NULL;

	if (socket < 0)
		return socket;
	snprintf(line, sizeof(line), "command\t%s\t%s\n", worker, app);
	code = descriptor_send(socket, line, strlen(line), fd, 2);
	if (code == 0)
		text = receive(socket);
	close(socket);
	if (text == NULL || strncmp(text, "ok\n", 3) != 0)
		code = keep_refusal(name, text);
	free(text);
	return code;
}

int control_ask(const struct program *program, const char *name, const char *line)
{
	int fd = control_reach(program, name);
	char *text;
	bool done;

	if (fd < 0)
		return EXIT_FAILED;
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line) || (text = receive(fd)) == NULL ||
		strchr(text, '\n') == NULL) {
		fprintf(stderr, "nf %s: instance '%s' does not answer\n", program->name, name);
		close(fd);
		return EXIT_FAILED;
	}
	close(fd);
	done = strncmp(text, "ok\n", 3) == 0;
	print(program, strchr(text, '\n') + 1, done);
	free(text);
	return done ? EXIT_DONE : EXIT_FAILED;
}
