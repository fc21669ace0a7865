/* pci_bind -- which driver of the kernel has a device. See pci.h.
 * source: Linux Documentation/ABI/testing/sysfs-bus-pci: bind, unbind, driver_override, drivers_probe */
#include "core/core.h"

#include "core/pci_access.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Write a word to a file of sysfs. */
static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), code = 0;

	if (fd < 0)
		return nf_fail(errno, "cannot open %s: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0)
		code = nf_fail(errno, "cannot write '%s' to %s: %s", strcmp(text, "\n") == 0 ? "" : text, path, strerror(errno));
	close(fd);
	return code;
}

/* Nobody else's nf drives the card; the descriptor is the lock, for as long as it is open. */
static int take_lock(const char *address)
{
	char path[PCI_PATH];
	int fd, code = pci_path(path, address, "resource0");

	if (code < 0)
		return code;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return nf_fail(errno, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return nf_fail(EBUSY, "card %s is used by an nf; stop that first (nf ps)", address);
}

static int unbind(const struct pci_device *device)
{
	char path[PCI_PATH];
	int code = pci_path(path, device->address, "driver/unbind");

	return code < 0 ? code : write_file(path, device->address);
}

static int bind(const struct pci_device *device, const char *driver)
{
	char path[PCI_PATH], bus[PCI_PATH];
	int code = pci_path(path, device->address, "driver_override");
	bool kernel = strcmp(driver, "kernel") == 0;

	snprintf(bus, sizeof(bus), "%s/bus/pci/drivers/%s", pci_sysfs(), driver);
	if (code == 0 && !kernel && access(bus, F_OK) != 0)
		return nf_fail(ENODEV, "the kernel has no driver '%s' (modprobe %s)", driver, driver);
	if (code == 0)
		code = write_file(path, kernel ? "\n" : driver);
	snprintf(bus, sizeof(bus), "%s/bus/pci/drivers_probe", pci_sysfs());
	return code < 0 ? code : write_file(bus, device->address);
}

int pci_bind(const char *address, const char *driver)
{
	struct pci_device device;
	int lock, code = pci_find(address, &device);

	if (code < 0)
		return code;
	if (driver != NULL && strcmp(device.driver, driver) == 0)
		return 0;
	lock = take_lock(address);
	if (lock < 0)
		return lock;
	if (device.driver[0] != '\0')
		code = unbind(&device);
	if (code == 0 && driver != NULL)
		code = bind(&device, driver);
	close(lock);
	if (code < 0 || driver == NULL)
		return code;
	code = pci_find(address, &device);
	if (code == 0 && device.driver[0] == '\0')
		code = nf_fail(ENODEV, "no driver of the kernel has taken %s%s", address,
			device.group[0] == '\0' && strcmp(driver, "vfio-pci") == 0 ? ": vfio-pci takes a device with an IOMMU only "
			"(intel_iommu=on on the kernel command line)" : "");
	return code;
}
