/* doctor_card -- which network cards apps could drive, and what stands in the way of each. See doctor.h. */
#include "apps/intel/intel_device.h"
#include "program/doctor/doctor.h"

/* How nf would reach a card; NULL when it cannot. */
static const char *way_to(const struct pci_device *device)
{
	if (strcmp(device->driver, "vfio-pci") == 0)
		return device->group[0] != '\0' ? "through vfio-pci" : NULL;
	return device->driver[0] == '\0' && device->iommu != PCI_IOMMU_TRANSLATES ? "directly" : NULL;
}

/* What is to be done about one that cannot be reached. */
static void mend(struct doctor_finding *finding, const struct pci_device *device)
{
	bool vfio = strcmp(device->driver, "vfio-pci") == 0;

	doctor_say(finding->mend, "%snf pci %s %s", finding->mend[0] != '\0' ? "; " : "",
		!vfio && device->iommu == PCI_IOMMU_TRANSLATES ? "bind" : "unbind", device->address);
	if (device->interface[0] != '\0')
		doctor_say(finding->mend, " (takes %s from the kernel)", device->interface);
}

static void look(struct doctor_finding *finding, const struct pci_device *device, const struct intel_device *row)
{
	const char *way = way_to(device);
	char processors[64];

	doctor_say(finding->found, "%s%s %s: ", finding->found[0] != '\0' ? "; " : "", device->address, row->app);
	if (way != NULL)
		doctor_say(finding->found, "can be reached %s", way);
	else if (device->driver[0] != '\0')
		doctor_say(finding->found, "belongs to the kernel's driver %s", device->driver);
	else
		doctor_say(finding->found, "an IOMMU translates its addresses");
	if (device->node >= 0 && doctor_read(processors, sizeof(processors), "/sys/devices/system/node/node%d/cpulist", device->node))
		doctor_say(finding->found, ", near processors %s", processors);
	if (way == NULL) {
		mend(finding, device);
		finding->state = DOCTOR_POOR;
	}
}

void doctor_cards(struct doctor_finding *finding)
{
	struct pci_device *list;
	int count = pci_list(&list);

	doctor_say(finding->wanted, "cards that no driver of the kernel has, or that are bound to vfio-pci, and workers on processors near "
		"them");
	for (int i = 0; i < count; i++) {
		const struct intel_device *row = intel_device(list[i].vendor, list[i].device);

		if (row != NULL)
			look(finding, &list[i], row);
	}
	if (count > 0)
		free(list);
	if (finding->found[0] == '\0')
		doctor_say(finding->found, "none that an app drives");
}
