/* xdp -- xdp.xdp on veth pairs in a network namespace without a name, beside socket.raw and, where it is installed, DPDK's
 * testpmd on the same pairs. Each run starts what is measured as a user does, waits until packets move, and reads the kernel's counters twice.
 *
 *      generator -> g64 ~ p64 -> what is measured -> p1 ~ g1      (g1500 ~ p1500 for large frames)
 *
 * The generator is another nf on another processor that sends through an XDP socket; with "send" there is none. */
#include "program/bench/bench.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVE, SEND, FORWARD };
enum { XDP, RAW, TESTPMD, KINDS };
enum {
	WINDOW_MS = 100,                /* of a run that is counted */
	SETTLE_MS = 20,                 /* after the first packets */
	START_MS = 8000,                /* until the first packets, at most */
	FIRST = 200,                    /* packets that show that they move */
	FCS = 4,
	STRINGS = 512                   /* statistics of a driver, at most */
};

/* A graph of one hop: from an interface or a source, to an interface or a sink. */
static const char graph_text[] =
	"local kind, from, to, size = ...\n"
	"local function port(interface, receive)\n"
	"  if kind == 'raw' then return { 'socket.raw', interface = interface } end\n"
	"  return { 'xdp.xdp', interface = interface, receive = receive }\n"
	"end\n"
	"return { apps = { a = from == '-' and { 'basic.source', sizes = tonumber(size) } or port(from, true),\n"
	"  b = to == '-' and { 'basic.sink' } or port(to, false) }, links = { 'a -> b' } }\n";

static char folder[64];                 /* files */
static int before_space = -1;           /* the network namespace that we came from */
static int cleaner_input = -1;          /* the process that removes the files ends when all of us have closed this */
static pid_t cleaner;
static pid_t generator, subject;        /* of this case's process */
static int subject_input = -1;          /* testpmd ends when its standard input does */

static int __attribute__((format(printf, 1, 2))) command(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	size_t length;
	int status;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	length = strlen(text);
	snprintf(text + length, sizeof(text) - length, " >/dev/null 2>&1");
	status = system(text);
	/* While it runs an interrupt is for it alone. */
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGQUIT))
		raise(WTERMSIG(status));
	return status == 0 ? 0 : nf_fail(EIO, "this failed: %s", text);
}

static void pause_ms(uint32_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static int make_pair(const char *one, const char *other)
{
	int code = command("ip link add %s type veth peer name %s", one, other);

	if (code == 0)
		code = command("for i in %s %s; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; ip link set $i up arp off; "
			"done", one, other);
	return code;
}

/* Make the folder, and a process that removes it whatever becomes of us. */
static int make_folder(void)
{
	int pipes[2];

	snprintf(folder, sizeof(folder), "/tmp/nf-bench-%d", getpid());
	if (mkdir(folder, 0700) != 0)
		return nf_fail(errno, "%s: %s", folder, strerror(errno));
	if (pipe2(pipes, O_CLOEXEC) != 0 || (cleaner = fork()) < 0)
		return nf_fail(errno, "no process to clean up: %s", strerror(errno));
	if (cleaner == 0) {
		char byte;

		setsid();
		close(pipes[1]);
		while (read(pipes[0], &byte, 1) < 0 && errno == EINTR)
			;
		_exit(command("rm -r %s", folder) == 0 ? 0 : 1);
	}
	close(pipes[0]);
	cleaner_input = pipes[1];
	return 0;
}

static void finish(void)
{
	if (before_space >= 0) {
		if (setns(before_space, CLONE_NEWNET) != 0)
			fprintf(stderr, "nf bench: no way back to the network namespace: %s\n", strerror(errno));
		close(before_space);
		before_space = -1;
	}
	if (cleaner_input >= 0) {
		close(cleaner_input);
		cleaner_input = -1;
		waitpid(cleaner, NULL, 0);
	}
}

/* What is handed to a program. */
struct start {
	const char *argument[32];
	uint32_t processor;
	bool input;                     /* a pipe for its standard input */
};

/* Start a program that ends with us; what it prints goes to a file. */
static pid_t spawn(const struct start *program, const char *log)
{
	char path[128];
	int pipes[2] = { -1, -1 };
	pid_t pid;

	if (program->input && pipe2(pipes, O_CLOEXEC) != 0)
		return nf_fail(errno, "no pipe: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/%s", folder, log);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
			in = program->input ? pipes[0] : open("/dev/null", O_RDONLY);
		cpu_set_t set;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		CPU_ZERO(&set);
		CPU_SET(program->processor, &set);
		sched_setaffinity(0, sizeof(set), &set);
		dup2(in, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execvp(program->argument[0], (char *const *)(uintptr_t)program->argument);
		_exit(127);
	}
	if (program->input) {
		close(pipes[0]);
		subject_input = pipes[1];
	}
	return pid < 0 ? nf_fail(errno, "no process: %s", strerror(errno)) : pid;
}

static void end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGTERM);
	for (uint32_t ms = 0; ms < START_MS && waitpid(*pid, NULL, WNOHANG) == 0; ms++)
		pause_ms(1);
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* Two processors, when there are two. */
static uint32_t processor(bool generates)
{
	return generates || sysconf(_SC_NPROCESSORS_ONLN) < 2 ? 0 : 1;
}

/* Start an nf with the graph. */
static pid_t start_nf(const char *name, const char *kind, const char *from, const char *to, uint32_t size, bool generates)
{
	char graph[128], bytes[16];
	struct start program = { .processor = processor(generates), .argument = { "/proc/self/exe", "run", "--idle", "busy",
		"--name", name, graph, "--", kind, from, to, bytes } };

	snprintf(graph, sizeof(graph), "%s/graph.lua", folder);
	snprintf(bytes, sizeof(bytes), "%u", size - FCS);
	return spawn(&program, generates ? "generator.txt" : "subject.txt");
}

static pid_t start_testpmd(uint32_t direction, const char *from, uint32_t size)
{
	static const char *const modes[] = { "--forward-mode=rxonly", "--forward-mode=txonly", "--forward-mode=io" };
	char in[64], bytes[32], cores[16], prefix[128];
	struct start program = { .processor = processor(false), .input = true, .argument = { "dpdk-testpmd", "--no-huge", "-m",
		"128", "--no-pci", "--no-telemetry", "--file-prefix", prefix, "-l", cores, "--vdev", in, "--vdev",
		"net_af_xdp1,iface=p1", "--",
		"--auto-start", "--no-mlockall", "--total-num-mbufs=16384", modes[direction], bytes, NULL } };

	snprintf(prefix, sizeof(prefix), "nf-bench-%d", getpid());
	snprintf(cores, sizeof(cores), "0,%u", processor(false));
	snprintf(bytes, sizeof(bytes), "--txpkts=%u", size - FCS);
	snprintf(in, sizeof(in), "net_af_xdp0,iface=%s", from);
	if (direction == SEND)
		snprintf(in, sizeof(in), "net_af_xdp0,iface=p1");
	if (direction != FORWARD)
		for (uint32_t i = 14; program.argument[i - 2] != NULL; i++)     /* without the second port */
			program.argument[i - 2] = program.argument[i];
	return spawn(&program, "subject.txt");
}

/* Packets that came in at an interface; of /proc/net/dev. */
static uint64_t interface_packets(const char *name)
{
	char line[512], label[IFNAMSIZ + 2];
	uint64_t packets = 0;
	FILE *file = fopen("/proc/self/net/dev", "re");

	snprintf(label, sizeof(label), "%s:", name);
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *at = strstr(line, label);

		if (at != NULL && sscanf(at + strlen(label), "%*u %" SCNu64, &packets) != 1)
			packets = 0;
	}
	if (file != NULL)
		fclose(file);
	return packets;
}

/* Frames that an interface's XDP program has given to sockets: the driver counts those that were taken. Only for our own pairs, whose
 * drivers have few statistics: a number of 0 asks for all of them. */
static uint64_t interface_redirects(const char *name)
{
	static union { struct ethtool_gstrings head; uint8_t bytes[sizeof(struct ethtool_gstrings) + STRINGS * ETH_GSTRING_LEN]; } strings;
	static union { struct ethtool_stats head; uint8_t bytes[sizeof(struct ethtool_stats) + STRINGS * sizeof(uint64_t)]; } values;
	struct ifreq request = { .ifr_data = (void *)&strings };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t sum = 0;
	bool known;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	strings.head = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_STATS };
	values.head = (struct ethtool_stats){ .cmd = ETHTOOL_GSTATS };
	known = ioctl(fd, SIOCETHTOOL, &request) == 0;
	request.ifr_data = (void *)&values;
	known = known && ioctl(fd, SIOCETHTOOL, &request) == 0;
	for (uint32_t i = 0; known && i < values.head.n_stats && i < STRINGS; i++)
		if (strcmp((const char *)strings.head.data + (size_t)i * ETH_GSTRING_LEN, "rx_queue_0_xdp_redirect") == 0)
			sum = values.head.data[i];
	close(fd);
	return sum;
}

/* What an nf's app "a" has received. */
static uint64_t nf_received(const char *name)
{
	char path[INSTANCE_PATH];
	struct stats *stats;
	uint64_t *value, received = 0;

	if (instance_path(path, name, "stats") < 0 || stats_open(&stats, path) < 0)
		return 0;
	value = calloc(stats_entry_count(stats, 0), sizeof(*value));
	if (value != NULL && stats_read(stats, 0, value, NULL) == 0)
		received = stats_value(stats, 0, value, "a", "received");
	free(value);
	stats_close(stats);
	return received;
}

/* What a case moves, so far. */
static uint64_t counted(uint32_t kind, uint32_t direction, const char *in, const char *name)
{
	if (direction != RECEIVE)
		return interface_packets("g1");
	return kind == RAW ? nf_received(name) : interface_redirects(in);
}

/* The last line that what is measured has printed. */
static const char *last_line(void)
{
	static char line[256];
	char path[128], next[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/subject.txt", folder);
	file = fopen(path, "re");
	snprintf(line, sizeof(line), "it has printed nothing");
	while (file != NULL && fgets(next, sizeof(next), file) != NULL)
		if (next[0] != '\n')
			snprintf(line, sizeof(line), "%.*s", (int)strcspn(next, "\n"), next);
	if (file != NULL)
		fclose(file);
	return line;
}

/* Wait until packets move. */
static int wait_for_packets(uint32_t kind, uint32_t direction, const char *in, const char *name)
{
	uint64_t before = counted(kind, direction, in, name);

	for (uint32_t ms = 0; ms < START_MS; ms += 2) {
		if (counted(kind, direction, in, name) - before >= FIRST)
			return 0;
		if (waitpid(subject, NULL, WNOHANG) != 0) {
			subject = 0;
			return nf_fail(EPIPE, "what is measured has ended: %s", last_line());
		}
		pause_ms(2);
	}
	return nf_fail(ETIMEDOUT, "no packet moves: %s", last_line());
}

/* Count for a while. */
static void count(uint32_t kind, uint32_t direction, const char *in, const char *name, struct bench_sample *sample)
{
	uint64_t start, before, cycles;

	sample->packets = 0;
	pause_ms(SETTLE_MS);
	start = clock_system_ns();
	cycles = clock_cycles();
	before = counted(kind, direction, in, name);
	/* On a busy machine nobody may have run for so long. */
	for (uint32_t ms = 0; ms < START_MS && sample->packets == 0; ms += WINDOW_MS) {
		pause_ms(WINDOW_MS);
		sample->packets = counted(kind, direction, in, name) - before;
	}
	sample->cycles = clock_cycles() - cycles;
	sample->ns = clock_system_ns() - start;
}

static int run(const struct bench_case *c, struct bench_sample *sample)
{
	uint32_t kind = c->second % KINDS, direction = c->second / KINDS;
	char in[IFNAMSIZ], out[IFNAMSIZ], name[INSTANCE_NAME], other[INSTANCE_NAME];
	int code = 0;

	snprintf(in, sizeof(in), "p%u", c->argument);
	snprintf(out, sizeof(out), "g%u", c->argument);
	snprintf(name, sizeof(name), "bench-%d", getpid());
	snprintf(other, sizeof(other), "bench-%d-generator", getpid());
	subject = kind == TESTPMD ? start_testpmd(direction, in, c->argument) : start_nf(name, kind == RAW ? "raw" : "xdp",
		direction == SEND ? "-" : in, direction == RECEIVE ? "-" : "p1", c->argument, false);
	generator = direction == SEND || subject < 0 ? 0 : start_nf(other, "xdp", "-", out, c->argument, true);
	if (subject < 0 || generator < 0)
		code = -EIO;
	if (code == 0)
		code = wait_for_packets(kind, direction, in, name);
	if (code == 0)
		count(kind, direction, in, name, sample);
	end(&generator);
	if (subject_input >= 0)
		close(subject_input);
	subject_input = -1;
	end(&subject);
	return code == 0 && sample->packets == 0 ? nf_fail(EPIPE, "no packet has arrived") : code;
}

#define CASE(called, size, direction, kind, other) \
	{ .name = called, .against = other, .run = run, .argument = size, .second = (direction) * KINDS + (kind), \
	  .most = 1, .whole = true }

static struct bench_case cases[] = {
	CASE("raw-receive-64", 64, RECEIVE, RAW, NULL),
	CASE("raw-send-64", 64, SEND, RAW, NULL),
	CASE("raw-forward-64", 64, FORWARD, RAW, NULL),
	CASE("raw-receive-1500", 1500, RECEIVE, RAW, NULL),
	CASE("raw-send-1500", 1500, SEND, RAW, NULL),
	CASE("raw-forward-1500", 1500, FORWARD, RAW, NULL),
	CASE("xdp-receive-64", 64, RECEIVE, XDP, "raw-receive-64"),
	CASE("xdp-send-64", 64, SEND, XDP, "raw-send-64"),
	CASE("xdp-forward-64", 64, FORWARD, XDP, "raw-forward-64"),
	CASE("xdp-receive-1500", 1500, RECEIVE, XDP, "raw-receive-1500"),
	CASE("xdp-send-1500", 1500, SEND, XDP, "raw-send-1500"),
	CASE("xdp-forward-1500", 1500, FORWARD, XDP, "raw-forward-1500"),
	/* These are left out when there is no testpmd. */
	CASE("dpdk-receive-64", 64, RECEIVE, TESTPMD, NULL),
	CASE("dpdk-send-64", 64, SEND, TESTPMD, NULL),
	CASE("dpdk-forward-64", 64, FORWARD, TESTPMD, NULL),
	CASE("dpdk-receive-1500", 1500, RECEIVE, TESTPMD, NULL),
	CASE("dpdk-send-1500", 1500, SEND, TESTPMD, NULL),
	CASE("dpdk-forward-1500", 1500, FORWARD, TESTPMD, NULL),
	{ 0 }
};
enum { OURS = 12, FIRST_XDP = 6 };

/* The pairs, in a namespace that ends with the last of us. */
static int make_network(void)
{
	int code;

	before_space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (before_space < 0 || unshare(CLONE_NEWNET) != 0)
		return nf_fail(errno, "no network namespace: %s", strerror(errno));
	code = make_pair("g64", "p64");
	if (code == 0)
		code = make_pair("g1500", "p1500");
	return code == 0 ? make_pair("g1", "p1") : code;
}

static int prepare(void)
{
	char path[128], text[ERROR_TEXT];
	FILE *file;
	int code;

	if (geteuid() != 0) {
		nf_fail(EPERM, "it needs root, for network namespaces and XDP");
		return BENCH_SKIP;
	}
	/* With testpmd it is what we are compared with. */
	if (command("command -v dpdk-testpmd") == 0)
		for (uint32_t i = FIRST_XDP; i < OURS; i++)
			cases[i].against = cases[i + OURS - FIRST_XDP].name;
	else
		cases[OURS].name = NULL;
	code = make_folder();
	if (code == 0)
		code = make_network();
	snprintf(path, sizeof(path), "%s/graph.lua", folder);
	file = code == 0 ? fopen(path, "we") : NULL;
	if (file != NULL) {
		fputs(graph_text, file);
		fclose(file);
		return 0;
	}
	snprintf(text, sizeof(text), "%s", code < 0 ? nf_error() : strerror(errno));
	finish();
	return nf_fail(EIO, "%s", text);
}

const struct benchmark xdp_benchmark = {
	.name = "xdp", .cases = cases, .runs = 3, .prepare = prepare, .finish = finish,
	.help = "xdp.xdp on veth pairs: receive, send, forward, beside socket.raw and DPDK's testpmd.",
};
