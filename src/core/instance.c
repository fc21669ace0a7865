/* instance -- see instance.h. */
#include "core/core.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = { "stats", "stats.new", "stats.next", "stats.next.new", "control", "config.lua", "lock" };

int instance_root(char path[INSTANCE_PATH])
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	int length;

	if (geteuid() == 0)
		length = snprintf(path, INSTANCE_PATH, "/run/nf");
	else if (folder != NULL && folder[0] == '/')
		length = snprintf(path, INSTANCE_PATH, "%s/nf", folder);
	else
		length = snprintf(path, INSTANCE_PATH, "/tmp/nf-%u", geteuid());
	return length < INSTANCE_PATH / 2 ? 0 : nf_fail(ENAMETOOLONG, "XDG_RUNTIME_DIR is too long: %s", folder);
}

/* What names are made of; the first is neither '.' nor '-'. */
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= INSTANCE_NAME && name[0] != '.' && name[0] != '-' &&
		strspn(name, letters) == length;
}

void instance_name(char *name)
{
	for (char *c = name; *c != '\0'; c++)
		if (strchr(letters, *c) == NULL || (c == name && (*c == '.' || *c == '-')))
			*c = c == name ? '_' : '-';
}

int instance_path(char path[INSTANCE_PATH], const char *name, const char *file)
{
	char root[INSTANCE_PATH];
	int code = instance_root(root);

	if (code < 0)
		return code;
	if (!is_name(name))
		return nf_fail(EINVAL, "'%s' is no name for an instance: letters, digits, '_', '-' and '.', at most %d", name,
			INSTANCE_NAME);
	if (snprintf(path, INSTANCE_PATH, "%s/%s%s%s", root, name, *file != '\0' ? "/" : "", file) >= INSTANCE_PATH)
		return nf_fail(ENAMETOOLONG, "the path of instance '%s' is too long", name);
	return 0;
}

/* A folder of our own: made, or there and ours. */
static int make_folder(const char *path)
{
	struct stat status;

	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return nf_fail(errno, "cannot make %s: %s", path, strerror(errno));
	if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
		return nf_fail(EPERM, "%s does not belong to this user", path);
	return 0;
}

int instance_create(const char *name)
{
	char root[INSTANCE_PATH], folder[INSTANCE_PATH], path[INSTANCE_PATH];
	int lock, code = instance_root(root);

	if (code == 0)
		code = instance_path(folder, name, "");
	if (code == 0)
		code = instance_path(path, name, "lock");
	if (code == 0)
		code = make_folder(root);
	if (code == 0)
		code = make_folder(folder);
	if (code < 0)
		return code;
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return nf_fail(errno, "cannot make %s: %s", path, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		close(lock);
		return nf_fail(EEXIST, "an nf with the name '%s' is running; choose another with --name", name);
	}
	return lock;
}

void instance_remove(const char *name, int lock)
{
	char path[INSTANCE_PATH];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (instance_path(path, name, files[i]) == 0)
			unlink(path);
	if (instance_path(path, name, "") == 0)
		rmdir(path);
	close(lock);
}

bool instance_runs(const char *name)
{
	char path[INSTANCE_PATH];
	int lock;
	bool held;

	if (instance_path(path, name, "lock") < 0 || (lock = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return false;
	held = flock(lock, LOCK_SH | LOCK_NB) != 0;
	close(lock);
	return held;
}

int instance_find(const char *name)
{
	char path[INSTANCE_PATH];
	int code = instance_path(path, name, "stats");

	if (code < 0)
		return code;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return nf_fail(ENOENT, "there is no nf with the name '%s'; nf ps lists all", name);
	if (!instance_runs(name))
		return nf_fail(ESRCH, "'%s' does not run any more; the next nf run --name %s uses its place again", name, name);
	return 0;
}
