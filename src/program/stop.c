/* stop -- `nf stop NAME`: ask an instance to drain and end, and wait until it has. */
#include "program/options.h"
#include "program/reading.h"

#include "core/param_text.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_NS 10000000000ULL          /* by default */
enum { AGAIN_MS = 50 };                 /* between the two requests of --now */

/* Does process `pid` have the lock of this instance open? The number in the statistics may be anybody's: workers write there,
 * and a process that ended may have given its number to another one. */
static bool holds_lock(int32_t pid, const char *name)
{
	char folder[64], path[INSTANCE_PATH];
	struct stat lock, file;
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (instance_path(path, name, "lock") < 0 || stat(path, &lock) != 0)
		return false;
	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	dir = opendir(folder);
	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = fstatat(dirfd(dir), entry->d_name, &file, 0) == 0 && file.st_dev == lock.st_dev && file.st_ino == lock.st_ino;
	closedir(dir);
	return found;
}

/* A descriptor of the supervisor's process.
 *   fails: -errno with nf_error() */
static int find_supervisor(const char *name)
{
	struct reading reading;
	int32_t pid;
	int fd, code = instance_find(name);

	if (code == 0)
		code = reading_init(&reading, name);
	if (code < 0)
		return code;
	pid = reading.header.supervisor;
	reading_fini(&reading);
	/* First the descriptor, then the check: from here on the number cannot become another process's. */
	fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (fd < 0)
		return nf_fail(ESRCH, "the process of '%s' cannot be found", name);
	if (!holds_lock(pid, name)) {
		close(fd);
		return nf_fail(EPERM, "process %d is not the one that runs '%s', or belongs to somebody else", pid, name);
	}
	return fd;
}

static int send_stop(int process)
{
	if (syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0) == 0 || errno == ESRCH)
		return 0;
	return nf_fail(errno, "it cannot be told to stop: %s", strerror(errno));
}

/* True when the process has ended within that time. */
static bool wait_end(int process, uint64_t limit_ns)
{
	struct pollfd end = { .fd = process, .events = POLLIN };
	uint64_t until = clock_system_ns() + limit_ns, now;

	while ((now = clock_system_ns()) < until) {
		uint64_t ms = (until - now) / 1000000 + 1;

		if (poll(&end, 1, ms > 60000 ? 60000 : (int)ms) > 0)
			return true;
	}
	return poll(&end, 1, 0) > 0;
}

static int stop(const char *name, uint64_t limit_ns, bool now)
{
	char limit[32];
	int process = find_supervisor(name), code;

	if (process < 0)
		return process;
	code = send_stop(process);
	/* The second request ends it without draining. It must not come before the first one was read: signals do not queue. */
	if (code == 0 && now && !wait_end(process, AGAIN_MS * 1000000ULL))
		code = send_stop(process);
	if (code == 0 && !wait_end(process, limit_ns)) {
		param_text_duration(limit_ns, limit, sizeof(limit));
		code = nf_fail(ETIMEDOUT, "'%s' has not ended within %s%s%s", name, limit, now ? "" : "; without draining: nf stop --now ",
			now ? "" : name);
	}
	close(process);
	return code;
}

int program_stop(int argc, char **argv)
{
	struct options options;
	uint64_t limit_ns = WAIT_NS;
	int code = options_parse(&options, argc, argv), result = EXIT_DONE;

	if (code != OPTIONS_GO)
		return code;
	if (!options_duration(&options, "--wait", &limit_ns))
		return EXIT_USAGE;
	for (int i = 0; i < options.count; i++) {
		if (stop(options.argument[i], limit_ns, options_has(&options, "--now")) < 0) {
			fprintf(stderr, "nf stop: %s\n", nf_error());
			result = EXIT_FAILED;
		}
	}
	return result;
}
