#pragma once
/* netdev -- a network interface of the kernel as an app's outside: what tap.tap and socket.raw share. Frames come and go with
 * a virtio-net header before them. When the interface is deleted the app is down, and the interface is opened again as soon
 * as that is possible; nothing here ever ends nf.
 *
 *      open --(deleted)--> suspect --(tick: class->is_open says no)--> down --(job: resource_open)--> open
 *                                                                       ^------(fails: wait)------'
 * For C alone: LuaJIT's FFI knows no struct iovec. */
#include <sys/uio.h>

#include "lib/lib.h"

enum netdev_reason {
	NETDEV_DOWN,                    /* the interface is down or gone */
	NETDEV_TOO_LONG,                /* longer than the interface's MTU allows, or than a packet can be */
	NETDEV_GSO,                     /* a GSO frame that cannot be passed on and cannot be cut */
	NETDEV_METADATA,                /* its sender's metadata does not fit the frame */
	NETDEV_REJECTED                 /* the kernel would not take it */
};
extern const char *const netdev_reasons[];      /* class->reasons */

enum netdev_counter { NETDEV_GSO_RECEIVED, NETDEV_GSO_SENT, NETDEV_SEGMENTS, NETDEV_LOST, NETDEV_RETRIES, NETDEV_REOPENED };
extern const char *const netdev_counters[];     /* class->counters */

enum { NETDEV_ARRIVED = 64 };           /* packets of one burst that is being cut, at most */

struct netdev {
	struct app *app;
	const char *key;                /* of the resource */
	int fd;                         /* non-blocking; not to be used while app->down */
	bool gso;                       /* GSO frames are exchanged with the kernel */
	bool suspect;                   /* the last call said that the interface is down or gone */
	struct job job;                 /* opens it again */
	int opened;                     /* the job's result: a descriptor or -errno */
	uint64_t retry_at, retry_ns;
	bool splits;                    /* without gso: GSO frames come all the same, and are cut for the output */
	struct packet *pending;         /* a GSO packet that is being cut for the kernel: held */
	struct gso cut;
	uint32_t next;                  /* segment of pending */
	uint8_t *scratch;               /* one segment */
	/* Received packets that wait for the segments of a GSO packet before them: held. */
	struct packet *arrived[NETDEV_ARRIVED];
	uint32_t arrived_count, arrived_next;
	struct gso split;               /* of arrived[arrived_next], when it is a GSO packet */
	uint32_t split_next;            /* its next segment; 0: not begun */
};

/* A place for one frame to be received: a standard packet, and behind it the rest of a larger one, so that short frames need
 * no copy and long ones a short copy. Packets are taken when a pull begins and given back when it ends. */
struct netdev_slot {
	struct packet *small, *large;
	struct virtio_net virtio;
	struct iovec part[3];           /* header, small, the rest of large */
	uint32_t room;                  /* longest frame that fits */
};

/* Open the resource. fails: -errno with nf_error() */
int netdev_prepare(struct netdev *dev, struct app *app, const char *key, bool gso) __attribute__((warn_unused_result));
/* Take over what the instance before was sending. */
void netdev_commit(struct netdev *dev, struct netdev *old);
void netdev_stop(struct netdev *dev);           /* drop what is held */
void netdev_retire(struct netdev *dev);         /* close, free */
void netdev_tick(struct netdev *dev);           /* each millisecond: notice a loss, try again */
/* Packets for a burst under way: standard ones and, behind the end of those, GSO or jumbo ones. */
void netdev_holds(bool gso, uint32_t holds[PACKET_SIZES]);
uint32_t netdev_held(const struct netdev *dev);

/* Take packets for a slot. gives: the number of parts; 0 when the worker has no packets left */
uint32_t netdev_slot_open(const struct netdev *dev, struct netdev_slot *slot);
/* Give back what was not used. */
void netdev_slot_close(struct netdev_slot *slot);
/* The frame of `length` bytes that was received into a slot.
 *   gives: the packet, taken out of the slot; NULL when it was dropped and counted */
struct packet *netdev_receive(struct netdev *dev, struct netdev_slot *slot, uint32_t length, bool truncated);

/* Take a burst that was received, to be cut for the output. needs: netdev_deliver said that nothing waits; n <= NETDEV_ARRIVED */
void netdev_arrive(struct netdev *dev, struct packet *const *burst, uint32_t n);
/* Send what waits to the output, GSO packets in segments; *room is how many packets may be sent, and goes down.
 *   gives: true when nothing waits any more */
bool netdev_deliver(struct netdev *dev, struct link *output, uint32_t *room);

/* What is to be done with a packet that the kernel refused with `error`: its reason, or -1 to leave it on the link. */
int netdev_verdict(struct netdev *dev, int error);
/* Make a packet that waits on a link ready to be sent: put a tag into the data, write the header.
 *   fails: the reason under which it must be dropped, or -1 */
int netdev_ready(struct packet *p, struct virtio_net *virtio);
/* The packet must be cut here: the kernel is not to get GSO frames. */
bool netdev_must_cut(const struct netdev *dev, const struct packet *p);
/* Begin to send a GSO packet in segments. needs: none is pending; owner: takes p */
void netdev_cut(struct netdev *dev, struct packet *p);
/* Send more segments of the pending packet. gives: false when the kernel takes no more now */
bool netdev_continue(struct netdev *dev);
/* Drop what waits on the input: the interface is gone. */
void netdev_drop_waiting(struct netdev *dev, struct link *input);
