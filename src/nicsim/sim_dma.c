/* sim_dma -- the card's way to memory: a driver's pages, by physical address, mapped here.
 *
 * A driver is a process that has a card's resource0 mapped. Its shared mappings are opened through /proc/PID/map_files and mapped
 * here too; /proc/PID/pagemap tells which frames they are. Memory stays reachable while a driver lives, or while its file has
 * a name: so it is never reached after it may have been given back.
 * source: Linux Documentation/admin-guide/mm/hugetlbpage.rst, proc(5) */
#include "nicsim/sim_dma.h"

#include "nicsim/sim_driver.h"
#include "nicsim/sim_write_back.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
	AREAS = 4096, SLOTS = 1 << 17,
	ORDINARY_MOST = 256 << 20,      /* bytes of a mapping of ordinary pages that are looked at */
	WATCH_NS = 1000000, LOOK_NS = 100000000, POLL_LOOK_NS = 1000000000, MISSED_NS = 50000000
};

#define HUGETLBFS 0x958458f6            /* f_type */
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

static struct area area[AREAS];
static uint32_t area_count;
static struct slot slot[SLOTS];
static uint32_t slot_count;
struct sim_dma_page sim_dma_cache[SIM_DMA_CACHE];
static uint64_t looks, watched_ns, looked_ns;
static int own_pagemap = -1;
static const struct sim *cards;         /* for the handler of signals */

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

/* Enter the pages of an area. A huge page that only the driver has touched is touched here: it is the same one. */
static void add_pages(const struct area *a)
{
	uint64_t step = a->is_huge ? SIM_HUGE : SIM_PAGE;
	static unsigned char resident[ORDINARY_MOST / SIM_PAGE];

	if (own_pagemap < 0)
		own_pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (!a->is_huge && (a->bytes > ORDINARY_MOST || mincore(a->at, a->bytes, resident) < 0))
		return;
	for (uint64_t i = 0; i + step <= a->bytes; i += step) {
		uint64_t address;

		if (!a->is_huge && !(resident[i / SIM_PAGE] & 1))
			continue;
		(void)*(volatile uint8_t *)(a->at + i);
		address = sim_driver_physical(own_pagemap, (uint64_t)(uintptr_t)(a->at + i));
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
static void see_mapping(pid_t pid, const struct sim_mapping *mapping)
{
	char path[96];
	struct stat status;
	struct statfs files;
	struct area *a;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)mapping->from, (unsigned long long)mapping->to);
	if (stat(path, &status) < 0)
		return;
	a = find_area(&status, mapping->offset, mapping->to - mapping->from);
	if (a != NULL) {
		a->seen = looks;
		if (!a->is_huge)
			add_pages(a);
		return;
	}
	if (area_count == AREAS || !S_ISREG(status.st_mode))
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	a = &area[area_count];
	*a = (struct area){ .bytes = mapping->to - mapping->from, .offset = mapping->offset, .device = status.st_dev, .inode = status.st_ino, .fd = fd, .seen = looks };
	a->is_huge = fstatfs(fd, &files) == 0 && (unsigned long)files.f_type == HUGETLBFS;
	a->at = mmap(NULL, a->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)mapping->offset);
	if (a->at == MAP_FAILED) {
		close(fd);
		return;
	}
	area_count++;
	add_pages(a);
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
	memset(sim_dma_cache, 0, sizeof(sim_dma_cache));
	slot_count = 0;
	for (uint32_t i = 0; i < area_count; i++)
		add_pages(&area[i]);
}

static void look(const struct sim *sim, bool processes)
{
	looks++;
	sim_write_back_flush();         /* into memory that may go now */
	sim_driver_look(sim, processes, see_mapping);
	drop_areas();
	looked_ns = sim->now_ns;
}

/* Does an address lie in one of our mappings? *page: the size of its pages. */
static bool is_mapped(uintptr_t fault, uintptr_t *page)
{
	*page = SIM_PAGE;
	if (fault - (uintptr_t)cards->mailbox < sizeof(struct sim_mailbox))
		return true;
	for (uint32_t i = 0; i < cards->card_count; i++)
		if (fault - (uintptr_t)cards->card[i].bar < cards->card[i].kind->bar || fault - (uintptr_t)cards->card[i].config < SIM_CONFIG)
			return true;
	for (uint32_t i = 0; i < area_count; i++)
		if (fault - (uintptr_t)area[i].at < area[i].bytes) {
			*page = area[i].is_huge ? SIM_HUGE : SIM_PAGE;
			return true;
		}
	return false;
}

/* Somebody has cut a file that is mapped here, memory of a driver or a file of the tree: put memory of nobody in its place. */
static void on_cut(int number, siginfo_t *info, void *context)
{
	uintptr_t fault = (uintptr_t)info->si_addr, page;

	(void)context;
	if (!is_mapped(fault, &page) || mmap((void *)(fault & ~(page - 1)), page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		signal(number, SIG_DFL);
}

void sim_dma_begin(const struct sim *sim)
{
	struct sigaction action = { .sa_sigaction = on_cut, .sa_flags = SA_SIGINFO };

	cards = sim;
	sigaction(SIGBUS, &action, NULL);
}

void sim_dma_watch(struct sim *sim)
{
	if (sim->now_ns - watched_ns < WATCH_NS)
		return;
	watched_ns = sim->now_ns;
	/* Who is new is found when an address of his is not known. */
	if (sim_driver_ended() || sim->now_ns - looked_ns > (sim->mode == SIM_POLL ? POLL_LOOK_NS : LOOK_NS))
		look(sim, false);
}

static uint8_t *lookup(uint64_t address, bool *is_huge)
{
	struct slot *s = find_slot((address & ~(uint64_t)(SIM_HUGE - 1)) | 1);

	*is_huge = s->key != 0;
	if (*is_huge) {
		sim_dma_cache[address / SIM_HUGE % SIM_DMA_CACHE] = (struct sim_dma_page){ .key = address / SIM_HUGE + 1, .at = s->at };
		return s->at + address % SIM_HUGE;
	}
	s = address < SIM_PAGE ? NULL : find_slot(address & ~(uint64_t)(SIM_PAGE - 1));
	return s == NULL || s->key == 0 ? NULL : s->at + address % SIM_PAGE;
}

/* Why is nothing at an address? cost: milliseconds */
static enum sim_rule reason(uint64_t address)
{
	return sim_driver_has_virtual(address) ? SIM_RULE_DMA_VIRTUAL : sim_driver_has_private(address) ? SIM_RULE_DMA_PRIVATE :
		SIM_RULE_DMA_UNMAPPED;
}

/* An address that is not known: look again, but at most once in a while for one that is not there. */
static uint8_t *search(struct sim_card *card, uint64_t address, const char *what)
{
	static uint64_t missed = UINT64_MAX, missed_ns;
	static enum sim_rule missed_rule;
	bool is_huge, is_new = missed != address / SIM_HUGE || card->sim->now_ns - missed_ns > MISSED_NS;
	uint8_t *at = lookup(address, &is_huge);

	if (at == NULL && is_new) {
		look(card->sim, true);
		at = lookup(address, &is_huge);
	}
	if (at != NULL) {
		if (!is_huge)
			sim_judge(card, SIM_RULE_DMA_ORDINARY, "%s at 0x%llx", what, (unsigned long long)address);
		return at;
	}
	if (is_new) {
		missed = address / SIM_HUGE;
		missed_ns = card->sim->now_ns;
		missed_rule = reason(address);
	}
	sim_judge(card, missed_rule, "%s at 0x%llx, %u processes have the registers mapped", what, (unsigned long long)address,
		sim_driver_count());
	return NULL;
}

void *sim_dma_search(struct sim_card *card, uint64_t address, uint32_t length, const char *what)
{
	const struct sim_faults *faults = &card->faults;

	if (!(card->config[4] & 4)) {
		sim_judge(card, SIM_RULE_BUS_MASTERING_OFF, "%s at 0x%llx", what, (unsigned long long)address);
		return NULL;
	}
	if (faults->forbidden_bytes > 0 && address < faults->forbidden + faults->forbidden_bytes &&
	    faults->forbidden < address + length) {
		sim_judge(card, SIM_RULE_DMA_FORBIDDEN, "%s at 0x%llx", what, (unsigned long long)address);
		return NULL;
	}
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
	area_count = 0;
	sim_driver_end();
}
