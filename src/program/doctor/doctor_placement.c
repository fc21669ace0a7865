/* doctor_placement -- `nf doctor NAME`: on which NUMA nodes workers, devices and packets are. See doctor.h. */
#include "program/control.h"
#include "program/doctor/doctor.h"

/* Packets that lie on each node, as far as the kernel lets us see that. */
static void read_memory(struct placement *placement, int pid)
{
	char path[1024], line[4096];
	FILE *file;

	doctor_path(path, sizeof(path), "/proc/%d/numa_maps", pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		placement_count(placement, line);
	if (file != NULL)
		fclose(file);
}

/* Take the lines of worker `number` from what the supervisor told. */
static void take_lines(struct placement *placement, uint32_t number, char *text)
{
	uint32_t workers = 0;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *kind = strsep(&line, "\t"), *value = strsep(&line, "\t");

		if (value == NULL)
			continue;
		if (strcmp(kind, "worker") == 0 && workers++ == number && line != NULL) {
			snprintf(placement->name, sizeof(placement->name), "%s", value);
			placement->cpu = atoi(line);
		} else if (strcmp(kind, "segment") == 0 && workers == number + 1 && line != NULL &&
			placement->segment_count < PLACEMENT_SEGMENTS) {
			placement->segment[placement->segment_count++] = (struct placement_segment){ strtoull(value, NULL, 10),
				strtoull(line, NULL, 10) };
		} else if (strcmp(kind, "resource") == 0 && workers == number + 1) {
			placement_add(placement, value);
		}
	}
}

bool doctor_placement(struct placement *placement, const char *name, uint32_t number, int pid)
{
	char *text = control_text(name, "placement\n");

	*placement = (struct placement){ .cpu = -1 };
	snprintf(placement->name, sizeof(placement->name), "w%u", number + 1);
	if (text == NULL)
		return false;
	take_lines(placement, number, text);
	free(text);
	placement->node = placement_cpu_node(placement->cpu);
	read_memory(placement, pid);
	return true;
}

void doctor_placement_text(const struct placement *p, char *text, size_t size)
{
	const char *before = "; packets on ";

	*text = '\0';
	if (p->cpu >= 0)
		doctor_append(text, size, "processor %d", p->cpu);
	else
		doctor_append(text, size, "any processor");
	if (p->node >= 0)
		doctor_append(text, size, " of node %d", p->node);
	for (uint32_t i = 0; i < p->device_count; i++)
		doctor_append(text, size, "; %s on node %d", p->device[i].name, p->device[i].node);
	for (int node = 0; node < PLACEMENT_NODES; node++) {
		if (p->kib[node] == 0)
			continue;
		doctor_append(text, size, "%snode %d: %llu KiB", before, node, (unsigned long long)p->kib[node]);
		before = ", ";
	}
}
