/* turns -- see turns.h. The parent and a case's process talk over a socket pair: the parent asks for a number of packets, the
 * case answers with what it measured. */
#include "program/bench/turns.h"
#include "program/bench/result.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ANSWER_SECONDS = 120,           /* no set-up and no run takes that long */
	SLICES = 200,                   /* of a run, at most */
	SLICE_US = 1000
};

struct answer {
	int code;                       /* 0 or -errno */
	struct bench_sample sample;
	char error[ERROR_TEXT];
};

struct turn {
	const struct bench_case *c;
	pid_t pid;
	int socket;                     /* the parent's end */
	uint64_t packets;               /* of one run, found in the warm-up */
	uint32_t slices;                /* that a run is cut into */
	double ns[SLICES], cycles[SLICES];      /* per packet, of the slices of this run */
	struct bench_sample sample;     /* of the last slice */
};

/* One run, timed around. */
static int run_once(const struct bench_case *c, struct bench_sample *sample)
{
	uint64_t ns = clock_system_ns(), cycles = clock_cycles();
	int code = c->run(c, sample);

	cycles = clock_cycles() - cycles;
	sample->elapsed_ns = ns = clock_system_ns() - ns;
	if (sample->ns == 0)
		sample->ns = ns;
	if (sample->cycles == 0)
		sample->cycles = cycles;
	return code;
}

/* The life of a case's process: set up, then a run for each number of packets that arrives. */
static void __attribute__((noreturn)) serve(const struct bench_case *c, int socket)
{
	struct answer answer = { 0 };
	uint64_t packets;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	answer.code = c->start ? c->start(c) : 0;
	do {
		if (answer.code < 0)
			snprintf(answer.error, sizeof(answer.error), "%s", nf_error());
		if (send(socket, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer) || answer.code < 0)
			break;
		if (recv(socket, &packets, sizeof(packets), 0) != (ssize_t)sizeof(packets))
			break;
		answer.sample = (struct bench_sample){ .packets = packets };
		answer.code = run_once(c, &answer.sample);
	} while (true);
	_exit(0);
}

/* End a case's process: it leaves when its socket closes. */
static void end(struct turn *turn)
{
	if (turn->pid <= 0)
		return;
	close(turn->socket);
	kill(turn->pid, SIGKILL);
	waitpid(turn->pid, NULL, 0);
	turn->pid = 0;
}

/* Wait for a case's answer. */
static int wait_answer(struct turn *turn, struct bench_sample *sample)
{
	struct answer answer;
	ssize_t length = recv(turn->socket, &answer, sizeof(answer), 0);

	if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return nf_fail(ETIMEDOUT, "case %s: no answer within %d seconds", turn->c->name, ANSWER_SECONDS);
	if (length != (ssize_t)sizeof(answer)) {
		int status = 0;

		waitpid(turn->pid, &status, 0);
		close(turn->socket);
		turn->pid = 0;
		return nf_fail(EPIPE, "case %s: its process ended with %s %d", turn->c->name,
			WIFSIGNALED(status) ? "signal" : "exit code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	if (answer.code < 0)
		return nf_fail(-answer.code, "case %s: %s", turn->c->name, answer.error);
	*sample = answer.sample;
	return 0;
}

/* Make the process of a case and wait until it is set up. Only one case's descriptors are open in it. */
static int start(struct turn *turns, uint32_t i)
{
	struct turn *turn = &turns[i];
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	struct bench_sample unused;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return nf_fail(errno, "case %s: no socket pair: %s", turn->c->name, strerror(errno));
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	fflush(NULL);
	turn->socket = pair[0];
	turn->pid = fork();
	if (turn->pid == 0) {
		for (uint32_t j = 0; j <= i; j++)
			close(turns[j].socket);
		serve(turn->c, pair[1]);
	}
	close(pair[1]);
	if (turn->pid < 0) {
		close(pair[0]);
		return nf_fail(errno, "case %s: no process: %s", turn->c->name, strerror(errno));
	}
	return wait_answer(turn, &unused);
}

static int run(struct turn *turn, uint64_t packets, struct bench_sample *sample)
{
	if (send(turn->socket, &packets, sizeof(packets), MSG_NOSIGNAL) != (ssize_t)sizeof(packets))
		return nf_fail(errno, "case %s: its process has ended", turn->c->name);
	return wait_answer(turn, sample);
}

/* Warm up and find out how many packets take about `seconds`. The last run before the measured ones takes at least a fifth of
 * that, so that caches, branch predictors, compiled traces and the processor's clock have settled. */
static int warm_up(struct turn *turn, double seconds)
{
	double wanted = seconds * 1e9;
	struct bench_sample sample = { .packets = 1 };
	int code;

	do {
		turn->packets = sample.packets * 2;
		code = run(turn, turn->packets, &sample);
		if (code < 0)
			return code;
		if (turn->c->most > 0 && sample.packets >= turn->c->most)
			break;
	} while ((double)sample.elapsed_ns < wanted / 5);
	turn->packets = (uint64_t)((double)sample.packets * wanted / (double)(sample.elapsed_ns + 1)) + 1;
	if (turn->c->most > 0 && turn->packets > turn->c->most)
		turn->packets = turn->c->most;
	return 0;
}

/* Into how many slices a run is cut. */
static uint32_t slices_of(const struct bench_case *c, double seconds)
{
	double slices = seconds * 1e6 / SLICE_US;

	if (c->whole || slices < 1)
		return 1;
	return slices < SLICES ? (uint32_t)slices : SLICES;
}

/* A run of every case: slice by slice, in turns. A case's figure is the median of its slices, so that those in which something
 * else had the processor do not count. */
static int run_all(struct turn *turns, uint32_t cases, struct bench_result *results)
{
	for (uint32_t slice = 0; slice < SLICES; slice++) {
		for (uint32_t i = 0; i < cases; i++) {
			struct turn *turn = &turns[i];
			int code;

			if (slice >= turn->slices)
				continue;
			code = run(turn, turn->packets / turn->slices + 1, &turn->sample);
			if (code < 0)
				return code;
			turn->ns[slice] = (double)turn->sample.ns / (double)turn->sample.packets;
			turn->cycles[slice] = (double)turn->sample.cycles / (double)turn->sample.packets;
		}
	}
	for (uint32_t i = 0; i < cases; i++) {
		if (turns[i].c->whole)
			result_add(&results[i], &turns[i].sample);
		else
			result_add_cost(&results[i], result_median(turns[i].ns, turns[i].slices),
				result_median(turns[i].cycles, turns[i].slices));
	}
	return 0;
}

int turns_run(const struct benchmark *benchmark, uint32_t runs, double seconds, struct bench_result *results, uint32_t *count)
{
	struct turn *turns = calloc(BENCH_CASES, sizeof(*turns));
	uint32_t cases = 0;
	int code = 0;

	if (turns == NULL)
		return nf_fail(ENOMEM, "no memory for the cases of %s", benchmark->name);
	for (; benchmark->cases[cases].name != NULL && code >= 0; cases++) {
		const struct bench_case *c = &benchmark->cases[cases];

		nf_assert(cases < BENCH_CASES, "benchmark %s has too many cases", benchmark->name);
		turns[cases].c = c;
		turns[cases].slices = slices_of(c, seconds);
		results[cases] = (struct bench_result){ .against = c->against };
		snprintf(results[cases].name, sizeof(results[cases].name), "%s", c->name);
		code = start(turns, cases);
	}
	for (uint32_t i = 0; i < cases && code >= 0; i++)
		code = warm_up(&turns[i], seconds);
	for (uint32_t i = 0; i < runs && code >= 0; i++)
		code = run_all(turns, cases, results);
	for (uint32_t i = 0; i < cases; i++)
		end(&turns[i]);
	free(turns);
	*count = cases;
	return code;
}
