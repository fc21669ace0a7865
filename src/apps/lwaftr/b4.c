/* b4 -- the subscriber's end of lightweight 4over6 (RFC 7596 section 5): parameters, set-up, reloads. See b4.h. */
#include "apps/lwaftr/b4.h"

#include <errno.h>
#include <stdlib.h>

#define MS 1000000ull
#define S (1000 * MS)
#define TIMEOUT_MOST (7 * 24 * 3600 * S)        /* 32 bits of milliseconds must tell them apart from what lies ahead */

#define TIMEOUT(which, name, usual, help_) \
	{ name, PARAM_DURATION, which * sizeof(uint64_t), help_, .min = 10 * MS, .max = TIMEOUT_MOST, .initial_text = usual }
static const struct param timeout_fields[] = {
	TIMEOUT(B4_TCP_OPENING, "tcp_opening", "4min", "a TCP connection that is being opened (RFC 5382 REQ-5)"),
	TIMEOUT(B4_TCP_OPEN, "tcp", "124min", "an open TCP connection (RFC 5382 REQ-5: at least 2 hours and 4 minutes)"),
	TIMEOUT(B4_TCP_CLOSING, "tcp_closing", "4min", "a TCP connection that both sides have closed, or one has reset (RFC 5382 REQ-5)"),
	TIMEOUT(B4_UDP_OPENING, "udp_opening", "2min", "UDP without an answer yet (RFC 4787 REQ-5: at least 2 minutes)"),
	TIMEOUT(B4_UDP_ANSWERED, "udp", "5min", "UDP in both directions (RFC 4787 REQ-5)"),
	TIMEOUT(B4_ECHO_SILENT, "echo", "1min", "pings with the same identifier (RFC 5508 REQ-2: at least 1 minute)"),
	{ 0 }
};

static const char *const filterings[] = { "endpoint", "session", NULL };

#define FIELD(field) offsetof(struct b4, field)
static const struct param params[] = {
	{ "ipv4", PARAM_IPV4, FIELD(ipv4), "public address, which others may share", .required = true },
	{ "psid", PARAM_U32, FIELD(psid), "which set of its ports is ours (RFC 7597 section 5.1)", .max = 65535 },
	{ "psid_length", PARAM_U32, FIELD(psid_length), "bits of a port that are the PSID; 0: all ports are ours", .max = 16 },
	{ "psid_offset", PARAM_U32, FIELD(psid_offset), "bits of a port before the PSID, which are not all zero in ours", .max = 16 },
	{ "b4", PARAM_IPV6, FIELD(b4), "own end of the tunnel", .required = true },
	{ "br", PARAM_IPV6, FIELD(br), "the lwAFTR's end of the tunnel", .required = true },
	{ "ip", PARAM_IPV4, FIELD(ip), "own address among the clients, whose router it is: the source of ICMP errors", .required = true },
	{ "mac", PARAM_MAC, FIELD(mac), "own Ethernet address among the clients", .required = true },
	{ "mtu", PARAM_U32, FIELD(mtu), "longest IPv6 packet that the tunnel's interface takes, in bytes", .min = 1280, .max = 65535,
		.initial = 1500 },
	{ "mtu_expiry", PARAM_DURATION, FIELD(mtu_expiry_ns), "how long a lower MTU is believed that the way has told (RFC 8201 section 4: "
		"5 minutes at least)", .min = S, .max = 86400 * S, .initial_text = "10min" },
	{ "sessions", PARAM_U32, FIELD(session_most), "sessions at once; each takes about 90 bytes of memory", .min = FLOW_TABLE_LEAST,
		.max = FLOW_TABLE_MOST, .initial = 65536 },
	{ "half_open", PARAM_U32, FIELD(half_open), "sessions among them that nobody outside has answered yet, or that have ended: when there "
		"are more, one of them, chosen by chance, goes for each new one. Without it half of sessions", .min = 1,
		.max = FLOW_TABLE_MOST, .optional = true, .present = FIELD(has_half_open) },
	{ "timeouts", PARAM_TABLE, FIELD(timeout_ns), "after how much silence a session is forgotten, and its port is free",
		.fields = timeout_fields, .size = sizeof(((struct b4 *)0)->timeout_ns) },
	{ "filtering", PARAM_ENUM, FIELD(filtering), "who may send to a port that a client has: endpoint: everybody, so that any application "
		"works (RFC 4787 REQ-8); session: only whom the client has sent to from it", .choices = filterings },
	{ "hairpinning", PARAM_BOOL, FIELD(hairpins), "clients reach each other by the public address and a port of ours (RFC 4787 REQ-9); "
		"false: such packets go to the lwAFTR", .initial = true },
	{ "error_rate", PARAM_U32, FIELD(error_rate), "ICMP errors per second at most", .min = 1, .max = 1000000, .initial = 100 },
	{ 0 }
};

static void b4_check(const struct app *app, struct errors *errors)
{
	const struct b4 *b4 = (const struct b4 *)app;

	if (b4->psid_offset + b4->psid_length > 16)
		errors_add(errors, "app '%s': key 'psid_length': %u bits behind %u do not fit a port of 16", app->name, b4->psid_length,
			b4->psid_offset);
	else if (b4->psid >> b4->psid_length != 0)
		errors_add(errors, "app '%s': key 'psid': %u does not fit %u bits", app->name, b4->psid, b4->psid_length);
	else if (b4->psid_offset == 0 && b4->psid_length == 16 && b4->psid == 0)
		errors_add(errors, "app '%s': key 'psid': port 0 alone is of no use", app->name);
	if (!ipv4_is_host(b4->ipv4))
		errors_add(errors, "app '%s': key 'ipv4': not the address of one host; a unicast address is needed", app->name);
	if (!ipv4_is_host(b4->ip))
		errors_add(errors, "app '%s': key 'ip': not the address of one host; a unicast address is needed", app->name);
	else if (memcmp(b4->ip, b4->ipv4, sizeof(b4->ip)) == 0)
		errors_add(errors, "app '%s': key 'ip': the public address is not one of the clients' network", app->name);
	if (!ipv6_is_host(b4->b4))
		errors_add(errors, "app '%s': key 'b4': not the address of one host; a unicast address is needed", app->name);
	if (!ipv6_is_host(b4->br))
		errors_add(errors, "app '%s': key 'br': not the address of one host; a unicast address is needed", app->name);
	if (b4->has_half_open && b4->half_open > b4->session_most)
		errors_add(errors, "app '%s': key 'half_open': %u is more than the %u sessions of the table", app->name, b4->half_open,
			b4->session_most);
}

/* Fragments and errors are on their way at once. */
static void b4_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	enum { STANDARD = 2048 };       /* bytes that every packet has room for */

	if (((const struct b4 *)app)->mtu + ETHERNET_HEADER > STANDARD)
		holds[PACKET_JUMBO] = BURST;
}

/* Sessions go on when our ports are the same, and as many sessions fit. */
static bool keeps(const struct b4 *b4, const struct b4 *old)
{
	return memcmp(b4->ipv4, old->ipv4, sizeof(b4->ipv4)) == 0 && b4->psid == old->psid && b4->psid_length == old->psid_length &&
		b4->psid_offset == old->psid_offset && b4->session_most == old->session_most;
}

static void state_free(struct b4_state *state)
{
	if (state == NULL)
		return;
	flow_table_free(state->sessions);
	b4_ports_fini(&state->ports);
	free(state);
}

static struct b4_state *state_new(const struct b4 *b4)
{
	struct b4_state *state = calloc(1, sizeof(*state));
	struct siphash_key key;

	if (state == NULL)
		return NULL;
	random_init(&state->random, random_seed, b4->app.name);
	ident_init(&state->ident, random_u64(&state->random), random_u64(&state->random));
	key.word[0] = random_u64(&state->random);
	key.word[1] = random_u64(&state->random);
	state->sessions = flow_table_new(b4->session_most, b4->half_open, &key);
	if (state->sessions != NULL && b4_ports_init(&state->ports, b4->psid, b4->psid_length, b4->psid_offset, &state->random) == 0)
		return state;
	flow_table_free(state->sessions);
	free(state);
	return NULL;
}

static int b4_prepare(struct app *app, const struct app *old)
{
	struct b4 *b4 = (struct b4 *)app;

	memcpy(&b4->ipv4_be, b4->ipv4, sizeof(b4->ipv4_be));
	memcpy(&b4->ip_be, b4->ip, sizeof(b4->ip_be));
	if (!b4->has_half_open)
		b4->half_open = b4->session_most / 2;
	if (old != NULL && keeps(b4, (const struct b4 *)old))
		return 0;
	b4->state = state_new(b4);
	return b4->state != NULL ? 0 : nf_fail(ENOMEM, "app '%s': no memory for %u sessions and their ports", app->name, b4->session_most);
}

static void set_now(struct b4 *b4)
{
	b4->now_ms = (uint32_t)(clock_now() / MS);
}

static void b4_commit(struct app *app, struct app *old)
{
	struct b4 *b4 = (struct b4 *)app, *before = (struct b4 *)old;
	struct flow_table *table;

	set_now(b4);
	token_bucket_init(&b4->errors, b4->error_rate, b4->error_rate, clock_now());
	if (before != NULL && b4->errors.tokens > before->errors.tokens)
		b4->errors.tokens = before->errors.tokens;
	if (b4->state == NULL) {
		b4->state = before->state;
		before->state = NULL;
	}
	table = b4->state->sessions;
	/* Those that are half-open beyond a new limit stay; for each new one another goes. */
	flow_table_limit(table, table->half_open > b4->half_open ? table->half_open : b4->half_open);
	for (uint32_t i = 0; i < B4_TIMEOUTS; i++)
		table->timeout_ms[i] = (uint32_t)(b4->timeout_ns[i] / MS);
}

static void b4_retire(struct app *app)
{
	state_free(((struct b4 *)app)->state);
}

static void b4_push(struct app *app)
{
	struct b4 *b4 = (struct b4 *)app;

	set_now(b4);
	if (link_waiting(app->input[B4_INSIDE]) > 0)
		b4_outward(b4);
	if (link_waiting(app->input[B4_TUNNEL]) > 0)
		b4_inward(b4);
	if (app->input[B4_FRAGMENTS] != NULL && link_waiting(app->input[B4_FRAGMENTS]) > 0)
		b4_inward_whole(b4);
	b4_session_count(b4);
}

static void b4_tick(struct app *app)
{
	struct b4 *b4 = (struct b4 *)app;

	set_now(b4);
	b4_session_tick(b4);
	b4_session_count(b4);
}

const struct app_class lwaftr_b4_class = {
	.name = "lwaftr.b4",
	.help = "The subscriber's end of lightweight 4over6 (B4, RFC 7596 section 5): NAPT44 to a set of ports, and a tunnel to the lwAFTR.\n"
		"IPv4 frames of clients come in at inside; they leave at tunnel in IPv6, with the public address and a port of the set as their "
		"source, and what comes back goes to the client. TCP, UDP, pings, and ICMP errors with what they quote. A client's port is "
		"one port of the set, chosen by chance, whomever it sends to. When all ports are taken, one of a session that nobody has "
		"answered, or that has ended, goes, also chosen by chance; an answered one never does. When there is none, the client is told "
		"by ICMP 3/13. Sessions outlive a reload, unless address, port set or the number of sessions change.\n"
		"Whole packets are wanted: ip.reassemble4 before inside, ip.reassemble6 before tunnel. Packets that are too long for the tunnel "
		"leave as fragments of IPv6, or the client is told by 3/4 (DF); the tunnel's MTU follows ICMPv6 messages about packets of known "
		"sessions. Fragments of inner packets leave at fragments, with a class of ip.reassemble4 between it and the input fragments; "
		"without it they are dropped. Frames to the tunnel get their Ethernet addresses from ip.ndp with its next hop. A frame to a "
		"client goes to where its last one came from; ip.arp before inside answers for the router's address.\n"
		"Counters: out and in: packets that went into, and came out of, the tunnel or a hairpin; cut: packets that left in fragments; "
		"refused: the lwAFTR does not know this softwire; too-big-heeded: a lower MTU was learned; sessions, half-open, mappings-*: what "
		"there is now; mtu: of the tunnel now.\n"
		"Reasons: no-host: to no single host; own-address: to `ip` itself; unrelated: an ICMP error about no session; not-opening: TCP of no "
		"session, and no SYN; foreign: outer addresses that are not the tunnel's; not-ours: to another address or port; unsolicited: to a "
		"port that no client has, or a sender that the filter does not let in; bad-ecn: congestion marked on a packet that cannot carry "
		"the mark (RFC 6040 section 4.2).",
	.size = sizeof(struct b4),
	.params = params,
	.expansion = TUNNEL_FRAGMENTS,
	.inputs = (const char *const[]){ "inside", "tunnel", "fragments?", NULL },
	.outputs = (const char *const[]){ "inside", "tunnel", "fragments?", NULL },
	.counters = (const char *const[]){ "out-packets", "out-bytes", "in-packets", "in-bytes", "hairpins", "cut", "errors",
		"errors-suppressed", "opened", "timed-out", "evicted", "refused", "too-big-heeded", "sessions", "half-open", "mappings-tcp",
		"mappings-udp", "mappings-echo", "mtu", NULL },
	.reasons = (const char *const[]){ "not-ipv4", "not-ipv6", "malformed", "unsegmented", "bad-checksum", "fragment", "spoofed", "no-host",
		"own-address", "protocol", "icmp-type", "unrelated", "expired", "too-big", "no-port", "no-session", "not-opening", "foreign",
		"not-ours", "unsolicited", "bad-ecn", "no-packet", NULL },
	.check = b4_check, .holds = b4_holds, .prepare = b4_prepare, .commit = b4_commit, .abort = b4_retire, .retire = b4_retire,
	.push = b4_push, .tick = b4_tick,
};
