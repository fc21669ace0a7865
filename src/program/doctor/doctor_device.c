/* doctor_device -- what is needed to reach cards, interfaces and tap devices. See doctor.h. */
#include "program/doctor/doctor.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

void doctor_iommu(struct doctor_finding *finding)
{
	uint32_t groups = doctor_each("/sys/kernel/iommu_groups", "", NULL, NULL);
	char path[1024];
	bool vfio, driver;

	doctor_path(path, sizeof(path), "/dev/vfio/vfio");
	vfio = access(path, F_OK) == 0;
	doctor_path(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci");
	driver = access(path, F_OK) == 0;
	if (groups > 0)
		doctor_say(finding->found, "%u groups of devices", groups);
	else
		doctor_say(finding->found, "none");
	doctor_say(finding->found, "; vfio-pci is %sloaded; /dev/vfio/vfio is %sthere", driver ? "" : "not ", vfio ? "" : "not ");
	doctor_say(finding->wanted, "an IOMMU and vfio-pci: a card then reaches packet memory and nothing else");
	doctor_say(finding->mend, "%s%s", groups > 0 ? "" : "VT-d or AMD-Vi in the firmware, intel_iommu=on iommu=pt on the kernel command "
		"line; ", driver && vfio ? "" : "modprobe vfio-pci");
	finding->state = groups > 0 && vfio && driver ? DOCTOR_GOOD : DOCTOR_POOR;
}

/* The effective capabilities of this process, a line "CapEff:\t<hex>" of /proc/self/status. */
static uint64_t read_capabilities(void)
{
	char path[1024], line[256];
	uint64_t set = 0;
	FILE *file;

	doctor_path(path, sizeof(path), "/proc/self/status");
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "CapEff:", 7) == 0)
			set = strtoull(line + 7, NULL, 16);
	fclose(file);
	return set;
}

void doctor_capabilities(struct doctor_finding *finding)
{
	static const struct { int number; const char *name, *purpose; } wanted[] = {
		{ CAP_NET_RAW, "cap_net_raw", "socket.raw" },
		{ CAP_NET_ADMIN, "cap_net_admin", "tap.tap and promiscuous interfaces" },
		{ CAP_IPC_LOCK, "cap_ipc_lock", "memory for cards" },
		{ CAP_BPF, "cap_bpf", "xdp.xdp" },
		{ CAP_SYS_ADMIN, "cap_sys_admin", "network namespaces and cards" },
	};
	uint64_t set = read_capabilities();
	bool missing = false;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		doctor_say(finding->wanted, "%s%s for %s", i > 0 ? ", " : "", wanted[i].name, wanted[i].purpose);
		if ((set >> wanted[i].number & 1) == 0) {
			doctor_say(finding->found, "%s%s", missing ? ", " : "missing: ", wanted[i].name);
			missing = true;
		}
	}
	if (!missing)
		doctor_say(finding->found, "all that nf uses");
	doctor_say(finding->mend, "run nf as root: its supervisor keeps them, its workers give them up; capture files need none");
	finding->state = missing ? DOCTOR_POOR : DOCTOR_GOOD;
}

void doctor_packet_socket(struct doctor_finding *finding)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	doctor_say(finding->wanted, "permission to open them: socket.raw");
	doctor_say(finding->mend, "run as root or with cap_net_raw");
	if (fd < 0) {
		doctor_say(finding->found, "cannot be opened: %s", strerror(errno));
		finding->state = DOCTOR_POOR;
		return;
	}
	close(fd);
	doctor_say(finding->found, "can be opened");
}

void doctor_tap(struct doctor_finding *finding)
{
	char path[1024];
	int fd;

	doctor_path(path, sizeof(path), "/dev/net/tun");
	fd = open(path, O_RDWR | O_CLOEXEC);
	doctor_say(finding->wanted, "permission to open /dev/net/tun: tap.tap");
	doctor_say(finding->mend, "modprobe tun; in a container give it the device; run as root or with cap_net_admin");
	if (fd < 0) {
		doctor_say(finding->found, "/dev/net/tun cannot be opened: %s", strerror(errno));
		finding->state = DOCTOR_POOR;
		return;
	}
	close(fd);
	doctor_say(finding->found, "/dev/net/tun can be opened");
}
