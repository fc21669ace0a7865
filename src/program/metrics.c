/* metrics -- see metrics.h: the address, the socket, the process. */
#include "program/metrics.h"

#include "core/sandbox.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 64, URL = 128, HOST = 64 };

struct metrics {
	pid_t pid;
	char url[URL];
};

static int bad_address(const char *text)
{
	return nf_fail(EINVAL, "'%s' is no PORT and no ADDRESS:PORT, for example 9100, 127.0.0.1:9100 or [::1]:9100", text);
}

/* Take the text apart. gives: 0, the address and its length */
static int parse(const char *text, struct sockaddr_storage *address, socklen_t *length)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *found;
	const char *colon = strrchr(text, ':'), *port = colon != NULL ? colon + 1 : text;
	size_t host_length = colon != NULL ? (size_t)(colon - text) : 0;
	char host[HOST] = "127.0.0.1";
	bool brackets = host_length >= 2 && text[0] == '[' && text[host_length - 1] == ']';

	if (*port == '\0' || strlen(port) > 5 || strspn(port, "0123456789") != strlen(port) || atoi(port) > 65535)
		return bad_address(text);
	if (brackets)
		snprintf(host, sizeof(host), "%.*s", (int)host_length - 2, text + 1);
	else if (colon != NULL)
		snprintf(host, sizeof(host), "%.*s", (int)host_length, text);
	/* An address of IPv6 stands in brackets: else its last part would be taken for the port. */
	if (host[0] == '\0' || brackets != (strchr(host, ':') != NULL) || getaddrinfo(host, port, &hints, &found) != 0)
		return bad_address(text);
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* gives: a listening socket */
static int listen_on(const char *text)
{
	struct sockaddr_storage address;
	socklen_t length = 0;
	int fd, one = 1, code = parse(text, &address, &length);

	if (code < 0)
		return code;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return nf_fail(errno, "no socket for the metrics: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	code = nf_fail(errno, "cannot listen on %s for the metrics: %s", text, strerror(errno));
	close(fd);
	return code;
}

static void write_url(int fd, char url[URL])
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	char host[HOST] = "?", port[8] = "?";

	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
		getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(url, URL, strchr(host, ':') != NULL ? "http://[%s]:%s/" : "http://%s:%s/", host, port);
}

/* The serving process: it ends with its parent; Ctrl-C is for the parent. */
static void serve(int listener, const char *name, pid_t parent)
{
	static const struct sandbox_user same_user;

	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "nf-metrics");
	if (getppid() != parent)
		_exit(0);
	/* It stays the user whom the statistics belong to, without any capability. */
	if (sandbox_drop(&same_user) < 0 || metrics_serve(listener, name) < 0)
		log_error("no metrics: %s", nf_error());
	_exit(1);
}

int metrics_start(struct metrics **result, const char *address, const char *name)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	pid_t parent = getpid();
	int listener = listen_on(address), code = listener < 0 ? listener : 0;

	*result = NULL;
	if (metrics == NULL && code == 0)
		code = nf_fail(ENOMEM, "not enough memory");
	if (code == 0) {
		write_url(listener, metrics->url);
		fflush(stdout);
		metrics->pid = fork();
		if (metrics->pid == 0)
			serve(listener, name, parent);
		if (metrics->pid < 0)
			code = nf_fail(errno, "no process for the metrics: %s", strerror(errno));
	}
	if (listener >= 0)
		close(listener);
	if (code < 0) {
		free(metrics);
		return code;
	}
	*result = metrics;
	return 0;
}

void metrics_stop(struct metrics *metrics)
{
	if (metrics == NULL)
		return;
	kill(metrics->pid, SIGKILL);
	while (waitpid(metrics->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(metrics);
}

const char *metrics_url(const struct metrics *metrics)
{
	return metrics->url;
}
