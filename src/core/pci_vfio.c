/* pci_vfio -- see pci_vfio.h and pci_access.h.
 * source: Linux Documentation/driver-api/vfio.rst, include/uapi/linux/vfio.h; reserved_regions:
 * Documentation/ABI/testing/sysfs-kernel-iommu_groups */
#include "core/core.h"

#include "core/memory_window.h"
#include "core/pci_access.h"
#include "core/pci_vfio.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* An IOMMU may have 39 bits only; the first 4 GiB hold the place of message interrupts. */
#define FIRST (4ULL << 30)
#define LIMIT (1ULL << 39)

static int container = -1;
static uint32_t users;
static uint64_t constant;

uint64_t pci_vfio_address(uint64_t offset)
{
	return constant + offset;
}

int pci_vfio_map(void *base, uint64_t bytes, uint64_t offset)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)base, .iova = constant + offset, .size = bytes };

	if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) == 0)
		return 0;
	return nf_fail(errno, "vfio does not map %llu MiB of memory: %s", (unsigned long long)(bytes >> 20), strerror(errno));
}

void pci_vfio_unmap(uint64_t bytes, uint64_t offset)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = constant + offset, .size = bytes };

	if (container >= 0 && ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0)
		log_warn("vfio does not unmap memory: %s", strerror(errno));
}

/* The least place from `at` on where the window is clear of what the group reserves; each line of the file is a range: "0x.. 0x.. type". */
static int find_constant(const struct pci_device *device, uint64_t at, uint64_t *found)
{
	char path[PCI_PATH];
	unsigned long long first, last;
	bool clear;

	snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%s/reserved_regions", pci_sysfs(), device->group);
	do {
		FILE *file = fopen(path, "re");

		clear = true;
		while (file != NULL && fscanf(file, "%llx %llx %*s", &first, &last) == 2)
			if (first < at + memory_window_bytes() && last >= at) {
				at = (last / FIRST + 1) * FIRST;
				clear = false;
			}
		if (file != NULL)
			fclose(file);
	} while (!clear && at + memory_window_bytes() <= LIMIT);
	if (at + memory_window_bytes() > LIMIT)
		return nf_fail(ENOSPC, "card %s: its IOMMU has no free range for packet memory", device->address);
	*found = at;
	return 0;
}

/* Put the group into the container, whose kind the first one sets. */
static int join(struct pci_card *card)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	const char *address = card->device.address;
	uint64_t place = 0;
	int code;

	if (ioctl(card->group_fd, VFIO_GROUP_GET_STATUS, &status) != 0 || (status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
		return nf_fail(EBUSY, "card %s: other devices of its IOMMU group %s belong to drivers of the kernel; bind them to vfio-pci, too",
			address, card->device.group);
	code = find_constant(&card->device, users == 0 ? FIRST : constant, &place);
	if (code < 0)
		return code;
	if (users > 0 && place != constant)
		return nf_fail(ENOSPC, "card %s: its IOMMU reserves addresses that another card's memory has", address);
	if (ioctl(card->group_fd, VFIO_GROUP_SET_CONTAINER, &container) != 0)
		return nf_fail(errno, "card %s: vfio refuses its group %s: %s", address, card->device.group, strerror(errno));
	if (users == 0 && ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
		return nf_fail(errno, "card %s: vfio has no IOMMU of type 1: %s", address, strerror(errno));
	constant = place;
	return 0;
}

/* Open the group of the card and put it into the container. A card of the same group as another open one has that one's. */
static int open_group(struct pci_card *card)
{
	char path[PCI_PATH];
	int code;

	if (card->device.group[0] == '\0')
		return nf_fail(ENODEV, "card %s is bound to vfio-pci without an IOMMU, which nf does not use; `nf pci unbind %s` gives "
			"direct access", card->device.address, card->device.address);
	if (container < 0 && (container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC)) < 0)
		return nf_fail(errno, "cannot open /dev/vfio/vfio: %s", strerror(errno));
	snprintf(path, sizeof(path), "/dev/vfio/%s", card->device.group);
	card->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (card->group_fd < 0 && errno == EBUSY)
		return nf_fail(EBUSY, "card %s: its IOMMU group %s is in use", card->device.address, card->device.group);
	if (card->group_fd < 0)
		return nf_fail(errno, "card %s: cannot open %s: %s", card->device.address, path, strerror(errno));
	code = join(card);
	if (code < 0) {
		close(card->group_fd);
		card->group_fd = -1;
		return code;
	}
	users++;
	return 0;
}

int pci_vfio_open(struct pci_card *card)
{
	struct vfio_region_info registers = { .argsz = sizeof(registers), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	int code = open_group(card);

	if (code < 0)
		return code;
	card->fd = ioctl(card->group_fd, VFIO_GROUP_GET_DEVICE_FD, card->device.address);
	if (card->fd < 0 || ioctl(card->fd, VFIO_DEVICE_GET_REGION_INFO, &registers) != 0 ||
		ioctl(card->fd, VFIO_DEVICE_GET_REGION_INFO, &config) != 0) {
		code = nf_fail(errno, "card %s: vfio does not open it: %s", card->device.address, strerror(errno));
		pci_vfio_close(card);
		return code;
	}
	fcntl(card->fd, F_SETFD, FD_CLOEXEC);
	/* A worker maps offset 0 of what it gets: that is where vfio-pci has the first range. */
	if (registers.offset != 0 || (registers.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0 || registers.size > UINT32_MAX) {
		pci_vfio_close(card);
		return nf_fail(ENODEV, "card %s: vfio does not let its registers be mapped", card->device.address);
	}
	card->device.registers = (uint32_t)registers.size;
	card->config_offset = config.offset;
	return 0;
}

void pci_vfio_close(struct pci_card *card)
{
	if (card->fd >= 0)
		close(card->fd);
	if (card->group_fd >= 0) {
		close(card->group_fd);
		users--;
	}
	card->fd = card->group_fd = -1;
	if (users == 0 && container >= 0) {
		close(container);
		container = -1;
	}
}
