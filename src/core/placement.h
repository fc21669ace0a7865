#pragma once
/* placement -- do a worker, its devices and its packets lie on the same NUMA node? Facts in, sentences out.
 * Everything that is read lies in /sys, or in the folder that the variable NF_SYSFS names (tests). */

enum { PLACEMENT_NODES = 64, PLACEMENT_DEVICES = 64, PLACEMENT_NAME = 64,
	PLACEMENT_SEGMENTS = 64 };

struct placement_device {
	char name[PLACEMENT_NAME];      /* "eth0", "0000:01:00.0" */
	int node;
};

/* Where its packets lie, in the addresses of all processes of an instance. */
struct placement_segment {
	uint64_t base, bytes;
};

/* What is known of a worker. */
struct placement {
	char name[PLACEMENT_NAME];
	int cpu, node;                  /* its processor, and that one's node; -1: any, not known */
	uint32_t device_count;
	struct placement_device device[PLACEMENT_DEVICES];      /* those that have a node */
	uint32_t segment_count;
	struct placement_segment segment[PLACEMENT_SEGMENTS];
	uint64_t kib[PLACEMENT_NODES];  /* packet memory in use by node; all 0: not known */
};

/* How many nodes the machine has, at least 1; on which one a processor is, -1: not known. */
uint32_t placement_nodes(void);
int placement_cpu_node(int cpu);

/* Add the device of a resource ("packet:eth0", "pci:0000:01:00.0") when it is one that has a node: a tap, a file, an interface in
 * another network namespace have none. */
void placement_add(struct placement *placement, const char *key);

/* Count a line of /proc/PID/numa_maps when it is about one of the worker's segments. */
void placement_count(struct placement *placement, const char *line);

/* The facts of a worker of a graph that runs on processor `cpu`, -1: on any; all but the memory. */
struct graph;
struct graph_worker;
struct resource;
void placement_init(struct placement *placement, const struct graph *graph, uint32_t worker, int cpu);

/* Is it one of this worker's apps that named the resource? */
bool placement_is_of(const struct graph_worker *worker, const struct resource *resource);

/* Where a worker and its packets belong: its processor's node, else that of its first device; -1 when nothing says. */
int placement_home(const struct placement *placement);

/* Add a sentence for each thing that makes packets cross between nodes. With one node there is none. */
struct errors;
void placement_judge(const struct placement *placement, uint32_t nodes, struct errors *errors);
