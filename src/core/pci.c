/* pci -- which devices there are. See pci.h.
 * source: libpci's header pci/pci.h; Linux Documentation/PCI/sysfs-pci.rst, Documentation/ABI/testing/sysfs-bus-pci and
 * sysfs-kernel-iommu_groups */
#include "core/core.h"

#include "core/pci_access.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

const char *pci_sysfs(void)
{
	const char *root = getenv("NF_SYSFS");

	return root != NULL && root[0] != '\0' ? root : "/sys";
}

int pci_path(char path[PCI_PATH], const char *address, const char *file)
{
	int length = snprintf(path, PCI_PATH, "%s/bus/pci/devices/%s/%s", pci_sysfs(), address, file);

	return length > 0 && length < PCI_PATH ? 0 : nf_fail(ENAMETOOLONG, "NF_SYSFS: the path is too long");
}

/* libpci ends the process when it is in trouble, unless its error function does not return. */
static jmp_buf trouble;
static char message[ERROR_TEXT];

static void on_error(char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void on_error(char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	longjmp(trouble, 1);
}

static void __attribute__((format(printf, 1, 2))) ignore(char *format, ...)
{
	(void)format;
}

struct pci_access *pci_access_new(void)
{
	struct pci_access *volatile access = pci_alloc();
	char path[PCI_PATH];

	if (access == NULL)
		return NULL;
	access->error = on_error;
	access->warning = ignore;
	access->debug = ignore;
	access->method = PCI_ACCESS_SYS_BUS_PCI;
	access->writeable = 1;          /* one descriptor for all, opened while there is the capability to read all */
	snprintf(path, sizeof(path), "%s/bus/pci", pci_sysfs());
	pci_set_param(access, (char[]){ "sysfs.path" }, path);
	if (setjmp(trouble) != 0) {
		nf_fail(EIO, "the PCI bus at %s/bus/pci cannot be read: %s", pci_sysfs(), message);
		return NULL;            /* libpci has no way to free what is half made */
	}
	pci_init(access);
	return access;
}

int pci_access_do(void (*act)(void *context), void *context)
{
	if (setjmp(trouble) != 0)
		return nf_fail(EIO, "libpci: %s", message);
	act(context);
	return 0;
}

/* The last part of what a link in a device's folder points to; "" when there is none. */
static void read_link(const char *address, const char *file, char name[PCI_NAME])
{
	char path[PCI_PATH], target[PCI_PATH];
	const char *last;
	ssize_t n = -1;

	name[0] = '\0';
	if (pci_path(path, address, file) == 0)
		n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(name, PCI_NAME, "%.*s", PCI_NAME - 1, last != NULL ? last + 1 : target);
}

/* The first network interface of a device. */
static void read_interface(struct pci_device *device)
{
	char path[PCI_PATH];
	struct dirent *entry;
	DIR *folder = NULL;

	if (pci_path(path, device->address, "net") == 0)
		folder = opendir(path);
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			snprintf(device->interface, PCI_NAME, "%.*s", PCI_NAME - 1, entry->d_name);
	if (folder != NULL)
		closedir(folder);
}

/* Does an IOMMU stand between the device and memory, and does it translate? A type that is not known counts as translating. */
static uint32_t read_iommu(const struct pci_device *device)
{
	char path[PCI_PATH], type[PCI_NAME] = "";
	FILE *file = NULL;

	if (device->group[0] == '\0')
		return PCI_IOMMU_NONE;
	if (pci_path(path, device->address, "iommu_group/type") == 0)
		file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(type, sizeof(type), file) == NULL)
			type[0] = '\0';
		fclose(file);
	}
	return strncmp(type, "identity", 8) == 0 ? PCI_IOMMU_IDENTITY : PCI_IOMMU_TRANSLATES;
}

struct scan {
	struct pci_access *access;
	struct pci_device *device;
	uint32_t count;
};

static void fill(struct pci_device *device, struct pci_dev *dev)
{
	int known = pci_fill_info(dev, PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_BASES | PCI_FILL_SIZES | PCI_FILL_NUMA_NODE |
		PCI_FILL_SUBSYS);

	*device = (struct pci_device){ .vendor = dev->vendor_id, .device = dev->device_id,
		.class_code = (uint32_t)dev->device_class << 8, .node = (known & PCI_FILL_NUMA_NODE) != 0 ? dev->numa_node : -1 };
	if ((known & PCI_FILL_SUBSYS) != 0) {
		device->subsystem_vendor = dev->subsys_vendor_id;
		device->subsystem_device = dev->subsys_id;
	}
	if ((known & PCI_FILL_SIZES) != 0 && dev->size[0] <= UINT32_MAX)
		device->registers = (uint32_t)dev->size[0];
	snprintf(device->address, sizeof(device->address), "%04x:%02x:%02x.%u", (unsigned)dev->domain & 0xffff, dev->bus, dev->dev,
		dev->func & 7u);
	read_link(device->address, "driver", device->driver);
	read_link(device->address, "iommu_group", device->group);
	read_interface(device);
	device->iommu = read_iommu(device);
}

static void scan(void *context)
{
	struct scan *scan = context;
	uint32_t n = 0;

	pci_scan_bus(scan->access);
	for (struct pci_dev *dev = scan->access->devices; dev != NULL; dev = dev->next)
		n++;
	scan->device = calloc(n + 1, sizeof(*scan->device));
	for (struct pci_dev *dev = scan->access->devices; dev != NULL && scan->device != NULL; dev = dev->next)
		fill(&scan->device[scan->count++], dev);
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct pci_device *)a)->address, ((const struct pci_device *)b)->address);
}

int pci_list(struct pci_device **devices)
{
	struct scan what = { .access = pci_access_new() };
	int code;

	*devices = NULL;
	if (what.access == NULL)
		return -EIO;
	code = pci_access_do(scan, &what);
	pci_cleanup(what.access);
	if (code == 0 && what.device == NULL)
		code = nf_fail(ENOMEM, "not enough memory for a list of devices");
	if (code < 0 || what.count == 0) {
		free(what.device);
		return code;
	}
	qsort(what.device, what.count, sizeof(*what.device), by_address);
	*devices = what.device;
	return (int)what.count;
}

int pci_find(const char *address, struct pci_device *device)
{
	struct pci_device *list;
	int n = pci_list(&list);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (strcmp(list[i].address, address) != 0)
			continue;
		*device = list[i];
		free(list);
		return 0;
	}
	free(list);
	return nf_fail(ENODEV, "there is no PCI device %s (nf pci lists all)", address);
}
