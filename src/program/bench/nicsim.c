/* nicsim -- forwarding between two simulated cards (`nf nicsim`, polled): a processor for the cards with their generators and
 * checkers, one for the driver. Where DPDK is installed its testpmd does the same beside nf. A run starts the cards and the driver,
 * waits until frames flow, counts those that the cards sent for a while, and ends both. */
#include "nicsim/sim_control.h"
#include "program/bench/bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_S = 25, TRIES = 3, END_S = 5, ANSWER = 8192, FLOWING = 10000, WORDS = 40 };
#define WARM_NS 300000000ULL
#define MEASURE_NS 1000000000ULL
#define PART_NS 10000000ULL
#define ASK_NS 500000000ULL             /* a question keeps the cards from their work: a driver may wait 10 us for a reset */
#define TESTPMD "/usr/bin/dpdk-testpmd"
#define SELF "/proc/self/exe"

static const char graph[] = "local function port(pci) return { 'intel.ixgbe', pci = pci, wait_for_link = '10s' } end\n"
	"return { apps = { a = port('0000:05:00.0'), b = port('0000:06:00.0') }, links = { 'a.output -> b.input', 'b.output -> a.input' } }\n";

static char folder[64];
static int processor[2] = { -1, -1 };   /* of the driver, of the cards */

/* Frames that the cards sent so far; 0: nobody answers yet. */
static uint64_t sent(const char *root)
{
	static char text[ANSWER];
	FILE *out = fmemopen(text, sizeof(text), "w");
	unsigned long long sum = 0, one;

	if (out == NULL)
		return 0;
	text[0] = 0;
	if (!sim_control_tell(root, "report", out))
		text[0] = 0;
	fclose(out);
	for (const char *at = text; (at = strstr(at, "): received ")) != NULL; at++)
		if (sscanf(at, "): received %*u sent %llu", &one) == 1)
			sum += one;
	return sum;
}

static void rest(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	nanosleep(&time, NULL);
}

/* In the child: the cards, which run the driver, in a process group and a folder of their own; what they print is not shown. */
static _Noreturn void run_cards(const char *root, const char *const *driver, bool uio)
{
	const char *words[WORDS] = { SELF, "nicsim", "--mode", "poll", "--fast", "--wire", "generator", "--root", root };
	cpu_set_t set;
	uint32_t n = 9;
	int null = open("/dev/null", O_RDWR);

	if (uio)
		words[n++] = "--uio";
	words[n++] = "--";
	while (*driver != NULL && n < WORDS - 1)
		words[n++] = *driver++;
	CPU_ZERO(&set);
	CPU_SET((unsigned)processor[1], &set);
	sched_setaffinity(0, sizeof(set), &set);
	setpgid(0, 0);
	setpriority(PRIO_PROCESS, 0, -20);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execv(SELF, (char *const *)(uintptr_t)words);
	_exit(127);
}

/* End them all; nothing stays behind. */
static void end(pid_t cards)
{
	kill(cards, SIGTERM);
	for (uint32_t i = 0; i < END_S * 100; i++) {
		if (waitpid(cards, NULL, WNOHANG) == cards) {
			kill(-cards, SIGKILL);
			return;
		}
		rest(PART_NS);
	}
	kill(-cards, SIGKILL);
	waitpid(cards, NULL, 0);
}

/* Wait until frames flow. fails: -errno with nf_error() */
static int await_flow(pid_t cards, const char *root, const char *name)
{
	for (uint32_t i = 0; i < START_S * 2; i++) {
		if (sent(root) >= FLOWING)
			return 0;
		if (waitpid(cards, NULL, WNOHANG) == cards)
			return nf_fail(EPIPE, "%s has ended before any frame came", name);
		rest(ASK_NS);
	}
	return nf_fail(ETIMEDOUT, "%s has forwarded nothing in %d s", name, START_S);
}

/* Count what is sent for a while. */
static int count(const char *root, const char *name, struct bench_sample *sample)
{
	uint64_t begin, before;

	rest(WARM_NS);
	before = sent(root);
	begin = clock_system_ns();
	rest(MEASURE_NS);
	sample->packets = sent(root) - before;
	sample->ns = clock_system_ns() - begin;
	sample->cycles = (uint64_t)((double)sample->ns * clock_hz / 1e9);
	return sample->packets == 0 ? nf_fail(EPIPE, "%s forwards nothing any more", name) : 0;
}

/* On a busy machine a driver may find that the card does not end its reset: once more, then. */
static int measure(const struct bench_case *c, const char *const *driver, struct bench_sample *sample)
{
	char root[96];
	int code = -ETIMEDOUT;

	for (uint32_t try = 0; code == -ETIMEDOUT && try < TRIES; try++) {
		pid_t cards;

		snprintf(root, sizeof(root), "%s/%s-%u", folder, c->name, try);
		cards = fork();
		if (cards < 0)
			return nf_fail(errno, "cannot start the cards: %s", strerror(errno));
		if (cards == 0)
			run_cards(root, driver, c->argument);
		code = await_flow(cards, root, c->name);
		if (code == 0)
			code = count(root, c->name, sample);
		end(cards);
	}
	return code;
}

static int run_nf(const struct bench_case *c, struct bench_sample *sample)
{
	char cpu[16], name[32], path[96], self[256];
	const char *driver[] = { self, "run", "--quiet", "--cpu", cpu, "--idle", "busy", "--name", name, path, NULL };
	ssize_t n = readlink(SELF, self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = 0;
	snprintf(cpu, sizeof(cpu), "%d", processor[0]);
	snprintf(name, sizeof(name), "bench-%d", getpid());
	snprintf(path, sizeof(path), "%s/graph.lua", folder);
	return measure(c, driver, sample);
}

static int run_testpmd(const struct bench_case *c, struct bench_sample *sample)
{
	char lcores[48], prefix[32];
	const char *driver[] = { TESTPMD, "--iova-mode=pa", "--lcores", lcores, "--no-telemetry", prefix, "-a", "0000:05:00.0", "-a",
		"0000:06:00.0", "--", "--forward-mode=io", "--nb-cores=1", "--auto-start", "--no-lsc-interrupt", "--total-num-mbufs=8192",
		"--stats-period=3600", NULL };

	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", processor[0], processor[0]);
	snprintf(prefix, sizeof(prefix), "--file-prefix=nf%d", getpid());
	return measure(c, driver, sample);
}

/* The second one only where it is installed. */
static struct bench_case cases[] = {
	{ .name = "nf", .run = run_nf, .whole = true },
	{ .name = "testpmd", .against = "nf", .run = run_testpmd, .argument = true, .whole = true },
	{ 0 }
};

/* The first two processors that we may use. */
static bool find_processors(void)
{
	cpu_set_t set;
	uint32_t n = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET((unsigned)i, &set))
			processor[n++] = i;
	return n == 2;
}

static int prepare(void)
{
	char path[96];
	FILE *file;

	if (geteuid() != 0)
		return nf_fail(EPERM, "simulated cards need root"), BENCH_SKIP;
	if (!find_processors())
		return nf_fail(ENODEV, "it needs two processors"), BENCH_SKIP;
	if (access(TESTPMD, X_OK) < 0)
		cases[1].name = NULL;
	snprintf(folder, sizeof(folder), "/dev/shm/nf-bench.XXXXXX");
	if (mkdtemp(folder) == NULL)
		return nf_fail(errno, "%s: %s", folder, strerror(errno));
	chmod(folder, 0755);
	snprintf(path, sizeof(path), "%s/graph.lua", folder);
	file = fopen(path, "we");
	if (file == NULL || fputs(graph, file) < 0 || fclose(file) != 0)
		return nf_fail(errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
	(void)status;
	(void)flag;
	(void)walk;
	return remove(path);
}

static void finish(void)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const struct benchmark nicsim_benchmark = {
	.name = "nicsim", .help = "Forwarding between two simulated cards on two processors, and DPDK's testpmd beside it.",
	.cases = cases, .runs = 3, .seconds = 1, .prepare = prepare, .finish = finish
};
