/* supervisor_control -- the control socket of an instance: a stream socket that only this user and root may use. A client sends one
 * line, "COMMAND [ARGUMENT...]" with tabs between, and reads an answer: "ok" or "failed" on the first line, then text. With
 * the line may come descriptors. */
#include "core/supervisor_state.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE = 8192, PATIENCE_MS = 500, WORDS = 4, FILES = 2 };

/* What a client sends. */
struct message {
	char line[LINE];
	int fd[FILES], count;           /* descriptors; -1: taken */
};

int supervisor_listen(struct supervisor *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[INSTANCE_PATH];
	int code = instance_path(path, s->options->name, "control");
	mode_t mask;

	if (code < 0)
		return code;
	if (strlen(path) >= sizeof(address.sun_path))
		return nf_fail(ENAMETOOLONG, "%s is too long for a socket", path);
	strcpy(address.sun_path, path);
	unlink(path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return nf_fail(errno, "no control socket: %s", strerror(errno));
	mask = umask(0177);
	code = bind(s->listener, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (code != 0 || listen(s->listener, 8) != 0)
		return nf_fail(errno, "cannot listen at %s: %s", path, strerror(errno));
	return 0;
}

void supervisor_answer(int client, bool done, const char *text)
{
	const char *head = done ? "ok\n" : "failed\n";
	struct pollfd wait = { .fd = client, .events = POLLOUT };
	size_t length = strlen(text);

	if (client < 0)
		return;
	if (send(client, head, strlen(head), MSG_NOSIGNAL) < 0)
		length = 0;
	/* A client that does not read is not waited for. */
	while (length > 0 && poll(&wait, 1, PATIENCE_MS) == 1) {
		ssize_t n = send(client, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n <= 0)
			break;
		text += n;
		length -= (size_t)n;
	}
	close(client);
}

/* Read a part of the line, with the descriptors that come with it; those that are too many are closed. gives: bytes, or -1 */
static ssize_t receive(int client, struct message *message, size_t length)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FILES * sizeof(int))];
	} control = { 0 };
	struct iovec part = { message->line + length, LINE - 1 - length };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(client, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&header) : NULL; c != NULL; c = CMSG_NXTHDR(&header, c)) {
		size_t count = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (message->count < FILES)
				message->fd[message->count++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* Read one line, at most LINE bytes, from a client that is in no hurry to get our attention for ever.
 *   gives: false when there is none */
static bool read_line(int client, struct message *message)
{
	char *line = message->line;
	struct pollfd wait = { .fd = client, .events = POLLIN };
	uint64_t until = clock_system_ns() + PATIENCE_MS * 1000000ULL;
	size_t length = 0;

	while (length < LINE - 1 && clock_system_ns() < until && poll(&wait, 1, PATIENCE_MS) == 1) {
		ssize_t n = receive(client, message, length);
		char *end;

		if (n <= 0)
			return false;
		line[length + (size_t)n] = '\0';
		end = memchr(line + length, '\n', (size_t)n);
		length += (size_t)n;
		if (end != NULL) {
			*end = '\0';
			return strlen(line) == (size_t)(end - line);
		}
	}
	return false;
}

/* The user at the other end may be the one that runs us, or root. */
static bool is_allowed(int client)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

/* Where the workers run, and what is theirs: lines "worker NAME CPU", "segment BASE BYTES", "resource KEY", tabs between. */
static void tell_placement(const struct supervisor *s, int client)
{
	const struct resources *resources = s->graph->resources;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (uint32_t w = 0; w < s->graph->worker_count && out != NULL; w++) {
		fprintf(out, "worker\t%s\t%d\n", s->graph->worker[w].name, supervisor_processor(s, w));
		for (uint32_t i = 0; i < memory_segment_count; i++)
			if (memory_segment[i].base != NULL && memory_segment[i].worker == w)
				fprintf(out, "segment\t%llu\t%llu\n", (unsigned long long)(uintptr_t)memory_segment[i].base,
					(unsigned long long)memory_segment[i].bytes);
		for (uint32_t i = 0; i < resources->count; i++)
			if (placement_is_of(&s->graph->worker[w], &resources->list[i]))
				fprintf(out, "resource\t%s\n", resources->list[i].key);
	}
	if (out != NULL)
		fclose(out);
	supervisor_answer(client, text != NULL, text != NULL ? text : "not enough memory");
	free(text);
}

/* Do what a line says. Takes the client. */
static void obey(struct supervisor *s, struct message *message, int client)
{
	char *word[WORDS] = { NULL }, *rest = message->line;
	uint32_t count = 0;

	while (count < WORDS && rest != NULL)
		word[count++] = strsep(&rest, "\t");
	if (strcmp(word[0], "reload") == 0 && count == 3)
		supervisor_read(s, READING_RELOAD, word[2][0] != '\0' ? word[2] : NULL, strtoull(word[1], NULL, 10), client);
	else if (strcmp(word[0], "diff") == 0 && count == 2)
		supervisor_read(s, READING_DIFF, word[1], 0, client);
	else if (strcmp(word[0], "confirm") == 0 && count == 1)
		supervisor_confirm(s, client);
	else if (strcmp(word[0], "placement") == 0 && count == 1)
		tell_placement(s, client);
	else if (strcmp(word[0], "apps") == 0 && count == 2)
		supervisor_apps(s, word[1], client);
	else if (strcmp(word[0], "command") == 0 && count == 3)
		supervisor_command(s, word[1], word[2], client, message->fd, message->count);
	else if (strcmp(word[0], "trace") == 0 && count == 3)
		supervisor_trace(s, (uint32_t)strtoull(word[2], NULL, 10), (uint32_t)strtoull(word[1], NULL, 10), client);
	else if (strcmp(word[0], "capture") == 0 && count == 3)
		supervisor_probe(s, word[2], (uint32_t)strtoull(word[1], NULL, 10), client);
	else
		supervisor_answer(client, false, "this nf does not know that command");
}

void supervisor_accept(struct supervisor *s)
{
	int client = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	struct message message;

	if (client < 0)
		return;
	message.count = 0;
	if (!is_allowed(client))
		supervisor_answer(client, false, "only the user that started this instance, and root, may do that");
	else if (!read_line(client, &message))
		close(client);
	else
		obey(s, &message, client);
	for (int i = 0; i < message.count; i++)
		if (message.fd[i] >= 0)
			close(message.fd[i]);
}

void supervisor_control_fini(struct supervisor *s)
{
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
}
