/* fuzz_worker -- what a worker that was taken over may write to its supervisor: reports in any order and phase of a reload, requests
 * for resources. Both go over real sockets.
 *
 *      byte 0: bit 0: requests, else reports; bits 1, 2: the phase of a reload; bit 3: reports of any length
 *      then messages: two bytes with the length, low first, and the bytes */
#include "apps/apps.h"
#include "core/supervisor_state.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { REQUESTS = 1, ANY_LENGTH = 8, MOST = 4500 };

static struct graph *graph;
static pid_t victim;                    /* what the supervisor takes for the worker's process, to end it */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char text[] = "local function flow() return { apps = { s = { 'basic.source' }, k = { 'basic.sink' } }, "
		"links = { 's -> k' } } end return { workers = { flow(), flow() } }";
	struct errors errors = { 0 };

	(void)argc, (void)argv;
	app_classes = apps_table;
	graph = graph_from_text(text, "=fuzz", (const char *const[]){ NULL }, &errors);
	nf_assert(graph != NULL, "%s", errors.count > 0 ? errors.text[0] : "no graph");
	victim = fork();
	if (victim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return 0;
}

static int open_nothing(const struct app *app, const char *key)
{
	(void)app;
	return strcmp(key, "read:busy") == 0 ? nf_fail(EBUSY, "%s is busy", key) : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Send the next message, as the worker would. gives: the bytes behind it; NULL: there is none */
static const uint8_t *send_next(const uint8_t *data, const uint8_t *end, int socket, bool is_padded)
{
	uint8_t message[MOST + sizeof(struct worker_report)] = { 0 };
	size_t length;

	if (end - data < 2)
		return NULL;
	length = data[0] | (size_t)data[1] << 8;
	data += 2;
	if (length > (size_t)(end - data))
		length = (size_t)(end - data);
	if (length > MOST)
		length = MOST;
	memcpy(message, data, length);
	if (send(socket, message, is_padded ? sizeof(struct worker_report) : length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return NULL;
	return data + length;
}

static void request(const uint8_t *data, const uint8_t *end, const int pair[2])
{
	static const struct app_class class = { .name = "fuzz", .open = open_nothing };
	struct app app = { .class = &class, .name = "fuzz" };
	struct resource list[] = { { .key = strdup("read:/dev/null"), .app = &app, .shared = true, .fd = -1 },
		{ .key = strdup("tap:tap0"), .app = &app, .fd = -1 }, { .key = strdup("read:busy"), .app = &app, .fd = -1 } };
	struct resources resources = { .count = sizeof(list) / sizeof(list[0]), .list = list };

	while ((data = send_next(data, end, pair[1], false)) != NULL) {
		char answer[ERROR_TEXT + sizeof(int32_t)];

		if (resource_answer(pair[0], &resources) < 0)
			break;
		nf_assert(recv(pair[1], answer, sizeof(answer), MSG_DONTWAIT) >= (ssize_t)sizeof(int32_t), "a request without an answer");
	}
	for (uint32_t i = 0; i < resources.count; i++) {
		if (list[i].fd >= 0)
			close(list[i].fd);
		free(list[i].holders);
		free(list[i].key);
	}
}

static void report(uint8_t mode, const uint8_t *data, const uint8_t *end, int pair[2])
{
	static struct supervisor s;
	static struct supervisor_options options = { .name = "fuzz" };
	static struct supervisor_result result;
	char *text;

	s = (struct supervisor){ .graph = graph, .options = &options, .result = &result, .listener = -1, .confirm_until_ns = CLOCK_NEVER,
		.reload = { .phase = (mode >> 1 & 3) % 3, .client = -1 } };
	for (int i = 0; i < MEMORY_WORKERS; i++)
		s.child[i] = (struct child){ .control = -1, .resource = -1, .restart_ns = CLOCK_NEVER };
	s.child[0].control = pair[0];
	s.child[0].pid = victim;
	while (s.child[0].control >= 0 && (data = send_next(data, end, pair[1], (mode & ANY_LENGTH) == 0)) != NULL)
		supervisor_read_report(&s, 0);
	/* What it said is printed at the end of a reload. */
	text = supervisor_receipt(graph, graph, &s.reload);
	nf_assert(text != NULL && memchr(s.child[0].report.text, 0, ERROR_TEXT) != NULL && memchr(s.text, 0, ERROR_TEXT) != NULL,
		"a text has no end");
	free(text);
	pair[0] = s.child[0].control;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	int pair[2];

	if (length == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return 0;
	if (data[0] & REQUESTS)
		request(data + 1, data + length, pair);
	else
		report(data[0], data + 1, data + length, pair);
	if (pair[0] >= 0)
		close(pair[0]);
	close(pair[1]);
	return 0;
}
