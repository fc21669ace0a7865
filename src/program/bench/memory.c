/* memory -- what taking, giving back and copying a packet costs; with more packets than the caches hold; and the way home of
 * packets that another worker gave back. */
#include "program/bench/rig.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	MANY = 100000,                  /* packets: 6.4 MB of metadata, 224 MB in all */
	HOME_PACKETS = 8192,            /* of the worker whose packets travel */
	HOME_RING = 1024                /* packets on the way to the other worker; a power of two */
};

static struct packet **held;            /* MANY or BURST packets that are out at once */
static struct packet *original;

/* Copies leave one packet of each size for the original. */
static int start(const struct bench_case *c)
{
	uint32_t many = c->second > 0 ? c->second : BURST;
	const uint32_t packets[PACKET_SIZES] = { [PACKET_STANDARD] = many + 1,
		[PACKET_JUMBO] = c->argument > 2048 ? BURST + 1 : 0 };
	int code = rig_memory(packets);

	if (code < 0)
		return code;
	held = calloc(many, sizeof(*held));
	original = rig_packet(c->argument);
	if (held == NULL || original == NULL)
		return nf_fail(ENOMEM, "no memory for %u packets", many);
	return 0;
}

/* Take one packet and give it back. The compiler must not see that the packet is not used. */
static int run_single(const struct bench_case *c, struct bench_sample *sample)
{
	(void)c;
	for (uint64_t done = 0; done < sample->packets; done++) {
		struct packet *p = packet_alloc();

		__asm__ volatile ("" : "+r" (p) : : "memory");
		packet_free(p);
	}
	return 0;
}

static __attribute__((noinline)) void alloc_burst(struct packet **burst, uint32_t n)
{
	packet_alloc_burst(PACKET_STANDARD, burst, n);
}

static __attribute__((noinline)) void copy_burst(struct packet **burst, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		burst[i] = packet_copy(original);
}

static __attribute__((noinline)) void free_burst(struct packet **burst, uint32_t n)
{
	packet_free_burst(burst, n);
}

/* Take a burst (or more packets than fit into a cache) and give them back. */
static int run_alloc(const struct bench_case *c, struct bench_sample *sample)
{
	uint32_t many = c->second > 0 ? c->second : BURST;
	uint64_t done = 0;

	for (; done < sample->packets; done += many) {
		for (uint32_t i = 0; i < many; i += BURST)
			alloc_burst(held + i, many - i < BURST ? many - i : BURST);
		for (uint32_t i = 0; i < many; i += BURST)
			free_burst(held + i, many - i < BURST ? many - i : BURST);
	}
	sample->packets = done;
	return 0;
}

static int run_copy(const struct bench_case *c, struct bench_sample *sample)
{
	uint32_t many = c->second > 0 ? c->second : BURST;
	uint64_t done = 0;

	for (; done < sample->packets; done += many) {
		for (uint32_t i = 0; i < many; i += BURST)
			copy_burst(held + i, many - i < BURST ? many - i : BURST);
		for (uint32_t i = 0; i < many; i += BURST)
			free_burst(held + i, many - i < BURST ? many - i : BURST);
	}
	sample->packets = done;
	return 0;
}

/* The way home: worker 0 takes packets and passes them to worker 1 in another process, which gives them back. */
struct passage {
	_Alignas(64) uint64_t sent;     /* written by worker 0 */
	_Alignas(64) uint64_t received; /* written by worker 1 */
	_Alignas(64) uint64_t offset[HOME_RING];
	_Alignas(64) uint32_t stop;     /* worker 1 shall sleep until the next run */
};
static struct passage *passage;
static int wake[2];

/* Worker 1: give back what arrives, until the run is over. */
static void give_back(void)
{
	uint64_t received = passage->received;

	while (!__atomic_load_n(&passage->stop, __ATOMIC_ACQUIRE)) {
		uint64_t sent = __atomic_load_n(&passage->sent, __ATOMIC_ACQUIRE);

		if (sent == received)
			sched_yield();
		for (; received != sent; received++)
			packet_free(memory_packet(passage->offset[received % HOME_RING]));
		__atomic_store_n(&passage->received, received, __ATOMIC_RELEASE);
		memory_home();
	}
}

static void __attribute__((noreturn)) be_worker_1(void)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(wake[1]);
	if (memory_worker_start(1) < 0)
		_exit(1);
	while (read(wake[0], &byte, 1) == 1)
		give_back();
	_exit(0);
}

static int start_home(const struct bench_case *c)
{
	void *at = mmap(NULL, sizeof(*passage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int code;
	pid_t pid;

	(void)c;
	if (at == MAP_FAILED || pipe(wake) != 0)
		return nf_fail(errno, "no shared memory or pipe: %s", strerror(errno));
	passage = at;
	code = memory_home_init(2);
	if (code >= 0)
		code = memory_reserve();
	if (code >= 0)
		code = memory_segment_add(0, PACKET_STANDARD, HOME_PACKETS, -1);
	if (code < 0)
		return code;
	pid = fork();
	if (pid < 0)
		return nf_fail(errno, "no second process: %s", strerror(errno));
	if (pid == 0)
		be_worker_1();
	close(wake[0]);
	return memory_worker_start(0);
}

/* Pass on a burst, as far as there are packets and room; gives how many. */
static uint32_t pass(void)
{
	uint64_t sent = passage->sent, received = __atomic_load_n(&passage->received, __ATOMIC_ACQUIRE);
	uint32_t n = 0;

	for (; n < BURST && sent - received < HOME_RING; n++) {
		struct packet *p = packet_alloc();

		if (p == NULL)
			break;
		passage->offset[sent++ % HOME_RING] = memory_offset(p);
	}
	__atomic_store_n(&passage->sent, sent, __ATOMIC_RELEASE);
	return n;
}

/* A run is over when all its packets are home. */
static int run_home(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t done = 0;
	char byte = 0;

	(void)c;
	__atomic_store_n(&passage->stop, 0, __ATOMIC_RELEASE);
	if (write(wake[1], &byte, 1) != 1)
		return nf_fail(errno, "the second process has ended");
	while (done < sample->packets || memory_in_use() > 0) {
		uint32_t n = done < sample->packets ? pass() : 0;

		done += n;
		if (memory_home() + n == 0)
			sched_yield();
	}
	__atomic_store_n(&passage->stop, 1, __ATOMIC_RELEASE);
	sample->packets = done;
	return 0;
}

static const struct bench_case cases[] = {
	{ .name = "single", .start = start, .run = run_single },
	{ .name = "burst", .start = start, .run = run_alloc },
	{ .name = "burst-many", .start = start, .run = run_alloc, .second = MANY },
	{ .name = "copy-60", .start = start, .run = run_copy, .argument = 60 },
	{ .name = "copy-594", .start = start, .run = run_copy, .argument = 594 },
	{ .name = "copy-1514", .start = start, .run = run_copy, .argument = 1514 },
	{ .name = "copy-9014", .start = start, .run = run_copy, .argument = 9014 },
	{ .name = "copy-60-many", .start = start, .run = run_copy, .argument = 60, .second = MANY },
	{ .name = "copy-1514-many", .start = start, .run = run_copy, .argument = 1514, .second = MANY },
	{ .name = "home", .start = start_home, .run = run_home, .whole = true },
	{ 0 }
};

const struct benchmark memory_benchmark = {
	.name = "memory", .cases = cases,
	.help = "Take, give back and copy packets, also more than the caches hold (-many); bring them home from a process.",
};
