/* arp -- an interface's IPv4 addresses and next hop on Ethernet: answer for the ones, find the other. source: RFC 826, RFC 5227 */
#include "apps/ip/neighbor.h"
#include "apps/ip/run.h"

struct arp_app {
	struct app app;
	struct neighbor neighbor;
	struct param_list own;          /* uint8_t[4] */
	uint8_t next_hop[4];
	bool has_hop, announces, hands_on;
	struct param_list proxied;      /* struct prefix */
	struct address_set proxy;
	uint32_t announced;             /* addresses */
};

static const struct param own_item = { .type = PARAM_IPV4 };
static const struct param proxy_item = { .type = PARAM_PREFIX4 };

static const struct param params[] = {
	{ "ip", PARAM_LIST, offsetof(struct arp_app, own), "own addresses that are answered for; the first one asks for the next hop",
		.min = 1, .max = 1024, .item = &own_item, .required = true },
	{ "next_hop", PARAM_IPV4, offsetof(struct arp_app, next_hop), "the next hop; its Ethernet address is asked for", .optional = true,
		.present = offsetof(struct arp_app, has_hop) },
	NEIGHBOR_PARAMS(struct arp_app),
	{ "announce", PARAM_BOOL, offsetof(struct arp_app, announces), "tell all at the start which own addresses are here (RFC 5227)",
		.initial = true },
	{ "proxy_arp", PARAM_LIST, offsetof(struct arp_app, proxied), "networks behind this interface: requests for their addresses are "
		"answered with the own Ethernet address", .max = 1 << 20, .item = &proxy_item, .optional = true },
	{ "hand_on", PARAM_BOOL, offsetof(struct arp_app, hands_on), "requests for other addresses go inside, to an app that may answer them",
		.initial = false },
	{ 0 }
};

static const uint8_t *own(const struct arp_app *arp, uint32_t i)
{
	return (const uint8_t *)arp->own.items + i * 4;
}

static bool is_own(const struct arp_app *arp, const uint8_t *address)
{
	for (uint32_t i = 0; i < arp->own.count; i++)
		if (memcmp(own(arp, i), address, 4) == 0)
			return true;
	return false;
}

static void arp_check(const struct app *app, struct errors *errors)
{
	const struct arp_app *arp = (const struct arp_app *)app;

	neighbor_check(app, &arp->neighbor, arp->has_hop, errors);
	if (arp->has_hop && !ipv4_is_host(arp->next_hop))
		errors_add(errors, "app '%s': key 'next_hop': not the address of one host; a unicast address is needed", app->name);
	if (arp->has_hop && is_own(arp, arp->next_hop))
		errors_add(errors, "app '%s': key 'next_hop': it is one of the own addresses", app->name);
	for (uint32_t i = 0; i < arp->own.count; i++)
		if (!ipv4_is_host(own(arp, i)))
			errors_add(errors, "app '%s': key 'ip[%u]': not the address of one host; a unicast address is needed", app->name,
				i + 1);
}

static void arp_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = ((const struct arp_app *)app)->neighbor.limit;
}

static int arp_prepare(struct app *app, const struct app *old)
{
	struct arp_app *arp = (struct arp_app *)app;

	(void)old;
	neighbor_prepare(app, &arp->neighbor, arp->has_hop);
	address_set_init(&arp->proxy, app_alloc(app, arp->proxied.count * sizeof(struct address_range)), 4);
	for (uint32_t i = 0; i < arp->proxied.count; i++) {
		const struct prefix *prefix = (const struct prefix *)arp->proxied.items + i;

		address_set_add(&arp->proxy, prefix->address, prefix->length);
	}
	address_set_sort(&arp->proxy);
	if (!arp->announces)
		arp->announced = arp->own.count;
	return 0;
}

/* What is known of the next hop stays, and addresses that were announced already are not announced again. */
static void arp_commit(struct app *app, struct app *old)
{
	struct arp_app *arp = (struct arp_app *)app, *before = (struct arp_app *)old;

	if (before == NULL)
		return;
	neighbor_commit(app, &arp->neighbor, &before->neighbor,
		arp->has_hop && before->has_hop && memcmp(arp->next_hop, before->next_hop, 4) == 0);
	if (arp->own.count == before->own.count && memcmp(arp->own.items, before->own.items, arp->own.count * 4) == 0 &&
		memcmp(arp->neighbor.own, before->neighbor.own, ETHERNET_ADDRESS) == 0)
		arp->announced = before->announced;
}

static void arp_flush(struct app *app)
{
	neighbor_flush(app, &((struct arp_app *)app)->neighbor);
}

static void arp_stop(struct app *app)
{
	neighbor_stop(app, &((struct arp_app *)app)->neighbor);
}

/* Send a request of our own. gives: false when there is no packet or no room for it */
static bool request(struct arp_app *arp, const uint8_t *dst, const uint8_t *from, const uint8_t *target)
{
	static const uint8_t unknown[ETHERNET_ADDRESS];
	struct app *app = &arp->app;
	struct packet *p;

	if (link_room(app->output[WIRE]) == 0 || (p = packet_alloc()) == NULL)
		return false;
	arp_write(p->data, dst, ARP_REQUEST, arp->neighbor.own, from, unknown, target);
	p->length = ARP_FRAME;
	app->created++;
	app->counter[OUT_REQUEST_PACKETS]++;
	app->counter[OUT_REQUEST_BYTES] += ARP_FRAME;
	link_send(app->output[WIRE], p);
	return true;
}

/* What is to be asked and told without a reason from outside. */
static void ask(struct arp_app *arp)
{
	static const uint8_t all[ETHERNET_ADDRESS] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct neighbor *neighbor = &arp->neighbor;

	if (neighbor_is_due(neighbor) &&
		request(arp, neighbor_asks_all(neighbor) ? all : neighbor->header, own(arp, 0), arp->next_hop))
		neighbor_asked(neighbor);
	while (arp->announced < arp->own.count && request(arp, all, own(arp, arp->announced), own(arp, arp->announced)))
		arp->announced++;
}

/* Someone who asks for an address behind this interface is told that it is here; not one who only says that it has it, and not
 * one who asks for the next hop, which answers itself. */
static bool is_proxied(const struct arp_app *arp, const struct arp *message)
{
	if (memcmp(message->sender_ip, message->target_ip, 4) == 0 || (arp->has_hop && memcmp(arp->next_hop, message->target_ip, 4) == 0))
		return false;
	return address_set_has(&arp->proxy, message->target_ip);
}

/* Turn a request into the answer to it, in its own packet. */
static void answer(struct arp_app *arp, struct packet *p, const struct arp *message)
{
	struct app *app = &arp->app;
	struct arp asked = *message;

	arp_write(p->data, asked.sender_mac, ARP_REPLY, arp->neighbor.own, asked.target_ip, asked.sender_mac, asked.sender_ip);
	p->length = ARP_FRAME;
	p->meta.flags &= PACKET_VLAN;   /* the answer goes where the question came from */
	p->meta.gso = PACKET_GSO_NONE;
	app->counter[OUT_REPLY_PACKETS]++;
	app->counter[OUT_REPLY_BYTES] += ARP_FRAME;
	link_send(app->output[WIRE], p);
}

/* What the sender tells about itself. A reply resolves the next hop; an announcement of its own (RFC 5227, 3) only changes what
 * is known already. */
static void learn(struct arp_app *arp, const struct arp *message, bool is_reply)
{
	bool announces = memcmp(message->sender_ip, message->target_ip, 4) == 0;

	if (memcmp(message->sender_mac, arp->neighbor.own, ETHERNET_ADDRESS) == 0)
		return;
	if (is_own(arp, message->sender_ip))
		arp->app.counter[CONFLICTS]++;
	if (!arp->has_hop || memcmp(message->sender_ip, arp->next_hop, 4) != 0)
		return;
	if (is_reply || (announces && arp->neighbor.state == NEIGHBOR_KNOWN))
		neighbor_learn(&arp->app, &arp->neighbor, message->sender_mac);
}

/* An ARP frame from the wire. */
static void receive(struct arp_app *arp, struct packet *p)
{
	struct app *app = &arp->app;
	const struct arp *message = arp_parse(p->data, p->length);
	bool is_reply;

	if (message == NULL) {
		app_drop(app, INVALID, p);
		return;
	}
	is_reply = message->operation_be == bytes_swap16(ARP_REPLY);
	app->counter[is_reply ? IN_REPLY_PACKETS : IN_REQUEST_PACKETS]++;
	app->counter[is_reply ? IN_REPLY_BYTES : IN_REQUEST_BYTES] += p->length;
	learn(arp, message, is_reply);
	if (!is_reply && (is_own(arp, message->target_ip) || is_proxied(arp, message))) {
		answer(arp, p, message);
		return;
	}
	if (!is_reply && arp->hands_on) {
		link_send(app->output[INSIDE], p);
		return;
	}
	app->consumed++;
	packet_free(p);
}

static inline bool is_plain(const struct packet *p)
{
	return bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_ARP;
}

/* Take the first packet from the wire, which may be an ARP frame. */
static void take(struct arp_app *arp)
{
	struct packet *p = link_receive(arp->app.input[WIRE]);

	if (p->length < ETHERNET_HEADER)
		link_send(arp->app.output[INSIDE], p);
	else
		receive(arp, p);
}

/* What is asked at the start leaves before anything that comes in is answered. */
static void arp_link(struct app *app)
{
	ask((struct arp_app *)app);
}

static void arp_push(struct app *app)
{
	struct arp_app *arp = (struct arp_app *)app;
	uint32_t left;

	ask(arp);
	left = app_push_room(app, app->input[WIRE]);
	while (left > 0) {
		uint32_t n = left, plain = run_pass(app->input[WIRE], app->output[INSIDE], &n, is_plain);

		left -= plain;
		if (plain < n) {
			take(arp);
			left--;
		}
	}
	neighbor_send(app, &arp->neighbor, ETHERNET_IPV4);
}

static uint32_t arp_held(const struct app *app)
{
	return fifo_walk(&((const struct arp_app *)app)->neighbor.held);
}

static uint64_t arp_wake_at(const struct app *app)
{
	return neighbor_wake_at(app, &((const struct arp_app *)app)->neighbor);
}

const struct app_class ip_arp_class = {
	.name = "ip.arp",
	.help = "Answer ARP requests for own addresses, and send IPv4 packets to a next hop whose Ethernet address is found by ARP.\n"
		"Between an interface (ports 'wire') and everything else (ports 'inside'). ARP frames from the wire end here (but see hand_on), all "
		"others go inside. IPv4 packets from the inside leave with the interface's own address as source and the next hop's as destination; "
		"while that is not known, they wait, in order. Frames of other types pass unchanged, and without next_hop and next_hop_mac "
		"all do. A reply of the next hop is believed at any time, its announcement only when it was known before. Packets that "
		"still wait when all inputs have ended do not keep a run going.",
	.size = sizeof(struct arp_app),
	.params = params,
	.inputs = (const char *const[]){ "wire", "inside", NULL },
	.outputs = (const char *const[]){ "wire", "inside", NULL },
	.counters = (const char *const[]){ "in-arp-request-packets", "in-arp-request-bytes", "in-arp-reply-packets", "in-arp-reply-bytes",
		"out-arp-request-packets", "out-arp-request-bytes", "out-arp-reply-packets", "out-arp-reply-bytes", "resolved", "changed",
		"conflicts", NULL },
	.reasons = (const char *const[]){ "invalid", "unresolved", NULL },
	.attends = true, .two_way = true,
	.check = arp_check, .holds = arp_holds, .prepare = arp_prepare, .commit = arp_commit, .flush = arp_flush, .stop = arp_stop,
	.link = arp_link, .push = arp_push, .held = arp_held, .wake_at = arp_wake_at,
};
