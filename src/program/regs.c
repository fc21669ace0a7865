/* regs -- `nf regs`: a card's registers by name and field, from the table that its driver is compiled from. It maps the registers
 * read-only and takes no lock, so that a card in use can be looked at. */
#include "apps/intel/intel_port.h"
#include "core/param_text.h"
#include "program/options.h"

#include <ctype.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct request {
	volatile const uint8_t *registers;
	size_t bytes;
	char name[64];                  /* "" for all */
	long number;                    /* of an array; -1: all */
};

/* What a read clears or takes: counters, causes of interrupts, the semaphore. Shown only when they are asked for by name. */
static bool is_changed_by_reading(const struct intel_register *row)
{
	static const char *const names[] = { "EICR", "ICR", "SWSM", NULL };

	for (uint32_t i = 0; names[i] != NULL; i++)
		if (strcmp(row->name, names[i]) == 0)
			return true;
	return strcmp(row->section, "8.2.3.23") == 0 || strcmp(row->section, "8.18") == 0;
}

/* The fields of a register in one line. */
static void print_fields(const struct intel_register *row, uint32_t value)
{
	if (row[1].name == NULL || row[1].section != NULL)
		return;
	printf("         ");
	for (const struct intel_register *field = row + 1; field->name != NULL && field->section == NULL; field++) {
		uint32_t mask = INTEL_MASK(field->offset, field->stride);

		printf(field->stride == 1 ? " %s=%u" : " %s=0x%x", field->name, (value & mask) >> field->offset);
	}
	putchar('\n');
}

/* One register, or those of an array that are not 0. gives: whether the request names it */
static bool print_register(const struct request *request, const struct intel_register *row)
{
	bool named = request->name[0] != '\0';
	bool heading = false;

	if (named ? strcasecmp(row->name, request->name) != 0 : is_changed_by_reading(row))
		return false;
	for (uint32_t i = 0; i < row->count; i++) {
		uint32_t at = row->offset + i * row->stride, value;

		if ((request->number >= 0 && i != (uint32_t)request->number) || at + 4 > request->bytes)
			continue;
		value = *(volatile const uint32_t *)(volatile const void *)(request->registers + at);
		if (row->count > 1 && value == 0 && request->number < 0)
			continue;
		if (!heading)
			printf("%s: %s (%s)\n", row->name, row->title, row->section);
		heading = true;
		if (row->count > 1)
			printf("  %-4u 0x%05x 0x%08x\n", i, at, value);
		else
			printf("       0x%05x 0x%08x\n", at, value);
		print_fields(row, value);
	}
	if (!heading && named)
		printf("%s: %s (%s)\n       all 0\n", row->name, row->title, row->section);
	return true;
}

/* "RXDCTL" or "RXDCTL[3]". gives: false when it is neither */
static bool parse_name(struct request *request, const char *text)
{
	size_t length = strcspn(text, "[");
	char rest = '\0';

	request->number = -1;
	if (length == 0 || length >= sizeof(request->name))
		return false;
	snprintf(request->name, sizeof(request->name), "%.*s", (int)length, text);
	return text[length] == '\0' || (isdigit((unsigned char)text[length + 1]) &&
		sscanf(text + length, "[%ld%c", &request->number, &rest) == 2 && rest == ']' && text[strlen(text) - 1] == ']');
}

/* The table of the driver of a card. */
static const struct intel_register *find_table(const struct pci_device *device)
{
	const struct intel_device *row = intel_device(device->vendor, device->device);

	for (uint32_t i = 0; row != NULL && intel_drivers[i] != NULL; i++)
		if (strcmp(intel_drivers[i]->class->name, row->app) == 0)
			return intel_drivers[i]->table;
	return NULL;
}

static int print_all(struct request *request, const struct intel_register *table)
{
	bool found = false;

	for (const struct intel_register *row = table; row->name != NULL; row++)
		if (row->section != NULL)
			found |= print_register(request, row);
	if (found)
		return EXIT_DONE;
	fprintf(stderr, "nf regs: the driver of this card knows no register '%s'\n", request->name);
	return EXIT_FAILED;
}

/* Map a card's registers for reading. */
static int map(struct request *request, const struct pci_device *device)
{
	char path[PCI_PATH + 64];
	struct stat status;
	void *at;
	int fd, code = 0;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource0", pci_sysfs(), device->address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return nf_fail(errno, "cannot open %s: %s", path, strerror(errno));
	request->bytes = fstat(fd, &status) == 0 ? (size_t)status.st_size : 0;
	at = mmap(NULL, request->bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED && errno == EINVAL && strcmp(device->driver, "vfio-pci") == 0)
		code = nf_fail(EINVAL, "card %s is in use through vfio, and this kernel shows its registers to nobody else; with iomem=relaxed "
			"on the kernel command line it does", device->address);
	else if (at == MAP_FAILED)
		code = nf_fail(errno, "the registers of %s cannot be mapped: %s", device->address, strerror(errno));
	close(fd);
	request->registers = at;
	return code;
}

int program_regs(int argc, char **argv)
{
	struct options options;
	struct request request = { .number = -1 };
	char address[PARAM_TEXT_PCI], why[PARAM_TEXT_WHY];
	const struct intel_register *table = NULL;
	struct pci_device device;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!param_text_parse(PARAM_PCI, options.argument[0], address, why))
		return options_wrong(options.program, "'%s' is no address of a card; for example 0000:01:00.0", options.argument[0]);
	if (options.count > 1 && !parse_name(&request, options.argument[1]))
		return options_wrong(options.program, "'%s' is no name of a register; for example RXDCTL or RXDCTL[0]", options.argument[1]);
	code = pci_find(address, &device);
	if (code == 0 && (table = find_table(&device)) == NULL)
		code = nf_fail(ENODEV, "no app of nf drives card %s", address);
	if (code == 0)
		code = map(&request, &device);
	if (code < 0) {
		fprintf(stderr, "nf regs: %s\n", nf_error());
		return EXIT_FAILED;
	}
	return print_all(&request, table);
}
