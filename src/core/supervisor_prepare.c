/* supervisor_prepare -- a reload, up to the point where the workers are asked: open what is new, add segments, hand over. */
#include "core/supervisor_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Both graphs must have the same workers: a reload does not start or end processes. */
int supervisor_same_workers(const struct graph *old, const struct graph *new)
{
	if (old->worker_count != new->worker_count)
		return nf_fail(EINVAL, "a reload cannot change the number of workers from %u to %u; start nf anew", old->worker_count,
			new->worker_count);
	for (uint32_t i = 0; i < old->worker_count; i++) {
		if (strcmp(old->worker[i].name, new->worker[i].name) != 0)
			return nf_fail(EINVAL, "a reload cannot rename worker '%s' to '%s'; start nf anew", old->worker[i].name,
				new->worker[i].name);
		if (old->worker[i].cpu != new->worker[i].cpu)
			return nf_fail(EINVAL, "a reload cannot move worker '%s' to another processor; start nf anew",
				new->worker[i].name);
	}
	return 0;
}

static int open_resources(struct resources *resources)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		int code = resources->list[i].given ? 0 : resource_find_open(resources, resources->list[i].key);

		if (code < 0)
			return code;
	}
	return 0;
}

/* Packets of a size that a worker has. */
static uint32_t packets_of(uint32_t worker, uint32_t size)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < memory_segment_count; i++)
		if (memory_segment[i].base != NULL && memory_segment[i].worker == worker && memory_segment[i].size == size)
			count += memory_segment[i].count;
	return count;
}

/* A segment for each size of which a worker will need more than it has. */
static int add_segments(struct supervisor *s)
{
	struct reload *reload = &s->reload;
	const struct graph *graph = reload->graph;

	for (uint32_t i = 0; i < graph->worker_count * PACKET_SIZES; i++) {
		uint32_t worker = i / PACKET_SIZES, size = i % PACKET_SIZES, wanted = graph->worker[worker].packets[size];
		int number;

		if (wanted <= packets_of(worker, size))
			continue;
		if (reload->segment_count == WORKER_SEGMENTS)
			return nf_fail(ENOSPC, "a reload can add %d segments of packets, not more", WORKER_SEGMENTS);
		number = memory_segment_add((uint8_t)worker, (enum packet_size)size, wanted - packets_of(worker, size),
			supervisor_node(s, graph, worker));
		if (number < 0)
			return number;
		reload->segment[reload->segment_count++] = (uint16_t)number;
	}
	return 0;
}

/* A memory file with the encoded configuration. gives: its descriptor */
static int encode(const struct graph *graph)
{
	int fd = memfd_create("nf-configuration", MFD_CLOEXEC), code;
	size_t length, done = 0;
	uint8_t *bytes;

	if (fd < 0)
		return nf_fail(errno, "no memory file: %s", strerror(errno));
	code = value_encode(graph->value, &bytes, &length);
	while (code == 0 && done < length) {
		ssize_t n = write(fd, bytes + done, length - done);

		if (n <= 0)
			code = nf_fail(errno, "the configuration cannot be handed on: %s", strerror(errno));
		else
			done += (size_t)n;
	}
	if (code == 0)
		free(bytes);
	else
		close(fd);
	return code == 0 ? fd : code;
}

/* Tell each worker what to prepare, with all new segments: packets of the others come to it, too. */
static int order_prepare(struct supervisor *s, int value)
{
	struct reload *reload = &s->reload;

	for (uint32_t w = 0; w < s->graph->worker_count; w++) {
		struct worker_order order = { .type = WORKER_PREPARE };
		int fds[2 + WORKER_SEGMENTS] = { value, stats_descriptor(reload->stats) }, count = 2;

		snprintf(order.file, sizeof(order.file), "%s", reload->graph->file);
		snprintf(order.folder, sizeof(order.folder), "%s", reload->graph->folder);
		for (uint32_t i = 0; i < reload->segment_count; i++) {
			const struct segment *segment = &memory_segment[reload->segment[i]];

			order.segment[order.segment_count++] = *segment;
			fds[count++] = segment->fd;
		}
		if (supervisor_order(s, w, &order, fds, count) < 0)
			return nf_fail(ECONNRESET, "worker '%s' cannot be told", s->graph->worker[w].name);
	}
	return 0;
}

/* Everything that the supervisor itself does before the workers are asked. */
int supervisor_prepare(struct supervisor *s)
{
	struct reload *reload = &s->reload;
	struct stats_header *header;
	char path[INSTANCE_PATH];
	int code = supervisor_same_workers(s->graph, reload->graph), value;

	if (code == 0 && sandbox_lacks_namespaces() && resources_in_namespaces(reload->graph->resources))
		code = nf_fail(EPERM, "no app was in a network namespace at the start, and nf gave up the capability to enter one "
			"(cap_sys_admin); start nf anew");
	if (code == 0 && sandbox_lacks_programs() && resources_have(reload->graph->resources, "xdp"))
		code = nf_fail(EPERM, "no app used XDP at the start, and nf gave up the capability to load programs into the kernel "
			"(cap_bpf); start nf anew");
	if (code < 0)
		return code;
	resources_carry(reload->graph->resources, s->graph->resources);
	reload->adopting = true;
	code = resources_adopt(reload->graph->resources);
	/* Packets first: some devices are told where they are when they are opened. */
	if (code == 0)
		code = add_segments(s);
	if (code == 0)
		code = open_resources(reload->graph->resources);
	if (code == 0)
		code = instance_path(path, s->options->name, "stats.next");
	if (code == 0)
		code = stats_create(&reload->stats, path, reload->graph);
	if (code < 0)
		return code;
	header = stats_header(reload->stats);
	header->started_ns = stats_header(s->result->stats)->started_ns;
	header->generation = s->generation + 1;
	memcpy(header->name, stats_header(s->result->stats)->name, sizeof(header->name));
	value = encode(reload->graph);
	if (value < 0)
		return value;
	code = order_prepare(s, value);
	close(value);
	if (code == 0)
		supervisor_check_placement(s, reload->graph);
	return code;
}
