/* main -- the one table of programs, and the way to them. */
#include "apps/apps.h"
#include "program/program.h"
#include "program/help.h"
#include "program/lwaftr/lwaftr.h"

static const struct program_option bench_options[] = {
	{ "--json", NULL, "Print one JSON object per line." },
	{ "--list", NULL, "List the benchmarks and end." },
	{ "--runs", "N", "Runs of each case, at least 5 for figures to be believed; default 5." },
	{ "--seconds", "S", "Length of one run; default 0.2, or what the benchmark needs." },
	{ NULL, NULL, NULL },
};

static const struct program_option capture_options[] = {
	{ "-w", "FILE", "Write a capture file; - is standard output." },
	{ "--count", "N", "End after so many packets." },
	{ "--duration", "TIME", "End after this time, for example 10s." },
	{ "--snaplen", "BYTES", "Keep so many bytes of each packet; default all." },
	{ "--text", NULL, "A line for each packet, also when standard output is no terminal." },
	{ NULL, NULL, NULL },
};

static const struct program_option doctor_options[] = {
	{ "--json", NULL, "Print one object per check, or per worker." },
	{ NULL, NULL, NULL },
};

static const struct program_option filter_options[] = {
	{ "--bpf", NULL, "Print the BPF program alone, as tcpdump -d does." },
	{ "--native", NULL, "Print the native code alone." },
	{ NULL, NULL, NULL },
};

static const struct program_option graph_options[] = {
	{ "--dot", NULL, "Print it in Graphviz's dot language." },
	{ "--interval", "TIME", "Measure the rates of a running instance over this time; default 250ms." },
	{ "--svg", NULL, "Print it as SVG, through the program dot of the package graphviz." },
	{ NULL, NULL, NULL },
};

static const struct program_option help_options[] = {
	{ "--bash", NULL, "Print the completion for bash." },
	{ "--man", NULL, "Print the manual page (roff)." },
	{ "--markdown", NULL, "Print docs/apps.md, the page of all apps." },
	{ "--names", NULL, "Print the names of all programs and apps." },
	{ NULL, NULL, NULL },
};

static const struct program_option lua_options[] = {
	{ "-e", "CODE", "Run this code first; `nf` (the C functions) and `ffi` are loaded." },
	{ "-i", NULL, "Prompt, even behind a script and when the input is no terminal." },
	{ NULL, NULL, NULL },
};

static const struct program_option nicsim_options[] = {
	{ "--all-back", NULL, "End with 1 unless every frame of every generator was sent and came back." },
	{ "--cards", "LIST", "Kinds of cards, up to 8: 82599, 82576, i350, i210; default 82599,82599." },
	{ "--do", "COMMANDS", "Commands to give at the start, with ; between them: \"soil 0; delay 0 transmit 1ms\"." },
	{ "--fast", NULL, "Do not look for buffers that are given twice, descriptors that change, and wrong checksums." },
	{ "--lossless", NULL, "Joined cards wait until the other one receives and has descriptors; default they drop, and count it." },
	{ "--mode", "trap|middle|poll", "How accesses to registers are seen: each one, all but those of rings, or by looking; default trap." },
	{ "--mount", NULL, "For COMMAND the cards stand in /sys/bus/pci/devices (in a mount namespace of its own)." },
	{ "--root", "DIR", "Where the PCI tree is made; default a new folder in /dev/shm, removed at the end." },
	{ "--stop", NULL, "End, or tell COMMAND to end, when all traffic was sent and nothing comes back any more." },
	{ "--strict", NULL, "Notes are violations, too." },
	{ "--tell", "COMMAND", "Give a command to the cards of --root, which another nf nicsim simulates; print the answer." },
	{ "--traffic", "LIST", "What generators send: rate=N, count=N, size=N or size=N-N, flows=N, vlan=TCI, dst=MAC, ipv6, tcp." },
	{ "--uio", NULL, "As --mount, and the cards seem to be uio_pci_generic's, with nodes in /dev: for DPDK (--iova-mode=pa)." },
	{ "--wire", "LIST", "What is plugged into each card, the last one into the rest: joined (with its neighbour), generator, none, "
		"or captures IN:OUT; default joined, a card without a neighbour none." },
	{ NULL, NULL, NULL },
};

static const struct program_option pci_options[] = {
	{ "--json", NULL, "Print one JSON object per card." },
	{ NULL, NULL, NULL },
};

/* What every program has that makes the graph of an lwAFTR. */
#define LWAFTR_OPTIONS \
	{ "--proxy-arp", NULL, "Answer ARP for the addresses that have softwires." }, \
	{ "--set", "KEY=VALUE,...", "Parameters of lwaftr.lwaftr, for example echo=identifier,ecn=rfc6040; nf help lwaftr.lwaftr has them all." },

static const struct program_option lwaftr_bench_options[] = {
	{ "--duration", "TIME", "Measure for so long; default 5s." },
	{ "--json", NULL, "Print one JSON object per line." },
	LWAFTR_OPTIONS
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_check_options[] = {
	{ "--dump-counters", "FILE", "Write all counters that are not 0: a name and a number on each line." },
	{ "--on-a-stick", NULL, "Both sides are on one interface: frames go to the side that their Ethernet type says." },
	LWAFTR_OPTIONS
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_convert_options[] = {
	{ "--from", "FORM", "Form of IN: text, lua or json; default by its name: .lua, .json, else text." },
	{ "--to", "FORM", "Form of OUT, in the same way." },
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_counters_options[] = {
	{ "--all", NULL, "Those that are 0, too." },
	{ "--json", NULL, "Print one JSON object." },
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_explain_options[] = {
	{ "--side", "v4|v6", "Where the packets come from; default: IPv6 from v6, everything else from v4." },
	LWAFTR_OPTIONS
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_gen_options[] = {
	{ "--softwires", "N", "Softwires of the table; default 1000." },
	{ "--psid-length", "K", "Bits of PSID: 2^K - 1 softwires on each address; 0: one with all ports; default 6." },
	{ "--br-addresses", "N", "Tunnel ends of the relay, used in turn; default 1." },
	{ "--packets", "N", "Packets of both captures together; default 16384." },
	{ "--share", "PERCENT", "How many of them come from the IPv4 side; default 50." },
	{ "--size", "BYTES", "Length of the IPv4 packets, 28 to 1500; mix: 46, 576 and 1500 as 7 : 4 : 1; default 46." },
	{ "--flood", "KIND", "An attack around them: fragments (first ones alone), unbound (packets to and from nobody), errors (ICMP about "
		"packets that were never sent), or neighbors (ARP and NDP about others)." },
	{ "--times", "N", "Packets of the flood for each other one; default 10." },
	{ "--seed", "N", "Of which all is made; default 1." },
	{ NULL, NULL, NULL },
};

static const struct program_option ps_options[] = {
	{ "--json", NULL, "Print one JSON object per instance." },
	{ "--names", NULL, "Print nothing but the names." },
	{ NULL, NULL, NULL },
};

static const struct program_option stats_options[] = {
	{ "--interval", "TIME", "Measure rates over this time; 0 for none; default 250ms." },
	{ "--json", NULL, "Print one JSON object." },
	{ "--prometheus", NULL, "Print it in the text format of Prometheus." },
	{ "--worker", "N", "Show this worker alone; the first is 1." },
	{ NULL, NULL, NULL },
};

static const struct program_option stop_options[] = {
	{ "--now", NULL, "Do not drain: what is on links and held is dropped and counted." },
	{ "--wait", "TIME", "Wait at most this long for the end; default 10s." },
	{ NULL, NULL, NULL },
};

static const struct program_option top_options[] = {
	{ "--count", "N", "Print N tables as text and end, also in a terminal." },
	{ "--interval", "TIME", "Time from reading to reading; default 1s." },
	{ "--sort", "COLUMN", "Sort by the column of this title, for example packets/s." },
	{ "--view", "apps|links|drops|workers", "What to show first; default apps." },
	{ NULL, NULL, NULL },
};

static const struct program_option reload_options[] = {
	{ "--confirm", "TIME", "Go back to the old graph after this time, unless nf confirm comes first." },
	{ NULL, NULL, NULL },
};

/* What every program has that runs a graph. */
#define RUN_OPTIONS \
	{ "--name", "NAME", "Name of the instance, for nf ps, nf stats and nf stop; default the file's name without its ending." }, \
	{ "--cpu", "N", "Run the packet thread on this processor; default anywhere." }, \
	{ "--duration", "TIME", "End after this time, for example 10s; without it when all inputs have ended, or when it is told to." }, \
	{ "--idle", "busy|adaptive|wait", "What to do when no packets come: poll, sleep a little longer each time, or block; default adaptive." }, \
	{ "--clock", "real|virtual", "Virtual time goes on from packet to packet: a run on captures is repeatable; default real." }, \
	{ "--seed", "N", "Where all random numbers come from; default another one each time, 1 with a virtual clock." }, \
	{ "--compile", NULL, "Workers may make native code, whatever their first graph has: for Lua apps and filters that a reload brings." }, \
	{ "--no-sandbox", NULL, "For debuggers: workers keep the user, the capabilities and all system calls." }, \
	{ "--metrics", "[ADDRESS:]PORT", "Serve statistics over HTTP: /metrics for Prometheus, / a page with the live graph; the default " \
		"address is 127.0.0.1." }, \
	{ "--single-process", NULL, "No supervisor, no worker, no sandbox: everything in this process, for debuggers." }, \
	{ "--quiet", NULL, "Do not print what each app did at the end." }, \
	{ "--user", "NAME", "As root: the user that workers run as; default nf when there is one, else nobody." }, \
	{ "--watch", NULL, "Reload when the configuration, or a Lua module of it, is written." },

static const struct program_option run_options[] = {
	RUN_OPTIONS
	{ NULL, NULL, NULL },
};

static const struct program_option lwaftr_run_options[] = {
	{ "--conf", "CONF", "The configuration file; it must be given." },
	{ "--v4", "PORT", "Where the IPv4 side is: tap:NAME, raw:IFACE, xdp:IFACE[/QUEUE] or pci:ADDRESS; default what the file says." },
	{ "--v6", "PORT", "Where the IPv6 side is." },
	{ "--on-a-stick", "PORT", "Both sides are on this port: frames go to the side that their Ethernet type says." },
	{ "--device", "NAME", "Which instance of the configuration; default the only one." },
	{ "--queue", "ID", "Which queue of it; default the only one." },
	LWAFTR_OPTIONS
	RUN_OPTIONS
	{ NULL, NULL, NULL },
};

#define SOFTWIRE_APP { "--app", "NAME", "Only the relays of this name; default all of the instance." }

static const struct program_option softwire_add_options[] = {
	{ "--file", "FILE", "Those of a file of softwire { ... }, as a configuration has them and as list prints them; - is standard input." },
	{ "--psid-length", "K", "Bits of PSID of the one that is named; default 0." },
	{ "--reserved", "A", "Its reserved-ports-bit-count; default 0." },
	{ "--replace", NULL, "Give those that are there already the tunnel that is named now." },
	{ "--check", NULL, "Only tell whether they could be added." },
	{ "--json", NULL, "Print one JSON object." },
	SOFTWIRE_APP,
	{ NULL, NULL, NULL },
};

static const struct program_option softwire_count_options[] = {
	{ "--json", NULL, "Print one JSON object for each relay." },
	SOFTWIRE_APP,
	{ NULL, NULL, NULL },
};

static const struct program_option softwire_list_options[] = {
	{ "--ipv4", "ADDRESS", "Only those of this address." },
	{ "--b4", "ADDRESS", "Only those of this B4." },
	{ "--br", "ADDRESS", "Only those with this br-address." },
	{ "--json", NULL, "Print a JSON array." },
	SOFTWIRE_APP,
	{ NULL, NULL, NULL },
};

static const struct program_option softwire_remove_options[] = {
	{ "--file", "FILE", "Those of a file of softwire { ... }, of which ipv4 and psid count; - is standard input." },
	{ "--check", NULL, "Only tell whether they could be removed." },
	{ "--json", NULL, "Print one JSON object." },
	SOFTWIRE_APP,
	{ NULL, NULL, NULL },
};

static const struct program_option softwire_show_options[] = {
	{ "--port", "PORT", "Only the one that has this port." },
	{ "--json", NULL, "Print a JSON array." },
	SOFTWIRE_APP,
	{ NULL, NULL, NULL },
};

static const struct program_option trace_options[] = {
	{ "--count", "N", "End after so many packets." },
	{ "--duration", "TIME", "End after this time, for example 10s." },
	{ "--worker", "N", "Trace in this worker; the first is 1, the default." },
	{ NULL, NULL, NULL },
};

const struct program programs[] = {
	{ "bench", "[NAME...]", "Measure what packets, links, apps and files cost on this machine.", bench_options, program_bench },
	{ "capture", "NAME LINK [FILTER...]", "Capture the packets of a link of a running graph.\n"
		"LINK is a link's name as nf stats shows it, or a part that no other link has. FILTER is in the language of tcpdump. "
		"Without -w a terminal gets a line for each packet; anything else gets a capture file: nf capture NAME LINK | tcpdump -r -. "
		"The graph is not reloaded and never waits: what could not be copied is counted as left out.", capture_options,
		program_capture },
	{ "check", "FILE [-- ARGS]", "Tell all that is wrong with a configuration; start nothing.\n"
		"The file is evaluated in a process of its own, within 10 s and 1 GiB. It ends with 0 when all is right, else with 1.",
		NULL, program_check },
	{ "confirm", "NAME", "Keep the graph of the last nf reload --confirm.", NULL, program_confirm },
	{ "diff", "NAME FILE", "Tell what nf reload would change in a running instance.", NULL, program_diff },
	{ "doctor", "[NAME]", "Tell what of this machine nf can use, and how the rest is mended.\n"
		"It ends with 0 when nf can run here, even if not everything is ideal, and with 1 when it cannot. With the name of an "
		"instance it tells who its workers are, on which NUMA nodes they, their devices and their packets are, and which system calls "
		"they may make; it ends with 1 when a worker is not closed.",
		doctor_options, program_doctor },
	{ "filter", "[EXPRESSION...]", "Show what an expression of the pcap-filter language becomes.\n"
		"On the left the BPF program that libpcap makes of it, for Ethernet; on the right what filter.pcap runs: native code, with "
		"its place, its bytes and its instructions (rdi: the frame, esi: its length, eax: A, ecx: X).", filter_options,
		program_filter },
	{ "graph", "FILE|NAME [-- ARGS]", "Draw the graph of a configuration, or of a running instance.\n"
		"What is no file is the name of an instance: apps are drawn with packets per second, and what they drop.", graph_options, program_graph },
	{ "help", "[PROGRAM|APP|apps] [COMMAND...]", "Tell what a program or an app does, and what it takes.", help_options, program_help },
	{ "lua", "[FILE [ARGS...]]", "Run a Lua script, or a prompt, inside the binary.", lua_options, program_lua },
	{ "lwaftr", "COMMAND [ARGS...]", "Be a border relay of lightweight 4over6 (lwAFTR, RFC 7596).\n"
		"`nf help` lists its commands, `nf help lwaftr check` tells more about one of them.", NULL, program_lwaftr },
	{ "lwaftr bench", "CONF V4 V6", "Measure how fast an lwAFTR is with this configuration.\n"
		"The packets of two captures are sent out of memory, again and again, through the whole graph of an lwAFTR into nothing, in one "
		"process on one core. Each second, and as their median: packets and bits per second that came out, decapsulated and "
		"encapsulated, nanoseconds and cycles per packet; \"cpu ns\" leaves out when others had the processor, \"slice ns\" is the median "
		"of slices of 64 breaths. What was dropped is told on standard error.", lwaftr_bench_options,
		program_lwaftr_bench },
	{ "lwaftr check", "CONF V4-IN V6-IN V4-OUT V6-OUT", "Run the packets of two captures through an lwAFTR, into two others.\n"
		"Without devices, root or time: the same input gives the same output. What would leave on the IPv4 side goes to V4-OUT, the "
		"rest to V6-OUT.", lwaftr_check_options, program_lwaftr_check },
	{ "lwaftr convert", "IN OUT", "Convert a configuration of an lwAFTR into another form.\n"
		"text is softwire-config { ... }; lua the same as a table; json the data model ietf-softwire-br of RFC 8676 in the JSON of "
		"RFC 7951. - is standard input and output. What the new form has no place for is told on standard error; a configuration with "
		"mistakes, or one that the new form cannot have, is not written.", lwaftr_convert_options, program_lwaftr_convert },
	{ "lwaftr counters", "NAME", "Print what a running lwAFTR has counted.\n"
		"NAME is an instance of nf lwaftr run, or of nf run with an app lwaftr.lwaftr. The names are those that Snabb's lwAFTR has, and "
		"some of nf's own; what several apps or workers count under one name is added up. Only what is not 0 is shown.",
		lwaftr_counters_options, program_lwaftr_counters },
	{ "lwaftr explain", "CONF PACKET...", "Tell step by step what an lwAFTR does with a packet, and why.\n"
		"PACKET is a frame in hex, FILE (the first packet of a capture) or FILE:NUMBER (counted from 1). It goes through the real "
		"graph, with nothing at its ends: each app that has it, the softwire that is looked up, the fields that change, the counters, "
		"what leaves with all its bytes, or the reason why it is dropped. Nothing is sent, and no running instance knows of it. "
		"Several packets come one after the other, for example the fragments of one.", lwaftr_explain_options,
		program_lwaftr_explain },
	{ "lwaftr gen", "DIR", "Make a configuration of an lwAFTR, and packets that belong to it.\n"
		"DIR gets lwaftr.conf, v4.pcap (from the internet) and v6.pcap (from B4s), for nf lwaftr check and bench. The softwires of the "
		"packets are chosen at random; the same options give the same bytes.", lwaftr_gen_options, program_lwaftr_gen },
	{ "lwaftr run", NULL, "Run an lwAFTR between two ports, or on one.\n"
		"It is nf run with the graph of the configuration: nf stats, nf top, nf trace, nf stop and the others know it under its name, "
		"and nf reload NAME reads the configuration again. Of the apps, only what differs changes.", lwaftr_run_options,
		program_lwaftr_run },
	{ "lwaftr softwire", "COMMAND [ARGS...]", "Look at and change the table of a running lwAFTR.\n"
		"`nf help` lists its commands, `nf help lwaftr softwire add` tells more about one of them.", NULL, program_lwaftr_softwire },
	{ "lwaftr softwire add", "NAME [IPV4] [PSID] [B4] [BR]", "Add softwires to a running lwAFTR: one, or those of a file.\n"
		"All of them or none: each mistake is told, for a file with line and column. Traffic goes on meanwhile; the answer says how long "
		"the longest pause was. The configuration file is not changed: a reload of it, once it has changed, has the last word.",
		softwire_add_options, program_lwaftr_softwire_add },
	{ "lwaftr softwire count", "NAME", "Tell how many softwires a running lwAFTR has, and how many more it has room for.",
		softwire_count_options, program_lwaftr_softwire_count },
	{ "lwaftr softwire list", "NAME", "Print the softwires of a running lwAFTR, by address and PSID.\n"
		"The form is that of a configuration, and of the files of softwire add and remove.", softwire_list_options,
		program_lwaftr_softwire_list },
	{ "lwaftr softwire remove", "NAME [IPV4] [PSID]", "Remove softwires from a running lwAFTR: one, or those of a file.\n"
		"All of them or none, as with softwire add.", softwire_remove_options, program_lwaftr_softwire_remove },
	{ "lwaftr softwire show", "NAME IPV4 [PSID]", "Print the softwires of one address of a running lwAFTR, or one of them.",
		softwire_show_options, program_lwaftr_softwire_show },
	{ "lwaftr validate", "CONF", "Tell all that is wrong with a configuration of an lwAFTR; start nothing.", NULL, program_lwaftr_validate },
	{ "nicsim", "[-- COMMAND]", "Simulate network cards, for drivers that are to be tried or tested without one.\n"
		"COMMAND runs with the cards in its PCI tree (NF_SYSFS); without COMMAND the variables that a driver needs are printed, "
		"and commands are read from standard input. Each violation of the datasheet's rules is told in a line. It ends with 1 "
		"when there was one, or when a frame was damaged or doubled, else with COMMAND's exit code. It needs root, and drivers "
		"need huge pages.", nicsim_options, program_nicsim },
	{ "pci", "[bind|unbind] [ADDRESS] [DRIVER]", "List the network cards: who has them, and which app drives them.\n"
		"`nf pci bind ADDRESS` gives a card to vfio-pci, for nf behind an IOMMU; with kernel as DRIVER it goes back to the kernel's "
		"own. `nf pci unbind ADDRESS` takes it from either, for direct access without an IOMMU.", pci_options, program_pci },
	{ "ps", NULL, "List the instances of nf that run.\n"
		"A stale one was killed: the next nf run of its name takes its place.", ps_options, program_ps },
	{ "regs", "ADDRESS [NAME]", "Print the registers of a card by name and field, as its driver has them.\n"
		"NAME is one register, or one of an array: RXDCTL[0]. Of an array those that are not 0 are shown. What a read would clear or "
		"take (counters, interrupt causes, the semaphore) is shown only when it is named. The card may be in use.", NULL,
		program_regs },
	{ "reload", "NAME [FILE]", "Change the graph of a running instance: to what its file says now, or to another file.\n"
		"All or nothing: everything new is prepared first, then each worker changes over between two breaths. Apps that did not "
		"change keep their state; packets on links stay. The receipt tells what was done and what it cost. If anything is wrong, "
		"the old graph goes on and the reason is told.", reload_options, program_reload },
	{ "run", "FILE [-- ARGS]", "Run the graph that a configuration file describes.\n"
		"The supervisor opens devices and files; a worker process for each core moves the packets. It ends when all inputs have "
		"ended, after --duration, or when it is told to (nf stop, SIGINT, SIGTERM): then it drains and prints what each app did.",
		run_options, program_run },
	{ "stats", "NAME", "Tell what an instance has done, app by app, and where every packet is.\n"
		"It ends with 1 when the ledger does not balance: a packet was lost, made or counted twice.", stats_options, program_stats },
	{ "stop", "NAME...", "Ask instances to drain and end, and wait until they have.", stop_options, program_stop },
	{ "top", "NAME", "Watch an instance: rates, costs, fill and drops, second by second.\n"
		"In a terminal it is a screen with keys (? tells them) that remembers an hour; else it prints a table each second.",
		top_options, program_top },
	{ "trace", "NAME [FILTER...]", "Show the way of packets through a running graph: what each app did with them.\n"
		"FILTER is in the language of tcpdump; a packet is shown when it matches anywhere on its way. Whole breaths that did not "
		"fit are left out. Where it is not sure which packet an app dropped, it says what the app did to which number.",
		trace_options, program_trace },
	{ NULL, NULL, NULL, NULL, NULL },
};

const struct program *program_find(const char *name)
{
	for (const struct program *p = programs; p->name != NULL; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

const char *program_nearest(const char *name)
{
	const char *names[sizeof(programs) / sizeof(programs[0])];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		names[i] = programs[i].name;
	return error_nearest(name, names);
}

/* The user named no program that there is. */
static int unknown(const char *name)
{
	const char *nearest = program_nearest(name);

	fprintf(stderr, "nf: unknown program '%s'", name);
	if (nearest != NULL)
		fprintf(stderr, "; did you mean '%s'?", nearest);
	fprintf(stderr, "\n    nf help lists all\n");
	return EXIT_USAGE;
}

/* Output that could not be written (a full disk) is a failure, too. */
static int close_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "nf: cannot write the output: %s\n", strerror(errno));
	return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* Run what the user asked for; gives the exit code. */
static int run(int argc, char **argv)
{
	const struct program *program;

	if (argc < 2) {
		help_programs(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help_programs(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("nf %s\n", NF_VERSION);
		return EXIT_DONE;
	}
	program = program_find(argv[1]);
	return program == NULL ? unknown(argv[1]) : program->main(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	app_classes = apps_table;
	log_init();
	clock_init();
	return close_output(run(argc, argv));
}
