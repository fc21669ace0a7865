/* namespace -- see namespace.h. */
#include "core/core.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

struct visit {
	int fd;                         /* of the namespace */
	const char *app, *name;
	int (*run)(void *context);
	void *context;
	int code;
	char error[ERROR_TEXT];         /* nf_error() is the thread's own */
};

/* Body of the thread. */
static void *enter(void *context)
{
	struct visit *visit = context;

	if (setns(visit->fd, CLONE_NEWNET) != 0)
		visit->code = nf_fail(errno, "app '%s': cannot enter the network namespace '%s': %s",
			visit->app, visit->name, strerror(errno));
	else
		visit->code = visit->run(visit->context);
	if (visit->code < 0)
		snprintf(visit->error, sizeof(visit->error), "%s", nf_error());
	return NULL;
}

int namespace_run(const char *app, const char *name, int (*run)(void *context), void *context)
{
	struct visit visit = { .app = app, .name = name, .run = run, .context = context };
	char path[PATH_MAX];
	pthread_t thread;
	int code;

	if (name == NULL || *name == '\0')
		return run(context);
	snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : "/run/netns/", name);
	visit.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (visit.fd < 0)
		return nf_fail(errno, "app '%s': there is no network namespace '%s': %s: %s", app, name, path, strerror(errno));
	code = pthread_create(&thread, NULL, enter, &visit);
	if (code == 0)
		pthread_join(thread, NULL);
	close(visit.fd);
	if (code != 0)
		return nf_fail(code, "app '%s': no thread for the network namespace '%s': %s", app, name, strerror(code));
	return visit.code < 0 ? nf_fail(-visit.code, "%s", visit.error) : visit.code;
}
