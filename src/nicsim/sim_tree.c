/* sim_tree -- a folder tree that looks like /sys/bus/pci to whoever is told its place: ROOT/bus/pci/devices/ADDRESS/.
 * source: Linux Documentation/PCI/sysfs-pci.rst; PCI Local Bus Specification 3.0, chapter 6 (configuration space) */
#include "nicsim/sim.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CONFIG_POWER = 0x40, CONFIG_MSI = 0x50, CONFIG_MSIX = 0x70, CONFIG_EXPRESS = 0xa0       /* capabilities */
};

#define BAR_ADDRESS 0xd0000000ULL       /* of card 0; where a machine's firmware might have put it */

int sim_tree_begin(struct sim *sim, const char *root)
{
	struct stat status;
	int n;

	if (root == NULL) {
		/* A tmpfs, so that what is written to a register is not written to a disk. */
		snprintf(sim->root, sizeof(sim->root), "%s/nicsim.XXXXXX", stat("/dev/shm", &status) == 0 ? "/dev/shm" : "/tmp");
		if (mkdtemp(sim->root) == NULL)
			return nf_fail(errno, "cannot make a folder for the PCI tree: %s: %s", sim->root, strerror(errno));
		sim->root_ours = true;
		return chmod(sim->root, 0755) == 0 ? 0 : nf_fail(errno, "%s: %s", sim->root, strerror(errno));
	}
	n = snprintf(sim->root, sizeof(sim->root) - 64, "%s", root);
	if (n < 1 || (size_t)n >= sizeof(sim->root) - 64)
		return nf_fail(ENAMETOOLONG, "the PCI tree's path must have 1 to %zu characters", sizeof(sim->root) - 65);
	if (mkdir(sim->root, 0755) < 0 && errno != EEXIST)
		return nf_fail(errno, "cannot make the folder %s: %s", sim->root, strerror(errno));
	return 0;
}

/* Make the folders of a path below the root. */
static int make_folders(const char *root, const char *path)
{
	char whole[512];
	size_t at = (size_t)snprintf(whole, sizeof(whole), "%s/%s", root, path);

	if (at >= sizeof(whole))
		return nf_fail(ENAMETOOLONG, "%s: too long", root);
	for (char *slash = whole + strlen(root) + 1; ; slash++) {
		if (*slash != '/' && *slash != 0)
			continue;
		char before = *slash;

		*slash = 0;
		if (mkdir(whole, 0755) < 0 && errno != EEXIST)
			return nf_fail(errno, "cannot make the folder %s: %s", whole, strerror(errno));
		*slash = before;
		if (before == 0)
			return 0;
	}
}

/* A file of a card with these bytes; an old one is replaced, as somebody may still have it mapped. */
static int write_file(const char *folder, const char *name, const void *bytes, size_t length)
{
	char path[600];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return nf_fail(errno, "cannot write %s: %s", path, strerror(errno));
	good = write(fd, bytes, length) == (ssize_t)length;
	close(fd);
	return good ? 0 : nf_fail(EIO, "cannot write %s", path);
}

static int write_text(const char *folder, const char *name, const char *format, unsigned value)
{
	char text[64];
	int n = snprintf(text, sizeof(text), format, value);

	return write_file(folder, name, text, (size_t)n);
}

/* A file of a size, mapped. */
static void *map_file(const char *folder, const char *name, size_t bytes)
{
	char path[600];
	void *at = MAP_FAILED;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		nf_fail(errno, "cannot map %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? NULL : at;
}

static void put16(uint8_t *config, uint32_t at, uint32_t value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *config, uint32_t at, uint32_t value)
{
	put16(config, at, value);
	put16(config, at + 2, value >> 16);
}

/* Configuration space: bus mastering is off, memory is on, as firmware leaves a card without a driver. */
static void fill_config(const struct sim_card *card, uint8_t *config)
{
	const struct sim_kind *kind = card->kind;

	memset(config, 0, SIM_CONFIG);
	put16(config, 0x00, kind->vendor);
	put16(config, 0x02, kind->device);
	put16(config, 0x04, 0x0002);                    /* COMMAND: memory space */
	put16(config, 0x06, 0x0010);                    /* STATUS: capabilities */
	config[0x08] = kind->revision;
	put32(config, 0x0c, 0x00000010);                /* cache line 64 bytes */
	config[0x0b] = 0x02;                            /* network controller, */
	config[0x0a] = 0x00;                            /* Ethernet */
	put32(config, 0x10, (uint32_t)(BAR_ADDRESS + 0x100000ULL * card->number) | 0xc);        /* BAR0: 64 bits, prefetchable */
	put16(config, 0x2c, 0x8086);
	put16(config, 0x2e, kind->subsystem);
	config[0x34] = CONFIG_POWER;
	config[0x3d] = 1;                               /* INTA */
	put32(config, CONFIG_POWER, 0x00230000 | CONFIG_MSI << 8 | 0x01);       /* PMCSR at 0x44: D0 */
	put32(config, CONFIG_MSI, 0x01800000 | CONFIG_MSIX << 8 | 0x05);
	put32(config, CONFIG_MSIX, 0x003f0000 | CONFIG_EXPRESS << 8 | 0x11);
	put32(config, CONFIG_MSIX + 4, 0x00000004);     /* its table: BAR4, which is not here */
	put32(config, CONFIG_EXPRESS, 0x00020010);      /* endpoint, version 2 */
	put32(config, CONFIG_EXPRESS + 4, 0x10008cc2);  /* DEVCAP: 512 bytes, FLR */
	put16(config, CONFIG_EXPRESS + 8, 0x2810);      /* DEVCTL; the device status stands behind it, at 0xAA */
	put32(config, CONFIG_EXPRESS + 12, 0x00000482); /* LINKCAP: 5 GT/s, x8 */
	put16(config, CONFIG_EXPRESS + 18, 0x0082);     /* LINKSTA */
}

static int write_texts(const struct sim_card *card, const char *folder)
{
	const struct sim_kind *kind = card->kind;
	unsigned long long bar = BAR_ADDRESS + 0x100000ULL * card->number;
	char resource[1024];
	int n = snprintf(resource, sizeof(resource), "0x%016llx 0x%016llx 0x%016llx\n", bar, bar + kind->bar - 1, 0x14220cULL);

	for (uint32_t i = 1; i < 13; i++)
		n += snprintf(resource + n, sizeof(resource) - (size_t)n, "0x%016llx 0x%016llx 0x%016llx\n", 0ULL, 0ULL, 0ULL);
	if (write_text(folder, "vendor", "0x%04x\n", kind->vendor) < 0 || write_text(folder, "device", "0x%04x\n", kind->device) < 0 ||
	    write_text(folder, "class", "0x%06x\n", 0x020000) < 0 || write_text(folder, "subsystem_vendor", "0x%04x\n", 0x8086) < 0 ||
	    write_text(folder, "subsystem_device", "0x%04x\n", kind->subsystem) < 0 ||
	    write_text(folder, "revision", "0x%02x\n", kind->revision) < 0 || write_text(folder, "numa_node", "%d\n", 0) < 0 ||
	    write_text(folder, "irq", "%d\n", 0) < 0 || write_text(folder, "enable", "%d\n", 1) < 0)
		return -EIO;
	return write_file(folder, "resource", resource, (size_t)n);
}

int sim_tree_add(struct sim *sim, struct sim_card *card)
{
	static uint8_t config[SIM_CONFIG];
	char path[64], folder[512];
	int code;

	snprintf(path, sizeof(path), "bus/pci/devices/%s", card->address);
	code = make_folders(sim->root, path);
	if (code < 0)
		return code;
	snprintf(folder, sizeof(folder), "%s/%s", sim->root, path);
	fill_config(card, config);
	code = write_texts(card, folder);
	if (code == 0)
		code = write_file(folder, "config", config, sizeof(config));
	/* A new file: whoever still has the registers of an earlier run mapped is no driver of this card. */
	if (code == 0)
		code = write_file(folder, "resource0", "", 0);
	if (code < 0)
		return code;
	card->config = map_file(folder, "config", SIM_CONFIG);
	card->bar = map_file(folder, "resource0", card->kind->bar);
	return card->config != NULL && card->bar != NULL ? 0 : -EIO;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)status;
	(void)flag;
	(void)walk;
	return remove(path);
}

void sim_tree_end(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->card_count; i++) {
		struct sim_card *card = &sim->card[i];

		if (card->config != NULL)
			munmap(card->config, SIM_CONFIG);
		if (card->bar != NULL)
			munmap(card->bar, card->kind->bar);
	}
	if (sim->root_ours)
		nftw(sim->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
