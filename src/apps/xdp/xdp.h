#pragma once
/* xdp -- what the parts of xdp.xdp share. In the supervisor xdp_open.c makes sockets and xdp_program.c attaches the program; in the
 * worker xdp_port.c moves packets through a socket's rings; xdp.c is the app, xdp_send.c its sending half,
 * xdp_life.c how it gets and loses its port.
 *
 *      supervisor                                          worker
 *      "xdp:IFACE"    program, map and bpf_link            asks for it when the interface was made anew
 *      "xdp-socket:IFACE/Q"  packet memory, rings, ----> has the socket for good, maps its rings
 *                     bind, entry in the map */
#include "core/core.h"
#include "core/filter.h"
#include "lib/lib.h"

#include <linux/if_xdp.h>

enum xdp_mode { XDP_AUTO, XDP_ZERO_COPY, XDP_DRIVER, XDP_GENERIC };
extern const char *const xdp_mode_names[];      /* "auto", "zero-copy", "driver", "generic", NULL */

enum xdp_reason {
	XDP_REASON_DOWN,                /* the interface is down or gone */
	XDP_REASON_TOO_LONG,            /* longer than a packet buffer */
	XDP_REASON_TOO_SHORT,           /* no Ethernet header */
	XDP_REASON_GSO,                 /* a GSO frame that cannot be cut */
	XDP_REASON_METADATA             /* an unfinished checksum or a tag that does not fit the frame */
};

enum xdp_counter {
	XDP_COUNT_COPIED,               /* sent from a copy, as the packet lay in memory of others */
	XDP_COUNT_SEGMENTS,             /* cut from GSO frames */
	XDP_COUNT_RX_DROPPED,           /* the kernel's: no buffer posted, or longer than one */
	XDP_COUNT_RX_FULL,              /* the receive ring was full */
	XDP_COUNT_FILL_EMPTY,           /* no buffer was posted */
	XDP_COUNT_TX_INVALID,           /* a descriptor that the kernel did not take */
	XDP_COUNT_WAKEUPS,              /* system calls that told the kernel to go on */
	XDP_COUNT_LOST, XDP_COUNT_REOPENED,
	XDP_COUNT_RX_INVALID            /* a buffer that the kernel did not take: a card cannot reach it in one piece */
};

/* What the supervisor tells the worker about a socket: it stands in the first words of the fill ring, which nobody has used yet. */
struct xdp_note {
	uint64_t base, bytes;           /* the packet memory that is registered: UMEM */
	uint64_t mode;                  /* enum xdp_mode that was got */
	uint64_t fill;                  /* buffers to post, at most */
	/* What it was made for; an app that wants something else replaces it. */
	uint32_t rx_ring, tx_ring, busy_poll, receive;
};

struct xdp_port;

/* The socket of an app at a time, and what happens while there is none. */
struct xdp_opening {
	struct job job;
	const struct xdp *xdp;
	struct xdp_port *dead;          /* to be closed first; then the packet thread takes back what the kernel had */
	struct xdp_port *spent;         /* without packets: to be freed */
	struct xdp_port *made;          /* the result; NULL: it failed */
	bool replaces;                  /* `dead` is closed for one with other settings, not because its interface is gone */
};

struct xdp {
	struct app app;
	const char *interface, *namespace, *filter;
	uint32_t queue, mode, rx_ring, tx_ring, busy_poll;
	bool receive;

	struct xdp_port *port;          /* NULL while it is not open */
	struct xdp_opening opening;
	uint64_t retry_at, retry_ns, look_at;
	bool replacing;                 /* the port has other settings than these: what is to be sent waits for the next one */
	uint64_t replace_at;            /* at the latest */
	struct xdp *running_next;       /* in the packet thread's list of instances that run */

	struct packet *pending;         /* a GSO packet that is being cut: held */
	struct gso cut;
	uint32_t next;                  /* its next segment */
};

/* The keys of its program and of its socket. */
void xdp_program_key(const struct xdp *xdp, char *key, size_t size);
void xdp_socket_key(const struct xdp *xdp, char *key, size_t size);

/* xdp_send.c. Send what waits on the input, as far as the ring has room. needs: a port */
void xdp_send_waiting(struct xdp *xdp);
/* Drop what waits: the interface is down or gone. */
void xdp_send_drop(struct xdp *xdp);

/* xdp_life.c. The class's functions of these names, but lose: the interface is gone; tick: take back packets of closed ports, open
 * again; call: what came of a call to the kernel: count it, and give false when it said that the interface is gone, and with it the
 * port. sending and posted: what the kernel has, walked. */
int xdp_life_prepare(struct app *app, const struct app *old);
void xdp_life_commit(struct app *app, struct app *old);
void xdp_life_stop(struct app *app);
void xdp_life_retire(struct app *app);
void xdp_life_tick(struct xdp *xdp);
void xdp_life_lose(struct xdp *xdp);
bool xdp_life_call(struct xdp *xdp, int code);
uint32_t xdp_life_sending(const struct xdp *xdp);
uint32_t xdp_life_posted(const struct xdp *xdp);

/* class->open, is_open, adopt, quiesce and close; supervisor. */
int xdp_open(const struct app *app, const char *key);
bool xdp_is_open(const struct app *app, const char *key, int fd);
int xdp_adopt(const struct app *app, const char *key, int fd);
int xdp_quiesce(const struct app *app, const char *key, int fd);
void xdp_close(const struct app *app, const char *key, int fd);

/* xdp_program.c, in the interface's namespace. The program of an interface, one for all queues.
 *   gives: the descriptor of its bpf_link; fails: -errno with nf_error() */
int xdp_program_attach(const struct xdp *xdp, uint32_t ifindex) __attribute__((warn_unused_result));
/* Put the app's filter in the place of what runs; in another mode, attach it anew: `link` is then a descriptor of the new bpf_link.
 *   fails: -errno with nf_error(): that runs on, or, in another mode, nothing runs until the next call attaches it */
int xdp_program_update(const struct xdp *xdp, int link, uint32_t ifindex) __attribute__((warn_unused_result));
/* Enter the socket of a queue. fails: -errno with nf_error() */
int xdp_program_enter(const struct xdp *xdp, int socket) __attribute__((warn_unused_result));
/* Nobody has it open any more. */
void xdp_program_forget(const struct xdp *xdp);
/* Was it attached without the driver's help? */
bool xdp_program_is_generic(const struct xdp *xdp);

/* Bytes of a buffer: all behind struct packet. The kernel leaves 256 of them free before a frame. */
enum { XDP_CHUNK = 2176 };

