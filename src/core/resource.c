/* resource -- see resource.h. Protocol between worker and supervisor, one datagram each way on a seqpacket socket: the worker
 * sends a key (bytes, no final zero); the supervisor answers with one int32: 0 and a descriptor in the ancillary data, or
 * -errno and a sentence behind it. */
#include "core/core.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct resources *served_here;
static int supervisor = -1;

struct answer {
	int32_t code;
	char text[ERROR_TEXT];
};

static struct resource *find(const struct resources *resources, const char *key)
{
	for (uint32_t i = 0; i < resources->count; i++)
		if (strcmp(resources->list[i].key, key) == 0)
			return &resources->list[i];
	return NULL;
}

static bool is_opened_anew(const char *key)
{
	return strncmp(key, "read:", 5) == 0;
}

/* Under another name, too; a worker, which may not look at files by their names, has a graph that the supervisor has checked. */
static bool is_same_file(const char *one, const char *other)
{
	struct stat a, b;

	return strcmp(one, other) == 0 ||
		(!resource_is_asked() && stat(one, &a) == 0 && stat(other, &b) == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev &&
			a.st_ino == b.st_ino);
}

/* A file that one app writes and another one reads: what that reads would be whatever has been written when it looks. */
static void check_other_end(const struct resources *resources, const char *key)
{
	bool reads = strncmp(key, "read:", 5) == 0;
	const char *path = strchr(key, ':') + 1;

	if (!reads && strncmp(key, "write:", 6) != 0)
		return;
	for (uint32_t i = 0; i < resources->count; i++) {
		const struct resource *end = &resources->list[i];

		if (strncmp(end->key, reads ? "write:" : "read:", reads ? 6 : 5) != 0 ||
			!is_same_file(path, strchr(end->key, ':') + 1))
			continue;
		errors_add(resources->errors, "app '%s': it would %s %s, which app '%s' %s", resources->app->name,
			reads ? "read" : "write", path, end->app->name, reads ? "writes" : "reads");
		return;
	}
}

void resources_add(struct resources *resources, const char *format, ...)
{
	char key[RESOURCE_KEY];
	struct resource *same, *list;
	va_list arguments;
	int length;
	bool shared, anew;

	va_start(arguments, format);
	length = vsnprintf(key, sizeof(key), format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(key)) {
		errors_add(resources->errors, "app '%s': a name of more than %d bytes cannot be opened", resources->app->name,
			RESOURCE_KEY - 1);
		return;
	}
	anew = is_opened_anew(key);
	shared = anew || strncmp(key, "interlink:", 10) == 0 || strncmp(key, "xdp:", 4) == 0 ||
		strncmp(key, "filter:", 7) == 0 || strncmp(key, "card:", 5) == 0;
	same = find(resources, key);
	if (same != NULL) {
		if (!shared)
			errors_add(resources->errors, "app '%s': %s is used by app '%s' already; only one app can have it",
				resources->app->name, key, same->app->name);
		return;
	}
	check_other_end(resources, key);
	list = realloc(resources->list, (resources->count + 1) * sizeof(*list));
	if (list != NULL)
		resources->list = list;
	if (list == NULL || (list[resources->count].key = strdup(key)) == NULL) {
		errors_add(resources->errors, "app '%s': out of memory", resources->app->name);
		return;
	}
	list[resources->count] = (struct resource){ .key = list[resources->count].key, .app = resources->app, .shared = shared,
		.anew = anew, .fd = -1 };
	resources->count++;
}

/* Whether resource_file made the file: the supervisor looks right after class->open. */
static bool file_created;
static bool was_given;

int resource_file(const struct app *app, const char *key)
{
	const char *path = strchr(key, ':');
	struct stat status;
	bool writing = strncmp(key, "write:", 6) == 0;
	int fd, code;

	file_created = false;
	if (path == NULL)
		return nf_fail(EINVAL, "app '%s': '%s' is no key of a file", app->name, key);
	path++;
	if (!writing) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	} else {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0644);
		file_created = fd >= 0;
		if (fd < 0 && errno == EEXIST)
			fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd < 0)
		return nf_fail(errno, "app '%s': cannot open %s for %s: %s", app->name, path, writing ? "writing" : "reading",
			strerror(errno));
	if (fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
		code = nf_fail(EISDIR, "app '%s': %s is a folder", app->name, path);
		close(fd);
		return code;
	}
	return fd;
}

/* Close one of a list; the last one that has it open tells the class. */
static void close_one(struct resource *resource)
{
	if (resource->fd < 0)
		return;
	if (resource->holders != NULL && --*resource->holders == 0) {
		if (resource->app->class->close != NULL)
			resource->app->class->close(resource->app, resource->key, resource->fd);
		free(resource->holders);
	}
	close(resource->fd);
	resource->fd = -1;
	resource->holders = NULL;
}

/* What an app keeps for its successor is that of another one, when its parameters are other ones. */
static bool is_kept_by_another(const struct resource *resource, const struct resource *had)
{
	return had != NULL && strncmp(resource->key, "kept:", 5) == 0 && had->hash != resource->hash;
}

void resources_carry(struct resources *resources, const struct resources *old)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		struct resource *resource = &resources->list[i];
		const struct resource *had = resource->anew ? NULL : find(old, resource->key);

		if (is_kept_by_another(resource, had))
			had = NULL;
		resource->given = had != NULL && had->given;
		if (had == NULL || had->fd < 0 || (resource->fd = fcntl(had->fd, F_DUPFD_CLOEXEC, 0)) < 0)
			continue;
		resource->holders = had->holders;
		if (resource->holders != NULL)
			++*resource->holders;
	}
}

int resource_find_open(struct resources *resources, const char *key)
{
	struct resource *resource = find(resources, key);

	if (resource == NULL)
		return nf_fail(EPERM, "'%s' is not named by the configuration", key);
	/* A device that was deleted meanwhile, and asked for again. */
	if (resource->fd >= 0 && resource->app->class->is_open != NULL &&
		!resource->app->class->is_open(resource->app, key, resource->fd))
		close_one(resource);
	if (resource->fd < 0) {
		int fd;

		if (resource->app->class->open == NULL)
			return nf_fail(EINVAL, "app '%s': %s opens nothing", resource->app->name, resource->app->class->name);
		file_created = false;
		was_given = resource->given;
		fd = resource->app->class->open(resource->app, key);
		if (fd < 0)
			return fd;
		resource->fd = fd;
		resource->created = file_created;
		resource->holders = malloc(sizeof(*resource->holders));
		if (resource->holders != NULL)
			*resource->holders = 1;
	}
	return resource->fd;
}

bool resource_was_given(void)
{
	return was_given;
}

/* A file that is read is opened anew for each reader through /proc, so that each has its own position. */
static int own_copy(int fd, const char *key)
{
	char path[64];
	int copy = -1;

	if (strncmp(key, "read:", 5) == 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		/* Not waiting for the writer of a named pipe. */
		copy = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	}
	return copy >= 0 ? copy : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* A copy for a worker, or the descriptor itself when the class gives it away. */
static int hand_out(struct resources *resources, const char *key)
{
	int fd = resource_find_open(resources, key), copy;
	struct resource *resource = find(resources, key);

	if (fd < 0)
		return fd;
	if (resource->app->class->gives && !resource->shared) {
		free(resource->holders);
		resource->holders = NULL;
		resource->fd = -1;
		resource->given = true;
		return fd;
	}
	copy = own_copy(fd, key);
	return copy >= 0 ? copy : nf_fail(errno, "%s: %s", key, strerror(errno));
}

int resources_adopt(struct resources *resources)
{
	char text[ERROR_TEXT];
	int first = 0;

	for (uint32_t i = 0; i < resources->count; i++) {
		const struct resource *resource = &resources->list[i];
		int code = 0;

		if (resource->fd >= 0 && resource->app->class->adopt != NULL)
			code = resource->app->class->adopt(resource->app, resource->key, resource->fd);
		if (code < 0 && first == 0) {
			first = code;
			snprintf(text, sizeof(text), "%s", nf_error());
		}
	}
	return first < 0 ? nf_fail(-first, "%s", text) : 0;
}

void resources_fini(struct resources *resources, bool undo)
{
	for (uint32_t i = resources->count; i-- > 0;) {
		struct resource *resource = &resources->list[i];

		close_one(resource);
		if (undo && resource->created)
			unlink(strchr(resource->key, ':') + 1);
		free(resource->key);
	}
	free(resources->list);
	*resources = (struct resources){ 0 };
}

bool resources_have(const struct resources *resources, const char *prefix)
{
	for (uint32_t i = 0; i < resources->count; i++)
		if (strncmp(resources->list[i].key, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

bool resources_in_namespaces(const struct resources *resources)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		const char *key = resources->list[i].key;

		if (strncmp(key, "read:", 5) != 0 && strncmp(key, "write:", 6) != 0 && strchr(key, '@') != NULL)
			return true;
	}
	return false;
}

void resource_serve_here(struct resources *resources)
{
	served_here = resources;
}

void resource_ask(int socket)
{
	supervisor = socket;
}

/* One descriptor over a socket, or none. */
static int send_answer(int socket, const struct answer *answer, size_t length, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)(uintptr_t)answer, length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int resource_answer(int socket, struct resources *resources)
{
	char key[RESOURCE_KEY];
	struct answer answer = { 0 };
	size_t length = sizeof(answer.code);
	ssize_t n = recv(socket, key, sizeof(key) - 1, MSG_TRUNC);
	int fd, code;

	if (n <= 0)
		return n == 0 ? -ECONNRESET : -errno;
	if ((size_t)n >= sizeof(key) || memchr(key, 0, (size_t)n) != NULL)
		return nf_fail(EPROTO, "a worker asked for a resource in a way that no worker does");
	key[n] = '\0';
	fd = hand_out(resources, key);
	if (fd < 0) {
		answer.code = fd;
		length += (size_t)snprintf(answer.text, sizeof(answer.text), "%s", nf_error());
	}
	code = send_answer(socket, &answer, length, fd);
	if (fd >= 0)
		close(fd);
	return code;
}

/* Ask the supervisor and wait for its answer. Two threads of a worker may ask: one after the other. */
static int ask_alone(const char *key)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct answer answer = { 0 };
	struct iovec part = { &answer, sizeof(answer) - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control.space) };
	ssize_t n;
	int fd = -1;

	if (send(supervisor, key, strlen(key), MSG_NOSIGNAL) < 0)
		return nf_fail(errno, "%s: the supervisor cannot be asked: %s", key, strerror(errno));
	do {
		n = recvmsg(supervisor, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(answer.code))
		return nf_fail(EPROTO, "%s: the supervisor did not answer", key);
	if (answer.code < 0)
		return nf_fail(-answer.code, "%s", answer.text);
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd >= 0 ? fd : nf_fail(EPROTO, "%s: the supervisor sent no descriptor", key);
}

static int ask(const char *key)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int fd;

	pthread_mutex_lock(&lock);
	fd = ask_alone(key);
	pthread_mutex_unlock(&lock);
	return fd;
}

bool resource_is_asked(void)
{
	return served_here == NULL && supervisor >= 0;
}

int resource_open(const char *key)
{
	if (resource_is_asked())
		return ask(key);
	if (served_here == NULL)
		return nf_fail(EPERM, "%s: nobody serves resources here", key);
	return hand_out(served_here, key);
}
