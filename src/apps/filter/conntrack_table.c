/* conntrack_table -- see conntrack.h: flows are found, opened, closed. After a reload that changed the number of flows there are two
 * tables for a while: flows move from the older one when they are found, and some at each tick. */
#include "apps/filter/conntrack.h"

enum {
	SWEEP_MS = 2048,                /* the time in which each place of a table is looked at once */
	SWEEP_LEAST = 16,               /* places at a tick, and before a new flow is refused */
	MOVE_MOST = 4096,               /* flows that a tick moves: about 0.5 ms */
	DISPLACE_MOST = 256             /* half-open flows that a tick takes out when a reload has lowered their limit */
};

/* A flow is taken out after it was silent for as long as its time-out says; both sides of a TCP connection may have ended it. */
static void take_out_silent(struct conntrack *c, struct flow_table *table, struct flow *flow)
{
	c->app.counter[flow->timeout == TCP_CLOSING ? CLOSED : TIMED_OUT]++;
	flow_table_remove(table, flow);
}

void conntrack_table_draw(struct conntrack *c)
{
	for (uint32_t i = 0; i < CONNTRACK_LOTS; i++)
		c->lot[i] = (uint32_t)(random_u64(&c->random) >> 32);
}

/* Make room for one more flow, at the cost of a half-open one if need be. What the next ones to go lie in is fetched beforehand. */
static void make_room(struct conntrack *c)
{
	uint32_t *number = &c->lot[c->drawn % CONNTRACK_LOTS];
	struct flow *victim = flow_table_victim(c->table, *number);

	if (victim == NULL)
		return;
	for (uint32_t step = 0; step < 3; step++)
		flow_table_prefetch_victim(c->table, c->lot[(c->drawn + CONNTRACK_LOTS - 1 - 5 * step) % CONNTRACK_LOTS], step);
	*number = (uint32_t)(random_u64(&c->random) >> 32);
	c->drawn++;
	c->app.counter[EVICTED]++;
	flow_table_remove(c->table, victim);
}

/* Move a flow from the older table. One that finds no room is gone: NULL. A half-open one displaces none. */
static struct flow *move(struct conntrack *c, struct flow *flow, uint64_t hash)
{
	bool is_settled = flow_table_is_settled(c->older, flow);
	struct flow *moved;

	if (is_settled)
		make_room(c);
	moved = flow_table_add(c->table, &flow->key, hash);
	if (moved != NULL) {
		*moved = *flow;
		if (is_settled)
			flow_table_settle(c->table, moved);
	} else {
		c->app.counter[EVICTED]++;
	}
	flow_table_remove(c->older, flow);
	return moved;
}

struct flow *conntrack_find_rare(struct conntrack *c, const struct flow_key *key, uint64_t hash, struct flow *flow)
{
	if (flow == NULL && c->older != NULL) {
		flow = flow_table_find(c->older, key, hash);
		if (flow != NULL)
			flow = move(c, flow, hash);
	}
	if (flow != NULL && flow_table_is_expired(c->table, flow, c->now_ms)) {
		take_out_silent(c, c->table, flow);
		flow = NULL;
	}
	return flow;
}

/* Take silent flows out, looking at so many places. */
static void sweep(struct conntrack *c, struct flow_table *table, uint32_t steps)
{
	struct flow *flow;

	while ((flow = flow_table_sweep(table, c->now_ms, &steps)) != NULL)
		take_out_silent(c, table, flow);
}

struct flow *conntrack_open(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_timeout timeout)
{
	struct flow *flow;

	make_room(c);
	flow = flow_table_add(c->table, &frame->key, frame->hash);
	if (__builtin_expect(flow == NULL, 0)) {
		sweep(c, c->table, SWEEP_LEAST);
		flow = flow_table_add(c->table, &frame->key, frame->hash);
		if (flow == NULL)
			return NULL;
	}
	c->app.counter[OPENED]++;
	flow->seen_ms = c->now_ms;
	flow->timeout = (uint8_t)timeout;
	flow->mark[FLAGS] = frame->source_high ? INSIDE_HIGH : 0;
	return flow;
}

void conntrack_settle(struct conntrack *c, struct flow *flow)
{
	flow_table_settle(c->table, flow);
}

void conntrack_close(struct conntrack *c, struct flow *flow)
{
	c->app.counter[CLOSED]++;
	flow_table_remove(c->table, flow);
}

/* Move flows from the older table, settled ones first: they are at the end of the order. An empty table is freed elsewhere. */
static void move_some(struct conntrack *c)
{
	struct flow_table *older = c->older;

	for (uint32_t i = 0; i < MOVE_MOST && older->used > 0; i++) {
		struct flow *flow = &older->flow[older->order[older->used - 1]];

		if (flow_table_is_expired(older, flow, c->now_ms))
			take_out_silent(c, older, flow);
		else
			move(c, flow, flow_table_hash(older, &flow->key));
	}
	if (older->used == 0 && job_is_idle(&c->dispose)) {
		c->spent = older;
		__atomic_store_n(&c->older, NULL, __ATOMIC_RELAXED);
		job_submit(&c->dispose);
	}
}

/* After a reload with a lower limit the half-open flows that are too many go little by little; until then a new one displaces one. */
void conntrack_table_limit(struct conntrack *c)
{
	struct flow_table *table = c->table;

	flow_table_limit(table, table->half_open > c->half_open ? table->half_open : c->half_open);
}

static void displace_some(struct conntrack *c)
{
	struct flow_table *table = c->table;

	for (uint32_t i = 0; i < DISPLACE_MOST && table->half_open > c->half_open; i++) {
		make_room(c);
		conntrack_table_limit(c);
	}
	conntrack_table_limit(c);
}

void conntrack_table_tick(struct conntrack *c)
{
	job_finished(&c->dispose);
	if (c->table->half_open_most != c->half_open)
		displace_some(c);
	sweep(c, c->table, c->table->capacity / SWEEP_MS + SWEEP_LEAST);
	if (c->older != NULL)
		move_some(c);
}

void conntrack_table_count(struct conntrack *c)
{
	c->app.counter[CURRENT] = c->table->used + (c->older != NULL ? c->older->used : 0);
	c->app.counter[HALF_OPEN] = c->table->half_open + (c->older != NULL ? c->older->half_open : 0);
}
