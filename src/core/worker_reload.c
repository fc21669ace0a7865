/* worker_reload -- a reload as a worker sees it: prepare all beside what runs, then commit or forget. House-keeping thread. */
#include "core/worker_state.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FD_VALUE, FD_STATS, FD_SEGMENTS };

/* Read the encoded configuration, which the supervisor has checked, and check it again: it makes our own graph. */
static int read_graph(struct worker *w, int fd)
{
	struct errors errors = { 0 };
	struct value *value;
	struct stat status;
	uint8_t *bytes;
	int code;

	if (fstat(fd, &status) != 0 || status.st_size <= 0 || status.st_size > VALUE_BYTES)
		return nf_fail(EBADMSG, "the new configuration did not arrive");
	bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return nf_fail(errno, "the new configuration cannot be read: %s", strerror(errno));
	code = value_decode(bytes, (size_t)status.st_size, &value);
	munmap(bytes, (size_t)status.st_size);
	if (code < 0)
		return code;
	w->next = graph_from_value(value, w->order.file, w->order.folder, &errors);
	if (w->next == NULL)
		code = nf_fail(EINVAL, "%s", errors.count > 0 ? errors.text[0] : "the new configuration is wrong");
	errors_fini(&errors);
	return w->next != NULL ? 0 : code;
}

/* Enter the segments that the new graph needs besides the present ones: those of all workers, whose packets come here over links
 * between them; only its own are the worker's to take packets from. Takes their descriptors. */
static int attach(struct worker *w, int *fds, int count)
{
	uint16_t own[WORKER_SEGMENTS];
	uint32_t owns = 0;

	if (w->order.segment_count > WORKER_SEGMENTS || (int)w->order.segment_count > count)
		return nf_fail(EPROTO, "the segments of a reload did not arrive");
	for (uint32_t i = 0; i < w->order.segment_count; i++) {
		int fd = fds[i], code;

		fds[i] = -1;
		code = memory_segment_attach(&w->order.segment[i], fd);
		if (code < 0)
			return code;
		if (w->order.segment[i].worker == w->number)
			own[owns++] = w->order.segment[i].number;
		w->attached++;
	}
	return memory_growth_prepare(&w->growth, own, owns);
}

static int prepare(struct worker *w, int *fds, int count)
{
	int code;

	if (engine_hold(w->engine) < 0)
		return nf_fail(ECANCELED, "the graph of worker '%s' has ended, and a reload changes all workers or none; start nf anew",
			w->graph->worker[w->number].name);
	if (count < FD_SEGMENTS)
		return nf_fail(EPROTO, "a reload came without its files");
	code = read_graph(w, fds[FD_VALUE]);
	if (code == 0 && w->number >= w->next->worker_count)
		code = nf_fail(EINVAL, "the new configuration has no worker %u", w->number + 1);
	if (code == 0)
		code = attach(w, fds + FD_SEGMENTS, count - FD_SEGMENTS);
	if (code == 0)
		code = stats_map(&w->stats, fds[FD_STATS]);
	if (code == 0)
		code = engine_plan(w->engine, &w->next->worker[w->number], &w->plan);
	if (code == 0)
		engine_plan_carry(w->plan, w->stats, &w->growth);
	return code;
}

void worker_forget(struct worker *w)
{
	if (w->plan != NULL)
		engine_abort(w->engine, w->plan);
	memory_growth_free(&w->growth);
	while (w->attached > 0)
		memory_segment_remove(w->order.segment[--w->attached].number);
	stats_close(w->stats);
	graph_free(w->next);
	engine_let_go(w->engine);
	w->plan = NULL;
	w->stats = NULL;
	w->next = NULL;
}

static void commit(struct worker *w)
{
	engine_commit(w->engine, w->plan);
	engine_let_go(w->engine);
	w->report->receipt = engine_receipt(w->plan);
	worker_send(w, WORKER_COMMITTED);
	engine_retire(w->engine, w->plan);
	memory_growth_free(&w->growth);
	if (w->graph != w->first)
		graph_free(w->graph);
	stats_close(w->present);
	w->graph = w->next;
	w->present = w->stats;
	w->attached = 0;
	w->next = NULL;
	w->plan = NULL;
	w->stats = NULL;
}

/* A client wants something of an app. What is prepared must find the app as it is, so nothing changes until that is over. */
static void do_command(struct worker *w, struct worker_order *order, const int *fds, int count)
{
	int code;

	order->link[sizeof(order->link) - 1] = '\0';
	if (count < 2)
		code = nf_fail(EPROTO, "a command came without its files");
	else if (w->plan != NULL)
		code = nf_fail(EBUSY, "a reload is under way");
	else
		code = command_run(w->engine, order->link, fds[0], fds[1]);
	w->report->command = order->command;
	snprintf(w->report->text, sizeof(w->report->text), "%s", code < 0 ? nf_error() : "");
	worker_send(w, WORKER_DONE);
}

/* A capture begins. What cannot be is told to its client through the ring. */
static void add_probe(struct worker *w, struct worker_order *order, int fd)
{
	struct probe *probe;

	order->link[sizeof(order->link) - 1] = '\0';
	if (probe_open(&probe, fd, order->probe, order->snaplen) < 0)
		log_warn("%s", nf_error());
	else if (order->link[0] == '\0' && probe_trace(probe) < 0)
		probe_close(probe, PROBE_ENDED);
	else if (engine_probe_add(w->engine, probe, order->link) < 0)
		probe_close(probe, PROBE_LINK_GONE);
}

int worker_obey(struct worker *w)
{
	struct worker_order order;
	int fds[DESCRIPTOR_MOST], count, code;

	code = descriptor_receive(w->socket, &order, sizeof(order), fds, DESCRIPTOR_MOST, &count, MSG_DONTWAIT);
	if (code == -EAGAIN)
		return 1;
	if (code <= 0)
		return code;
	switch (order.type) {
	case WORKER_PREPARE:
		worker_forget(w);
		w->order = order;
		w->order.file[WORKER_PATH - 1] = w->order.folder[WORKER_PATH - 1] = '\0';
		code = prepare(w, fds, count);
		if (code < 0) {
			snprintf(w->report->text, sizeof(w->report->text), "%s", nf_error());
			worker_forget(w);
		}
		worker_send(w, code < 0 ? WORKER_REFUSED : WORKER_PREPARED);
		break;
	case WORKER_COMMIT:
		if (w->plan != NULL)
			commit(w);
		break;
	case WORKER_PROBE:
		if (count > 0)
			add_probe(w, &order, fds[0]);
		break;
	case WORKER_COMMAND:
		do_command(w, &order, fds, count);
		break;
	case WORKER_PROBE_END:
		probe_close(engine_probe_remove(w->engine, order.probe), PROBE_ENDED);
		break;
	case WORKER_ABORT:
		worker_forget(w);
		break;
	}
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return 1;
}
