/* doctor_cpu -- clock, isolated cores, frequency, NUMA. See doctor.h. */
#include "program/doctor/doctor.h"

void doctor_clock(struct doctor_finding *finding)
{
	doctor_say(finding->wanted, "a TSC that is invariant: time and cost are read in 10 ns instead of 25");
	doctor_say(finding->mend, "use a processor, or a setting of the hypervisor, that shows it (CPUID 8000_0007h)");
	if (clock_invariant) {
		doctor_say(finding->found, "invariant TSC of %.2f GHz", clock_hz / 1e9);
	} else {
		doctor_say(finding->found, "no invariant TSC; CLOCK_MONOTONIC is used");
		finding->state = DOCTOR_POOR;
	}
}

void doctor_isolation(struct doctor_finding *finding)
{
	char online[128], isolated[128], quiet[128];
	bool alone = doctor_read(isolated, sizeof(isolated), "/sys/devices/system/cpu/isolated");
	/* The kernel prints "(null)" when nohz_full was not given. */
	bool tickless = doctor_read(quiet, sizeof(quiet), "/sys/devices/system/cpu/nohz_full") && quiet[0] != '(';

	doctor_read(online, sizeof(online), "/sys/devices/system/cpu/online");
	doctor_say(finding->found, "processors %s; isolated: %s; without timer tick: %s", *online ? online : "unknown",
		alone ? isolated : "none", tickless ? quiet : "none");
	doctor_say(finding->wanted, "cores for nf run --cpu that the kernel uses for nothing else");
	doctor_say(finding->mend, "kernel command line, for cores 2 to 7: isolcpus=managed_irq,domain,2-7 nohz_full=2-7 rcu_nocbs=2-7");
	finding->state = alone && tickless ? DOCTOR_GOOD : DOCTOR_POOR;
}

struct governors {
	uint32_t known, slow;
	char name[64];                  /* of a slow one */
};

static void add_governor(const char *cpu, void *context)
{
	struct governors *g = context;
	char name[64];

	if (!doctor_read(name, sizeof(name), "/sys/devices/system/cpu/%s/cpufreq/scaling_governor", cpu))
		return;
	g->known++;
	if (strcmp(name, "performance") != 0) {
		g->slow++;
		memcpy(g->name, name, sizeof(g->name));
	}
}

void doctor_governor(struct doctor_finding *finding)
{
	struct governors g = { 0 };

	doctor_each("/sys/devices/system/cpu", "cpu", add_governor, &g);
	doctor_say(finding->wanted, "performance: a core that sleeps a little must not become slow");
	doctor_say(finding->mend, "cpupower frequency-set -g performance");
	if (g.known == 0) {
		doctor_say(finding->found, "the kernel does not change the frequency here");
	} else if (g.slow > 0) {
		doctor_say(finding->found, "%s on %u of %u cores", g.name, g.slow, g.known);
		finding->state = DOCTOR_POOR;
	} else {
		doctor_say(finding->found, "performance on all cores");
	}
}

static void add_node(const char *name, void *context)
{
	struct doctor_finding *finding = context;
	char cpus[128];

	doctor_read(cpus, sizeof(cpus), "/sys/devices/system/node/%s/cpulist", name);
	doctor_say(finding->found, "%s%s has processors %s", *finding->found ? "; " : "", name, *cpus ? cpus : "(none)");
}

/* A network card that sits on a node. */
static void add_card(const char *name, void *context)
{
	struct doctor_finding *finding = context;
	char node[16];

	if (doctor_read(node, sizeof(node), "/sys/class/net/%s/device/numa_node", name) && node[0] != '-')
		doctor_say(finding->found, "; %s is on node%s", name, node);
}

void doctor_numa(struct doctor_finding *finding)
{
	uint32_t nodes = doctor_each("/sys/devices/system/node", "node", add_node, finding);

	doctor_each("/sys/class/net", "", add_card, finding);
	if (nodes == 0)
		doctor_say(finding->found, "one node");
	doctor_say(finding->wanted, "workers on the node of their card, and no automatic balancing, which moves pages while packets wait");
	doctor_say(finding->mend, "sysctl -w kernel.numa_balancing=0, and nf run --cpu with a core of the card's node");
	if (nodes > 1 && doctor_read_number("/proc/sys/kernel/numa_balancing") != 0) {
		doctor_say(finding->found, "; automatic balancing is on");
		finding->state = DOCTOR_POOR;
	}
}
