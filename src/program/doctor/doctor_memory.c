/* doctor_memory -- packet memory, huge pages and the limit of locked memory. See doctor.h. */
#include "program/doctor/doctor.h"

enum { PACKETS = 512 };                 /* of the segment that is tried */

#define HUGE "hugepages/hugepages-2048kB"

void doctor_memory(struct doctor_finding *finding)
{
	int segment;

	doctor_say(finding->wanted, "address space and memory files for packets");
	if (memory_reserve() < 0 || (segment = memory_segment_add(0, PACKET_STANDARD, PACKETS, -1)) < 0) {
		finding->state = DOCTOR_UNUSABLE;
		doctor_say(finding->found, "%s", nf_error());
		doctor_say(finding->mend, "raise the limits (ulimit -v unlimited), free memory, mount /dev/shm");
		return;
	}
	doctor_say(finding->found, "a segment of %u packets in %s pages", memory_segment[segment].count,
		memory_segment[segment].huge ? "huge" : "ordinary");
	memory_segment_remove((uint16_t)segment);
}

static void add_node(const char *name, void *context)
{
	struct doctor_finding *finding = context;

	doctor_say(finding->found, "; %s: %llu of %llu", name,
		(unsigned long long)doctor_read_number("/sys/devices/system/node/%s/" HUGE "/free_hugepages", name),
		(unsigned long long)doctor_read_number("/sys/devices/system/node/%s/" HUGE "/nr_hugepages", name));
}

void doctor_huge_pages(struct doctor_finding *finding)
{
	uint64_t all = doctor_read_number("/sys/kernel/mm/" HUGE "/nr_hugepages");
	uint64_t unused = doctor_read_number("/sys/kernel/mm/" HUGE "/free_hugepages");

	doctor_say(finding->found, "%llu of %llu pages of 2 MiB are free", (unsigned long long)unused, (unsigned long long)all);
	if (all > 0)
		doctor_each("/sys/devices/system/node", "node", add_node, finding);
	doctor_say(finding->wanted, "free ones on the node of each card: packets in ordinary pages are slower, cards need huge ones");
	doctor_say(finding->mend, "sysctl -w vm.nr_hugepages=1024, and vm.nr_hugepages = 1024 in /etc/sysctl.d/nf.conf");
	finding->state = unused > 0 ? DOCTOR_GOOD : DOCTOR_POOR;
}

/* The soft limit of a line of /proc/self/limits: columns at fixed places, the first one 26 bytes wide. */
static bool read_limit(const char *name, char *limit, size_t size)
{
	char path[1024], line[256];
	bool found = false;
	FILE *file;

	doctor_path(path, sizeof(path), "/proc/self/limits");
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, strlen(name)) == 0 && strlen(line) > 26) {
			snprintf(limit, size, "%.*s", (int)strcspn(line + 26, " \n"), line + 26);
			found = true;
		}
	}
	fclose(file);
	return found;
}

void doctor_locked_memory(struct doctor_finding *finding)
{
	char limit[64];
	uint64_t bytes;

	doctor_say(finding->wanted, "unlimited: the memory that a card reads and writes is locked");
	doctor_say(finding->mend, "ulimit -l unlimited; for a service LimitMEMLOCK=infinity; in /etc/security/limits.conf memlock");
	finding->state = DOCTOR_POOR;
	if (!read_limit("Max locked memory", limit, sizeof(limit))) {
		doctor_say(finding->found, "no limit can be read");
		return;
	}
	bytes = strtoull(limit, NULL, 10);
	if (strcmp(limit, "unlimited") == 0)
		doctor_say(finding->found, "unlimited");
	else
		doctor_say(finding->found, "%llu KiB", (unsigned long long)(bytes >> 10));
	/* A worker with one card locks about 100 MiB; a limit of a gigabyte stops nobody. */
	if (strcmp(limit, "unlimited") == 0 || bytes >= 1u << 30)
		finding->state = DOCTOR_GOOD;
}
