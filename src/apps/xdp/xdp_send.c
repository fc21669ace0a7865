/* xdp_send -- what xdp.xdp sends: packets within the registered memory as they are, others from a copy, what their sender left undone
 * finished before. See xdp.h. */
#include "apps/xdp/xdp.h"
#include "apps/xdp/xdp_port.h"

enum { KICKS = 8 };                     /* calls for one burst, at most: each sends at least 32 frames */

/* A packet in the registered memory with the same bytes. fails: NULL: none is free */
static struct packet *copy_within(struct xdp *xdp, const struct packet *p)
{
	struct packet *copy = packet_alloc();

	if (copy != NULL && xdp_port_reaches(xdp->port, copy) && packet_set(copy, p->data, p->length)) {
		copy->meta = p->meta;
		xdp->app.counter[XDP_COUNT_COPIED]++;
		return copy;
	}
	if (copy != NULL)
		packet_free(copy);
	return NULL;
}

/* Write the next segment of the pending packet. gives: NULL when no packet is free */
static struct packet *next_segment(struct xdp *xdp)
{
	struct app *app = &xdp->app;
	uint32_t length = gso_segment_length(&xdp->cut, xdp->next);
	struct packet *p = packet_alloc();

	if (p == NULL || !xdp_port_reaches(xdp->port, p) || packet_append(p, length) == NULL) {
		if (p != NULL)
			packet_free(p);
		return NULL;
	}
	gso_segment(&xdp->cut, xdp->pending->data, xdp->next, p->data);
	app->created++;
	app->counter[XDP_COUNT_SEGMENTS]++;
	if (++xdp->next == xdp->cut.count) {
		app->consumed++;
		packet_free(xdp->pending);
		xdp->pending = NULL;
	}
	return p;
}

/* Begin to cut the GSO packet at the front. */
static void begin_cut(struct xdp *xdp, struct packet *p)
{
	if (!offload_cut(p, &xdp->cut) || xdp->cut.header + xdp->cut.bytes > XDP_CHUNK - PACKET_HEADROOM) {
		app_drop(&xdp->app, XDP_REASON_GSO, p);
		return;
	}
	xdp->pending = p;
	xdp->next = 0;
}

/* Take the packet at the front that is no frame for a wire as it is: finish it, copy it, cut it or drop it.
 *   gives: a packet to send; NULL: none now; *stuck: it stays on the link until a packet is free */
static struct packet *finish(struct xdp *xdp, struct link *input, bool *stuck)
{
	struct packet *p = link_peek(input, 0), *copy;
	uint32_t most = XDP_CHUNK - PACKET_HEADROOM;

	if (p->meta.gso != PACKET_GSO_NONE) {
		begin_cut(xdp, link_receive(input));
		return NULL;
	}
	if (p->length < ETHERNET_HEADER) {
		app_drop(&xdp->app, XDP_REASON_TOO_SHORT, link_receive(input));
		return NULL;
	}
	if (!offload_insert_tag(p) || !offload_complete(p)) {
		app_drop(&xdp->app, XDP_REASON_METADATA, link_receive(input));
		return NULL;
	}
	if (p->length > (xdp_port_reaches(xdp->port, p) ? XDP_CHUNK : most)) {
		app_drop(&xdp->app, XDP_REASON_TOO_LONG, link_receive(input));
		return NULL;
	}
	if (xdp_port_reaches(xdp->port, p))
		return link_receive(input);
	copy = copy_within(xdp, p);
	if (copy == NULL)
		*stuck = true;
	else
		packet_free(link_receive(input));
	return copy;
}

void xdp_send_drop(struct xdp *xdp)
{
	struct link *input = xdp->app.input[0];
	struct packet *burst[BURST];
	uint32_t n;

	if (xdp->pending != NULL)
		app_drop(&xdp->app, XDP_REASON_DOWN, xdp->pending);
	xdp->pending = NULL;
	while (input != NULL && (n = link_receive_burst(input, burst, BURST)) > 0)
		app_drop_burst(&xdp->app, XDP_REASON_DOWN, burst, n);
}

/* Collect up to n packets that can be sent. */
static uint32_t collect(struct xdp *xdp, struct link *input, struct packet **burst, uint32_t n)
{
	uint32_t count = 0;
	bool stuck = false;

	while (count < n && !stuck && (xdp->pending != NULL || (input != NULL && link_waiting(input) > 0))) {
		struct packet *p;

		if (__builtin_expect(xdp->pending != NULL, 0)) {
			p = next_segment(xdp);
			stuck = p == NULL;
		} else {
			p = link_peek(input, 0);
			if (__builtin_expect(xdp_port_reaches(xdp->port, p) && offload_is_plain(p) &&
				p->length >= ETHERNET_HEADER, 1))
				link_receive(input);
			else
				p = finish(xdp, input, &stuck);
		}
		if (p != NULL)
			burst[count++] = p;
	}
	return count;
}

void xdp_send_waiting(struct xdp *xdp)
{
	struct app *app = &xdp->app;
	struct packet *burst[BURST];
	uint32_t room, n;
	int code = 0;

	room = xdp_port_room(xdp->port);
	n = collect(xdp, app->input[0], burst, room < BURST ? room : BURST);
	xdp_port_send(xdp->port, burst, n);
	for (int i = 0; i < KICKS && xdp_port_unsent(xdp->port) && (code == 0 || code == 1 || code == -EAGAIN); i++) {
		code = xdp_port_kick_send(xdp->port);
		if (!xdp_life_call(xdp, code))
			return;
		if (code == 0)
			break;          /* the driver goes on by itself */
	}
	app->sent += xdp_port_complete(xdp->port);
	/* While it is down the ring stays full: what comes is not kept for later. */
	if (code == -ENETDOWN)
		xdp_send_drop(xdp);
}
