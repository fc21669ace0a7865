/* placement -- see placement.h. */
#include "core/core.h"

#include <unistd.h>

enum { PATH = 512 };

/* A path below /sys. */
static void sys_path(char path[PATH], const char *folder, const char *name, const char *rest)
{
	const char *root = getenv("NF_SYSFS");

	snprintf(path, PATH, "%s/%s%s%s", root != NULL ? root : "/sys", folder, name, rest);
}

/* Is there a node of that number? */
static bool is_node(uint32_t node)
{
	char path[PATH], name[16];

	snprintf(name, sizeof(name), "node%u", node);
	sys_path(path, "devices/system/node/", name, "");
	return access(path, F_OK) == 0;
}

uint32_t placement_nodes(void)
{
	uint32_t count = 0;

	for (uint32_t node = 0; node < PLACEMENT_NODES; node++)
		count += is_node(node);
	return count > 0 ? count : 1;
}

int placement_cpu_node(int cpu)
{
	char path[PATH], name[32];

	for (int node = 0; cpu >= 0 && node < PLACEMENT_NODES; node++) {
		snprintf(name, sizeof(name), "cpu%d/node%d", cpu, node);
		sys_path(path, "devices/system/cpu/", name, "");
		if (access(path, F_OK) == 0)
			return node;
	}
	return -1;
}

/* The number in a device's file numa_node; -1 when it has none. */
static int read_node(const char *folder, const char *name, const char *rest)
{
	char path[PATH];
	int node = -1;
	FILE *file;

	sys_path(path, folder, name, rest);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node >= 0 && node < PLACEMENT_NODES ? node : -1;
}

void placement_add(struct placement *placement, const char *key)
{
	const char *name = strchr(key, ':');
	struct placement_device *device = &placement->device[placement->device_count];
	int node;

	if (name == NULL || strpbrk(name, "/@ ") != NULL || strlen(name + 1) >= PLACEMENT_NAME ||
		placement->device_count == PLACEMENT_DEVICES)
		return;
	name++;
	if (strncmp(key, "pci:", 4) == 0)
		node = read_node("bus/pci/devices/", name, "/numa_node");
	else
		node = read_node("class/net/", name, "/device/numa_node");
	if (node < 0)
		return;
	strcpy(device->name, name);
	device->node = node;
	placement->device_count++;
}

/* Does a mapping at this address hold packets of the worker? */
static bool is_own(const struct placement *placement, uint64_t address)
{
	for (uint32_t i = 0; i < placement->segment_count; i++)
		if (address - placement->segment[i].base < placement->segment[i].bytes)
			return true;
	return false;
}

void placement_count(struct placement *placement, const char *line)
{
	const char *size = strstr(line, "kernelpagesize_kB=");
	uint64_t kib = size != NULL ? strtoull(size + 18, NULL, 10) : 4, address;
	char *end;

	address = strtoull(line, &end, 16);
	if (end == line || !is_own(placement, address))
		return;
	for (const char *word = strstr(end, " N"); word != NULL; word = strstr(word + 2, " N")) {
		unsigned long node = strtoul(word + 2, &end, 10);

		if (end > word + 2 && *end == '=' && node < PLACEMENT_NODES)
			placement->kib[node] += strtoull(end + 1, NULL, 10) * kib;
	}
}

bool placement_is_of(const struct graph_worker *worker, const struct resource *resource)
{
	for (uint32_t i = 0; i < worker->app_count; i++)
		if (worker->app[i].checked == resource->app)
			return true;
	return false;
}

void placement_init(struct placement *placement, const struct graph *graph, uint32_t worker, int cpu)
{
	const struct graph_worker *w = &graph->worker[worker];

	*placement = (struct placement){ .cpu = cpu, .node = placement_cpu_node(cpu) };
	snprintf(placement->name, sizeof(placement->name), "%s", w->name);
	for (uint32_t i = 0; i < graph->resources->count; i++)
		if (placement_is_of(w, &graph->resources->list[i]))
			placement_add(placement, graph->resources->list[i].key);
}

int placement_home(const struct placement *p)
{
	return p->node >= 0 ? p->node : p->device_count > 0 ? p->device[0].node : -1;
}

static void judge_memory(const struct placement *p, struct errors *errors)
{
	int home = placement_home(p);
	uint64_t all = 0;

	for (int node = 0; node < PLACEMENT_NODES; node++)
		all += p->kib[node];
	for (int node = 0; node < PLACEMENT_NODES && home >= 0; node++)
		if (node != home && p->kib[node] > 0)
			errors_add(errors, "worker '%s': %llu of %llu KiB of its packets are on node %d, it belongs to node %d: too few huge "
				"pages there, or memory was short", p->name, (unsigned long long)p->kib[node], (unsigned long long)all, node,
				home);
}

void placement_judge(const struct placement *p, uint32_t nodes, struct errors *errors)
{
	if (nodes < 2)
		return;
	for (uint32_t i = 0; i < p->device_count; i++) {
		const struct placement_device *device = &p->device[i];

		if (p->cpu < 0)
			errors_add(errors, "worker '%s' may run on any node, its device %s is on node %d: give it a processor of that node, "
				"with cpu = N", p->name, device->name, device->node);
		else if (p->node >= 0 && device->node != p->node)
			errors_add(errors, "worker '%s' runs on processor %d of node %d, its device %s is on node %d: give it a processor of "
				"that node", p->name, p->cpu, p->node, device->name, device->node);
		if (i > 0 && device->node != p->device[0].node)
			errors_add(errors, "worker '%s' has devices on several nodes, %s on node %d and %s on node %d: a worker for each node "
				"is faster", p->name, p->device[0].name, p->device[0].node, device->name, device->node);
	}
	judge_memory(p, errors);
}
