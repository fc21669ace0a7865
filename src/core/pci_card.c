/* pci_card -- the cards that this process has open. See pci.h.
 * source: PCI Local Bus Specification 3.0, 6.2 "Configuration Space Functions" and 6.7 "Capabilities List"; PCI Express Base
 * Specification, 7.8.5 "Device Status Register"; PCI Bus Power Management Interface Specification, 3.2.4 "PMCSR" */
#include "core/core.h"

#include "core/pci_access.h"
#include "core/pci_record.h"
#include "core/pci_registers.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	COMMAND_MEMORY = 0x0002, COMMAND_MASTER = 0x0004,
	CAPABILITY_POWER = 0x01, CAPABILITY_EXPRESS = 0x10,
	POWER_STATUS = 4, POWER_STATE = 0x0003,         /* of the capability: PMCSR, D0 to D3 */
	EXPRESS_STATUS = 0x0a, EXPRESS_PENDING = 0x0020,
	CAPABILITIES_MOST = 48,         /* that fit between 0x40 and 0xff */
	PENDING_MS = 100,               /* the specification gives no limit; completions time out after 50 ms by default */
	WAKE_MS = 10                    /* from D3 to D0, PM 5.4 */
};

static struct pci_card *cards;

struct pci_card *pci_card(const char *address)
{
	struct pci_card *card = cards;

	while (card != NULL && strcmp(card->device.address, address) != 0)
		card = card->next;
	return card;
}

struct transfer {
	struct pci_dev *dev;
	uint32_t offset, bytes, value;
	bool done;
};

static void config_read(void *context)
{
	struct transfer *t = context;

	t->value = t->bytes == 1 ? pci_read_byte(t->dev, (int)t->offset) : t->bytes == 2 ? pci_read_word(t->dev, (int)t->offset) :
		pci_read_long(t->dev, (int)t->offset);
}

static void config_write(void *context)
{
	struct transfer *t = context;

	t->done = (t->bytes == 1 ? pci_write_byte(t->dev, (int)t->offset, (uint8_t)t->value) :
		t->bytes == 2 ? pci_write_word(t->dev, (int)t->offset, (uint16_t)t->value) :
		pci_write_long(t->dev, (int)t->offset, t->value)) != 0;
}

uint32_t pci_config_read(struct pci_card *card, uint32_t offset, uint32_t bytes)
{
	struct transfer t = { .dev = card->dev, .offset = offset, .bytes = bytes, .value = UINT32_MAX };

	if (card->vfio) {
		uint32_t value = 0;

		if (pread(card->fd, &value, bytes, (off_t)(card->config_offset + offset)) == (ssize_t)bytes)
			t.value = value;
	} else if (pci_access_do(config_read, &t) < 0) {
		t.value = UINT32_MAX;
	}
	return bytes == 4 ? t.value : t.value & ((1u << 8 * bytes) - 1);
}

int pci_config_write(struct pci_card *card, uint32_t offset, uint32_t bytes, uint32_t value)
{
	struct transfer t = { .dev = card->dev, .offset = offset, .bytes = bytes, .value = value };
	int code = 0;

	if (card->vfio)
		t.done = pwrite(card->fd, &value, bytes, (off_t)(card->config_offset + offset)) == (ssize_t)bytes;
	else
		code = pci_access_do(config_write, &t);
	if (code == 0 && t.done)
		return 0;
	return nf_fail(EIO, "card %s: its configuration space cannot be written", card->device.address);
}

/* Where a capability begins; 0 for none. */
static uint32_t find_capability(struct pci_card *card, uint32_t id)
{
	uint32_t at = pci_config_read(card, PCI_CAPABILITY_LIST, 1) & 0xfc;

	if ((pci_config_read(card, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0)
		return 0;
	for (uint32_t i = 0; i < CAPABILITIES_MOST && at >= 0x40; i++) {
		if (pci_config_read(card, at, 1) == id)
			return at;
		at = pci_config_read(card, at + 1, 1) & 0xfc;
	}
	return 0;
}

static void sleep_ms(uint32_t ms)
{
	struct timespec time = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

/* A card that sleeps does not answer at its registers. */
static int wake(struct pci_card *card)
{
	uint32_t power = find_capability(card, CAPABILITY_POWER), state;
	int code;

	if (power == 0)
		return 0;
	state = pci_config_read(card, power + POWER_STATUS, 2);
	if ((state & POWER_STATE) == 0)
		return 0;
	code = pci_config_write(card, power + POWER_STATUS, 2, state & ~(uint32_t)POWER_STATE);
	sleep_ms(WAKE_MS);
	return code;
}

/* Set and clear bits of the command register; they must stay. */
static int command(struct pci_card *card, uint32_t set, uint32_t clear)
{
	uint32_t before = pci_config_read(card, PCI_COMMAND, 2), wanted = (before | set) & ~clear;
	int code = before == wanted ? 0 : pci_config_write(card, PCI_COMMAND, 2, wanted);

	if (code == 0 && (pci_config_read(card, PCI_COMMAND, 2) & (set | clear)) != set)
		code = nf_fail(EIO, "card %s: its command register does not take 0x%04x", card->device.address, wanted);
	return code;
}

int pci_master_on(struct pci_card *card)
{
	int code = pci_record_add(card);

	return code < 0 ? code : command(card, COMMAND_MASTER, 0);
}

int pci_master_off(struct pci_card *card)
{
	uint32_t express;
	int code;

	/* All ones: the card is gone, and with it its way to memory. */
	if (pci_config_read(card, PCI_VENDOR_ID, 4) == UINT32_MAX)
		return pci_record_remove(card);
	code = command(card, 0, COMMAND_MASTER);
	express = find_capability(card, CAPABILITY_EXPRESS);
	for (uint32_t i = 0; code == 0 && express != 0 &&
		(pci_config_read(card, express + EXPRESS_STATUS, 2) & EXPRESS_PENDING) != 0; i++) {
		if (i == PENDING_MS)
			return nf_fail(ETIMEDOUT, "card %s: a transaction with memory does not end", card->device.address);
		sleep_ms(1);
	}
	return code < 0 ? code : pci_record_remove(card);
}

/* Nobody else drives the card, and nothing stands between it and memory: else in words. */
static int check_direct(const struct pci_device *device)
{
	if (device->driver[0] != '\0')
		return nf_fail(EBUSY, "card %s belongs to the kernel's driver %s; `nf pci bind %s vfio-pci` gives it to nf (with an "
			"IOMMU), `nf pci unbind %s` frees it for direct access", device->address, device->driver, device->address,
			device->address);
	if (device->iommu == PCI_IOMMU_TRANSLATES)
		return nf_fail(EPERM, "card %s: an IOMMU translates its addresses (group %s), so there is no direct access; "
			"`nf pci bind %s vfio-pci`", device->address, device->group, device->address);
	return 0;
}

/* Whether this process has given a card back: its workers unmap it when they find the time. */
static bool gave_back;

/* The lock of a card: it lives as long as a process has the file open or mapped. */
static int lock(struct pci_card *card)
{
	enum { WAIT_MS = 1000 };
	char path[PCI_PATH];
	int code = pci_path(path, card->device.address, "resource0");

	if (code < 0)
		return code;
	card->lock = open(path, O_RDWR | O_CLOEXEC | O_SYNC);
	if (card->lock < 0)
		return nf_fail(errno, "card %s: cannot open %s: %s", card->device.address, path, strerror(errno));
	for (uint32_t i = 0; i <= (gave_back ? WAIT_MS : 0); i++) {
		if (flock(card->lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (gave_back)
			usleep(1000);
	}
	return nf_fail(EBUSY, "card %s is used by another nf", card->device.address);
}

/* libpci's handle of the device, for configuration space. */
static int open_config(struct pci_card *card)
{
	unsigned domain, bus, slot, function;

	card->access = pci_access_new();
	if (card->access == NULL)
		return -EIO;
	if (sscanf(card->device.address, "%x:%x:%x.%u", &domain, &bus, &slot, &function) == 4)
		card->dev = pci_get_dev(card->access, (int)domain, (int)bus, (int)slot, (int)function);
	return card->dev != NULL ? 0 : nf_fail(ENODEV, "card %s: libpci does not find it", card->device.address);
}

static int map(struct pci_card *card)
{
	struct stat status;

	/* A file that stands for the registers, in a tree that is not the kernel's, says itself how long it is. */
	if (card->device.registers == 0 && !card->vfio && fstat(card->fd, &status) == 0 && status.st_size <= UINT32_MAX)
		card->device.registers = (uint32_t)status.st_size;
	if (card->device.registers == 0)
		return nf_fail(ENODEV, "card %s has no registers in memory", card->device.address);
	card->registers = pci_registers_map(card->fd, card->device.registers);
	if (card->registers != NULL)
		return 0;
	return nf_fail(errno, "card %s: its registers cannot be mapped: %s", card->device.address, strerror(errno));
}

/* Free what there is of a card; all of it may be missing. */
static void discard(struct pci_card *card)
{
	pci_registers_unmap(card->registers);
	if (card->dev != NULL)
		pci_free_dev(card->dev);
	if (card->access != NULL)
		pci_cleanup(card->access);
	if (card->vfio)
		pci_vfio_close(card);
	if (card->lock >= 0)
		close(card->lock);
	free(card);
}

/* Everything about a card whose lock we have, up to its registers. */
static int open_locked(struct pci_card *card)
{
	int code;

	card->vfio = strcmp(card->device.driver, "vfio-pci") == 0;
	if (!card->vfio) {
		card->fd = card->lock;
		code = check_direct(&card->device);
		if (code == 0)
			code = open_config(card);
	} else {
		code = pci_vfio_open(card);
	}
	if (code == 0)
		code = memory_dma_attach(card->vfio ? MEMORY_DMA_VFIO : MEMORY_DMA_DIRECT, card->device.address);
	if (code == 0)
		code = wake(card);
	if (code == 0)
		code = command(card, COMMAND_MEMORY, COMMAND_MASTER);
	return code < 0 ? code : map(card);
}

int pci_open(const char *address, struct pci_card **opened)
{
	struct pci_card *card = pci_card(address);
	int code;

	*opened = card;
	if (card != NULL) {
		card->users++;
		return 0;
	}
	card = calloc(1, sizeof(*card));
	if (card == NULL)
		return nf_fail(ENOMEM, "not enough memory for a card");
	card->fd = card->group_fd = card->lock = -1;
	code = pci_find(address, &card->device);
	if (code == 0)
		code = lock(card);
	if (code == 0)
		code = open_locked(card);
	if (code < 0) {
		discard(card);
		return code;
	}
	card->users = 1;
	card->next = cards;
	cards = card;
	*opened = card;
	return 0;
}

void pci_close(struct pci_card *card)
{
	struct pci_card **at = &cards;

	if (--card->users > 0)
		return;
	if (pci_master_off(card) < 0)
		log_error("%s; its memory is not given back", nf_error());
	while (*at != card)
		at = &(*at)->next;
	*at = card->next;
	discard(card);
	gave_back = true;
}
