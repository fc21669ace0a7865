/* sim_driver -- see sim_driver.h. source: Linux Documentation/admin-guide/mm/pagemap.rst, proc(5) */
#include "nicsim/sim_driver.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DRIVERS = 64, PRIVATE_MOST = 256 << 20 };        /* bytes of a private mapping that is looked through */

#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_FRAME ((1ULL << 55) - 1)

struct driver {
	pid_t pid;
	int fd;                         /* pidfd: readable when it has ended */
};

static struct driver driver[DRIVERS];
static uint32_t driver_count;

uint32_t sim_driver_count(void)
{
	return driver_count;
}

uint64_t sim_driver_physical(int pagemap, uint64_t at)
{
	uint64_t entry = 0;

	if (pread(pagemap, &entry, sizeof(entry), (off_t)(at / SIM_PAGE * sizeof(entry))) != sizeof(entry) || !(entry & PAGEMAP_PRESENT))
		return 0;
	return (entry & PAGEMAP_FRAME) * SIM_PAGE;
}

/* Does a line of a maps file name the registers of one of our cards? */
static bool is_bar(const struct sim *sim, uint64_t device, uint64_t inode)
{
	for (uint32_t i = 0; i < sim->card_count; i++)
		if (sim->mailbox->card[i].inode == inode && sim->mailbox->card[i].device == device)
			return true;
	return false;
}

static bool parse_line(const char *text, struct sim_mapping *line)
{
	unsigned long long from, to, offset, inode;
	unsigned major, minor;

	if (sscanf(text, "%llx-%llx %4s %llx %x:%x %llu", &from, &to, line->mode, &offset, &major, &minor, &inode) != 7)
		return false;
	line->from = from;
	line->to = to;
	line->offset = offset;
	line->inode = inode;
	line->device = (uint64_t)major << 32 | minor;
	return true;
}

static FILE *open_maps(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return fopen(path, "re");
}

static bool has_bar(const struct sim *sim, pid_t pid)
{
	char text[512];
	struct sim_mapping line;
	FILE *maps = open_maps(pid);
	bool found = false;

	while (maps != NULL && !found && fgets(text, sizeof(text), maps) != NULL)
		found = strstr(text, "resource0") != NULL && parse_line(text, &line) && is_bar(sim, line.device, line.inode);
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* All shared mappings of a driver but those of registers. */
static void see_driver(const struct sim *sim, pid_t pid, void (*see)(pid_t pid, const struct sim_mapping *mapping))
{
	char text[512];
	struct sim_mapping line;
	FILE *maps = open_maps(pid);

	while (maps != NULL && fgets(text, sizeof(text), maps) != NULL)
		if (parse_line(text, &line) && line.mode[3] == 's' && line.mode[1] == 'w' && line.inode != 0 &&
		    !is_bar(sim, line.device, line.inode))
			see(pid, &line);
	if (maps != NULL)
		fclose(maps);
}

static bool is_known(pid_t pid)
{
	for (uint32_t i = 0; i < driver_count; i++)
		if (driver[i].pid == pid)
			return true;
	return false;
}

/* Find new drivers among all processes. */
static void find_drivers(const struct sim *sim)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid <= 0 || pid == getpid() || is_known(pid) || driver_count == DRIVERS || !has_bar(sim, pid))
			continue;
		driver[driver_count] = (struct driver){ .pid = pid, .fd = (int)syscall(SYS_pidfd_open, pid, 0) };
		if (driver[driver_count].fd >= 0)
			driver_count++;
	}
	if (dir != NULL)
		closedir(dir);
}

static bool has_ended(const struct driver *d)
{
	struct pollfd end = { .fd = d->fd, .events = POLLIN };

	return poll(&end, 1, 0) != 0;
}

bool sim_driver_ended(void)
{
	for (uint32_t i = 0; i < driver_count; i++)
		if (has_ended(&driver[i]))
			return true;
	return false;
}

void sim_driver_look(const struct sim *sim, bool processes, void (*see)(pid_t pid, const struct sim_mapping *mapping))
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < driver_count; i++) {
		if (!has_ended(&driver[i]) && has_bar(sim, driver[i].pid))
			driver[kept++] = driver[i];
		else
			close(driver[i].fd);
	}
	driver_count = kept;
	if (processes)
		find_drivers(sim);
	for (uint32_t i = 0; i < driver_count; i++)
		see_driver(sim, driver[i].pid, see);
}

bool sim_driver_has_virtual(uint64_t address)
{
	char text[512];
	struct sim_mapping line;
	bool found = false;

	for (uint32_t i = 0; i < driver_count && !found; i++) {
		FILE *maps = open_maps(driver[i].pid);

		while (maps != NULL && !found && fgets(text, sizeof(text), maps) != NULL)
			found = parse_line(text, &line) && address >= line.from && address < line.to;
		if (maps != NULL)
			fclose(maps);
	}
	return found;
}

/* Is the page in one of a process's private mappings? */
static bool is_in_private(pid_t pid, uint64_t page)
{
	char text[512], path[64];
	struct sim_mapping line;
	FILE *maps = open_maps(pid);
	bool found = false;
	int pagemap;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	while (maps != NULL && pagemap >= 0 && !found && fgets(text, sizeof(text), maps) != NULL) {
		if (!parse_line(text, &line) || line.mode[3] != 'p' || line.to - line.from > PRIVATE_MOST)
			continue;
		for (uint64_t at = line.from; at < line.to && !found; at += SIM_PAGE)
			found = sim_driver_physical(pagemap, at) == page;
	}
	if (maps != NULL)
		fclose(maps);
	if (pagemap >= 0)
		close(pagemap);
	return found;
}

bool sim_driver_has_private(uint64_t address)
{
	uint64_t page = address & ~(uint64_t)(SIM_PAGE - 1);

	for (uint32_t i = 0; i < driver_count && page != 0; i++)
		if (is_in_private(driver[i].pid, page))
			return true;
	return false;
}

void sim_driver_end(void)
{
	for (uint32_t i = 0; i < driver_count; i++)
		close(driver[i].fd);
	driver_count = 0;
}
