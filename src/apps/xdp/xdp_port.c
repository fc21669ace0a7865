/* xdp_port -- see xdp_port.h. */
#include "apps/xdp/xdp_port.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POST_TRIES = 4 };

/* All ports of this process. Jobs and reloads come from two threads, neither of them the packet thread. */
static struct xdp_port *ports;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int map_ring(struct xdp_ring *ring, int fd, const struct xdp_ring_offset *offset, uint32_t slots, size_t slot,
	uint64_t which)
{
	uint8_t *map;

	ring->bytes = offset->desc + slots * slot;
	map = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)which);
	if (map == MAP_FAILED)
		return nf_fail(errno, "an XDP ring cannot be mapped: %s", strerror(errno));
	ring->map = map;
	ring->producer = (uint32_t *)(map + offset->producer);
	ring->consumer = (uint32_t *)(map + offset->consumer);
	ring->flags = (uint32_t *)(map + offset->flags);
	ring->slot = map + offset->desc;
	ring->mask = slots - 1;
	return 0;
}

static void unmap_ring(struct xdp_ring *ring)
{
	if (ring->map != NULL)
		munmap(ring->map, ring->bytes);
	*ring = (struct xdp_ring){ 0 };
}

/* How many slots we may fill, of a ring that we produce for; the kernel's index is read when fewer than n are known. */
static uint32_t ring_room(struct xdp_ring *ring, uint32_t n)
{
	uint32_t size = ring->mask + 1;

	if (size - (ring->mine - ring->theirs) < n)
		ring->theirs = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	return size - (ring->mine - ring->theirs);
}

/* How many slots wait for us, of a ring that the kernel fills. */
static uint32_t ring_waiting(struct xdp_ring *ring, uint32_t n)
{
	if (ring->theirs - ring->mine < n)
		ring->theirs = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	return ring->theirs - ring->mine;
}

static int away_init(struct xdp_away *away, uint32_t packets)
{
	away->slot = calloc((size_t)packets * 2, sizeof(*away->slot));
	away->mask = packets * 2 - 1;
	return away->slot != NULL ? 0 : nf_fail(ENOMEM, "no memory for %u packets of an XDP socket", packets);
}

/* Note that the kernel has p. */
static inline void away_add(struct xdp_away *away, struct packet *p)
{
	while (__builtin_expect(away->slot[away->next & away->mask] != NULL, 0))
		away->next++;
	p->holder = away->next++ & away->mask;
	away->slot[p->holder] = p;
	away->count++;
}

/* Note that it has given p back. */
static inline void away_remove(struct xdp_away *away, struct packet *p)
{
	nf_assert(p->holder <= away->mask && away->slot[p->holder] == p, "the kernel gave a packet that it did not have");
	away->slot[p->holder] = NULL;
	away->count--;
}

uint32_t xdp_away_walk(const struct xdp_away *away)
{
	uint32_t count = 0;

	for (uint32_t i = 0; away->slot != NULL && i <= away->mask; i++)
		count += away->slot[i] != NULL;
	return count;
}

/* A packet's buffer as the kernel knows it, and back. What it gives back may carry an offset in its upper bits. */
static inline uint64_t buffer_address(const struct xdp_port *port, const struct packet *p)
{
	return (uint64_t)(uintptr_t)(p + 1) - port->note.base;
}

static inline struct packet *buffer_packet(const struct xdp_port *port, uint64_t address)
{
	return (struct packet *)(uintptr_t)(port->note.base + (address & XSK_UNALIGNED_BUF_ADDR_MASK)) - 1;
}

bool xdp_port_reaches(const struct xdp_port *port, const struct packet *p)
{
	return (uint64_t)(uintptr_t)p - port->note.base < port->note.bytes;
}

static struct xdp_port *find(const char *key)
{
	struct xdp_port *port = ports;

	while (port != NULL && (__atomic_load_n(&port->closing, __ATOMIC_ACQUIRE) || strcmp(port->key, key) != 0))
		port = port->older;
	return port;
}

/* Free a port that is closed and has no packets. */
static void port_free(struct xdp_port *port)
{
	struct xdp_port **place = &ports;

	while (*place != NULL && *place != port)
		place = &(*place)->older;
	if (*place == port)
		*place = port->older;
	free(port->posted.slot);
	free(port->sending.slot);
	free(port->key);
	free(port);
}

/* What the supervisor says of the socket. It was made by the same binary, but not necessarily with the settings that are asked for. */
static int read_note(int fd, const struct xdp_ring_offset *offset, struct xdp_note *note)
{
	struct xdp_ring ring = { 0 };
	int code = map_ring(&ring, fd, offset, sizeof(*note) / sizeof(uint64_t), sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);

	if (code < 0)
		return code;
	memcpy(note, ring.slot, sizeof(*note));
	unmap_ring(&ring);
	return 0;
}

static int map_rings(struct xdp_port *port, const struct xdp_mmap_offsets *at)
{
	const struct xdp_note *note = &port->note;
	int fd = port->fd, code;

	code = map_ring(&port->fill, fd, &at->fr, note->rx_ring * 2, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	if (code == 0)
		code = map_ring(&port->completion, fd, &at->cr, note->tx_ring, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
	if (code == 0 && note->receive)
		code = map_ring(&port->rx, fd, &at->rx, note->rx_ring, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	return code < 0 ? code : map_ring(&port->tx, fd, &at->tx, note->tx_ring, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
}

/* Take a socket's descriptor, map its rings. fails: NULL with nf_error(); fd is closed */
static struct xdp_port *port_new(const struct xdp *xdp, int fd)
{
	struct xdp_port *port = calloc(1, sizeof(*port));
	struct xdp_mmap_offsets at;
	socklen_t size = sizeof(at);
	char key[RESOURCE_KEY];
	int code = 0;

	xdp_socket_key(xdp, key, sizeof(key));
	if (port == NULL || (port->key = strdup(key)) == NULL) {
		nf_fail(ENOMEM, "no memory for an XDP socket");
		free(port);
		close(fd);
		return NULL;
	}
	port->fd = fd;
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size) != 0)
		code = nf_fail(errno, "the rings of an XDP socket cannot be found: %s", strerror(errno));
	if (code == 0)
		code = read_note(fd, &at.fr, &port->note);
	if (code == 0)
		code = map_rings(port, &at);
	if (code == 0)
		code = away_init(&port->posted, port->note.rx_ring * 2);
	if (code == 0)
		code = away_init(&port->sending, port->note.tx_ring);
	if (code == 0) {
		port->older = ports;
		ports = port;
		return port;
	}
	xdp_port_close(port);
	port_free(port);
	return NULL;
}

/* Free those that the packet thread has emptied after their last instance was gone. */
static void sweep(void)
{
	struct xdp_port *next;

	for (struct xdp_port *port = ports; port != NULL; port = next) {
		next = port->older;
		if (port->instances == 0 && __atomic_load_n(&port->emptied, __ATOMIC_ACQUIRE))
			port_free(port);
	}
}

static int get(const struct xdp *xdp, struct xdp_port **found)
{
	char key[RESOURCE_KEY];
	struct xdp_port *port;
	int fd;

	sweep();
	xdp_socket_key(xdp, key, sizeof(key));
	port = find(key);
	if (port == NULL) {
		fd = resource_open(key);
		port = fd >= 0 ? port_new(xdp, fd) : NULL;
		if (port == NULL)
			return fd < 0 ? fd : -ENOMEM;
	}
	port->instances++;
	*found = port;
	return 0;
}

int xdp_port_get(const struct xdp *xdp, struct xdp_port **port)
{
	int code;

	pthread_mutex_lock(&lock);
	code = get(xdp, port);
	pthread_mutex_unlock(&lock);
	return code;
}

void xdp_port_put(struct xdp_port *port)
{
	pthread_mutex_lock(&lock);
	if (--port->instances == 0) {
		xdp_port_close(port);
		/* One that was in use is emptied by the packet thread; the next one who asks for a port frees it then. */
		if (port->user == NULL || __atomic_load_n(&port->emptied, __ATOMIC_ACQUIRE))
			port_free(port);
	}
	pthread_mutex_unlock(&lock);
}

void xdp_port_close(struct xdp_port *port)
{
	static const struct timespec linger = { .tv_nsec = 100000000 }, moment = { .tv_nsec = 1000000 };

	if (__atomic_exchange_n(&port->closing, 1, __ATOMIC_ACQ_REL)) {
		while (!xdp_port_is_closed(port))
			nanosleep(&moment, NULL);
		return;
	}
	/* A ring that is mapped keeps the socket. */
	unmap_ring(&port->tx);
	unmap_ring(&port->fill);
	unmap_ring(&port->completion);
	if (port->rx.map != NULL)
		port->missed = __atomic_load_n(port->rx.producer, __ATOMIC_ACQUIRE) - port->rx.mine;
	unmap_ring(&port->rx);
	close(port->fd);
	/* The kernel stops a card some time after that. Nothing tells when, but for the queue's being free, which takes a socket. */
	if (port->note.mode == XDP_ZERO_COPY)
		nanosleep(&linger, NULL);
	port->fd = -1;
	__atomic_store_n(&port->closed, 1, __ATOMIC_RELEASE);
}

bool xdp_port_fits(const struct xdp_port *port, const struct xdp *xdp)
{
	const struct xdp_note *note = &port->note;

	return note->rx_ring == xdp->rx_ring && note->tx_ring == xdp->tx_ring && note->busy_poll == xdp->busy_poll &&
		note->receive == xdp->receive &&
		(xdp->mode == XDP_AUTO || (xdp->mode == XDP_ZERO_COPY) == (note->mode == XDP_ZERO_COPY));
}

bool xdp_port_is_closed(const struct xdp_port *port)
{
	return __atomic_load_n(&port->closed, __ATOMIC_ACQUIRE);
}

void xdp_port_clear(struct xdp_port *port, struct app *app, uint32_t reason)
{
	for (uint32_t i = 0; i <= port->posted.mask; i++)
		if (port->posted.slot[i] != NULL)
			packet_free(port->posted.slot[i]);
	for (uint32_t i = 0; i <= port->sending.mask; i++)
		if (port->sending.slot[i] != NULL)
			app_drop(app, reason, port->sending.slot[i]);
	memset(port->posted.slot, 0, ((size_t)port->posted.mask + 1) * sizeof(*port->posted.slot));
	memset(port->sending.slot, 0, ((size_t)port->sending.mask + 1) * sizeof(*port->sending.slot));
	port->posted.count = port->sending.count = 0;
	app->lost_outside += port->missed;
	__atomic_store_n(&port->emptied, 1, __ATOMIC_RELEASE);
}

/* Post up to BURST of n buffers. Packets that a reload added may lie out of reach; those that were met are kept until others were
 * found below them, so that they do not stand in the way for ever. gives: how many */
static uint32_t post(struct xdp_port *port, uint32_t n)
{
	struct packet *burst[BURST], *other[BURST * POST_TRIES];
	uint64_t *slot = port->fill.slot;
	uint32_t good = 0, others = 0;

	for (int tries = 0; tries < POST_TRIES && good < n; tries++) {
		uint32_t got = packet_take_burst(PACKET_STANDARD, burst, n - good);

		for (uint32_t i = 0; i < got; i++) {
			if (__builtin_expect(!xdp_port_reaches(port, burst[i]), 0)) {
				other[others++] = burst[i];
				continue;
			}
			slot[(port->fill.mine + good++) & port->fill.mask] = buffer_address(port, burst[i]);
			away_add(&port->posted, burst[i]);
		}
		if (got == 0)
			break;
	}
	if (others > 0)
		packet_free_burst(other, others);
	port->fill.mine += good;
	__atomic_store_n(port->fill.producer, port->fill.mine, __ATOMIC_RELEASE);
	return good;
}

void xdp_port_post(struct xdp_port *port)
{
	uint32_t fill = (uint32_t)port->note.fill, missing = fill - port->posted.count;

	/* A few at a time would cost more than they bring. */
	while (missing >= BURST || missing * 4 >= fill) {
		uint32_t n = post(port, missing < BURST ? missing : BURST);

		if (n == 0)
			return;
		missing -= n;
	}
}

uint32_t xdp_port_arrived(struct xdp_port *port)
{
	return ring_waiting(&port->rx, UINT32_MAX);
}

uint32_t xdp_port_receive(struct xdp_port *port, struct packet **burst, uint32_t n)
{
	const struct xdp_desc *slot = port->rx.slot;
	uint32_t waiting = ring_waiting(&port->rx, n), mine = port->rx.mine, mask = port->rx.mask;
	uint64_t now;

	if (n > waiting)
		n = waiting;
	if (n == 0)
		return 0;
	now = clock_wall();
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = &slot[(mine + i) & mask];
		struct packet *p = buffer_packet(port, d->addr);

		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(buffer_packet(port, slot[(mine + i + PACKET_PREFETCH) & mask].addr), 1);
		away_remove(&port->posted, p);
		packet_clear(p);
		p->data = (uint8_t *)(p + 1) + (d->addr >> XSK_UNALIGNED_BUF_OFFSET_SHIFT);
		p->length = d->len;
		p->meta.timestamp = now;
		burst[i] = p;
	}
	port->rx.mine += n;
	__atomic_store_n(port->rx.consumer, port->rx.mine, __ATOMIC_RELEASE);
	return n;
}

uint32_t xdp_port_room(struct xdp_port *port)
{
	uint32_t room = ring_room(&port->tx, BURST), free = port->tx.mask + 1 - port->sending.count;

	/* A place in the completion ring for each packet on its way. */
	return room < free ? room : free;
}

void xdp_port_send(struct xdp_port *port, struct packet *const *burst, uint32_t n)
{
	struct xdp_desc *slot = port->tx.slot;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];
		uint64_t offset = (uint64_t)(p->data - (uint8_t *)(p + 1));

		slot[(port->tx.mine + i) & port->tx.mask] = (struct xdp_desc){
			.addr = buffer_address(port, p) | offset << XSK_UNALIGNED_BUF_OFFSET_SHIFT, .len = p->length };
		away_add(&port->sending, p);
	}
	port->tx.mine += n;
	__atomic_store_n(port->tx.producer, port->tx.mine, __ATOMIC_RELEASE);
}

uint32_t xdp_port_complete(struct xdp_port *port)
{
	const uint64_t *slot = port->completion.slot;
	struct packet *burst[BURST];
	uint32_t total = 0, n;

	do {
		n = ring_waiting(&port->completion, BURST);
		if (n > BURST)
			n = BURST;
		for (uint32_t i = 0; i < n; i++) {
			burst[i] = buffer_packet(port, slot[(port->completion.mine + i) & port->completion.mask]);
			away_remove(&port->sending, burst[i]);
		}
		packet_free_burst(burst, n);
		port->completion.mine += n;
		__atomic_store_n(port->completion.consumer, port->completion.mine, __ATOMIC_RELEASE);
		total += n;
	} while (n == BURST);
	return total;
}

bool xdp_port_unsent(const struct xdp_port *port)
{
	return __atomic_load_n(port->tx.consumer, __ATOMIC_RELAXED) != port->tx.mine;
}

int xdp_port_kick_send(struct xdp_port *port)
{
	if (!(__atomic_load_n(port->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) && port->note.busy_poll == 0)
		return 0;
	return sendto(port->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? -errno : 1;
}

int xdp_port_kick_receive(struct xdp_port *port)
{
	if (!(__atomic_load_n(port->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP) && port->note.busy_poll == 0)
		return 0;
	return recvfrom(port->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL) < 0 ? -errno : 1;
}
