/* b4_session -- see b4.h: sessions between a port of ours and another end. A port is a client's for as long as a session needs it.
 * Only packets from the inside open sessions, so nobody outside can fill the table or keep a port. */
#include "apps/lwaftr/b4.h"

enum {
	SWEEP_MS = 2048,                /* the time in which each place of the table is looked at once */
	SWEEP_LEAST = 16,
	LOTS = 32                       /* half-open sessions that are looked at for one whose port can be freed */
};

/* One port of ours may talk to another one, and both see the same two ends: which one is meant stands in the zone. */
void b4_session_key(const struct b4 *b4, struct flow_key *key, enum b4_kind kind, uint16_t port, uint32_t remote_be, uint16_t remote)
{
	static const uint8_t protocol[B4_KINDS] = { IP_TCP, IP_UDP, IP_ICMP };

	flow_key_ipv4(key, b4->ipv4_be, remote_be, port, remote, protocol[kind], port);
}

/* Take a session out; its port is free when no other one needs it. */
static void close_session(struct b4 *b4, struct flow *session)
{
	struct b4_ports *ports = &b4->state->ports;
	uint32_t index = session->data[0];

	flow_table_remove(b4->state->sessions, session);
	if (--ports->mapping[index].users == 0)
		b4_ports_release(ports, index);
}

static void time_out(struct b4 *b4, struct flow *session)
{
	b4->app.counter[B4_TIMED_OUT]++;
	close_session(b4, session);
}

struct flow *b4_session_find(struct b4 *b4, const struct flow_key *key, uint64_t hash)
{
	struct flow *session = flow_table_find(b4->state->sessions, key, hash);

	if (session != NULL && flow_table_is_expired(b4->state->sessions, session, b4->now_ms)) {
		time_out(b4, session);
		session = NULL;
	}
	return session;
}

static void sweep(struct b4 *b4, uint32_t steps)
{
	struct flow *session;

	while ((session = flow_table_sweep(b4->state->sessions, b4->now_ms, &steps)) != NULL)
		time_out(b4, session);
}

struct flow *b4_session_open(struct b4 *b4, const struct flow_key *key, uint64_t hash, uint32_t mapping)
{
	static const uint8_t opening[B4_KINDS] = { B4_TCP_OPENING, B4_UDP_OPENING, B4_ECHO_SILENT };
	struct flow_table *table = b4->state->sessions;
	struct b4_ports *ports = &b4->state->ports;
	struct flow *victim, *session;

	/* The one that goes may be the last other one that needs this port. */
	ports->mapping[mapping].users++;
	victim = flow_table_victim(table, (uint32_t)random_u64(&b4->state->random));
	if (victim != NULL) {
		b4->app.counter[B4_EVICTED]++;
		close_session(b4, victim);
	}
	session = flow_table_add(table, key, hash);
	if (session == NULL) {
		sweep(b4, SWEEP_LEAST);
		session = flow_table_add(table, key, hash);
	}
	if (session == NULL) {
		if (--ports->mapping[mapping].users == 0)
			b4_ports_release(ports, mapping);
		return NULL;
	}
	b4->app.counter[B4_OPENED]++;
	session->data[0] = mapping;
	session->seen_ms = b4->now_ms;
	session->timeout = opening[b4_ports_kind(ports, mapping)];
	return session;
}

bool b4_session_evict(struct b4 *b4, enum b4_kind kind)
{
	struct flow_table *table = b4->state->sessions;
	struct b4_ports *ports = &b4->state->ports;

	for (uint32_t i = 0; i < LOTS && table->half_open > 0; i++) {
		struct flow *session = &table->flow[table->order[random_below(&b4->state->random, table->half_open)]];
		uint32_t index = session->data[0];

		if (b4_ports_kind(ports, index) == kind && ports->mapping[index].users == 1) {
			b4->app.counter[B4_EVICTED]++;
			close_session(b4, session);
			return true;
		}
	}
	return false;
}

/* Both sides have ended the connection, or one has reset it: from now on it may go for others. */
static void unsettle(struct b4 *b4, struct flow *session)
{
	struct flow_table *table = b4->state->sessions;
	struct flow copy = *session;

	session->timeout = B4_TCP_CLOSING;
	if (!flow_table_is_settled(table, session) || table->half_open >= table->half_open_most)
		return;
	flow_table_remove(table, session);
	session = flow_table_add(table, &copy.key, flow_table_hash(table, &copy.key));
	copy.timeout = B4_TCP_CLOSING;
	*session = copy;
}

static void open_tcp(struct b4 *b4, struct flow *session)
{
	session->timeout = B4_TCP_OPEN;
	flow_table_settle(b4->state->sessions, session);
}

/* Marks of a TCP session change; what is still sent after a RST shows that it was not meant: RFC 7857 section 2.2. */
static void follow_tcp(struct b4 *b4, struct flow *session, uint8_t flags, uint8_t fin)
{
	uint8_t *mark = &session->mark[0];
	bool was_closing = session->timeout == B4_TCP_CLOSING;

	if (flags & TCP_RST)
		*mark |= B4_RESET;
	else
		*mark &= (uint8_t)~B4_RESET;
	if (flags & TCP_FIN)
		*mark |= fin;
	if ((*mark & B4_RESET) || (*mark & (B4_FIN_OUT | B4_FIN_IN)) == (B4_FIN_OUT | B4_FIN_IN)) {
		if (!was_closing)
			unsettle(b4, session);
	} else if (was_closing && (*mark & B4_ANSWERED)) {
		open_tcp(b4, session);
	} else if (was_closing) {
		session->timeout = B4_TCP_OPENING;
	}
}

void b4_session_out(struct b4 *b4, struct flow *session, const struct b4_view *view)
{
	uint8_t *mark = &session->mark[0];

	session->seen_ms = b4->now_ms;
	if (view->kind != B4_TCP)
		return;
	/* SYN and ACK answer a SYN that came in: the other side's next segment opens the connection. */
	if ((view->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK))
		*mark |= B4_OPENED_BY_US;
	if (session->timeout == B4_TCP_OPENING && (*mark & B4_ANSWERED) && !(view->flags & (TCP_SYN | TCP_RST)))
		open_tcp(b4, session);
	if (view->flags & TCP_SYN)
		*mark &= (uint8_t)~(B4_FIN_OUT | B4_FIN_IN);
	follow_tcp(b4, session, view->flags, B4_FIN_OUT);
}

void b4_session_in(struct b4 *b4, struct flow *session, const struct b4_view *view)
{
	uint8_t *mark = &session->mark[0];

	session->seen_ms = b4->now_ms;
	if (view->kind == B4_TCP) {
		if (session->timeout == B4_TCP_OPENING && (*mark & B4_OPENED_BY_US) && (view->flags & TCP_ACK) &&
			!(view->flags & (TCP_SYN | TCP_RST)))
			open_tcp(b4, session);
		*mark |= view->flags & TCP_RST ? 0 : B4_ANSWERED;
		follow_tcp(b4, session, view->flags, B4_FIN_IN);
	} else if (!(*mark & B4_ANSWERED)) {
		*mark |= B4_ANSWERED;
		session->timeout = view->kind == B4_UDP ? B4_UDP_ANSWERED : B4_ECHO_SILENT;
		flow_table_settle(b4->state->sessions, session);
	}
}

void b4_session_tick(struct b4 *b4)
{
	sweep(b4, b4->state->sessions->capacity / SWEEP_MS + SWEEP_LEAST);
}

void b4_session_count(struct b4 *b4)
{
	const struct b4_ports *ports = &b4->state->ports;
	uint64_t *counter = b4->app.counter;

	counter[B4_SESSIONS] = b4->state->sessions->used;
	counter[B4_HALF_OPEN] = b4->state->sessions->half_open;
	for (uint32_t kind = 0; kind < B4_KINDS; kind++)
		counter[B4_MAPPINGS_TCP + kind] = ports->count - ports->first - ports->spare_count[kind];
	counter[B4_MTU] = b4_tunnel_mtu(b4);
}
