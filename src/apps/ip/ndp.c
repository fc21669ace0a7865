/* ndp -- an interface's IPv6 addresses and next hop on Ethernet: answer for the ones, find the other. source: RFC 4861, 7.2 */
#include "apps/ip/neighbor.h"
#include "apps/ip/run.h"

struct ndp_app {
	struct app app;
	struct neighbor neighbor;
	struct param_list own;          /* uint8_t[16] */
	uint8_t next_hop[16];
	bool has_hop, announces, is_router, overrides;
	struct param_list proxied;      /* struct prefix */
	struct address_set proxy;
	uint32_t announced;             /* addresses */
};

static const struct param own_item = { .type = PARAM_IPV6 };
static const struct param proxy_item = { .type = PARAM_PREFIX6 };

static const struct param params[] = {
	{ "ip", PARAM_LIST, offsetof(struct ndp_app, own), "own addresses that are answered for; the first one asks for the next hop",
		.min = 1, .max = 1024, .item = &own_item, .required = true },
	{ "next_hop", PARAM_IPV6, offsetof(struct ndp_app, next_hop), "the next hop; its Ethernet address is asked for", .optional = true,
		.present = offsetof(struct ndp_app, has_hop) },
	NEIGHBOR_PARAMS(struct ndp_app),
	{ "announce", PARAM_BOOL, offsetof(struct ndp_app, announces), "tell all at the start which own addresses are here (RFC 4861, "
		"7.2.6)", .initial = true },
	{ "router", PARAM_BOOL, offsetof(struct ndp_app, is_router), "say in advertisements that a router sends them", .initial = true },
	{ "override", PARAM_BOOL, offsetof(struct ndp_app, overrides), "say in answers that they replace what was known before (RFC 4861, "
		"7.2.4, advises it for own addresses)", .initial = false },
	{ "proxy", PARAM_LIST, offsetof(struct ndp_app, proxied), "networks behind this interface: solicitations for their addresses are "
		"answered with the own Ethernet address", .max = 1 << 20, .item = &proxy_item, .optional = true },
	{ 0 }
};

enum { OTHERS = CONFLICTS + 1 };        /* one more counter than ip.arp: router solicitations and the like */

static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 }, all_nodes_mac[ETHERNET_ADDRESS] = { 0x33, 0x33, [5] = 1 };
static const uint8_t unspecified[16];

static const uint8_t *own(const struct ndp_app *ndp, uint32_t i)
{
	return (const uint8_t *)ndp->own.items + i * 16;
}

static bool is_own(const struct ndp_app *ndp, const uint8_t *address)
{
	for (uint32_t i = 0; i < ndp->own.count; i++)
		if (memcmp(own(ndp, i), address, 16) == 0)
			return true;
	return false;
}

static bool is_next_hop(const struct ndp_app *ndp, const uint8_t *address)
{
	return ndp->has_hop && memcmp(ndp->next_hop, address, 16) == 0;
}

static void ndp_check(const struct app *app, struct errors *errors)
{
	const struct ndp_app *ndp = (const struct ndp_app *)app;

	neighbor_check(app, &ndp->neighbor, ndp->has_hop, errors);
	if (ndp->has_hop && !ipv6_is_host(ndp->next_hop))
		errors_add(errors, "app '%s': key 'next_hop': not the address of one host; a unicast address is needed", app->name);
	if (ndp->has_hop && is_own(ndp, ndp->next_hop))
		errors_add(errors, "app '%s': key 'next_hop': it is one of the own addresses", app->name);
	for (uint32_t i = 0; i < ndp->own.count; i++)
		if (!ipv6_is_host(own(ndp, i)))
			errors_add(errors, "app '%s': key 'ip[%u]': not the address of one host; a unicast address is needed", app->name,
				i + 1);
}

static void ndp_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = ((const struct ndp_app *)app)->neighbor.limit;
}

static int ndp_prepare(struct app *app, const struct app *old)
{
	struct ndp_app *ndp = (struct ndp_app *)app;

	(void)old;
	neighbor_prepare(app, &ndp->neighbor, ndp->has_hop);
	address_set_init(&ndp->proxy, app_alloc(app, ndp->proxied.count * sizeof(struct address_range)), 16);
	for (uint32_t i = 0; i < ndp->proxied.count; i++) {
		const struct prefix *prefix = (const struct prefix *)ndp->proxied.items + i;

		address_set_add(&ndp->proxy, prefix->address, prefix->length);
	}
	address_set_sort(&ndp->proxy);
	if (!ndp->announces)
		ndp->announced = ndp->own.count;
	return 0;
}

/* What is known of the next hop stays, and addresses that were announced already are not announced again. */
static void ndp_commit(struct app *app, struct app *old)
{
	struct ndp_app *ndp = (struct ndp_app *)app, *before = (struct ndp_app *)old;

	if (before == NULL)
		return;
	neighbor_commit(app, &ndp->neighbor, &before->neighbor, ndp->has_hop && is_next_hop(before, ndp->next_hop));
	if (ndp->own.count == before->own.count && memcmp(ndp->own.items, before->own.items, ndp->own.count * 16) == 0 &&
		memcmp(ndp->neighbor.own, before->neighbor.own, ETHERNET_ADDRESS) == 0)
		ndp->announced = before->announced;
}

static void ndp_flush(struct app *app)
{
	neighbor_flush(app, &((struct ndp_app *)app)->neighbor);
}

static void ndp_stop(struct app *app)
{
	neighbor_stop(app, &((struct ndp_app *)app)->neighbor);
}

/* Write a message into an empty packet, count it and send it. */
static void send(struct ndp_app *ndp, struct packet *p, const struct ndp_message *message)
{
	struct app *app = &ndp->app;
	uint32_t counter = message->type == NDP_SOLICITATION ? OUT_REQUEST_PACKETS : OUT_REPLY_PACKETS;

	ndp_write(p->data, message);
	p->length = NDP_FRAME;
	app->counter[counter]++;
	app->counter[counter + 1] += NDP_FRAME;
	link_send(app->output[WIRE], p);
}

/* Send a message of our own. gives: false when there is no packet or no room for it */
static bool send_new(struct ndp_app *ndp, const struct ndp_message *message)
{
	struct packet *p;

	if (link_room(ndp->app.output[WIRE]) == 0 || (p = packet_alloc()) == NULL)
		return false;
	ndp->app.created++;
	send(ndp, p, message);
	return true;
}

static bool solicit(struct ndp_app *ndp)
{
	uint8_t node[16], mac[ETHERNET_ADDRESS];
	struct ndp_message message = { .dst_mac = mac, .src_mac = ndp->neighbor.own, .src = own(ndp, 0), .dst = node,
		.target = ndp->next_hop, .type = NDP_SOLICITATION };

	ndp_solicited_node(ndp->next_hop, node, mac);
	if (!neighbor_asks_all(&ndp->neighbor)) {
		message.dst_mac = ndp->neighbor.header;
		message.dst = ndp->next_hop;
	}
	return send_new(ndp, &message);
}

static bool announce(struct ndp_app *ndp, const uint8_t *address)
{
	return send_new(ndp, &(struct ndp_message){ .dst_mac = all_nodes_mac, .src_mac = ndp->neighbor.own, .src = address,
		.dst = all_nodes, .target = address, .type = NDP_ADVERTISEMENT,
		.flags = NDP_OVERRIDE | (ndp->is_router ? NDP_ROUTER : 0) });
}

/* What is to be asked and told without a reason from outside. */
static void ask(struct ndp_app *ndp)
{
	if (neighbor_is_due(&ndp->neighbor) && solicit(ndp))
		neighbor_asked(&ndp->neighbor);
	while (ndp->announced < ndp->own.count && announce(ndp, own(ndp, ndp->announced)))
		ndp->announced++;
}

/* Turn a solicitation into the answer to it, in its own packet. Who has no address yet is answered where all hear it, and not as
 * one who asked (RFC 4861, 7.2.4); for a proxied address never with Override (7.2.8). */
static void answer(struct ndp_app *ndp, struct packet *p, bool is_proxied)
{
	const struct ethernet *ethernet = (const struct ethernet *)p->data;
	const struct ipv6 *ip = (const struct ipv6 *)(ethernet + 1);
	const struct ndp *asked = (const struct ndp *)(ip + 1);
	bool has_source = memcmp(ip->src, unspecified, sizeof(unspecified)) != 0;
	uint8_t mac[ETHERNET_ADDRESS], source[16], target[16], flags = p->meta.flags & PACKET_VLAN;
	uint16_t vlan = p->meta.vlan;

	memcpy(mac, ethernet->src, sizeof(mac));
	memcpy(source, ip->src, sizeof(source));
	memcpy(target, asked->target, sizeof(target));
	packet_clear(p);
	p->meta.flags = flags;          /* the answer goes where the question came from */
	p->meta.vlan = vlan;
	send(ndp, p, &(struct ndp_message){ .dst_mac = has_source ? mac : all_nodes_mac, .src_mac = ndp->neighbor.own,
		.src = is_proxied ? own(ndp, 0) : target, .dst = has_source ? source : all_nodes, .target = target,
		.type = NDP_ADVERTISEMENT, .flags = (uint8_t)((ndp->is_router ? NDP_ROUTER : 0) | (has_source ? NDP_SOLICITED : 0) |
			(ndp->overrides && !is_proxied ? NDP_OVERRIDE : 0)) });
}

/* A valid solicitation. gives: true when it was answered, and is no longer ours */
static bool receive_solicitation(struct ndp_app *ndp, struct packet *p, const struct ipv6 *ip, const struct ndp *message)
{
	bool is_ours = is_own(ndp, message->target);

	ndp->app.counter[IN_REQUEST_PACKETS]++;
	ndp->app.counter[IN_REQUEST_BYTES] += p->length;
	/* Another one that looks whether our address is free. Our own do not come back. */
	if (is_ours && memcmp(ip->src, unspecified, sizeof(unspecified)) == 0)
		ndp->app.counter[CONFLICTS]++;
	if (!is_ours && (is_next_hop(ndp, message->target) || !address_set_has(&ndp->proxy, message->target)))
		return false;
	answer(ndp, p, !is_ours);
	return true;
}

/* A valid advertisement: one that was asked for resolves the next hop; another one changes what is known when it says so. */
static void receive_advertisement(struct ndp_app *ndp, const struct packet *p, const struct ipv6 *ip, const struct ndp *message)
{
	const uint8_t *mac = ndp_address(ip, message, NDP_TARGET_ADDRESS);

	ndp->app.counter[IN_REPLY_PACKETS]++;
	ndp->app.counter[IN_REPLY_BYTES] += p->length;
	if (is_own(ndp, message->target))
		ndp->app.counter[CONFLICTS]++;
	if (!is_next_hop(ndp, message->target))
		return;
	if (message->flags & NDP_SOLICITED)
		neighbor_learn(&ndp->app, &ndp->neighbor, mac != NULL ? mac : ((const struct ethernet *)p->data)->src);
	else if (ndp->neighbor.state == NEIGHBOR_KNOWN && message->flags & NDP_OVERRIDE && mac != NULL)
		neighbor_learn(&ndp->app, &ndp->neighbor, mac);
}

/* A message of Neighbor Discovery from the wire. */
static void receive(struct ndp_app *ndp, struct packet *p)
{
	struct app *app = &ndp->app;
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);
	const struct ndp *message = ndp_parse(ip, p->length - ETHERNET_HEADER);

	if (message == NULL || ethernet_is_group(((const struct ethernet *)p->data)->src)) {
		app_drop(app, INVALID, p);
		return;
	}
	if (message->type == NDP_SOLICITATION && receive_solicitation(ndp, p, ip, message))
		return;
	if (message->type == NDP_ADVERTISEMENT)
		receive_advertisement(ndp, p, ip, message);
	else if (message->type != NDP_SOLICITATION)
		app->counter[OTHERS]++;
	app->consumed++;
	packet_free(p);
}

/* Nearly all packets are told apart by one byte, the next header. */
static inline bool is_plain(const struct packet *p)
{
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);

	return ip->next_header != IP_ICMPV6 || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6;
}

/* Take the first packet from the wire, which may be a message. */
static void take(struct ndp_app *ndp)
{
	struct packet *p = link_receive(ndp->app.input[WIRE]);
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);

	if (p->length > ETHERNET_HEADER + IPV6_HEADER && ipv6_parse((const uint8_t *)ip, IPV6_HEADER) != NULL && ndp_is_message(ip))
		receive(ndp, p);
	else
		link_send(ndp->app.output[INSIDE], p);
}

/* What is asked at the start leaves before anything that comes in is answered. */
static void ndp_link(struct app *app)
{
	ask((struct ndp_app *)app);
}

static void ndp_push(struct app *app)
{
	struct ndp_app *ndp = (struct ndp_app *)app;
	uint32_t left;

	ask(ndp);
	left = app_push_room(app, app->input[WIRE]);
	while (left > 0) {
		uint32_t n = left, plain = run_pass(app->input[WIRE], app->output[INSIDE], &n, is_plain);

		left -= plain;
		if (plain < n) {
			take(ndp);
			left--;
		}
	}
	neighbor_send(app, &ndp->neighbor, ETHERNET_IPV6);
}

static uint32_t ndp_held(const struct app *app)
{
	return fifo_walk(&((const struct ndp_app *)app)->neighbor.held);
}

static uint64_t ndp_wake_at(const struct app *app)
{
	return neighbor_wake_at(app, &((const struct ndp_app *)app)->neighbor);
}

const struct app_class ip_ndp_class = {
	.name = "ip.ndp",
	.help = "Answer neighbor solicitations for own addresses, and send IPv6 packets to a next hop whose Ethernet address is found by "
		"Neighbor Discovery.\n"
		"Between an interface (ports 'wire') and everything else (ports 'inside'). Messages of Neighbor Discovery (ICMPv6 133 to "
		"137) from the wire end here, everything else goes inside. IPv6 packets from the inside leave with the interface's own "
		"address as source and the next hop's as destination; while that is not known, they wait, in order. Frames of other types "
		"pass unchanged, and without next_hop and next_hop_mac all do. Messages that RFC 4861 tells to ignore are dropped as "
		"invalid. Packets that still wait when all inputs have ended do not keep a run going.",
	.size = sizeof(struct ndp_app),
	.params = params,
	.inputs = (const char *const[]){ "wire", "inside", NULL },
	.outputs = (const char *const[]){ "wire", "inside", NULL },
	.counters = (const char *const[]){ "in-ndp-ns-packets", "in-ndp-ns-bytes", "in-ndp-na-packets", "in-ndp-na-bytes",
		"out-ndp-ns-packets", "out-ndp-ns-bytes", "out-ndp-na-packets", "out-ndp-na-bytes", "resolved", "changed", "conflicts",
		"in-ndp-other-packets", NULL },
	.reasons = (const char *const[]){ "invalid", "unresolved", NULL },
	.attends = true, .two_way = true,
	.check = ndp_check, .holds = ndp_holds, .prepare = ndp_prepare, .commit = ndp_commit, .flush = ndp_flush, .stop = ndp_stop,
	.link = ndp_link, .push = ndp_push, .held = ndp_held, .wake_at = ndp_wake_at,
};
