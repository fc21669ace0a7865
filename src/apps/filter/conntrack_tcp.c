/* conntrack_tcp -- see conntrack.h: a TCP connection as somebody sees it who stands between both hosts.
 *
 * Of each side two numbers are kept: what it expects next (the highest number that it has acknowledged), and the edge of the window
 * that it has offered. The other side may send up to the edge, and repeat what is not older than the largest window that could have
 * been offered; and what is acknowledged cannot lie beyond the edge either, as nobody may have sent it. As long as the outside has
 * acknowledged nothing its edge is unknown; then data.edge of the outside is the end of what the inside has sent, which is as far
 * as it can be acknowledged.
 * source: RFC 9293, sections 3.4 and 3.5; RFC 7323, section 2; RFC 5961 (a RST ends a connection only at the very number that is
 * expected next); the idea of following windows from between: van Rooij, "Real stateful TCP packet filtering in IP Filter" (2001) */
#include "apps/filter/conntrack.h"

/* The view of flow->data. */
struct track {
	uint32_t next[SIDES];           /* what the side expects next */
	uint32_t edge[SIDES];           /* how far the other side may send; the inside's is just its window until the outside answers */
};
_Static_assert(sizeof(struct track) == sizeof(((struct flow *)0)->data), "what is known about a connection fits into a flow");

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_SCALE = 3, SCALE_LENGTH = 3, SCALE_MOST = 14, NO_SCALE = 255 };
enum { WINDOW_MOST = 65535 };

struct tcp_segment {
	uint32_t sequence, end;         /* of the first byte; behind the last one. SYN and FIN count as one each */
	uint32_t acknowledgment, window;
	uint8_t flags;
	uint8_t scale;                  /* of a SYN's option; NO_SCALE: there is none */
};

static struct track *track_of(struct flow *flow)
{
	return (struct track *)flow->data;
}

static uint8_t acked(enum conntrack_side side)
{
	return side == INSIDE ? ACKED_INSIDE : ACKED_OUTSIDE;
}

/* How far `a` is behind `b` on the circle of sequence numbers; negative: before it. */
static int32_t distance(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* The window scale of a SYN's options. source: RFC 7323, section 2.2 */
static uint8_t read_scale(const uint8_t *option, uint32_t length)
{
	uint32_t at = 0;

	while (at < length && option[at] != OPTION_END) {
		if (option[at] == OPTION_NOP) {
			at++;
			continue;
		}
		if (length - at < 2 || option[at + 1] < 2 || option[at + 1] > length - at)
			break;
		if (option[at] == OPTION_SCALE && option[at + 1] == SCALE_LENGTH)
			return option[at + 2] < SCALE_MOST ? option[at + 2] : SCALE_MOST;
		at += option[at + 1];
	}
	return NO_SCALE;
}

/* The header was checked when the frame was read. */
static void read_segment(const struct conntrack_frame *frame, struct tcp_segment *s)
{
	const struct tcp *tcp = (const struct tcp *)frame->transport;
	uint32_t header = tcp_header_length(tcp);

	s->flags = tcp->flags;
	s->sequence = bytes_swap32(tcp->sequence_be);
	s->end = s->sequence + frame->length - header + ((tcp->flags & TCP_SYN) != 0) + ((tcp->flags & TCP_FIN) != 0);
	s->acknowledgment = bytes_swap32(tcp->acknowledgment_be);
	s->window = bytes_swap16(tcp->window_be);
	s->scale = tcp->flags & TCP_SYN ? read_scale(frame->transport + TCP_HEADER, header - TCP_HEADER) : NO_SCALE;
}

/* SYN, RST and FIN exclude each other; all but the first SYN and some RSTs acknowledge something. */
static bool has_sense(uint8_t flags)
{
	switch (flags & (TCP_SYN | TCP_RST | TCP_FIN)) {
	case 0:
	case TCP_FIN:
		return (flags & TCP_ACK) != 0;
	case TCP_SYN:
	case TCP_RST:
		return true;
	default:
		return false;
	}
}

/* How much older than what is expected next a number may be. */
static int32_t oldest(const struct flow *flow, enum conntrack_side side)
{
	return flow->mark[FLAGS] & acked(side) ? (int32_t)((uint32_t)WINDOW_MOST << flow->mark[SCALE + side]) : 0;
}

/* Begin to follow a connection whose first segment this is. */
static void begin(struct flow *flow, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);

	t->next[OUTSIDE] = s->sequence + 1;
	t->edge[OUTSIDE] = s->end;
	t->edge[INSIDE] = s->window;
	flow->mark[SCALE + INSIDE] = s->scale;
}

/* Begin with a segment from the middle: how large windows are is not known, so they are taken as large as they can be. */
static void begin_midstream(struct flow *flow, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);

	flow->mark[SCALE + INSIDE] = flow->mark[SCALE + OUTSIDE] = SCALE_MOST;
	t->next[OUTSIDE] = s->sequence - ((uint32_t)WINDOW_MOST << SCALE_MOST);
	t->edge[OUTSIDE] = s->end;
	t->next[INSIDE] = s->acknowledgment;
	t->edge[INSIDE] = s->acknowledgment + (s->window << SCALE_MOST);
	flow->mark[FLAGS] |= ANSWERED | ACKED_INSIDE;
}

/* A segment without a flow. */
static enum conntrack_verdict open_connection(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side,
	const struct tcp_segment *s)
{
	bool is_first = (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	struct flow *flow;

	if (side == OUTSIDE)
		return NO_FLOW;
	if (!is_first && (!c->midstream || s->flags & (TCP_SYN | TCP_RST)))
		return NOT_OPENING;
	flow = conntrack_open(c, frame, TCP_OPENING);
	if (flow == NULL)
		return TABLE_FULL;
	if (is_first)
		begin(flow, s);
	else
		begin_midstream(flow, s);
	return PASS;
}

/* May `side` send what lies between these numbers? */
static bool is_within(struct flow *flow, enum conntrack_side side, uint32_t end)
{
	const struct track *t = track_of(flow);
	enum conntrack_side receiver = conntrack_other(side);
	bool has_edge = receiver == INSIDE || flow->mark[FLAGS] & ACKED_OUTSIDE;

	/* One byte more may probe a window of size 0: RFC 9293, section 3.8.6.1. */
	if (has_edge && distance(end, t->edge[receiver]) > 1)
		return false;
	return distance(end, t->next[receiver]) >= -oldest(flow, receiver);
}

/* May `side` acknowledge this? */
static bool is_acknowledgeable(struct flow *flow, enum conntrack_side side, uint32_t acknowledgment)
{
	const struct track *t = track_of(flow);
	int32_t beyond = side == INSIDE || flow->mark[FLAGS] & ACKED_OUTSIDE ? 1 : 0;

	return distance(acknowledgment, t->edge[side]) <= beyond && distance(acknowledgment, t->next[side]) >= -oldest(flow, side);
}

static bool is_acceptable(struct flow *flow, enum conntrack_side side, const struct tcp_segment *s)
{
	bool is_answered = (flow->mark[FLAGS] & ANSWERED) != 0;

	if (is_answered || side == INSIDE) {
		if (!is_within(flow, side, s->end))
			return false;
	} else if (!(s->flags & TCP_SYN)) {
		return false;           /* the outside begins with a SYN, too */
	}
	if (!(s->flags & TCP_ACK))
		return true;
	return (is_answered || side == OUTSIDE) && is_acknowledgeable(flow, side, s->acknowledgment);
}

/* A RST ends the connection at the very number that the other side expects next. Further within the window the other side asks again
 * (RFC 5961, section 3.2): it passes, and the flow stays, though not for long if nothing comes. A SYN is refused by acknowledging it. */
static enum conntrack_verdict reset(struct conntrack *c, struct flow *flow, enum conntrack_side side, const struct tcp_segment *s)
{
	const struct track *t = track_of(flow);
	enum conntrack_side receiver = conntrack_other(side);
	int32_t ahead = distance(s->sequence, t->next[receiver]);

	if (side == OUTSIDE && !(flow->mark[FLAGS] & ANSWERED)) {
		if (!(s->flags & TCP_ACK) || !is_acknowledgeable(flow, side, s->acknowledgment))
			return OUT_OF_WINDOW;
		conntrack_close(c, flow);
		return PASS;
	}
	if (ahead != 0 && (ahead < 0 || distance(s->sequence, t->edge[receiver]) > 0))
		return OUT_OF_WINDOW;
	if (ahead == 0) {
		conntrack_close(c, flow);
	} else {
		flow->timeout = TCP_CLOSING;
		flow->seen_ms = c->now_ms;
	}
	return PASS;
}

/* The outside's first SYN: its sequence numbers, and whether windows are scaled, which both sides must want. */
static void hear_outside(struct flow *flow, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);

	t->next[INSIDE] = s->sequence + 1;
	t->edge[INSIDE] += s->sequence + 1;
	flow->mark[SCALE + OUTSIDE] = s->scale;
	if (s->scale == NO_SCALE || flow->mark[SCALE + INSIDE] == NO_SCALE)
		flow->mark[SCALE + INSIDE] = flow->mark[SCALE + OUTSIDE] = 0;
	flow->mark[FLAGS] |= ANSWERED;
}

/* What an acknowledgment says about its sender. */
static void follow_acknowledgment(struct flow *flow, enum conntrack_side side, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);
	uint32_t edge = s->acknowledgment + (s->flags & TCP_SYN ? s->window : s->window << flow->mark[SCALE + side]);
	bool had_edge = side == INSIDE || flow->mark[FLAGS] & ACKED_OUTSIDE;

	if (distance(s->acknowledgment, t->next[side]) > 0)
		t->next[side] = s->acknowledgment;
	if (!had_edge || distance(edge, t->edge[side]) > 0)
		t->edge[side] = edge;
	flow->mark[FLAGS] |= acked(side);
}

static enum conntrack_timeout timeout_of(uint8_t flags)
{
	uint8_t both_acked = ACKED_INSIDE | ACKED_OUTSIDE, both_fin = FIN_INSIDE | FIN_OUTSIDE;

	if ((flags & both_acked) != both_acked)
		return TCP_OPENING;
	if ((flags & both_fin) == 0)
		return TCP_ESTABLISHED;
	return (flags & both_fin) == both_fin ? TCP_CLOSING : TCP_HALF_CLOSED;
}

/* An acceptable segment moves the connection on. */
static void follow(struct conntrack *c, struct flow *flow, enum conntrack_side side, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);
	uint8_t both = ACKED_INSIDE | ACKED_OUTSIDE, before = flow->mark[FLAGS] & both;

	if (side == OUTSIDE && !(flow->mark[FLAGS] & ANSWERED))
		hear_outside(flow, s);
	if (s->flags & TCP_ACK)
		follow_acknowledgment(flow, side, s);
	if (side == INSIDE && !(flow->mark[FLAGS] & ACKED_OUTSIDE) && distance(s->end, t->edge[OUTSIDE]) > 0)
		t->edge[OUTSIDE] = s->end;
	if (s->flags & TCP_FIN)
		flow->mark[FLAGS] |= side == INSIDE ? FIN_INSIDE : FIN_OUTSIDE;
	flow->timeout = (uint8_t)timeout_of(flow->mark[FLAGS]);
	flow->seen_ms = c->now_ms;
	if (before != both && (flow->mark[FLAGS] & both) == both)
		conntrack_settle(c, flow);
}

/* A segment of an open connection that neither side has begun to close: nearly all are. What is_acceptable and follow do, where it
 * is known that both edges are.
 *   gives: whether it is acceptable */
static bool go_on(struct conntrack *c, struct flow *flow, enum conntrack_side side, const struct tcp_segment *s)
{
	struct track *t = track_of(flow);
	enum conntrack_side other = conntrack_other(side);
	uint8_t scale = flow->mark[SCALE + side];
	int32_t ahead = distance(s->acknowledgment, t->next[side]);
	uint32_t edge = s->acknowledgment + (s->window << scale);

	if (distance(s->end, t->edge[other]) > 1 || distance(s->end, t->next[other]) < -(WINDOW_MOST << flow->mark[SCALE + other]) ||
		distance(s->acknowledgment, t->edge[side]) > 1 || ahead < -(WINDOW_MOST << scale))
		return false;
	if (ahead > 0)
		t->next[side] = s->acknowledgment;
	if (distance(edge, t->edge[side]) > 0)
		t->edge[side] = edge;
	flow->seen_ms = c->now_ms;
	return true;
}

/* A SYN from the inside where there is a flow: it may begin a new connection between the same ends, when the old one has been ended by
 * both sides or was never answered. */
static bool begins_anew(struct flow *flow, const struct tcp_segment *s)
{
	uint8_t both_fin = FIN_INSIDE | FIN_OUTSIDE;

	if (!(flow->mark[FLAGS] & ANSWERED))
		return s->sequence + 1 != track_of(flow)->next[OUTSIDE];
	return (flow->mark[FLAGS] & both_fin) == both_fin;
}

enum conntrack_verdict conntrack_tcp(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side)
{
	struct tcp_segment s;
	struct flow *flow;

	read_segment(frame, &s);
	if (!has_sense(s.flags))
		return TCP_FLAGS;
	flow = conntrack_find(c, &frame->key, frame->hash);
	if (flow == NULL)
		return open_connection(c, frame, side, &s);
	if (!conntrack_is_from(frame, flow, side))
		return SPOOFED;
	if (flow->timeout == TCP_ESTABLISHED && (s.flags & (TCP_SYN | TCP_FIN | TCP_RST)) == 0)
		return go_on(c, flow, side, &s) ? PASS : OUT_OF_WINDOW;
	if (s.flags & TCP_RST)
		return reset(c, flow, side, &s);
	if (side == INSIDE && (s.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		if (begins_anew(flow, &s)) {
			conntrack_close(c, flow);
			return open_connection(c, frame, side, &s);
		}
		/* A host that has forgotten the connection: the other one answers with what it expects, which leads to a RST
		 * (RFC 9293, section 3.5.1). Nothing is learned from it. */
		if (flow->mark[FLAGS] & ANSWERED)
			return PASS;
	}
	if (!is_acceptable(flow, side, &s))
		return OUT_OF_WINDOW;
	follow(c, flow, side, &s);
	return PASS;
}

bool conntrack_tcp_has_sent(const struct flow *flow, enum conntrack_side side, uint32_t sequence)
{
	struct flow copy = *flow;
	const struct track *t = track_of(&copy);

	if (!(flow->mark[FLAGS] & ANSWERED))
		return side == INSIDE && distance(sequence, t->next[OUTSIDE]) >= -1 && distance(sequence, t->edge[OUTSIDE]) <= 0;
	return is_within(&copy, side, sequence + 1);
}
