/* supervisor -- see supervisor.h. */
#include "core/supervisor_state.h"

#include "core/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The first request to stop lets workers drain, the second does not; at the third those that have not ended are stuck. */
enum { STOPS_MOST = 3 };

/* What is polled beside clients of probes and workers: signals, the control socket, a configuration that is being read. */
enum { OTHERS = 3 };

int supervisor_processor(const struct supervisor *s, uint32_t worker)
{
	return worker_processor(&s->graph->worker[worker], worker, &s->options->worker);
}

int supervisor_node(const struct supervisor *s, const struct graph *graph, uint32_t worker)
{
	struct placement placement;

	placement_init(&placement, graph, worker, supervisor_processor(s, worker));
	return placement_home(&placement);
}

void supervisor_check_placement(const struct supervisor *s, const struct graph *graph)
{
	uint32_t nodes = placement_nodes();
	struct errors errors = { 0 };
	struct placement placement;

	for (uint32_t w = 0; w < graph->worker_count; w++) {
		placement_init(&placement, graph, w, supervisor_processor(s, w));
		placement_judge(&placement, nodes, &errors);
	}
	for (uint32_t i = 0; i < errors.count; i++)
		log_warn("%s", errors.text[i]);
	errors_fini(&errors);
}

/* Say what is wrong with where the workers are to run; they run all the same. */
static void check_processors(const struct graph *graph)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);

	for (uint32_t w = 0; w < graph->worker_count; w++) {
		const struct graph_worker *worker = &graph->worker[w];

		if (worker->cpu >= count)
			log_warn("worker '%s': there is no processor %d; this machine has 0..%ld", worker->name, worker->cpu, count - 1);
		for (uint32_t v = 0; v < w; v++)
			if (worker->cpu >= 0 && worker->cpu == graph->worker[v].cpu)
				log_warn("workers '%s' and '%s' share processor %d", graph->worker[v].name, worker->name, worker->cpu);
	}
}

/* Does a device read and write packet memory? Then it must be able to reach the packets of all workers: they travel. */
static bool has_dma(const struct graph *graph)
{
	for (uint32_t w = 0; w < graph->worker_count; w++)
		for (uint32_t i = 0; i < graph->worker[w].app_count; i++)
			if (graph->worker[w].app[i].class->dma)
				return true;
	return false;
}

/* Memory for every worker's packets, on the node where it belongs, before any fork. */
static int make_segments(const struct supervisor *s)
{
	const struct graph *graph = s->graph;
	int code = memory_reserve();

	if (code == 0 && has_dma(graph))
		code = memory_dma_start();
	if (code == 0)
		code = memory_home_init(graph->worker_count);
	packet_worker = (uint8_t)graph->worker_count;
	if (code == 0)
		code = interlink_init();
	for (uint32_t i = 0; i < graph->worker_count * PACKET_SIZES && code >= 0; i++) {
		uint32_t worker = i / PACKET_SIZES, size = i % PACKET_SIZES, count = graph->worker[worker].packets[size];

		if (count > 0)
			code = memory_segment_add((uint8_t)worker, (enum packet_size)size, count,
				supervisor_node(s, graph, worker));
	}
	return code < 0 ? code : 0;
}

/* Every device and file now, while errors can still be told and nothing runs. */
static int open_resources(struct resources *resources)
{
	for (uint32_t i = 0; i < resources->count; i++) {
		int code = resource_find_open(resources, resources->list[i].key);

		if (code < 0)
			return code;
	}
	return 0;
}

/* Signals that came: somebody wants us to end, or a worker has died. */
static void read_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			supervisor_read(s, READING_RELOAD, NULL, 0, -1);
		if (info.ssi_signo != SIGINT && info.ssi_signo != SIGTERM)
			continue;
		s->stops++;
		s->result->stopped = true;
		supervisor_signal_workers(s, s->stops < STOPS_MOST ? SIGTERM : SIGKILL);
	}
	supervisor_reap(s);
}

static bool is_over(const struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++)
		if (s->child[i].pid > 0 || s->child[i].restart_ns != CLOCK_NEVER)
			return false;
	return true;
}

/* The sooner of two time-outs of poll, where -1 means none. */
static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* The keys that a worker may ask for: those of a reload that is being prepared, too. */
static struct resources *served(const struct supervisor *s)
{
	return s->reload.phase != RELOAD_NONE ? s->reload.graph->resources : s->graph->resources;
}

static void watch(struct supervisor *s)
{
	struct pollfd wait[OTHERS + PROBE_MOST + 2 * MEMORY_WORKERS], *probe = wait + OTHERS, *worker = probe + PROBE_MOST;

	while (!is_over(s)) {
		uint32_t count = s->graph->worker_count;
		int timeout = sooner(sooner(supervisor_watchdog(s), supervisor_probe_tick(s)),
			sooner(supervisor_restart(s), supervisor_reload_tick(s)));

		timeout = sooner(timeout, sooner(notify_watchdog(), supervisor_home(s)));
		timeout = sooner(timeout, supervisor_command_tick(s));

		wait[0] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
		wait[1] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
		wait[2] = (struct pollfd){ .fd = s->reading.ended, .events = POLLIN };
		for (uint32_t i = 0; i < count; i++) {
			worker[2 * i] = (struct pollfd){ .fd = s->child[i].control, .events = POLLIN };
			worker[2 * i + 1] = (struct pollfd){ .fd = s->child[i].resource, .events = POLLIN };
		}
		for (uint32_t i = 0; i < PROBE_MOST; i++)
			probe[i] = (struct pollfd){ .fd = s->probe[i].client, .events = POLLIN | POLLRDHUP };
		if (poll(wait, OTHERS + PROBE_MOST + 2 * count, timeout) < 0 && errno != EINTR)
			break;
		for (uint32_t i = 0; i < count; i++) {
			if (worker[2 * i + 1].revents && s->child[i].resource >= 0 &&
				resource_answer(s->child[i].resource, served(s)) < 0)
				supervisor_cut_off(s, i);
			if (worker[2 * i].revents && s->child[i].control >= 0)
				supervisor_read_report(s, i);
		}
		/* Whatever a capture's client does, but reading, ends it. */
		for (uint32_t i = 0; i < PROBE_MOST; i++)
			if (probe[i].revents && probe[i].fd == s->probe[i].client)
				supervisor_probe_end(s, i, NULL);
		memory_home();          /* what a reload left between workers */
		if (wait[0].revents)
			read_signals(s);
		if (wait[1].revents)
			supervisor_accept(s);
		if (wait[2].revents && wait[2].fd == s->reading.ended)
			supervisor_read_end(s);
	}
	supervisor_command_fini(s);
	supervisor_reload_fini(s);
}

/* The sum over all workers, with what lies between them now that nobody runs any more: each has told only what it had freed and
 * not yet put into a ring. */
static void judge(struct supervisor *s)
{
	struct supervisor_result *result = s->result;
	uint64_t leaked = 0;

	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		ledger_add(&result->ledger, &s->child[i].report.ledger);
		leaked += s->child[i].report.leaked;
		if (s->child[i].report.failed > 0 && result->failed == 0)
			snprintf(result->failed_app, sizeof(result->failed_app), "%s", s->child[i].report.text);
		result->failed += s->child[i].report.failed;
	}
	result->ledger.between += memory_home_own() + memory_home_all() + interlink_count_all();
	leaked -= leaked < result->ledger.between ? leaked : result->ledger.between;
	result->balanced = ledger_balances(&result->ledger, result->unbalanced, sizeof(result->unbalanced));
	if (result->balanced && leaked > 0) {
		result->balanced = false;
		snprintf(result->unbalanced, sizeof(result->unbalanced), "memory: %llu packets were still in use after every app "
			"was gone.", (unsigned long long)leaked);
	}
}

/* In one process: the same steps without forks. */
static int run_here(struct supervisor *s)
{
	struct sigaction action = { .sa_handler = supervisor_on_stop };
	int code;

	if (s->graph->worker_count > 1)
		return nf_fail(EINVAL, "--single-process runs one worker; the configuration has %u", s->graph->worker_count);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	resource_serve_here(s->graph->resources);
	stats_header(s->result->stats)->worker_pid[0] = getpid();
	code = worker_run(s->graph, 0, &s->options->worker, s->result->stats, -1, &s->child[0].report);
	resource_serve_here(NULL);
	return code;
}

/* Fork them all; when one cannot be started, end the others. */
static int run_workers(struct supervisor *s)
{
	for (uint32_t i = 0; i < s->graph->worker_count; i++) {
		int code = supervisor_start_worker(s, i);

		if (code < 0) {
			supervisor_give_up(s, nf_error());
			supervisor_signal_workers(s, SIGTERM);
			break;
		}
	}
	watch(s);
	return s->failed ? nf_fail(EIO, "%s", s->text) : 0;
}

/* Block the signals that we read from a descriptor. */
static int catch_signals(struct supervisor *s)
{
	sigemptyset(&s->mask);
	sigaddset(&s->mask, SIGINT);
	sigaddset(&s->mask, SIGTERM);
	sigaddset(&s->mask, SIGHUP);
	sigaddset(&s->mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s->mask, &s->before);
	s->signals = signalfd(-1, &s->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? nf_fail(errno, "no signal descriptor: %s", strerror(errno)) : 0;
}

/* Keep what runs: a copy of the configuration in the instance's folder, as it was when it was read. A graph without a file
 * has none; a copy that cannot be made is no reason not to run. */
static void keep_config(const struct supervisor *s)
{
	char path[INSTANCE_PATH], block[4096];
	int from, to = -1;
	ssize_t n = 0;

	if (s->graph->file[0] == '\0' || (from = open(s->graph->file, O_RDONLY | O_CLOEXEC)) < 0)
		return;
	if (instance_path(path, s->options->name, "config.lua") == 0)
		to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (to >= 0 && (n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			n = -1;
	if (to < 0 || n < 0)
		log_warn("%s cannot be kept for inspection: %s", s->graph->file, strerror(errno));
	if (to >= 0)
		close(to);
	close(from);
}

static int start_all(struct supervisor *s)
{
	char path[INSTANCE_PATH];
	int code = make_segments(s);

	check_processors(s->graph);
	supervisor_check_placement(s, s->graph);
	/* The socket before the statistics: who sees those may ask. */
	if (code == 0 && !s->options->single_process)
		code = supervisor_listen(s);
	if (code == 0)
		code = instance_path(path, s->options->name, "stats");
	if (code == 0)
		code = stats_create(&s->result->stats, path, s->graph);
	if (code == 0) {
		struct stats_header *header = stats_header(s->result->stats);

		snprintf(header->name, sizeof(header->name), "%s", s->options->name);
		code = open_resources(s->graph->resources);
	}
	if (code == 0)
		keep_config(s);
	if (code == 0 && s->options->worker.sandbox)
		code = sandbox_keep(resources_in_namespaces(s->graph->resources), resources_have(s->graph->resources, "xdp"));
	return code;
}

int supervisor_run(struct graph *graph, const struct supervisor_options *options, struct supervisor_result *result)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	int code;

	*result = (struct supervisor_result){ 0 };
	if (s == NULL) {
		graph_free(graph);
		return nf_fail(ENOMEM, "not enough memory");
	}
	s->graph = graph;
	s->options = options;
	s->result = result;
	s->signals = s->listener = s->reload.client = -1;
	s->reading = (struct reading){ .result = -1, .ended = -1, .client = -1 };
	s->confirm_until_ns = CLOCK_NEVER;
	s->generation = 1;
	for (uint32_t i = 0; i < MEMORY_WORKERS; i++)
		s->child[i] = (struct child){ .control = -1, .resource = -1, .restart_ns = CLOCK_NEVER };
	for (uint32_t i = 0; i < PROBE_MOST; i++)
		s->probe[i].client = -1;
	s->lock = instance_create(options->name);
	if (s->lock < 0) {
		code = s->lock;
		graph_free(graph);
		free(s);
		return code;
	}
	code = catch_signals(s);
	if (code == 0)
		code = start_all(s);
	if (code == 0)
		code = options->single_process ? run_here(s) : run_workers(s);
	if (code == 0)
		judge(s);
	if (code < 0)
		snprintf(s->text, sizeof(s->text), "%s", nf_error());
	resources_fini(s->graph->resources, code < 0 && !s->started);
	memory_dma_stop();
	supervisor_control_fini(s);
	if (s->signals >= 0)
		close(s->signals);
	sigprocmask(SIG_SETMASK, &s->before, NULL);
	instance_remove(options->name, s->lock);
	graph_free(s->graph);
	if (code < 0)
		code = nf_fail(-code, "%s", s->text);
	free(s);
	return code;
}
