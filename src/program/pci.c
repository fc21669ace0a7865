/* pci -- `nf pci`: which cards there are, who has them, and which app drives them; bind and unbind. */
#include "apps/intel/intel_device.h"
#include "core/param_text.h"
#include "program/options.h"
#include "program/table.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>
#include <unistd.h>

enum { ETHERNET = 0x020000, TEXT = 128 };

/* Whether an nf has the card's lock. */
static bool is_used(const struct pci_device *device)
{
	char path[PCI_PATH];
	bool used = false;
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource0", pci_sysfs(), device->address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		used = flock(fd, LOCK_EX | LOCK_NB) != 0;
		close(fd);
	}
	return used;
}

/* One line of a file of a network interface. */
static bool read_attribute(const struct pci_device *device, const char *name, char *text, int size)
{
	char path[PCI_PATH + PCI_NAME];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/net/%s/%s", pci_sysfs(), device->address, device->interface, name);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	good = fgets(text, size, file) != NULL;
	text[good ? strcspn(text, "\n") : 0] = '\0';
	fclose(file);
	return good;
}

/* The link as the kernel's driver sees it; nobody knows it of a card without one. */
static void tell_link(const struct pci_device *device, char text[TEXT])
{
	char state[32], speed[32];

	snprintf(text, TEXT, "-");
	if (device->interface[0] == '\0' || !read_attribute(device, "operstate", state, sizeof(state)))
		return;
	if (strcmp(state, "up") == 0 && read_attribute(device, "speed", speed, sizeof(speed)) && speed[0] != '-')
		snprintf(text, TEXT, "up, %s Mb/s", speed);
	else
		snprintf(text, TEXT, "%s", state);
}

static void tell_driver(const struct pci_device *device, char text[TEXT])
{
	const char *driver = device->driver[0] != '\0' ? device->driver : "-";

	if (is_used(device))
		snprintf(text, TEXT, "%s (an nf uses it)", driver);
	else if (device->interface[0] != '\0')
		snprintf(text, TEXT, "%s (%s)", driver, device->interface);
	else
		snprintf(text, TEXT, "%s", driver);
}

/* The app that drives a card; "-" for none. */
static const char *app_of(const struct intel_device *row)
{
	return row != NULL && app_class_find(row->app) != NULL ? row->app : "-";
}

/* The cards to be shown: of Ethernet, or all that an app drives. */
static bool is_shown(const struct pci_device *device)
{
	return device->class_code == ETHERNET || intel_device(device->vendor, device->device) != NULL;
}

static void print_table(const struct pci_device *list, int count)
{
	static const char *const titles[] = { "address", "card", "driver", "node", "link", "app" };
	struct table table;

	table_init(&table, "lllrll", titles);
	for (int i = 0; i < count; i++) {
		const struct intel_device *row = intel_device(list[i].vendor, list[i].device);
		char link[TEXT], driver[TEXT];

		if (!is_shown(&list[i]))
			continue;
		tell_link(&list[i], link);
		tell_driver(&list[i], driver);
		table_add(&table, "%s", list[i].address);
		if (row != NULL)
			table_add(&table, "%s", row->name);
		else
			table_add(&table, "%04x:%04x", list[i].vendor, list[i].device);
		table_add(&table, "%s", driver);
		table_add(&table, list[i].node >= 0 ? "%d" : "-", list[i].node);
		table_add(&table, "%s", link);
		table_add(&table, "%s", app_of(row));
	}
	table_print(&table, 0, stdout);
}

/* One object per card and line. */
static void print_json(const struct pci_device *list, int count)
{
	static const char *const iommu[] = { "none", "identity", "translates" };

	for (int i = 0; i < count; i++) {
		const struct intel_device *row = intel_device(list[i].vendor, list[i].device);
		char link[TEXT];
		json_t *object;

		if (!is_shown(&list[i]))
			continue;
		tell_link(&list[i], link);
		object = json_pack("{s:s, s:i, s:i, s:s, s:s, s:s?, s:s?, s:i, s:s, s:s, s:b}", "address", list[i].address, "vendor",
			(int)list[i].vendor, "device", (int)list[i].device, "name", row != NULL ? row->name : "", "app",
			app_of(row), "driver", list[i].driver[0] != '\0' ? list[i].driver : NULL, "interface",
			list[i].interface[0] != '\0' ? list[i].interface : NULL, "node", list[i].node, "link", link, "iommu",
			iommu[list[i].iommu], "used", is_used(&list[i]));
		if (object != NULL && json_dumpf(object, stdout, 0) == 0)
			putchar('\n');
		json_decref(object);
	}
}

static int list_cards(bool json)
{
	struct pci_device *list;
	int count = pci_list(&list), shown = 0;

	if (count < 0) {
		fprintf(stderr, "nf pci: %s\n", nf_error());
		return EXIT_FAILED;
	}
	for (int i = 0; i < count; i++)
		shown += is_shown(&list[i]);
	if (json)
		print_json(list, count);
	else if (shown == 0)
		printf("there is no network card on the PCI bus\n");
	else
		print_table(list, count);
	free(list);
	return EXIT_DONE;
}

/* bind ADDRESS [vfio-pci|kernel], unbind ADDRESS. Another driver than these two would be nothing that nf works with. */
static int change(const struct options *options)
{
	const char *verb = options->argument[0], *driver = options->count > 2 ? options->argument[2] : "vfio-pci";
	bool binds = strcmp(verb, "bind") == 0;
	char address[PARAM_TEXT_PCI], why[PARAM_TEXT_WHY];

	if (!binds && strcmp(verb, "unbind") != 0)
		return options_wrong(options->program, "'%s' is neither bind nor unbind", verb);
	if (options->count < 2)
		return options_wrong(options->program, "%s which card? nf pci lists all", verb);
	if (options->count > (binds ? 3 : 2))
		return options_wrong(options->program, "'%s' is too much", options->argument[binds ? 3 : 2]);
	if (!param_text_parse(PARAM_PCI, options->argument[1], address, why))
		return options_wrong(options->program, "'%s' is no address of a card; for example 0000:01:00.0", options->argument[1]);
	if (strcmp(driver, "vfio-pci") != 0 && strcmp(driver, "kernel") != 0)
		return options_wrong(options->program, "'%s' is neither vfio-pci nor kernel", driver);
	if (pci_bind(address, binds ? driver : NULL) < 0) {
		fprintf(stderr, "nf pci: %s\n", nf_error());
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

int program_pci(int argc, char **argv)
{
	struct options options;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (options.count == 0)
		return list_cards(options_has(&options, "--json"));
	return change(&options);
}
