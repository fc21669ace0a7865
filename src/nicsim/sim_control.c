/* sim_control -- see sim_control.h. */
#include "nicsim/sim_control.h"

#include "core/param_text.h"
#include "nicsim/sim_wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE = 256, WORDS = 5, WAIT_MS = 20000, SILENCE_NS = 200000000 };

static int listener = -1, caller = -1;   /* caller: who has connected */
static bool has_input;

/* --- commands ----------------------------------------------------------------------------------------------------------- */

struct order {
	struct sim *sim;
	struct sim_card *card;          /* the one that the second word names */
	char *word[WORDS];              /* "" beyond the last */
	FILE *out;
};

/* "on" or "off", "down" or "up", "yes" or "no". */
static bool is_on(const char *word, bool *on)
{
	*on = strcmp(word, "on") == 0 || strcmp(word, "down") == 0;
	return *on || strcmp(word, "off") == 0 || strcmp(word, "up") == 0;
}

static bool parse(const char *text, uint64_t *number)
{
	char *rest;

	*number = strtoull(text, &rest, 0);
	return text[0] != 0 && *rest == 0 && text[0] != '-';
}

static bool do_link(struct order *order)
{
	return is_on(order->word[2], &order->card->faults.link_down);
}

static bool do_hang(struct order *order)
{
	return is_on(order->word[2], &order->card->faults.transmit_hangs);
}

static bool do_vanish(struct order *order)
{
	bool on;

	if (!is_on(order->word[2], &on))
		return false;
	sim_register_vanish(order->card, on);
	return true;
}

static bool do_deaf(struct order *order)
{
	return is_on(order->word[2], &order->card->faults.deaf);
}

static bool do_crc(struct order *order)
{
	uint64_t n;

	if (!parse(order->word[2], &n) || n > UINT32_MAX)
		return false;
	order->card->faults.crc_errors = (uint32_t)n;
	return true;
}

static bool do_delay(struct order *order)
{
	struct sim_faults *faults = &order->card->faults;
	uint64_t *which = strcmp(order->word[2], "transmit") == 0 ? &faults->transmit_delay_ns :
		strcmp(order->word[2], "enable") == 0 ? &faults->enable_delay_ns :
		strcmp(order->word[2], "disable") == 0 ? &faults->disable_delay_ns :
		strcmp(order->word[2], "link") == 0 ? &faults->link_delay_ns : NULL;

	char why[PARAM_TEXT_WHY];

	return which != NULL && param_text_parse(PARAM_DURATION, order->word[3], which, why);
}

static bool do_forbid(struct order *order)
{
	return parse(order->word[2], &order->card->faults.forbidden) && parse(order->word[3], &order->card->faults.forbidden_bytes);
}

static bool do_soil(struct order *order)
{
	order->card->was_reset = false;
	sim_register_soil(order->card);
	return order->word[2][0] == 0;
}

/* A register's value, without the side effects of a read. */
static bool do_peek(struct order *order)
{
	uint64_t at;

	if (!parse(order->word[2], &at) || at % 4 != 0 || at >= order->card->kind->bar)
		return false;
	fprintf(order->out, "0x%08x\n", sim_get(order->card, order->card->canonical[at / 4]));
	return true;
}

static bool do_report(struct order *order)
{
	sim_wire_report(order->sim, order->out);
	sim_judge_report(order->sim, order->out);
	return true;
}

static bool do_quit(struct order *order)
{
	(void)order;
	return raise(SIGTERM) == 0;
}

static bool do_help(struct order *order);

static const struct { const char *name, *rest, *help; bool needs_card; bool (*act)(struct order *order); } commands[] = {
	{ "link", "CARD down|up", "the cable is pulled, plugged in", true, do_link },
	{ "hang", "CARD on|off", "nothing is transmitted any more", true, do_hang },
	{ "vanish", "CARD on|off", "all registers read as ones", true, do_vanish },
	{ "deaf", "CARD on|off", "what is written to registers does nothing, but for tails", true, do_deaf },
	{ "crc", "CARD N", "the next N frames arrive with a wrong FCS", true, do_crc },
	{ "delay", "CARD transmit|enable|disable|link TIME", "frames leave, queues are enabled, disabled, the link comes up later", true, do_delay },
	{ "forbid", "CARD ADDRESS BYTES", "physical memory that the card must not touch from now on", true, do_forbid },
	{ "soil", "CARD", "registers hold what another driver left behind", true, do_soil },
	{ "peek", "CARD OFFSET", "tell a register's value", true, do_peek },
	{ "report", "", "tell what was sent and found so far", false, do_report },
	{ "quit", "", "end", false, do_quit },
	{ "help", "", "tell all commands", false, do_help },
};

static bool do_help(struct order *order)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(order->out, "%-7s %-41s %s\n", commands[i].name, commands[i].rest, commands[i].help);
	return true;
}

bool sim_control_do(struct sim *sim, const char *command, FILE *out)
{
	static char empty[1];
	char copy[LINE], *rest = copy, *word;
	struct order order = { .sim = sim, .word = { empty, empty, empty, empty, empty }, .out = out };
	uint64_t number = 0;
	uint32_t n = 0;

	snprintf(copy, sizeof(copy), "%s", command);
	while (n < WORDS && (word = strsep(&rest, " \t\n")) != NULL)
		if (word[0] != 0)
			order.word[n++] = word;
	if (n == 0)
		return true;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, order.word[0]) != 0)
			continue;
		if (commands[i].needs_card && (!parse(order.word[1], &number) || number >= sim->card_count)) {
			fprintf(out, "nicsim: '%s': the cards are 0 to %u\n", command, sim->card_count - 1);
			return false;
		}
		order.card = &sim->card[number];
		if (commands[i].act(&order))
			return true;
		fprintf(out, "nicsim: '%s': it is %s %s\n", command, commands[i].name, commands[i].rest);
		return false;
	}
	fprintf(out, "nicsim: there is no command '%s'\n", order.word[0]);
	return false;
}

/* --- where commands come from ------------------------------------------------------------------------------------------- */

static int make_address(struct sockaddr_un *address, const char *root)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/control", root) >= (int)sizeof(address->sun_path))
		return nf_fail(ENAMETOOLONG, "%s: too long for a socket's path", root);
	return 0;
}

int sim_control_begin(struct sim *sim, bool with_input)
{
	struct sockaddr_un address;
	int code = make_address(&address, sim->root);

	if (code < 0)
		return code;
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 8) < 0)
		return nf_fail(errno, "cannot listen on %s: %s", address.sun_path, strerror(errno));
	has_input = with_input;
	return 0;
}

/* One connection: a line, the answer, the end. */
static void serve(struct sim *sim, int fd)
{
	char line[LINE];
	ssize_t n = read(fd, line, sizeof(line) - 1);
	FILE *out = n > 0 ? fdopen(fd, "w") : NULL;

	if (out == NULL) {
		close(fd);
		return;
	}
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	if (sim_control_do(sim, line, out))
		fprintf(out, "ok\n");
	fclose(out);
}

static void read_input(struct sim *sim)
{
	char line[LINE];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
	char *rest = line, *one;

	if (n <= 0) {
		has_input = false;
		return;
	}
	line[n] = 0;
	while ((one = strsep(&rest, "\n")) != NULL)
		sim_control_do(sim, one, stdout);
	fflush(stdout);
}

/* Whoever connects is served when he has said something; who is silent for a while is sent away. The cards do not wait for him. */
static void look_at_caller(struct sim *sim, bool speaks)
{
	static uint64_t since_ns;

	if (caller < 0) {
		caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		since_ns = sim->now_ns;
	} else if (speaks) {
		serve(sim, caller);
		caller = -1;
	} else if (sim->now_ns - since_ns > SILENCE_NS) {
		close(caller);
		caller = -1;
	}
}

void sim_control_step(struct sim *sim)
{
	struct pollfd ready[2] = { { .fd = caller < 0 ? listener : caller, .events = POLLIN },
		{ .fd = has_input ? STDIN_FILENO : -1, .events = POLLIN } };

	poll(ready, 2, 0);
	if (caller >= 0 || ready[0].revents & POLLIN)
		look_at_caller(sim, ready[0].revents != 0);
	if (ready[1].revents)
		read_input(sim);
}

void sim_control_end(struct sim *sim)
{
	struct sockaddr_un address;

	if (listener < 0)
		return;
	if (caller >= 0)
		close(caller);
	close(listener);
	caller = listener = -1;
	if (make_address(&address, sim->root) == 0)
		unlink(address.sun_path);
}

bool sim_control_tell(const char *root, const char *command, FILE *out)
{
	struct sockaddr_un address;
	struct pollfd ready = { .events = POLLIN };
	char text[4096];
	bool done = false;
	ssize_t n = -1;
	int fd;

	if (make_address(&address, root) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ready.fd = fd;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    dprintf(fd, "%s\n", command) < 0) {
		nf_fail(errno, "no cards are simulated in %s: %s", root, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	nf_fail(EINVAL, "the cards did not take '%s'", command);
	while (poll(&ready, 1, WAIT_MS) > 0 && (n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = 0;
		done = n >= 3 && strcmp(text + n - 3, "ok\n") == 0;
		fprintf(out, "%.*s", (int)(done ? n - 3 : n), text);
	}
	close(fd);
	return done;
}
