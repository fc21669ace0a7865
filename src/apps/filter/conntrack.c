/* conntrack -- pass the packets of flows that were opened from the inside. See conntrack.h. */
#include "apps/filter/conntrack.h"

#define MS 1000000ull
#define S (1000 * MS)

enum {
	FLOWS = 262144, DATAGRAMS = 1024, DATAGRAMS_MOST = 16384,
	AHEAD = 16                      /* for so many packets ahead the flows are fetched */
};

/* Longest time-outs: 32 bits of milliseconds must tell them apart from what lies ahead. */
#define TIMEOUT_MOST (7 * 24 * 3600 * S)

#define TIMEOUT(which, name, usual, help_) \
	{ name, PARAM_DURATION, which * sizeof(uint64_t), help_, .min = 10 * MS, .max = TIMEOUT_MOST, .initial_text = usual }
static const struct param timeout_fields[] = {
	TIMEOUT(TCP_OPENING, "tcp_opening", "30s", "a TCP connection that is being opened"),
	TIMEOUT(TCP_ESTABLISHED, "tcp", "124min", "an open TCP connection (RFC 5382, section 5: at least 2 hours and 4 minutes)"),
	TIMEOUT(TCP_HALF_CLOSED, "tcp_half_closed", "10min", "a TCP connection that one side has closed"),
	TIMEOUT(TCP_CLOSING, "tcp_closing", "30s", "a TCP connection that both sides have closed, or that a RST not quite in place may "
		"have ended"),
	TIMEOUT(UDP_OPENING, "udp_opening", "30s", "UDP without an answer yet"),
	TIMEOUT(UDP_ANSWERED, "udp", "5min", "UDP in both directions (RFC 4787, section 4.3: at least 2 minutes, better 5)"),
	TIMEOUT(ECHO, "echo", "1min", "ICMP echoes with the same id (RFC 5508, section 3.2: at least 1 minute)"),
	TIMEOUT(OTHER_OPENING, "other_opening", "30s", "another protocol without an answer yet"),
	TIMEOUT(OTHER_ANSWERED, "other", "10min", "another protocol in both directions"),
	TIMEOUT(FRAGMENTS, "fragments", "5s", "later fragments after the first one"),
	{ 0 }
};

static const char *const others[] = { "drop", "track", NULL };

#define FIELD(field) offsetof(struct conntrack, field)
static const struct param params[] = {
	{ "flows", PARAM_U32, FIELD(flows), "flows that the table holds; each takes about 90 bytes of memory", .min = FLOW_TABLE_LEAST,
		.max = FLOW_TABLE_MOST, .initial = FLOWS },
	{ "half_open", PARAM_U32, FIELD(half_open), "flows among them that the outside has not agreed to yet: when there are more, one of "
		"them, chosen by chance, goes for each new one. Without it half of flows", .min = 1, .max = FLOW_TABLE_MOST,
		.optional = true },
	{ "timeouts", PARAM_TABLE, FIELD(timeout_ns), "after how much silence a flow is forgotten", .fields = timeout_fields,
		.size = sizeof(((struct conntrack *)0)->timeout_ns) },
	{ "midstream", PARAM_BOOL, FIELD(midstream), "TCP from the inside may open a flow without a SYN: connections outlive a restart, "
		"but their windows are checked loosely", .initial = false },
	{ "other", PARAM_ENUM, FIELD(other), "IP protocols other than TCP, UDP and ICMP: drop them, or track them by their addresses alone",
		.choices = others, .initial = 1 },
	{ "fragments", PARAM_U32, FIELD(fragments), "datagrams whose later fragments may follow the first one, at the same time; 0: "
		"fragments are dropped", .max = DATAGRAMS_MOST, .initial = DATAGRAMS },
	{ "arp", PARAM_BOOL, FIELD(arp), "ARP passes in both directions", .initial = true },
	{ "neighbor", PARAM_BOOL, FIELD(neighbor), "neighbour discovery and multicast listener messages of IPv6 that come from the same "
		"link pass in both directions (no redirects)", .initial = true },
	{ "non_ip", PARAM_BOOL, FIELD(non_ip), "frames that are neither IP nor ARP pass in both directions", .initial = false },
	{ 0 }
};

static void conntrack_check(const struct app *app, struct errors *errors)
{
	const struct conntrack *c = (const struct conntrack *)app;

	if (c->half_open > c->flows)
		errors_add(errors, "app '%s': key 'half_open': %u is more than the %u flows of the table", app->name, c->half_open,
			c->flows);
}

static void dispose(struct job *job)
{
	struct conntrack *c = (struct conntrack *)((uint8_t *)job - offsetof(struct conntrack, dispose));

	flow_table_free(c->spent);
	c->spent = NULL;
}

static void make_key(struct random *random, struct siphash_key *key)
{
	key->word[0] = random_u64(random);
	key->word[1] = random_u64(random);
}

/* A table of our own is needed when there is none of the right size to take over. */
static int prepare_table(struct conntrack *c, const struct conntrack *old)
{
	struct siphash_key key;

	if (old != NULL && old->flows == c->flows)
		return 0;
	if (old != NULL && __atomic_load_n(&old->older, __ATOMIC_RELAXED) != NULL)
		return nf_fail(EBUSY, "app '%s': the flows are still moving to a table of %u after an earlier change of 'flows'; change it "
			"again in some seconds", c->app.name, old->flows);
	if (old != NULL)
		key = old->table->key;
	else
		make_key(&c->random, &key);
	c->table = flow_table_new(c->flows, c->half_open, &key);
	return c->table != NULL ? 0 : nf_fail(ENOMEM, "app '%s': no memory for a table of %u flows", c->app.name, c->flows);
}

static int conntrack_prepare(struct app *app, const struct app *old)
{
	struct conntrack *c = (struct conntrack *)app;

	random_init(&c->random, random_seed, app->name);
	c->dispose.run = dispose;
	if (c->half_open == 0)
		c->half_open = c->flows / 2;
	for (uint32_t i = 0; i < CONNTRACK_TIMEOUTS; i++)
		c->timeout_ms[i] = (uint32_t)(c->timeout_ns[i] / MS);
	c->datagram = app_alloc(app, conntrack_fragment_bytes(c));
	return prepare_table(c, (const struct conntrack *)old);
}

static void set_now(struct conntrack *c)
{
	c->now_ms = (uint32_t)(clock_now() / MS);
}

static void set_timeouts(const struct conntrack *c, struct flow_table *table)
{
	memcpy(table->timeout_ms, c->timeout_ms, sizeof(c->timeout_ms));
}

/* Take over the flows of an earlier instance: its table or, when that has another size, one flow after the other. */
static void take_over(struct conntrack *c, struct conntrack *before)
{
	c->random = before->random;
	if (c->table == NULL) {
		c->table = before->table;
		c->older = before->older;
		before->older = NULL;
	} else {
		c->older = before->table;
	}
	before->table = NULL;
	if (c->datagram_mask == before->datagram_mask)
		memcpy(c->datagram, before->datagram, (c->datagram_mask + 1) * CONNTRACK_WAYS * sizeof(*c->datagram));
}

static void conntrack_commit(struct app *app, struct app *old)
{
	struct conntrack *c = (struct conntrack *)app;

	set_now(c);
	if (old != NULL)
		take_over(c, (struct conntrack *)old);
	conntrack_table_draw(c);
	conntrack_table_limit(c);
	set_timeouts(c, c->table);
	if (c->older != NULL)
		set_timeouts(c, c->older);
}

static void conntrack_retire(struct app *app)
{
	struct conntrack *c = (struct conntrack *)app;

	job_wait(&c->dispose);
	flow_table_free(c->table);
	flow_table_free(c->older);
}

/* UDP, echoes and other protocols: the inside opens, the outside answers. */
static enum conntrack_verdict judge(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side)
{
	enum conntrack_timeout opening = frame->kind == KIND_UDP ? UDP_OPENING : frame->kind == KIND_ECHO ? ECHO : OTHER_OPENING;
	enum conntrack_timeout answered = frame->kind == KIND_UDP ? UDP_ANSWERED : frame->kind == KIND_ECHO ? ECHO : OTHER_ANSWERED;
	struct flow *flow = conntrack_find(c, &frame->key, frame->hash);

	if (frame->kind == KIND_ECHO && frame->opens != (side == INSIDE))
		return side == INSIDE ? NOT_OPENING : NO_FLOW;
	if (flow == NULL) {
		if (side == OUTSIDE)
			return NO_FLOW;
		return conntrack_open(c, frame, opening) != NULL ? PASS : TABLE_FULL;
	}
	if (!conntrack_is_from(frame, flow, side))
		return SPOOFED;
	flow->seen_ms = c->now_ms;
	if (side == OUTSIDE && !(flow->mark[FLAGS] & ANSWERED)) {
		flow->mark[FLAGS] |= ANSWERED;
		flow->timeout = (uint8_t)answered;
		conntrack_settle(c, flow);
	}
	return PASS;
}

/* An ICMP error quotes a packet that the other side has sent in a known flow; of TCP also with a number that it may have sent
 * (RFC 5927, section 4.1). It changes nothing. */
static enum conntrack_verdict judge_error(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side)
{
	enum conntrack_side sender = conntrack_other(side);
	struct flow *flow = conntrack_find(c, &frame->key, frame->hash);

	if (flow == NULL || !conntrack_is_from(frame, flow, sender))
		return UNRELATED;
	if (sender == OUTSIDE && !(flow->mark[FLAGS] & ANSWERED))
		return UNRELATED;
	if (frame->protocol == IP_TCP && !conntrack_tcp_has_sent(flow, sender, bytes_read32(frame->transport + 4)))
		return UNRELATED;
	return PASS;
}

static enum conntrack_verdict verdict(struct conntrack *c, const struct conntrack_frame *frame, enum conntrack_side side)
{
	enum conntrack_verdict result;

	switch (frame->kind) {
	case KIND_DECIDED:
		return frame->verdict;
	case KIND_LATER:
		return conntrack_fragment_is_known(c, frame->datagram) ? PASS : FRAGMENT;
	case KIND_TCP:
		result = conntrack_tcp(c, frame, side);
		break;
	case KIND_ERROR:
		result = judge_error(c, frame, side);
		break;
	default:
		result = judge(c, frame, side);
	}
	if (result == PASS && frame->first)
		conntrack_fragment_remember(c, frame->datagram);
	return result;
}

/* A burst of one direction. Three loops, so that cache misses overlap: packets and buckets, flows, verdicts. */
static void push_side(struct conntrack *c, enum conntrack_side side)
{
	struct app *app = &c->app;
	struct link *input = app->input[side], *output = app->output[conntrack_other(side)];
	struct conntrack_frame frame[BURST];
	struct packet *burst[BURST];
	uint32_t passed = 0, n = link_waiting(input);

	if (n > BURST)
		n = BURST;
	if (n > link_room(output))
		n = link_room(output);
	link_receive_burst(input, burst, n);
	for (uint32_t i = 0; i < n; i += CONNTRACK_GROUP) {
		uint32_t group = n - i < CONNTRACK_GROUP ? n - i : CONNTRACK_GROUP;

		for (uint32_t j = i + CONNTRACK_GROUP; j < n && j < i + 2 * CONNTRACK_GROUP; j++)
			__builtin_prefetch(burst[j]->data);
		conntrack_frame_read(c, burst + i, group, side, frame + i);
	}
	for (uint32_t i = 0; i < n && i < AHEAD; i++)
		flow_table_prefetch_flow(c->table, frame[i].hash);
	for (uint32_t i = 0; i < n; i++) {
		enum conntrack_verdict result;

		if (i + AHEAD < n)
			flow_table_prefetch_flow(c->table, frame[i + AHEAD].hash);
		result = verdict(c, &frame[i], side);
		if (result == PASS)
			burst[passed++] = burst[i];
		else
			app_drop(app, result, burst[i]);
	}
	link_send_burst(output, burst, passed);
}

/* Each direction has its own output: one that is full does not hold up the other. */
static void conntrack_push(struct app *app)
{
	struct conntrack *c = (struct conntrack *)app;

	set_now(c);
	push_side(c, INSIDE);
	push_side(c, OUTSIDE);
	conntrack_table_count(c);
}

static void conntrack_tick(struct app *app)
{
	struct conntrack *c = (struct conntrack *)app;

	set_now(c);
	conntrack_table_tick(c);
	conntrack_table_count(c);
}

const struct app_class filter_conntrack_class = {
	.name = "filter.conntrack",
	.help = "Pass the packets of flows that were opened from the inside; drop all others.\n"
		"What comes in at `inside` leaves at `outside` and the other way round. IPv4 and IPv6: TCP by its states, sequence "
		"numbers and windows, UDP, ICMP echo, ICMP errors that quote a packet of a known flow, other protocols by their "
		"addresses. VLAN tags are looked behind; their ids are part of a flow. The table has a fixed size: when it, or its "
		"share for half-open flows, is full, a half-open flow goes for a new one, never one that both sides have agreed to. "
		"Flows outlive a reload, also with other time-outs or another size. Checksums are not verified.\n"
		"Counters: flows opened, closed (by RST, or silent after both FINs), timed-out, evicted for want of room; current: "
		"flows now; half-open: those among them that the outside has not agreed to yet.\n"
		"Reasons: malformed: a header is cut off or contradicts itself; not-ip; tcp-flags: impossible together; fragment: a "
		"later one without its first, or any, when they are dropped; protocol: not tracked; icmp-type: neither echo nor error; "
		"unrelated: an ICMP error about no known flow; no-flow: from the outside, of no flow; not-opening: from the inside, of "
		"no flow, and no beginning of one; spoofed: with an address of the other side; out-of-window: no number that can be "
		"meant; table-full.",
	.size = sizeof(struct conntrack),
	.params = params,
	.inputs = (const char *const[]){ "inside", "outside", NULL },
	.outputs = (const char *const[]){ "inside", "outside", NULL },
	.counters = (const char *const[]){ "opened", "closed", "timed-out", "evicted", "current", "half-open", NULL },
	.gauges = (const char *const[]){ "current", "half-open", NULL },
	.reasons = (const char *const[]){ "malformed", "not-ip", "tcp-flags", "fragment", "protocol", "icmp-type", "unrelated", "no-flow",
		"not-opening", "spoofed", "out-of-window", "table-full", NULL },
	.check = conntrack_check, .prepare = conntrack_prepare, .commit = conntrack_commit, .abort = conntrack_retire,
	.retire = conntrack_retire, .push = conntrack_push, .tick = conntrack_tick,
};
