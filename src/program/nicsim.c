/* nicsim -- `nf nicsim [-- COMMAND]`: network cards in software, and what a driver does wrong with them. */
#include "program/options.h"

#include "nicsim/sim_child.h"
#include "nicsim/sim_control.h"
#include "nicsim/sim_uio.h"
#include "nicsim/sim_wire.h"

#include <signal.h>
#include <unistd.h>

enum { LOOK_NS = 2000000 };
#define PATIENCE_NS 20000000000ULL      /* for a command that was told to end */
#define QUIET_NS 1000000000ULL          /* without a frame, after everything was sent: nothing comes back any more */

static struct sim sim;
static volatile sig_atomic_t signalled;
static int child = -1, child_code;
static bool stops;                      /* the command is told to end when the traffic is done */

static void on_end(int number)
{
	signalled = number;
}

/* All frames that moved so far. */
static uint64_t activity(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < sim.card_count; i++)
		sum += sim.card[i].counts.sent + sim.card[i].counts.received + sim.card[i].counts.no_descriptor + sim.card[i].counts.filtered;
	return sum;
}

/* Has everything been sent, and come back or been lost? */
static bool is_over(void)
{
	static uint64_t moved, moved_ns;
	uint64_t now = activity();

	if (now != moved || now == 0) {
		moved = now;
		moved_ns = sim.now_ns;
	}
	if (sim_wire_done(&sim))
		return now > 0 && sim.now_ns - moved_ns > QUIET_NS / 10;
	for (uint32_t i = 0; i < sim.card_count; i++)
		if (sim.card[i].wire->kind > SIM_WIRE_JOINED && !sim.card[i].wire->ended)
			return false;
	return sim.now_ns - moved_ns > QUIET_NS;
}

/* Between rounds: commands, signals, the child's end. gives: whether to go on */
static bool look(struct sim *s)
{
	static uint64_t looked_ns, told_ns;

	if (s->now_ns - looked_ns < LOOK_NS)
		return true;
	looked_ns = s->now_ns;
	sim_control_step(s);
	if (child < 0)
		return signalled == 0 && !(stops && is_over());
	if (signalled != 0 || (stops && is_over())) {
		kill(child, SIGTERM);
		told_ns = told_ns != 0 ? told_ns : s->now_ns;
		signalled = 0;
		stops = false;
	}
	if (told_ns != 0 && s->now_ns - told_ns > PATIENCE_NS)
		kill(child, SIGKILL);
	child_code = sim_child_poll(child);
	return child_code < 0;
}

static bool parse_mode(const struct options *options)
{
	static const char *const modes[] = { "poll", "trap", "middle", NULL };
	uint32_t mode = SIM_TRAP;
	bool good = options_choice(options, "--mode", modes, &mode);

	sim.mode = (enum sim_mode)mode;
	return good;
}

/* What stands in --wire: one word for each card, the last one for those that follow; without, pairs are joined. */
static int begin_wires(const char *text, const struct sim_traffic *traffic)
{
	char copy[1024], *rest = copy, *word = copy;

	snprintf(copy, sizeof(copy), "%s", text);
	for (uint32_t i = 0; i < sim.card_count; i++) {
		char *next = rest != NULL ? strsep(&rest, ",") : NULL;
		int code;

		word = next != NULL ? next : word;
		code = sim_wire_begin(&sim, i, word[0] != 0 ? word : (i ^ 1) < sim.card_count ? "joined" : "none", traffic);
		if (code < 0)
			return code;
	}
	return rest == NULL ? 0 : nf_fail(EINVAL, "--wire names more wires than there are cards");
}

/* Commands from the command line, one after the other. */
static int do_commands(const char *text)
{
	char copy[512], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((one = strsep(&rest, ";")) != NULL)
		if (!sim_control_do(&sim, one, stderr))
			return nf_fail(EINVAL, "--do '%s' was not done", text);
	return 0;
}

static const char *value_or(const struct options *options, const char *name, const char *standard)
{
	const char *value = options_value(options, name);

	return value != NULL ? value : standard;
}

static int begin(const struct options *options, char *library, size_t size)
{
	struct sim_traffic traffic;
	const char *cards = value_or(options, "--cards", "82599,82599");
	int code = sim_wire_traffic(&traffic, value_or(options, "--traffic", ""));

	if (code == 0 && sim.mode != SIM_POLL)
		code = sim_child_library(library, size);
	if (code == 0)
		code = sim_begin(&sim, options_value(options, "--root"), cards);
	if (code == 0 && options_has(options, "--uio"))
		code = sim_uio_add(&sim);
	if (code == 0)
		code = begin_wires(value_or(options, "--wire", ""), &traffic);
	if (code == 0)
		code = sim_control_begin(&sim, options->rest_count == 0 && !options_has(options, "--stop"));
	if (code == 0)
		code = do_commands(value_or(options, "--do", ""));
	return code;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_end };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Start the command, or tell how to start one. */
static int start(const struct options *options, const char *library)
{
	if (options->rest_count == 0) {
		sim_child_print(&sim, sim.mode == SIM_POLL ? NULL : library, stdout);
		fflush(stdout);
		return 0;
	}
	child = sim_child_start(&sim, options->rest, sim.mode == SIM_POLL ? NULL : library, options_has(options, "--uio") ? SIM_MOUNT_UIO :
		options_has(options, "--mount") ? SIM_MOUNT_TREE : SIM_MOUNT_NOTHING);
	return child < 0 ? child : 0;
}

/* The report and the exit code: 1 when the driver broke a rule, else that of the command. */
static int finish(bool all)
{
	FILE *out = stderr;

	sim_wire_report(&sim, out);
	sim_judge_report(&sim, out);
	if (sim_judge_violations(&sim) > 0 || sim_wire_failed(&sim, all))
		return EXIT_FAILED;
	return child >= 0 && child_code >= 0 ? child_code : EXIT_DONE;
}

static int tell(const char *root, const char *command)
{
	if (sim_control_tell(root, command, stdout))
		return EXIT_DONE;
	fflush(stdout);
	fprintf(stderr, "nf nicsim: %s\n", nf_error());
	return EXIT_FAILED;
}

int program_nicsim(int argc, char **argv)
{
	static char library[512];
	struct options options;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (options_has(&options, "--tell")) {
		if (options_value(&options, "--root") == NULL)
			return options_wrong(options.program, "option '--tell' needs --root, the folder that NF_SYSFS names");
		return tell(options_value(&options, "--root"), options_value(&options, "--tell"));
	}
	if (!parse_mode(&options))
		return EXIT_USAGE;
	sim.deep = !options_has(&options, "--fast");
	sim.strict = options_has(&options, "--strict");
	sim.lossless = options_has(&options, "--lossless");
	stops = options_has(&options, "--stop");
	child_code = -1;
	catch_signals();
	code = begin(&options, library, sizeof(library));
	if (code == 0)
		code = start(&options, library);
	if (code < 0) {
		fprintf(stderr, "nf nicsim: %s\n", nf_error());
		sim_control_end(&sim);
		sim_end(&sim);
		return EXIT_FAILED;
	}
	sim_run(&sim, look);
	code = finish(options_has(&options, "--all-back"));
	sim_control_end(&sim);
	sim_end(&sim);
	return code;
}
