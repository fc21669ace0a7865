/* supervisor_probe -- captures of running links: make the ring, hand it to the worker and to the client, and end it when either is
 * gone. A capture lives as long as its client's connection. */
#include "core/supervisor_state.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RETRY_MS = 10 };

/* Is it the end at the receiver of a link between workers, whose end at the sender the text means as well? Then that one is meant. */
static bool is_second_end(const struct graph_worker *worker, const struct graph_link *link, const char *text)
{
	const char *arrow = strstr(link->name, " -> "), *colon = strchr(link->name, ':');
	char first[PROBE_LINK + 128];

	/* "w1:a.x -> b.y" in worker w2 is "a.x -> w2:b.y" in worker w1. */
	if (colon == NULL || arrow == NULL || colon > arrow)
		return false;
	snprintf(first, sizeof(first), "%.*s -> %s:%s", (int)(arrow - colon - 1), colon + 1, worker->name, arrow + 4);
	return strstr(first, text) != NULL;
}

/* Which link does a text mean: its whole name, or a part that no other has; with several workers also "WORKER:NAME".
 *   fails: -ENOENT with nf_error(), which names the candidates */
static int find_link(const struct graph *graph, const char *text, uint32_t *worker, const struct graph_link **found)
{
	uint32_t count = 0, parts = 0;
	char names[ERROR_TEXT] = "", full[PROBE_LINK + 128];
	size_t length = 0;

	for (uint32_t w = 0; w < graph->worker_count; w++) {
		for (uint32_t i = 0; i < graph->worker[w].link_count; i++) {
			const struct graph_link *link = &graph->worker[w].link[i];
			bool whole, part;

			snprintf(full, sizeof(full), "%s:%s", graph->worker[w].name, link->name);
			whole = strcmp(link->name, text) == 0 || strcmp(full, text) == 0;
			part = strstr(link->name, text) != NULL && (whole || !is_second_end(&graph->worker[w], link, text));
			if ((whole && count == 0) || (part && count + parts == 0)) {
				*found = link;
				*worker = w;
			}
			count += whole;
			parts += part && !whole;
			if ((part || whole) && length < sizeof(names))
				length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s", length > 0 ? ", " : "",
					graph->worker_count > 1 ? full : link->name);
		}
	}
	if (count == 1 || (count == 0 && parts == 1))
		return 0;
	if (count + parts == 0)
		return nf_fail(ENOENT, "no link has '%s' in its name; nf stats lists all", text);
	return nf_fail(ENOENT, "'%s' is a part of %u links: %.*s", text, count + parts, 600, names);
}

/* Tell the worker to begin. */
static int order_probe(struct supervisor *s, uint32_t slot, uint32_t worker, uint32_t snaplen, const char *link, int fd)
{
	struct worker_order order = { .type = WORKER_PROBE, .probe = slot, .snaplen = snaplen };

	if (strlen(link) >= sizeof(order.link))
		return nf_fail(ENAMETOOLONG, "the link's name is longer than %d bytes", PROBE_LINK - 1);
	strcpy(order.link, link);
	if (s->child[worker].control < 0 || !s->child[worker].released)
		return nf_fail(ECONNREFUSED, "worker '%s' does not run at the moment", s->graph->worker[worker].name);
	if (supervisor_order(s, worker, &order, &fd, 1) < 0)
		return nf_fail(EAGAIN, "worker '%s' is busy with other orders", s->graph->worker[worker].name);
	return 0;
}

/* Make the ring, start the worker's side. gives: the ring's descriptor; fails: -errno with nf_error() */
static int begin(struct supervisor *s, uint32_t slot, uint32_t worker, const char *link, uint32_t snaplen)
{
	int fd = probe_create(), code;

	if (fd < 0)
		return fd;
	code = order_probe(s, slot, worker, snaplen, link, fd);
	if (code < 0) {
		close(fd);
		return code;
	}
	s->probe[slot].worker = worker;
	return fd;
}

/* Begin a capture, link "": a trace; the client is told. */
static void start(struct supervisor *s, uint32_t worker, const char *link, uint32_t snaplen, int client)
{
	uint32_t slot = 0;
	char name[PROBE_LINK + 8];
	int fd;

	while (slot < PROBE_MOST && (s->probe[slot].client >= 0 || s->probe[slot].ending))
		slot++;
	if (slot == PROBE_MOST) {
		snprintf(name, sizeof(name), "%d captures are running, more at a time are not allowed", PROBE_MOST);
		supervisor_answer(client, false, name);
		return;
	}
	fd = begin(s, slot, worker, link, snaplen);
	if (fd < 0) {
		supervisor_answer(client, false, nf_error());
		return;
	}
	s->probe[slot].client = client;
	snprintf(name, sizeof(name), "%s\n", link);
	/* The answer is short: a connection that has just been made has room for it. */
	if (descriptor_send(client, "ok\n", 3, &fd, 1) < 0 ||
		send(client, name, strlen(name), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)strlen(name))
		supervisor_probe_end(s, slot, NULL);
	close(fd);
}

void supervisor_probe(struct supervisor *s, const char *text, uint32_t snaplen, int client)
{
	const struct graph_link *link = NULL;
	uint32_t worker = 0;

	if (find_link(s->graph, text, &worker, &link) < 0)
		supervisor_answer(client, false, nf_error());
	else
		start(s, worker, link->name, snaplen, client);
}

void supervisor_trace(struct supervisor *s, uint32_t number, uint32_t snaplen, int client)
{
	char text[64];

	if (number >= 1 && number <= s->graph->worker_count) {
		start(s, number - 1, "", snaplen, client);
		return;
	}
	snprintf(text, sizeof(text), "there is no worker %u; there are %u", number, s->graph->worker_count);
	supervisor_answer(client, false, text);
}

void supervisor_probe_end(struct supervisor *s, uint32_t slot, const char *why)
{
	struct supervisor_probe *probe = &s->probe[slot];

	if (probe->client < 0)
		return;
	if (why != NULL && send(probe->client, why, strlen(why), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a capture's client is gone");
	close(probe->client);
	probe->client = -1;
	probe->ending = true;
	supervisor_probe_tick(s);
}

int supervisor_probe_tick(struct supervisor *s)
{
	int next = -1;

	for (uint32_t i = 0; i < PROBE_MOST; i++) {
		struct worker_order order = { .type = WORKER_PROBE_END, .probe = i };
		struct supervisor_probe *probe = &s->probe[i];
		int code = 0;

		if (!probe->ending)
			continue;
		if (s->child[probe->worker].control >= 0)
			code = supervisor_order(s, probe->worker, &order, NULL, 0);
		/* One that reads no orders at the moment is told later; one that is gone need not be told. */
		probe->ending = code == -EAGAIN;
		if (probe->ending)
			next = RETRY_MS;
	}
	return next;
}

void supervisor_probe_lost(struct supervisor *s, uint32_t worker, const char *why)
{
	for (uint32_t i = 0; i < PROBE_MOST; i++)
		if (s->probe[i].worker == worker && (s->probe[i].client >= 0 || s->probe[i].ending)) {
			supervisor_probe_end(s, i, why);
			s->probe[i].ending = false;
		}
}
