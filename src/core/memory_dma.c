/* memory_dma -- see memory_dma.h.
 * source: Linux Documentation/admin-guide/mm/pagemap.rst and hugetlbpage.rst */
#include "core/core.h"

#include "core/memory_window.h"
#include "core/pci_vfio.h"

#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <numaif.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_MOUNT "/run/nf-hugepages"
enum { AREAS = 1024, PATH = 512 };

struct area {
	uint8_t *base;                  /* NULL: free */
	uint64_t bytes;
	uint64_t *physical;             /* of each page; NULL: not looked up */
	char *path;                     /* NULL: not in a named file */
	bool in_iommu;
};

static struct area area[AREAS];
static uint32_t area_count;
static bool on;
static enum memory_dma_mode mode;
static int pagemap = -1;
static char owner[MEMORY_DMA_OWNER], folder[PATH];
static uint32_t next_file;

bool memory_dma_is_on(void)
{
	return on;
}

const char *memory_dma_owner(void)
{
	return owner;
}

/* A file system of huge pages of 2 MiB that we may write to; else mount one of our own. */
static int find_folder(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;

	folder[0] = '\0';
	while (mounts != NULL && (entry = getmntent(mounts)) != NULL)
		if (strcmp(entry->mnt_type, "hugetlbfs") == 0 && strstr(entry->mnt_opts, "pagesize=1") == NULL &&
			access(entry->mnt_dir, W_OK | X_OK) == 0 && strlen(entry->mnt_dir) < sizeof(folder))
			snprintf(folder, sizeof(folder), "%s", entry->mnt_dir);
	if (mounts != NULL)
		endmntent(mounts);
	if (folder[0] != '\0')
		return 0;
	if (mkdir(OWN_MOUNT, 0700) != 0 && errno != EEXIST)
		return nf_fail(errno, "cannot make " OWN_MOUNT ": %s", strerror(errno));
	if (mount("nodev", OWN_MOUNT, "hugetlbfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "pagesize=2M,mode=0700") != 0)
		return nf_fail(errno, "there is no file system of huge pages, and none can be mounted at " OWN_MOUNT ": %s", strerror(errno));
	snprintf(folder, sizeof(folder), OWN_MOUNT);
	return 0;
}

/* Remove a file of an nf that is dead, unless one of its cards may still reach it. */
static void clean_file(const char *name)
{
	char path[PATH + 256], who[MEMORY_DMA_OWNER];
	const char *last = strrchr(name, '-');
	int fd;

	if (strncmp(name, "nf-", 3) != 0 || last == NULL || (size_t)(last - name) >= sizeof(who))
		return;
	snprintf(who, sizeof(who), "%.*s", (int)(last - name), name);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	/* The lock lives as long as a process has the file open or mapped. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && !pci_is_recorded(who)) {
		unlink(path);
		log_info("removed %s, which an nf that was killed had left", path);
	}
	close(fd);
}

static void clean(void)
{
	struct dirent *entry;
	DIR *open_folder;

	pci_clean();
	open_folder = opendir(folder);
	while (open_folder != NULL && (entry = readdir(open_folder)) != NULL)
		clean_file(entry->d_name);
	if (open_folder != NULL)
		closedir(open_folder);
}

int memory_dma_start(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int code;

	if (on)
		return 0;
	snprintf(owner, sizeof(owner), "nf-%d-%llx", (int)getpid(), (unsigned long long)clock_system_ns());
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	setrlimit(RLIMIT_MEMLOCK, &all);        /* vfio counts what is mapped; when this fails, vfio says so */
	code = find_folder();
	if (code == 0)
		clean();
	else
		log_debug("%s", nf_error());    /* vfio works with ordinary pages; direct access will complain */
	on = true;
	return 0;
}

int memory_dma_file(uint64_t bytes, char **path)
{
	char name[PATH + 128];
	struct stat status;

	if (folder[0] == '\0')
		return -ENOMEM;
	for (;;) {
		int fd;

		snprintf(name, sizeof(name), "%s/%s-%u", folder, owner, next_file++);
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		/* Another nf that cleans up may have found it before it was locked. */
		if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &status) != 0 || status.st_nlink == 0) {
			close(fd);
			continue;
		}
		if (ftruncate(fd, (off_t)bytes) == 0 && (*path = strdup(name)) != NULL)
			return fd;
		unlink(name);
		close(fd);
		return -ENOMEM;
	}
}

/* The physical address of each page. */
static int look_up(struct area *a)
{
	uint64_t pages = a->bytes / MEMORY_PAGE, size = (uint64_t)sysconf(_SC_PAGESIZE);

	if (a->physical != NULL)
		return 0;
	a->physical = calloc(pages, sizeof(*a->physical));
	if (a->physical == NULL)
		return nf_fail(ENOMEM, "not enough memory for addresses");
	for (uint64_t i = 0; i < pages; i++) {
		volatile uint8_t *at = a->base + i * MEMORY_PAGE;
		uint64_t entry = 0;

		*at = *at;              /* now there is a page */
		if (pread(pagemap, &entry, sizeof(entry), (off_t)((uintptr_t)at / size * sizeof(entry))) != sizeof(entry) ||
			(entry >> 63) == 0 || (entry & ((1ULL << 55) - 1)) == 0) {
			free(a->physical);
			a->physical = NULL;
			return nf_fail(EPERM, "the physical addresses of packet memory cannot be read from /proc/self/pagemap: it takes "
				"root with cap_sys_admin when nf starts");
		}
		a->physical[i] = (entry & ((1ULL << 55) - 1)) * size;
	}
	return 0;
}

/* Make an area known to the cards, in the present mode. */
static int attach(struct area *a)
{
	int code;

	if (mode == MEMORY_DMA_DIRECT && a->path == NULL)
		return nf_fail(ENOMEM, "direct access to cards needs huge pages for all packet memory, and there are too few free ones; "
			"for example: sysctl -w vm.nr_hugepages=512 (1 GiB; nf doctor tells more)");
	if (mode == MEMORY_DMA_DIRECT)
		return look_up(a);
	if (mode != MEMORY_DMA_VFIO || a->in_iommu)
		return 0;
	code = pci_vfio_map(a->base, a->bytes, memory_window_offset(a->base));
	a->in_iommu = code == 0;
	return code;
}

int memory_dma_add(uint8_t *base, uint64_t bytes, char *path)
{
	uint32_t i = 0;
	int code;

	while (i < AREAS && area[i].base != NULL)
		i++;
	if (i == AREAS) {
		code = nf_fail(ENOSPC, "no more than %d pieces of memory for cards", AREAS);
	} else {
		area[i] = (struct area){ .base = base, .bytes = bytes, .path = path };
		area_count = i >= area_count ? i + 1 : area_count;
		code = attach(&area[i]);
		if (code == 0)
			return 0;
		area[i].base = NULL;
	}
	if (path != NULL)
		unlink(path);
	free(path);
	return code;
}

void memory_dma_remove(const uint8_t *base)
{
	for (uint32_t i = 0; i < area_count; i++) {
		struct area *a = &area[i];

		if (a->base == NULL || a->base != base)
			continue;
		if (a->in_iommu)
			pci_vfio_unmap(a->bytes, memory_window_offset(a->base));
		if (a->path != NULL)
			unlink(a->path);
		free(a->path);
		free(a->physical);
		*a = (struct area){ 0 };
	}
}

uint64_t memory_dma_address(const void *at)
{
	for (uint32_t i = 0; i < area_count; i++) {
		uint64_t offset = (uint64_t)((const uint8_t *)at - area[i].base);

		if (area[i].base == NULL || (const uint8_t *)at < area[i].base || offset >= area[i].bytes)
			continue;
		if (area[i].in_iommu)
			return pci_vfio_address(memory_window_offset(at));
		return area[i].physical != NULL ? area[i].physical[offset / MEMORY_PAGE] + offset % MEMORY_PAGE : 0;
	}
	return 0;
}

/* All packet memory must be known here: segments made before memory_dma_start are not. */
static bool has_all_segments(void)
{
	for (uint32_t s = 0; s < memory_segment_count; s++) {
		uint32_t i = 0;

		while (i < area_count && area[i].base != memory_segment[s].base)
			i++;
		if (memory_segment[s].base != NULL && i == area_count)
			return false;
	}
	return true;
}

int memory_dma_attach(enum memory_dma_mode wanted, const char *card)
{
	int code = 0;

	if (!on || !has_all_segments())
		return nf_fail(EINVAL, "card %s: this nf was started without cards, and its packet memory is not made for them; start nf "
			"anew", card);
	if (mode != MEMORY_DMA_NONE && mode != wanted)
		return nf_fail(EPERM, "card %s: one card is reached through vfio and another directly; bind all of them to vfio-pci, or "
			"none", card);
	mode = wanted;
	for (uint32_t i = 0; i < area_count && code == 0; i++)
		if (area[i].base != NULL)
			code = attach(&area[i]);
	if (code == 0)
		memory_addresses();
	return code;
}

int memory_dma_ring(uint64_t bytes, int node, uint8_t **base)
{
	unsigned long mask = node >= 0 && node < 64 ? 1UL << node : 0;
	uint8_t *at = memory_window_take(bytes);
	char *path = NULL;
	int fd, code;

	if (at == NULL)
		return nf_fail(ENOSPC, "no room for rings in the window of packet memory");
	fd = memory_dma_file(bytes, &path);
	if (fd < 0 && mode == MEMORY_DMA_VFIO)
		fd = memfd_create("nf-ring", MFD_CLOEXEC);
	if (fd < 0 || (path == NULL && ftruncate(fd, (off_t)bytes) != 0) ||
		mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		code = nf_fail(ENOMEM, "no huge page is free for descriptor rings: each queue of a card takes one (sysctl vm.nr_hugepages)");
		goto failed;
	}
	if (mask != 0 && mbind(at, bytes, MPOL_PREFERRED, &mask, 64, 0) != 0)
		log_debug("rings: no preference for node %d: %s", node, strerror(errno));
	code = memory_dma_add(at, bytes, path);
	path = NULL;
	if (code == 0) {
		memset(at, 0, bytes);
		*(uint64_t *)(void *)at = memory_dma_address(at);
		*base = at;
		return fd;
	}
failed:
	if (path != NULL)
		unlink(path);
	free(path);
	if (fd >= 0)
		close(fd);
	memory_window_give(at, bytes);
	return code;
}

void memory_dma_ring_free(uint8_t *base, uint64_t bytes)
{
	memory_dma_remove(base);
	memory_window_give(base, bytes);
}

void memory_dma_stop(void)
{
	bool kept = on && pci_is_recorded(owner);

	for (uint32_t i = 0; i < area_count; i++) {
		if (kept) {
			free(area[i].path);
			area[i].path = NULL;
		}
		if (area[i].base != NULL)
			memory_dma_remove(area[i].base);
	}
	if (pagemap >= 0)
		close(pagemap);
	pagemap = -1;
	area_count = 0;
	on = false;
	mode = MEMORY_DMA_NONE;
}
