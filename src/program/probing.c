/* probing -- see probing.h. */
#include "program/probing.h"
#include "program/control.h"

#include "core/descriptor.h"

#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LOOK_MS = 2,                    /* how often an empty ring is looked at */
	SHOWN = 200                     /* bytes of a filter in a message */
};

static volatile sig_atomic_t ended;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

/* The words of a filter as one text; NULL: no memory. */
static char *join(char *const *word)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; out != NULL && word[i] != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? " " : "", word[i]);
	if (out != NULL)
		fclose(out);
	return text;
}

/* gives: EXIT_USAGE after a message when libpcap does not understand it */
static int compile(struct probing *probing, char *const *word)
{
	char *text = join(word);
	int code = OPTIONS_GO;

	if (text == NULL) {
		fprintf(stderr, "nf %s: not enough memory\n", probing->program->name);
		code = EXIT_FAILED;
	} else if (filter_compile(text, &probing->filter) < 0) {
		code = options_wrong(probing->program, "the filter '%.*s%s': %s", SHOWN, text, strlen(text) > SHOWN ? "..." : "",
			nf_error());
	} else {
		probing->filtered = true;
	}
	free(text);
	return code;
}

int probing_init(struct probing *probing, const struct options *options, int from)
{
	uint64_t duration = 0;

	*probing = (struct probing){ .program = options->program, .fd = -1, .until_ns = CLOCK_NEVER };
	if (!options_number(options, "--count", 1, UINT64_MAX, &probing->count) ||
		!options_duration(options, "--duration", &duration))
		return EXIT_USAGE;
	if (duration > 0)
		probing->until_ns = clock_system_ns() + duration;
	return options->count > from ? compile(probing, options->argument + from) : OPTIONS_GO;
}

/* A signal ends the capture, not the program: what was captured is written, and counted. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_end };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* One line of the instance, without its newline; cut off where the buffer ends. */
static void read_line(int fd, char *text, size_t size)
{
	size_t length = 0;
	char c;

	while (recv(fd, &c, 1, 0) == 1 && c != '\n')
		if (length + 1 < size)
			text[length++] = c;
	text[length] = '\0';
}

int probing_begin(struct probing *probing, const char *name, const char *line)
{
	char head[4] = "";
	int ring = -1, count = 0, code;

	probing->fd = control_reach(probing->program, name);
	if (probing->fd < 0)
		return EXIT_FAILED;
	if (send(probing->fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line) ||
		descriptor_receive(probing->fd, head, 3, &ring, 1, &count, 0) != 1) {
		fprintf(stderr, "nf %s: instance '%s' does not answer\n", probing->program->name, name);
		return EXIT_FAILED;
	}
	if (strcmp(head, "ok\n") == 0 && count == 1) {
		read_line(probing->fd, probing->title, sizeof(probing->title));
		code = probe_reader_open(&probing->reader, ring);
		close(ring);
		if (code == 0) {
			catch_signals();
			return EXIT_DONE;
		}
		fprintf(stderr, "nf %s: %s\n", probing->program->name, nf_error());
		return EXIT_FAILED;
	}
	if (count == 1)
		close(ring);
	control_refused(probing->program, probing->fd);
	return EXIT_FAILED;
}

/* Look at the connection for at most `ms`: has the instance ended it, and why? */
static void look(struct probing *probing, int ms)
{
	struct pollfd wait = { .fd = probing->fd, .events = POLLIN };

	if (poll(&wait, 1, ms) <= 0)
		return;
	read_line(probing->fd, probing->end, sizeof(probing->end));
	if (probing->end[0] == '\0')
		strcpy(probing->end, "the instance has ended it");
	probing->over = true;
}

/* What the worker says in the ring. */
static void look_at_state(struct probing *probing)
{
	static const char *const texts[] = { [PROBE_LINK_GONE] = "a reload took the link out of the graph",
		[PROBE_RELOADED] = "a reload changed the graph", [PROBE_ENDED] = "the graph has ended" };
	enum probe_state state = probe_reader_status(probing->reader).state;

	if (state < PROBE_LINK_GONE)
		return;
	snprintf(probing->end, sizeof(probing->end), "%s", state <= PROBE_ENDED ? texts[state] : "the worker speaks nonsense");
	probing->over = true;
}

const struct probe_record *probing_next(struct probing *probing)
{
	for (;;) {
		const struct probe_record *record;
		bool broken, was_over = probing->over;

		if (ended || clock_system_ns() >= probing->until_ns || (probing->count > 0 && probing->taken >= probing->count))
			return NULL;
		record = probe_reader_next(probing->reader, &broken);
		if (record != NULL)
			return record;
		if (broken)
			snprintf(probing->end, sizeof(probing->end), "the worker wrote nonsense into the shared memory");
		/* What was written before it was over has been read now. */
		if (broken || was_over)
			return NULL;
		fflush(stdout);
		look_at_state(probing);
		if (!probing->over)
			look(probing, LOOK_MS);
	}
}

bool probing_wants(const struct probing *probing, const uint8_t *data, uint32_t length, uint32_t wire_length)
{
	/* libpcap's own machine, as ours knows no frame that was cut off. Both have instructions of one layout (filter_compile.c). */
	return !probing->filtered || bpf_filter((const void *)probing->filter.op, data, wire_length, length) != 0;
}

void probing_fini(struct probing *probing)
{
	if (probing->filtered)
		filter_program_free(&probing->filter);
	probe_reader_close(probing->reader);
	if (probing->fd >= 0)
		close(probing->fd);
}
