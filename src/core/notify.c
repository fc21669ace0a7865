/* notify -- see notify.h. */
#include "core/core.h"

#include "core/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_send(const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t length;
	int fd;

	/* A path, or "@" and a name without a file. */
	if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, length) < 0)
		log_warn("the service manager cannot be told %s: %s", text, strerror(errno));
	close(fd);
}

/* How often it wants to hear from us: twice in the time that it waits. 0: it does not. */
static uint64_t period(void)
{
	const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (text == NULL || (pid != NULL && strtoul(pid, NULL, 10) != (unsigned long)getpid()))
		return 0;
	return strtoull(text, NULL, 10) * 500;
}

int notify_watchdog(void)
{
	static uint64_t next;
	uint64_t now = clock_system_ns(), period_ns = period();

	if (period_ns == 0)
		return -1;
	if (now >= next) {
		notify_send("WATCHDOG=1");
		next = now + period_ns;
	}
	return (int)((next - now) / 1000000) + 1;
}
