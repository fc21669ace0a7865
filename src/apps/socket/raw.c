/* raw -- an AF_PACKET socket on an interface of the kernel, of any Ethernet kind. Bursts by recvmmsg and sendmmsg.
 * source: packet(7); Linux Documentation/networking/packet_mmap.rst for the status bits of the auxiliary data */
#include "apps/socket/raw.h"

#include <net/if.h>
#include <unistd.h>

enum {
	TRUESIZE = 768,                 /* bytes of a socket's memory that the shortest frame takes */
	FRAME_NS = 67,                  /* time of the shortest frame at 10 Gb/s */
	STATISTICS_NS = 100000000       /* how often the kernel's drops are read */
};

static const struct param params[] = {
	{ "interface", PARAM_STRING, offsetof(struct raw, interface), .min = 1, .max = IFNAMSIZ - 1, .required = true,
		.help = "the interface, which must be there" },
	{ "namespace", PARAM_STRING, offsetof(struct raw, namespace), .min = 1, .max = 4000, .optional = true,
		.help = "network namespace of the interface: a name under /run/netns or an absolute path" },
	{ "promiscuous", PARAM_BOOL, offsetof(struct raw, promiscuous), .initial = true,
		.help = "receive what is not addressed to the interface, too" },
	{ "buffer", PARAM_BYTES, offsetof(struct raw, buffer), .min = 64 << 10, .max = 1 << 30, .initial_text = "8M",
		.help = "memory of the socket for each direction" },
	{ "gso", PARAM_BOOL, offsetof(struct raw, gso), .initial = true,
		.help = "exchange frames with the kernel that are to be segmented later (TSO, GRO); else nf cuts them" },
	{ 0 }
};

static void make_key(const struct raw *raw, char *key, size_t size)
{
	snprintf(key, size, "packet:%s%s%s", raw->interface, raw->namespace != NULL ? "@" : "",
		raw->namespace != NULL ? raw->namespace : "");
}

static void raw_resources(const struct app *app, struct resources *resources)
{
	char key[RESOURCE_KEY];

	make_key((const struct raw *)app, key, sizeof(key));
	resources_add(resources, "%s", key);
}

static void raw_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	(void)app;
	netdev_holds(true, holds);      /* GSO frames come in any case */
}

static int raw_prepare(struct app *app, const struct app *old)
{
	struct raw *raw = (struct raw *)app;
	char key[RESOURCE_KEY];

	(void)old;
	for (uint32_t i = 0; i < RAW_SLOTS; i++) {
		struct msghdr *in = &raw->receiving[i].msg_hdr, *out = &raw->sending[i].msg_hdr;

		in->msg_iov = raw->slot[i].part;
		in->msg_control = &raw->auxiliary[i];
		raw->part[i][0] = (struct iovec){ &raw->virtio[i], sizeof(raw->virtio[i]) };
		out->msg_iov = raw->part[i];
		out->msg_iovlen = 2;
	}
	raw->likely = 1;
	raw->dev.splits = !raw->gso;
	make_key(raw, key, sizeof(key));
	return netdev_prepare(&raw->dev, app, key, raw->gso);
}

static void raw_commit(struct app *app, struct app *old)
{
	if (old != NULL)
		netdev_commit(&((struct raw *)app)->dev, &((struct raw *)old)->dev);
}

static void raw_stop(struct app *app)
{
	netdev_stop(&((struct raw *)app)->dev);
}

static void raw_retire(struct app *app)
{
	netdev_retire(&((struct raw *)app)->dev);
}

/* The kernel's drops since the last look: reading them sets them back. */
static void raw_tick(struct app *app)
{
	struct raw *raw = (struct raw *)app;
	struct tpacket_stats statistics;
	socklen_t size = sizeof(statistics);

	netdev_tick(&raw->dev);
	if (app->down || clock_now() < raw->statistics_at)
		return;
	raw->statistics_at = clock_now() + STATISTICS_NS;
	if (getsockopt(raw->dev.fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) == 0)
		app->lost_outside += statistics.tp_drops;
}

static uint32_t raw_held(const struct app *app)
{
	return netdev_held(&((const struct raw *)app)->dev);
}

/* Nothing comes from a socket whose output leads nowhere. */
static void raw_link(struct app *app)
{
	app->ended = app->output[0] == NULL;
}

static int raw_event_fd(const struct app *app)
{
	return app->down ? -1 : ((const struct raw *)app)->dev.fd;
}

/* Half of what the socket's memory holds of the shortest frames at 10 Gb/s. */
static uint64_t raw_sleep_limit(const struct app *app)
{
	return ((const struct raw *)app)->buffer / TRUESIZE * FRAME_NS / 2;
}

/* Put back the tag that a card or the kernel has taken out of the frame. */
static bool restore_tag(struct packet *p, struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata data;

	if (header == NULL || header->cmsg_level != SOL_PACKET || header->cmsg_type != PACKET_AUXDATA)
		return true;
	memcpy(&data, CMSG_DATA(header), sizeof(data));
	if (!(data.tp_status & TP_STATUS_VLAN_VALID))
		return true;
	if (packet_prepend(p, VLAN_TAG) == NULL)
		return false;
	vlan_insert(p->data, data.tp_status & TP_STATUS_VLAN_TPID_VALID ? data.tp_vlan_tpid : ETHERNET_VLAN, data.tp_vlan_tci);
	return true;
}

/* Take packets for up to n frames. gives: how many */
static uint32_t open_slots(struct raw *raw, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct msghdr *message = &raw->receiving[i].msg_hdr;

		message->msg_iovlen = netdev_slot_open(&raw->dev, &raw->slot[i]);
		message->msg_controllen = sizeof(raw->auxiliary[i]);
		if (message->msg_iovlen == 0)
			return i;
	}
	return n;
}

/* Receive up to n <= RAW_SLOTS frames into burst. gives: how many frames came; *got: how many of them are packets now */
static uint32_t receive(struct raw *raw, uint32_t n, struct packet **burst, uint32_t *got)
{
	int count;

	*got = 0;
	n = open_slots(raw, n);
	count = n == 0 ? 0 : recvmmsg(raw->dev.fd, raw->receiving, n, MSG_DONTWAIT, NULL);
	if (count < 0) {
		netdev_verdict(&raw->dev, errno);
		count = 0;
	}
	for (int i = 0; i < count; i++) {
		struct mmsghdr *message = &raw->receiving[i];
		bool truncated = message->msg_hdr.msg_flags & MSG_TRUNC;
		uint32_t length = message->msg_len < VIRTIO_NET_HEADER ? 0 : message->msg_len - VIRTIO_NET_HEADER;
		struct packet *p = netdev_receive(&raw->dev, &raw->slot[i], length, truncated);

		if (p != NULL && !restore_tag(p, &message->msg_hdr)) {
			app_drop(&raw->app, NETDEV_TOO_LONG, p);
			p = NULL;
		}
		burst[*got] = p;
		*got += p != NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		netdev_slot_close(&raw->slot[i]);
	return (uint32_t)count;
}

/* Slots cost time also when no frame comes: begin with as many as probably come, go on while they are all used. */
static void raw_pull(struct app *app)
{
	struct raw *raw = (struct raw *)app;
	uint32_t room = app_pull_room(app), total = 0;

	if (app->output[0] == NULL || app->down)
		return;
	while (netdev_deliver(&raw->dev, app->output[0], &room) && room > 0) {
		struct packet *burst[RAW_SLOTS];
		uint32_t n = raw->likely < room ? raw->likely : room, got, came = receive(raw, n, burst, &got);

		total += came;
		if (raw->gso) {
			link_send_burst(app->output[0], burst, got);
			room -= came;
		} else {
			netdev_arrive(&raw->dev, burst, got);
			netdev_deliver(&raw->dev, app->output[0], &room);
		}
		if (came < n)
			break;
		raw->likely = n * 2 < RAW_SLOTS ? n * 2 : RAW_SLOTS;
	}
	if (total < raw->likely / 2)
		raw->likely = raw->likely / 2;
}

/* Prepare up to n waiting packets for one call, up to one that must be cut or dropped. gives: how many */
static uint32_t prepare_burst(struct raw *raw, const struct link *input, uint32_t n, int *reason)
{
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = link_peek(input, i);

		if (netdev_must_cut(&raw->dev, p))
			return i;
		*reason = netdev_ready(p, &raw->virtio[i]);
		if (*reason >= 0)
			return i;
		raw->part[i][1] = (struct iovec){ p->data, p->length };
	}
	return n;
}

/* Take n packets that were sent off the input. */
static void finish(struct app *app, struct link *input, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = link_receive(input);

		app->counter[NETDEV_GSO_SENT] += p->meta.gso != PACKET_GSO_NONE;
		packet_free(p);
	}
	app->sent += n;
}

/* Send up to n packets. gives: how many were sent or dropped; 0 when the kernel takes no more now */
static uint32_t send_some(struct raw *raw, struct link *input, uint32_t n)
{
	struct app *app = &raw->app;
	int reason = -1, sent;
	uint32_t ready = prepare_burst(raw, input, n < RAW_SLOTS ? n : RAW_SLOTS, &reason);
	struct packet *p = link_peek(input, 0);

	if (ready > 0) {
		sent = sendmmsg(raw->dev.fd, raw->sending, ready, MSG_DONTWAIT);
		if (sent > 0) {
			finish(app, input, (uint32_t)sent);
			return (uint32_t)sent;
		}
		if (errno != EINVAL || p->meta.gso == PACKET_GSO_NONE) {
			reason = netdev_verdict(&raw->dev, errno);
			if (reason >= 0)
				app_drop(app, (uint32_t)reason, link_receive(input));
			return reason >= 0;
		}
	} else if (reason >= 0) {
		app_drop(app, (uint32_t)reason, link_receive(input));
		return 1;
	}
	/* A GSO frame that the kernel is not to get, or of a kind that it does not know. */
	netdev_cut(&raw->dev, link_receive(input));
	return netdev_continue(&raw->dev);
}

static void raw_push(struct app *app)
{
	struct raw *raw = (struct raw *)app;
	uint32_t n = link_waiting(app->input[0]);

	if (app->down) {
		netdev_drop_waiting(&raw->dev, app->input[0]);
		return;
	}
	/* Nothing goes from here to the output, whose room does not matter. */
	if (n > BURST)
		n = BURST;
	if (!netdev_continue(&raw->dev))
		return;
	while (n > 0) {
		uint32_t done = send_some(raw, app->input[0], n);

		if (done == 0)
			return;
		n -= done;
	}
}

const struct app_class socket_raw_class = {
	.name = "socket.raw",
	.help = "A packet socket on an interface of the kernel: receives what arrives there, sends out of it.\n"
		"The kernel's own stack gets what arrives, too, unless the interface has no address. What this machine sends out of "
		"the interface is not received. VLAN tags are in the frames. Frames of local peers come with unfinished checksums "
		"and, with gso, uncut: outputs that cannot pass that on finish them. No offload of the interface is changed. "
		"An interface that is deleted while nf runs is opened again when it is there again.",
	.size = sizeof(struct raw),
	.params = params,
	.inputs = (const char *const[]){ "input?", NULL },
	.outputs = (const char *const[]){ "output?", NULL },
	.counters = netdev_counters,
	.reasons = netdev_reasons,
	.resources = raw_resources,
	.open = raw_open,
	.is_open = raw_is_open,
	.adopt = raw_adopt,
	.holds = raw_holds,
	.prepare = raw_prepare,
	.commit = raw_commit,
	.abort = raw_retire,
	.stop = raw_stop,
	.retire = raw_retire,
	.link = raw_link,
	.pull = raw_pull,
	.push = raw_push,
	.tick = raw_tick,
	.held = raw_held,
	.event_fd = raw_event_fd,
	.sleep_limit = raw_sleep_limit,
};
