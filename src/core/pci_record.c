/* pci_record -- see pci_record.h. */
#include "core/core.h"

#include "core/pci_access.h"
#include "core/pci_record.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/run/nf-cards"
enum { COMMAND = 4, COMMAND_MASTER = 4 };

struct record {
	char owner[MEMORY_DMA_OWNER], sysfs[PCI_PATH], address[PCI_ADDRESS];
};

int pci_record_add(struct pci_card *card)
{
	const char *sysfs = pci_sysfs();
	uint32_t hash = 0;
	int fd, n;

	if (card->record[0] != '\0' || card->vfio)      /* the kernel itself stops a card whose vfio descriptor is closed */
		return 0;
	for (const char *c = sysfs; *c != '\0' && strcmp(sysfs, "/sys") != 0; c++)
		hash = hash * 31 + (uint8_t)*c;
	snprintf(card->record, sizeof(card->record), FOLDER "/%s-%08x", card->device.address, hash);
	if (mkdir(FOLDER, 0700) != 0 && errno != EEXIST)
		return nf_fail(errno, "cannot make " FOLDER ": %s", strerror(errno));
	fd = open(card->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	n = fd < 0 ? -1 : dprintf(fd, "%s\n%s\n%s\n", memory_dma_owner(), sysfs, card->device.address);
	if (fd >= 0)
		close(fd);
	return n > 0 ? 0 : nf_fail(errno, "cannot write %s: %s", card->record, strerror(errno));
}

int pci_record_remove(struct pci_card *card)
{
	if (card->record[0] != '\0' && unlink(card->record) != 0 && errno != ENOENT)
		return nf_fail(errno, "cannot remove %s: %s", card->record, strerror(errno));
	card->record[0] = '\0';
	return 0;
}

/* One line without its end. */
static bool read_line(FILE *file, char *line, int size)
{
	if (fgets(line, size, file) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0';
}

static bool read_record(const char *path, struct record *record)
{
	FILE *file = fopen(path, "re");
	bool good;

	if (file == NULL)
		return false;
	good = read_line(file, record->owner, sizeof(record->owner)) && read_line(file, record->sysfs, sizeof(record->sysfs)) &&
		read_line(file, record->address, sizeof(record->address)) && strchr(record->address, '/') == NULL;
	fclose(file);
	return good;
}

/* Open a file of the recorded card. gives: a descriptor, -errno */
static int open_device(const struct record *record, const char *file)
{
	char path[2 * PCI_PATH];
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/%s", record->sysfs, record->address, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* Bus mastering off, straight in the file of configuration space: the record may be of another root of sysfs. */
static bool stop_master(const struct record *record)
{
	int fd = open_device(record, "config");
	uint8_t bytes[2] = { 0xff, 0xff };
	bool stopped = false;

	if (fd < 0)
		return fd == -ENOENT;   /* the card is gone */
	if (pread(fd, bytes, 2, COMMAND) == 2) {
		bytes[0] &= (uint8_t)~COMMAND_MASTER;
		stopped = pwrite(fd, bytes, 2, COMMAND) == 2 && pread(fd, bytes, 2, COMMAND) == 2 &&
			((bytes[0] & COMMAND_MASTER) == 0 || (bytes[0] == 0xff && bytes[1] == 0xff));
	}
	close(fd);
	usleep(10000);                  /* what is under way ends: far more than a transaction takes */
	return stopped;
}

/* Deal with one record. gives: false when the card may still reach memory */
static bool clean(const char *path)
{
	struct record record;
	int fd;
	bool done = true;

	if (!read_record(path, &record)) {
		log_warn("%s is no record of a card; left alone", path);
		return true;
	}
	fd = open_device(&record, "resource0");
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);              /* it belongs to an nf that lives */
		return true;
	}
	done = stop_master(&record);
	if (done && unlink(path) == 0)
		log_warn("card %s was left on by an nf that was killed; it is off now", record.address);
	else if (!done)
		log_error("card %s was left on by an nf that was killed, and cannot be switched off", record.address);
	if (fd >= 0)
		close(fd);
	return done;
}

/* Call for each record until it gives false. */
static bool each(bool (*look)(const char *path, const void *context), const void *context)
{
	struct dirent *entry;
	DIR *folder = opendir(FOLDER);
	bool go_on = true;

	while (folder != NULL && go_on && (entry = readdir(folder)) != NULL) {
		char path[PCI_PATH];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), FOLDER "/%s", entry->d_name);
		go_on = look(path, context);
	}
	if (folder != NULL)
		closedir(folder);
	return go_on;
}

static bool clean_one(const char *path, const void *context)
{
	*(int *)(uintptr_t)context += !clean(path);
	return true;
}

int pci_clean(void)
{
	int left = 0;

	each(clean_one, &left);
	return left;
}

static bool is_of_another(const char *path, const void *context)
{
	struct record record;

	return !read_record(path, &record) || strcmp(record.owner, context) != 0;
}

bool pci_is_recorded(const char *owner)
{
	return !each(is_of_another, owner);
}
