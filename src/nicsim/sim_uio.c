/* sim_uio -- see sim_uio.h. The nodes are FIFOs, which can be opened and waited for, and tell of no interrupt.
 * source: Linux Documentation/driver-api/uio-howto.rst; DPDK's guide for Linux, "Linux Drivers" */
#include "nicsim/sim_uio.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* What programs need of /dev besides. */
static const char *const nodes[] = { "null", "zero", "full", "random", "urandom", "tty" };

enum { PATH_BYTES = 512, WHOLE_BYTES = 1200 };  /* of a path in the tree, of one below it */

static bool make_folder(const char *root, const char *name)
{
	char path[WHOLE_BYTES];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool make_link(const char *root, const char *name, const char *to)
{
	char path[WHOLE_BYTES];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	unlink(path);
	return symlink(to, path) == 0;
}

static bool add_card(const struct sim *sim, const struct sim_card *card)
{
	char device[PATH_BYTES], node[32], path[64];

	snprintf(device, sizeof(device), "%s/bus/pci/devices/%s", sim->root, card->address);
	snprintf(node, sizeof(node), "class/uio/uio%u", card->number);
	snprintf(path, sizeof(path), "uio/uio%u", card->number);
	if (!make_link(device, "driver", "../../drivers/uio_pci_generic") || !make_folder(device, "uio") || !make_folder(device, path) ||
	    !make_folder(sim->root, node))
		return false;
	snprintf(path, sizeof(path), "%s/device", node);
	return make_link(sim->root, path, device);
}

int sim_uio_add(const struct sim *sim)
{
	bool good = make_folder(sim->root, "bus/pci/drivers") && make_folder(sim->root, "bus/pci/drivers/uio_pci_generic") &&
		make_folder(sim->root, "class") && make_folder(sim->root, "class/uio") && make_folder(sim->root, "dev");

	for (uint32_t i = 0; good && i < sim->card_count; i++)
		good = add_card(sim, &sim->card[i]);
	return good ? 0 : nf_fail(errno, "cannot make the nodes of uio_pci_generic in %s: %s", sim->root, strerror(errno));
}

/* A node of the real /dev, at the same name in ours. */
static bool bind_node(const char *dev, const char *name)
{
	char from[64], to[WHOLE_BYTES];
	int fd;

	snprintf(from, sizeof(from), "/dev/%s", name);
	snprintf(to, sizeof(to), "%s/%s", dev, name);
	fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	return mount(from, to, NULL, MS_BIND, NULL) == 0;
}

static bool make_dev(const struct sim *sim, const char *dev)
{
	char path[WHOLE_BYTES];

	if (mount("none", dev, "tmpfs", 0, "mode=755") < 0 || !make_folder(dev, "hugepages") || !make_folder(dev, "shm"))
		return false;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (!bind_node(dev, nodes[i]))
			return false;
	for (uint32_t i = 0; i < sim->card_count; i++) {
		snprintf(path, sizeof(path), "%s/uio%u", dev, i);
		if (mkfifo(path, 0600) < 0)
			return false;
	}
	snprintf(path, sizeof(path), "%s/hugepages", dev);
	if (mount("none", path, "hugetlbfs", 0, NULL) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/shm", dev);
	return mount("/dev/shm", path, NULL, MS_BIND, NULL) == 0;
}

bool sim_uio_mount(const struct sim *sim)
{
	char dev[PATH_BYTES], class[PATH_BYTES];

	snprintf(dev, sizeof(dev), "%s/dev", sim->root);
	snprintf(class, sizeof(class), "%s/class", sim->root);
	return make_dev(sim, dev) && mount(class, "/sys/class", NULL, MS_BIND, NULL) == 0 && mount(dev, "/dev", NULL, MS_BIND | MS_REC, NULL) == 0;
}
