/* sim_child -- see sim_child.h. */
#include "nicsim/sim_child.h"

#include "nicsim/sim_mailbox.h"
#include "nicsim/sim_uio.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

int sim_child_library(char *path, size_t size)
{
	static const char *const places[] = { "nicsim-trap.so", "../lib/nf/nicsim-trap.so" };
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n < 0 ? 0 : n] = 0;
	slash = strrchr(self, '/');
	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, size, "%.*s/%s", (int)(slash - self), self, places[i]);
		if (access(path, R_OK) == 0)
			return 0;
	}
	return nf_fail(ENOENT, "nicsim-trap.so is neither beside the binary nor in ../lib/nf; --mode poll does without it");
}

/* Libraries that the environment names already stay. */
static void join_preload(const char *library, char *text, size_t size)
{
	const char *before = getenv("LD_PRELOAD");

	snprintf(text, size, "%s%s%s", before != NULL ? before : "", before != NULL && before[0] != 0 ? ":" : "", library);
}

void sim_child_print(const struct sim *sim, const char *library, FILE *out)
{
	char path[300];

	fprintf(out, "NF_SYSFS=%s\n", sim->root);
	if (library == NULL)
		return;
	sim_mailbox_path(sim, path, sizeof(path));
	fprintf(out, "%s=%s\n", SIM_MAILBOX_VARIABLE, path);
	join_preload(library, path, sizeof(path));
	fprintf(out, "LD_PRELOAD=%s\n", path);
}

/* In the child: the tree where programs that know no other place look. */
static bool mount_tree(const struct sim *sim, enum sim_mounts mounts)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/bus/pci/devices", sim->root);
	return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount(path, "/sys/bus/pci/devices", NULL, MS_BIND, NULL) == 0 && (mounts != SIM_MOUNT_UIO || sim_uio_mount(sim));
}

static _Noreturn void run(const struct sim *sim, char **command, const char *library, enum sim_mounts mounts)
{
	char path[600];

	if (mounts != SIM_MOUNT_NOTHING && !mount_tree(sim, mounts)) {
		fprintf(stderr, "nf nicsim: cannot mount the tree where programs look: %s\n", strerror(errno));
		_exit(126);
	}
	setenv("NF_SYSFS", sim->root, 1);
	if (library != NULL) {
		sim_mailbox_path(sim, path, sizeof(path));
		setenv(SIM_MAILBOX_VARIABLE, path, 1);
		join_preload(library, path, sizeof(path));
		setenv("LD_PRELOAD", path, 1);
	}
	execvp(command[0], command);
	fprintf(stderr, "nf nicsim: cannot run '%s': %s\n", command[0], strerror(errno));
	_exit(127);
}

int sim_child_start(const struct sim *sim, char **command, const char *library, enum sim_mounts mounts)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return nf_fail(errno, "cannot start '%s': %s", command[0], strerror(errno));
	if (pid == 0)
		run(sim, command, library, mounts);
	return pid;
}

int sim_child_poll(int process)
{
	int status;

	if (waitpid(process, &status, WNOHANG) != process)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
