/* netdev -- see netdev.h. */
#include "core/core.h"
#include "core/netdev.h"

#include <unistd.h>

enum {
	RETRY_FIRST_NS = 100000000,     /* an interface that is made anew is used within a tenth of a second, ... */
	RETRY_MOST_NS = 2000000000,     /* ... one that stays away costs an attempt each two seconds */
	SCRATCH = 66000                 /* bytes: the longest frame is one segment of a GSO packet */
};

const char *const netdev_reasons[] = { "down", "too-long", "gso", "metadata", "rejected", NULL };
const char *const netdev_counters[] = { "gso-received", "gso-sent", "segments", "lost", "retries", "reopened", NULL };

int netdev_prepare(struct netdev *dev, struct app *app, const char *key, bool gso)
{
	dev->app = app;
	dev->gso = gso;
	dev->key = arena_copy(&app->arena, key, strlen(key));
	dev->scratch = app_alloc(app, SCRATCH);
	dev->retry_ns = RETRY_FIRST_NS;
	dev->fd = resource_open(key);
	return dev->fd < 0 ? dev->fd : 0;
}

void netdev_commit(struct netdev *dev, struct netdev *old)
{
	dev->pending = old->pending;
	dev->cut = old->cut;
	dev->next = old->next;
	old->pending = NULL;
	memcpy(dev->arrived, old->arrived, sizeof(dev->arrived));
	dev->arrived_count = old->arrived_count;
	dev->arrived_next = old->arrived_next;
	dev->split = old->split;
	dev->split_next = old->split_next;
	old->arrived_count = old->arrived_next = old->split_next = 0;
}

void netdev_stop(struct netdev *dev)
{
	uint32_t reason = app_reason(dev->app, APP_REASON_STOP);

	if (dev->pending != NULL)
		app_drop(dev->app, reason, dev->pending);
	dev->pending = NULL;
	app_drop_burst(dev->app, reason, dev->arrived + dev->arrived_next, dev->arrived_count - dev->arrived_next);
	dev->arrived_count = dev->arrived_next = dev->split_next = 0;
}

void netdev_retire(struct netdev *dev)
{
	if (!job_is_idle(&dev->job)) {
		job_wait(&dev->job);
		dev->fd = dev->opened;
	}
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

void netdev_holds(bool gso, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = BURST;
	holds[gso ? PACKET_GSO : PACKET_JUMBO] = BURST;
}

uint32_t netdev_held(const struct netdev *dev)
{
	uint32_t held = dev->pending != NULL ? 1 : 0;

	for (uint32_t i = dev->arrived_next; i < dev->arrived_count; i++)
		held++;
	return held;
}

/* House-keeping thread: give the dead descriptor back and ask for a living one. */
static void open_again(struct job *job)
{
	struct netdev *dev = (struct netdev *)((char *)job - offsetof(struct netdev, job));

	if (dev->fd >= 0) {
		log_warn("app '%s': its interface is gone; trying to open it again", dev->app->name);
		close(dev->fd);
		dev->fd = -1;
	}
	dev->opened = resource_open(dev->key);
	if (dev->opened >= 0)
		log_warn("app '%s': its interface is back", dev->app->name);
}

void netdev_tick(struct netdev *dev)
{
	struct app *app = dev->app;

	if (dev->suspect && !app->down) {
		dev->suspect = false;
		if (app->class->is_open(app, dev->key, dev->fd))
			return;         /* it is only down */
		app->down = true;
		app->counter[NETDEV_LOST]++;
		dev->retry_ns = RETRY_FIRST_NS;
		dev->retry_at = clock_now();
	}
	if (!app->down)
		return;
	if (job_finished(&dev->job)) {
		if (dev->opened >= 0) {
			dev->fd = dev->opened;
			dev->suspect = false;
			app->down = false;
			app->counter[NETDEV_REOPENED]++;
			return;
		}
		dev->retry_at = clock_now() + dev->retry_ns;
		dev->retry_ns = dev->retry_ns * 2 < RETRY_MOST_NS ? dev->retry_ns * 2 : RETRY_MOST_NS;
	}
	if (job_is_idle(&dev->job) && clock_now() >= dev->retry_at) {
		dev->job.run = open_again;
		app->counter[NETDEV_RETRIES]++;
		job_submit(&dev->job);
	}
}

uint32_t netdev_slot_open(const struct netdev *dev, struct netdev_slot *slot)
{
	slot->small = packet_alloc();
	if (slot->small == NULL)
		return 0;
	slot->large = packet_alloc_size(dev->gso || dev->splits ? PACKET_GSO : PACKET_JUMBO);
	if (slot->large == NULL) {
		netdev_slot_close(slot);
		return 0;
	}
	uint32_t small = packet_tailroom(slot->small), large = packet_tailroom(slot->large);

	slot->room = large;
	slot->part[0] = (struct iovec){ &slot->virtio, sizeof(slot->virtio) };
	slot->part[1] = (struct iovec){ slot->small->data, small };
	slot->part[2] = (struct iovec){ slot->large->data + small, large - small };
	return 3;
}

void netdev_slot_close(struct netdev_slot *slot)
{
	if (slot->small != NULL)
		packet_free(slot->small);
	if (slot->large != NULL)
		packet_free(slot->large);
	slot->small = slot->large = NULL;
}

struct packet *netdev_receive(struct netdev *dev, struct netdev_slot *slot, uint32_t length, bool truncated)
{
	struct app *app = dev->app;
	struct packet *p = slot->small;
	uint32_t small = (uint32_t)slot->part[1].iov_len;
	int reason = -1;

	app->received++;
	if (__builtin_expect(length > small, 0)) {
		p = slot->large;
		memcpy(p->data, slot->small->data, small);
		slot->large = NULL;
	} else {
		slot->small = NULL;
	}
	p->length = length;
	p->meta.timestamp = clock_wall();
	if (slot->virtio.gso_type != VIRTIO_NET_GSO_NONE && !dev->gso && !dev->splits)
		reason = NETDEV_GSO;
	else if (truncated)
		reason = NETDEV_TOO_LONG;
	else if (length < ETHERNET_HEADER || !offload_from_virtio(p, &slot->virtio))
		reason = NETDEV_METADATA;
	if (__builtin_expect(reason >= 0, 0)) {
		app_drop(app, (uint32_t)reason, p);
		return NULL;
	}
	app->counter[NETDEV_GSO_RECEIVED] += p->meta.gso != PACKET_GSO_NONE;
	return p;
}

void netdev_arrive(struct netdev *dev, struct packet *const *burst, uint32_t n)
{
	memcpy(dev->arrived, burst, n * sizeof(*burst));
	dev->arrived_count = n;
	dev->arrived_next = dev->split_next = 0;
}

/* Send segments of a GSO packet to the output. gives: true when it was the last one; false: no room or no packets left */
static bool deliver_segments(struct netdev *dev, struct packet *p, struct link *output, uint32_t *room)
{
	struct app *app = dev->app;

	if (dev->split_next == 0 && !offload_cut(p, &dev->split)) {
		app_drop(app, NETDEV_GSO, p);
		return true;
	}
	for (; dev->split_next < dev->split.count; dev->split_next++) {
		struct packet *segment = *room > 0 ? packet_alloc_length(gso_segment_length(&dev->split, dev->split_next)) : NULL;

		if (segment == NULL)
			return false;
		gso_segment(&dev->split, p->data, dev->split_next, segment->data);
		segment->meta.timestamp = p->meta.timestamp;
		link_send(output, segment);
		app->created++;
		app->counter[NETDEV_SEGMENTS]++;
		(*room)--;
	}
	dev->split_next = 0;
	app->consumed++;
	packet_free(p);
	return true;
}

bool netdev_deliver(struct netdev *dev, struct link *output, uint32_t *room)
{
	for (; dev->arrived_next < dev->arrived_count; dev->arrived_next++) {
		struct packet *p = dev->arrived[dev->arrived_next];

		if (p->meta.gso != PACKET_GSO_NONE) {
			if (!deliver_segments(dev, p, output, room))
				return false;
		} else if (*room > 0) {
			link_send(output, p);
			(*room)--;
		} else {
			return false;
		}
	}
	dev->arrived_count = dev->arrived_next = 0;
	return true;
}

int netdev_verdict(struct netdev *dev, int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:                   /* the interface's queue, or the socket's memory, is full */
	case ENOMEM:
		return -1;
	case EMSGSIZE:
		return NETDEV_TOO_LONG;
	case EBADFD:                    /* a tap that was deleted */
	case EIO:                       /* a tap that is down */
	case ENETDOWN:
	case ENODEV:
	case ENXIO:                     /* a packet socket whose interface was deleted */
		dev->suspect = true;
		return NETDEV_DOWN;
	default:
		return NETDEV_REJECTED;
	}
}

int netdev_ready(struct packet *p, struct virtio_net *virtio)
{
	if (__builtin_expect(p->length < ETHERNET_HEADER || !offload_insert_tag(p), 0))
		return NETDEV_REJECTED;
	offload_to_virtio(p, virtio);
	return -1;
}

bool netdev_must_cut(const struct netdev *dev, const struct packet *p)
{
	return p->meta.gso != PACKET_GSO_NONE && !dev->gso;
}

void netdev_cut(struct netdev *dev, struct packet *p)
{
	if (p->length > SCRATCH || !offload_cut(p, &dev->cut)) {
		app_drop(dev->app, NETDEV_GSO, p);
		return;
	}
	dev->pending = p;
	dev->next = 0;
}

bool netdev_continue(struct netdev *dev)
{
	struct app *app = dev->app;
	struct virtio_net virtio = { 0 };

	while (dev->pending != NULL && dev->next < dev->cut.count) {
		struct iovec part[2] = { { &virtio, sizeof(virtio) }, { dev->scratch, gso_segment_length(&dev->cut, dev->next) } };
		int reason = -1;

		gso_segment(&dev->cut, dev->pending->data, dev->next, dev->scratch);
		if (writev(dev->fd, part, 2) < 0) {
			reason = netdev_verdict(dev, errno);
			if (reason < 0)
				return false;
			app->reason[reason]++;
		} else {
			app->sent++;
		}
		app->created++;
		app->counter[NETDEV_SEGMENTS]++;
		dev->next++;
	}
	if (dev->pending != NULL) {
		app->consumed++;
		packet_free(dev->pending);
		dev->pending = NULL;
	}
	return true;
}

void netdev_drop_waiting(struct netdev *dev, struct link *input)
{
	if (dev->pending != NULL)
		app_drop(dev->app, NETDEV_DOWN, dev->pending);
	dev->pending = NULL;
	while (link_waiting(input) > 0)
		app_drop(dev->app, NETDEV_DOWN, link_receive(input));
}
