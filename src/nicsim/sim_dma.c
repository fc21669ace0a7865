/* sim_dma -- the card's way to memory: a driver's pages, by physical address, mapped here.
 *
 * A driver is a process that has a card's resource0 mapped. Its shared mappings are opened through /proc/PID/map_files and mapped
 * here too; /proc/PID/pagemap tells which frames they are. Memory stays reachable while a driver lives, or while its file has
 * a name: so it is never reached after it may have been given back.
 * source: Linux Documentation/admin-guide/mm/pagemap.rst, proc(5) */
#include "nicsim/sim.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	DRIVERS = 64, AREAS = 4096, SLOTS = 1 << 17, CACHE = 1024,
	ORDINARY_MOST = 256 << 20,      /* bytes of a mapping of ordinary pages that are looked at */
	WATCH_NS = 1000000, LOOK_NS = 100000000
};

#define HUGETLBFS 0x958458f6            /* f_type */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_FRAME ((1ULL << 55) - 1)

struct driver {
	pid_t pid;
	int fd;                         /* pidfd: readable when it has ended */
};

/* A piece of a file that is mapped here. */
struct area {
	uint8_t *at;
	uint64_t bytes, offset;
	dev_t device;
	ino_t inode;
	int fd;
	bool is_huge;
	uint64_t seen;                  /* the look at which a driver had it mapped */
};

/* A page: key is its address with bit 0 set for huge ones; 0: free. */
struct slot { uint64_t key; uint8_t *at; };

static struct driver driver[DRIVERS];
static uint32_t driver_count;
static struct area area[AREAS];
static uint32_t area_count;
static struct slot slot[SLOTS];
static uint32_t slot_count;
static struct slot cache[CACHE];        /* huge pages seen last, by frame */
static uint64_t looks, watched_ns, looked_ns;

uint32_t sim_dma_drivers(void)
{
	return driver_count;
}

static struct slot *find_slot(uint64_t key)
{
	uint64_t i = key * 0x9e3779b97f4a7c15ULL >> 47;

	while (slot[i].key != 0 && slot[i].key != key)
		i = (i + 1) % SLOTS;
	return &slot[i];
}

static void add_page(uint64_t key, uint8_t *at)
{
	struct slot *s = find_slot(key);

	if (s->key == 0) {
		if (slot_count >= SLOTS / 2)
			return;
		slot_count++;
	}
	*s = (struct slot){ .key = key, .at = at };
}

/* The physical address of a page of this process; 0 when it is not there. */
static uint64_t physical(int pagemap, uint64_t at)
{
	uint64_t entry = 0;

	if (pread(pagemap, &entry, sizeof(entry), (off_t)(at / SIM_PAGE * sizeof(entry))) != sizeof(entry) || !(entry & PAGEMAP_PRESENT))
		return 0;
	return (entry & PAGEMAP_FRAME) * SIM_PAGE;
}

/* Enter the pages of an area. A huge page that only the driver has touched is touched here: it is the same one. */
static void add_pages(const struct area *a, int pagemap)
{
	uint64_t step = a->is_huge ? SIM_HUGE : SIM_PAGE;
	static unsigned char resident[ORDINARY_MOST / SIM_PAGE];

	if (!a->is_huge && (a->bytes > ORDINARY_MOST || mincore(a->at, a->bytes, resident) < 0))
		return;
	for (uint64_t i = 0; i + step <= a->bytes; i += step) {
		uint64_t address;

		if (!a->is_huge && !(resident[i / SIM_PAGE] & 1))
			continue;
		(void)*(volatile uint8_t *)(a->at + i);
		address = physical(pagemap, (uint64_t)(uintptr_t)(a->at + i));
		if (address != 0)
			add_page(address | (a->is_huge ? 1 : 0), a->at + i);
	}
}

static struct area *find_area(const struct stat *status, uint64_t offset, uint64_t bytes)
{
	for (uint32_t i = 0; i < area_count; i++)
		if (area[i].inode == status->st_ino && area[i].device == status->st_dev && area[i].offset == offset && area[i].bytes == bytes)
			return &area[i];
	return NULL;
}

/* A shared mapping of a driver: map it here, unless it already is. */
static void see_mapping(pid_t pid, uint64_t from, uint64_t to, uint64_t offset, int pagemap)
{
	char path[96];
	struct stat status;
	struct statfs files;
	struct area *a;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)from, (unsigned long long)to);
	if (stat(path, &status) < 0)
		return;
	a = find_area(&status, offset, to - from);
	if (a != NULL) {
		a->seen = looks;
		if (!a->is_huge)
			add_pages(a, pagemap);
		return;
	}
	if (area_count == AREAS || !S_ISREG(status.st_mode))
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	a = &area[area_count];
	*a = (struct area){ .bytes = to - from, .offset = offset, .device = status.st_dev, .inode = status.st_ino, .fd = fd, .seen = looks };
	a->is_huge = fstatfs(fd, &files) == 0 && (unsigned long)files.f_type == HUGETLBFS;
	a->at = mmap(NULL, a->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (a->at == MAP_FAILED) {
		close(fd);
		return;
	}
	area_count++;
	add_pages(a, pagemap);
}

/* Does a line of a maps file name the registers of one of our cards? */
static bool is_bar(const struct sim *sim, uint64_t device, uint64_t inode)
{
	for (uint32_t i = 0; i < sim->card_count; i++)
		if (sim->mailbox->card[i].inode == inode && sim->mailbox->card[i].device == device)
			return true;
	return false;
}

struct line { uint64_t from, to, offset, inode, device; char mode[5]; };

static bool parse_line(const char *text, struct line *line)
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
	struct line line;
	FILE *maps = open_maps(pid);
	bool found = false;

	while (maps != NULL && !found && fgets(text, sizeof(text), maps) != NULL)
		found = strstr(text, "resource0") != NULL && parse_line(text, &line) && is_bar(sim, line.device, line.inode);
	if (maps != NULL)
		fclose(maps);
	return found;
}

static void see_driver(const struct sim *sim, pid_t pid)
{
	char text[512];
	struct line line;
	FILE *maps = open_maps(pid);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	while (maps != NULL && pagemap >= 0 && fgets(text, sizeof(text), maps) != NULL)
		if (parse_line(text, &line) && line.mode[3] == 's' && line.mode[1] == 'w' && line.inode != 0 &&
		    !is_bar(sim, line.device, line.inode))
			see_mapping(pid, line.from, line.to, line.offset, pagemap);
	if (maps != NULL)
		fclose(maps);
	if (pagemap >= 0)
		close(pagemap);
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

/* Areas that no driver has any more go, but not those of files that still have a name. */
static void drop_areas(void)
{
	uint32_t kept = 0;
	bool dropped = false;

	for (uint32_t i = 0; i < area_count; i++) {
		struct stat status;

		if (area[i].seen == looks || (fstat(area[i].fd, &status) == 0 && status.st_nlink > 0)) {
			area[kept++] = area[i];
			continue;
		}
		munmap(area[i].at, area[i].bytes);
		close(area[i].fd);
		dropped = true;
	}
	area_count = kept;
	if (!dropped)
		return;
	memset(slot, 0, sizeof(slot));
	memset(cache, 0, sizeof(cache));
	slot_count = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	for (uint32_t i = 0; i < area_count && pagemap >= 0; i++)
		add_pages(&area[i], pagemap);
	if (pagemap >= 0)
		close(pagemap);
}

/* Drop those that have ended or have let go of the registers; look at the memory of the others. */
static void look(const struct sim *sim, bool processes)
{
	uint32_t kept = 0;

	looks++;
	for (uint32_t i = 0; i < driver_count; i++) {
		struct pollfd end = { .fd = driver[i].fd, .events = POLLIN };

		if (poll(&end, 1, 0) == 0 && has_bar(sim, driver[i].pid))
			driver[kept++] = driver[i];
		else
			close(driver[i].fd);
	}
	driver_count = kept;
	if (processes)
		find_drivers(sim);
	for (uint32_t i = 0; i < driver_count; i++)
		see_driver(sim, driver[i].pid);
	drop_areas();
	looked_ns = sim->now_ns;
}

void sim_dma_watch(struct sim *sim)
{
	bool ended = false;

	if (sim->now_ns - watched_ns < WATCH_NS)
		return;
	watched_ns = sim->now_ns;
	for (uint32_t i = 0; i < driver_count && !ended; i++) {
		struct pollfd end = { .fd = driver[i].fd, .events = POLLIN };

		ended = poll(&end, 1, 0) != 0;
	}
	if (ended || sim->now_ns - looked_ns > LOOK_NS)
		look(sim, driver_count == 0);
}

/* Whose memory is at this virtual address? For a better message. gives: 's' shared, 'p' private, 0: nobody's */
static char virtual_kind(uint64_t address)
{
	char text[512], kind = 0;
	struct line line;

	for (uint32_t i = 0; i < driver_count && kind == 0; i++) {
		FILE *maps = open_maps(driver[i].pid);

		while (maps != NULL && kind == 0 && fgets(text, sizeof(text), maps) != NULL)
			if (parse_line(text, &line) && address >= line.from && address < line.to)
				kind = line.mode[3];
		if (maps != NULL)
			fclose(maps);
	}
	return kind;
}

/* Is there a private page of a driver at a physical address? */
static bool is_private(uint64_t address)
{
	bool found = false;

	for (uint32_t i = 0; i < driver_count && !found; i++) {
		char text[512], path[64];
		struct line line;
		FILE *maps = open_maps(driver[i].pid);
		int pagemap;

		snprintf(path, sizeof(path), "/proc/%d/pagemap", driver[i].pid);
		pagemap = open(path, O_RDONLY | O_CLOEXEC);
		while (maps != NULL && pagemap >= 0 && !found && fgets(text, sizeof(text), maps) != NULL) {
			if (!parse_line(text, &line) || line.mode[3] != 'p' || line.to - line.from > ORDINARY_MOST)
				continue;
			for (uint64_t at = line.from; at < line.to && !found; at += SIM_PAGE)
				found = physical(pagemap, at) == (address & ~(uint64_t)(SIM_PAGE - 1));
		}
		if (maps != NULL)
			fclose(maps);
		if (pagemap >= 0)
			close(pagemap);
	}
	return found;
}

static uint8_t *lookup(uint64_t address, bool *is_huge)
{
	struct slot *s = find_slot((address & ~(uint64_t)(SIM_HUGE - 1)) | 1);

	*is_huge = s->key != 0;
	if (*is_huge) {
		cache[address / SIM_HUGE % CACHE] = (struct slot){ .key = address / SIM_HUGE + 1, .at = s->at };
		return s->at + address % SIM_HUGE;
	}
	s = address < SIM_PAGE ? NULL : find_slot(address & ~(uint64_t)(SIM_PAGE - 1));
	return s == NULL || s->key == 0 ? NULL : s->at + address % SIM_PAGE;
}

/* An address that is not known: look again, at most once in a while for addresses that are not there. */
static uint8_t *search(struct sim_card *card, uint64_t address, const char *what)
{
	static uint64_t missed, missed_ns;
	bool is_huge;
	uint8_t *at = lookup(address, &is_huge);

	if (at == NULL && (missed != address / SIM_HUGE || card->sim->now_ns - missed_ns > WATCH_NS * 50ULL)) {
		look(card->sim, true);
		at = lookup(address, &is_huge);
		if (at == NULL) {
			missed = address / SIM_HUGE;
			missed_ns = card->sim->now_ns;
		}
	}
	if (at != NULL) {
		if (!is_huge)
			sim_judge(card, SIM_RULE_DMA_ORDINARY, "%s at 0x%llx", what, (unsigned long long)address);
		return at;
	}
	if (virtual_kind(address) != 0)
		sim_judge(card, SIM_RULE_DMA_VIRTUAL, "%s at 0x%llx", what, (unsigned long long)address);
	else if (is_private(address))
		sim_judge(card, SIM_RULE_DMA_PRIVATE, "%s at 0x%llx", what, (unsigned long long)address);
	else
		sim_judge(card, SIM_RULE_DMA_UNMAPPED, "%s at 0x%llx, %u processes have the registers mapped", what,
			(unsigned long long)address, driver_count);
	return NULL;
}

void *sim_dma(struct sim_card *card, uint64_t address, uint32_t length, const char *what)
{
	const struct slot *c = &cache[address / SIM_HUGE % CACHE];
	const struct sim_faults *faults = &card->faults;

	if (__builtin_expect(!(card->config[4] & 4), 0)) {
		sim_judge(card, SIM_RULE_BUS_MASTERING_OFF, "%s at 0x%llx", what, (unsigned long long)address);
		return NULL;
	}
	if (__builtin_expect(faults->forbidden_bytes > 0, 0) && address < faults->forbidden + faults->forbidden_bytes &&
	    faults->forbidden < address + length) {
		sim_judge(card, SIM_RULE_DMA_FORBIDDEN, "%s at 0x%llx", what, (unsigned long long)address);
		return NULL;
	}
	if (__builtin_expect(c->key == address / SIM_HUGE + 1, 1))
		return c->at + address % SIM_HUGE;
	return search(card, address, what);
}

bool sim_dma_read(struct sim_card *card, uint64_t address, void *to, uint32_t length, const char *what)
{
	while (length > 0) {
		uint32_t part = (uint32_t)(SIM_PAGE - address % SIM_PAGE) < length ? (uint32_t)(SIM_PAGE - address % SIM_PAGE) : length;
		const uint8_t *from = sim_dma(card, address, part, what);

		if (from == NULL)
			return false;
		memcpy(to, from, part);
		to = (uint8_t *)to + part;
		address += part;
		length -= part;
	}
	return true;
}

bool sim_dma_write(struct sim_card *card, uint64_t address, const void *from, uint32_t length, const char *what)
{
	while (length > 0) {
		uint32_t part = (uint32_t)(SIM_PAGE - address % SIM_PAGE) < length ? (uint32_t)(SIM_PAGE - address % SIM_PAGE) : length;
		uint8_t *to = sim_dma(card, address, part, what);

		if (to == NULL)
			return false;
		memcpy(to, from, part);
		from = (const uint8_t *)from + part;
		address += part;
		length -= part;
	}
	return true;
}

void sim_dma_end(void)
{
	for (uint32_t i = 0; i < area_count; i++) {
		munmap(area[i].at, area[i].bytes);
		close(area[i].fd);
	}
	for (uint32_t i = 0; i < driver_count; i++)
		close(driver[i].fd);
	area_count = driver_count = 0;
}
