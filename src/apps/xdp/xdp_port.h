#pragma once
/* xdp_port -- an AF_XDP socket in the worker: its four rings, and which packets the kernel has. It outlives the instance of the app
 * at a reload: the queue stays bound, packets stay where they are.
 *
 *      post ---> fill ring ---> kernel ---> receive ring ---> xdp_port_receive
 *      xdp_port_send ---> transmit ring ---> kernel ---> completion ring ---> xdp_port_complete
 *
 * The kernel takes and gives places in the registered memory: a buffer begins behind struct packet, so a packet received here goes
 * out of another port of the same worker as it is. Buffers are XDP_CHUNK bytes at any place (unaligned chunks).
 * source: Linux Documentation/networking/af_xdp.rst; linux/if_xdp.h */
#include "apps/xdp/xdp.h"

/* A ring shared with the kernel. Indices are free-running totals. */
struct xdp_ring {
	uint32_t *producer, *consumer, *flags;
	void *slot;
	uint32_t mask;
	uint32_t mine, theirs;          /* our index; the kernel's when it was read last */
	void *map;
	size_t bytes;
};

/* The packets that the kernel has, by slots: packet.holder is the number of its slot. Twice as many slots as packets, which come back
 * nearly in order, so that a free one is found at once. */
struct xdp_away {
	struct packet **slot;
	uint32_t mask, next, count;
};

struct xdp_port {
	struct xdp_port *older;         /* in the list of this process's ports */
	char *key;
	struct app *user;               /* the instance that has it; packet thread */
	bool lost;                      /* the interface is gone, or another port takes its place; packet thread */
	uint32_t instances;             /* that know of it; under the lock of all ports */
	int fd;                         /* -1: closed, the kernel has nothing any more */
	uint32_t closing, closed;       /* somebody closes it, has closed it; atomic */
	uint32_t emptied;               /* what the kernel had was taken back after that; atomic */
	struct xdp_port *leaves_next;   /* in the packet thread's list of those that leave */
	struct xdp_note note;
	uint32_t missed;                /* frames that lay in the receive ring when it was closed */
	struct xdp_ring rx, tx, fill, completion;
	struct xdp_away posted, sending;
	struct xdp_statistics seen;
};

/* The port of a key in this process, which may have other settings than the app wants, or a new one whose socket the supervisor
 * opens. Not the packet thread. fails: -errno with nf_error(): it cannot be opened, now */
int xdp_port_get(const struct xdp *xdp, struct xdp_port **port) __attribute__((warn_unused_result));
/* Does it have the rings, the polling and the mode that the app wants? */
bool xdp_port_fits(const struct xdp_port *port, const struct xdp *xdp);
/* One instance less needs it: with the last one it is closed, and freed when it is empty. Not the packet thread. */
void xdp_port_put(struct xdp_port *port);

/* End the socket: from here on the kernel writes to no packet. Any thread; what another one has begun is waited for.
 *   cost: waits for other processors: ten milliseconds and more */
void xdp_port_close(struct xdp_port *port);
bool xdp_port_is_closed(const struct xdp_port *port);
/* Then all packets go back: the posted ones to the free packets, those that were being sent dropped by `app` under `reason`; frames
 * that nobody had fetched are lost outside. Packet thread. */
void xdp_port_clear(struct xdp_port *port, struct app *app, uint32_t reason);

/* Give the kernel buffers to receive into, as many as it is to have. */
void xdp_port_post(struct xdp_port *port);
/* Take up to n received packets; gives how many. */
uint32_t xdp_port_receive(struct xdp_port *port, struct packet **burst, uint32_t n);
/* How many packets more the transmit ring takes. */
uint32_t xdp_port_room(struct xdp_port *port);
/* Does the packet lie in the registered memory? */
bool xdp_port_reaches(const struct xdp_port *port, const struct packet *p);
/* Put packets into the transmit ring. needs: n <= xdp_port_room(), all within reach, of at most XDP_CHUNK bytes; owner: takes them */
void xdp_port_send(struct xdp_port *port, struct packet *const *burst, uint32_t n);
/* Take back what was sent; gives how many packets. */
uint32_t xdp_port_complete(struct xdp_port *port);
/* Frames that wait to be received, and to be taken over by the kernel. */
uint32_t xdp_port_arrived(struct xdp_port *port);
bool xdp_port_unsent(const struct xdp_port *port);

/* System calls. Tell the kernel to send; to receive, where it must be told. give: 0, or -errno: ENXIO: the interface is gone */
int xdp_port_kick_send(struct xdp_port *port);
int xdp_port_kick_receive(struct xdp_port *port);

/* Packets that the kernel has, walked. */
uint32_t xdp_away_walk(const struct xdp_away *away);
