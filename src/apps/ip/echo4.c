/* echo4 -- answer pings to own IPv4 addresses. source: RFC 792, "Echo or Echo Reply Message"; RFC 1122, 3.2.2.6 */
#include "apps/ip/run.h"

struct echo4 {
	struct app app;
	struct param_list own;          /* uint8_t[4] */
	uint8_t ttl;
};

static const struct param own_item = { .type = PARAM_IPV4 };

static const struct param params[] = {
	{ "ip", PARAM_LIST, offsetof(struct echo4, own), "own addresses, whose pings are answered", .min = 1, .max = 1024,
		.item = &own_item, .required = true },
	{ "ttl", PARAM_U8, offsetof(struct echo4, ttl), "TTL of the answers", .min = 1, .max = 255, .initial = 64 },
	{ 0 }
};

enum { WIRE, INSIDE, ERRORS };          /* ports */
enum { IN_PACKETS, IN_BYTES, OUT_PACKETS, OUT_BYTES };
enum { BAD_CHECKSUM, BAD_SOURCE };

static bool is_own(const struct echo4 *echo, uint32_t address_be)
{
	for (uint32_t i = 0; i < echo->own.count; i++)
		if (memcmp((const uint8_t *)echo->own.items + i * 4, &address_be, 4) == 0)
			return true;
	return false;
}

static void echo4_check(const struct app *app, struct errors *errors)
{
	const struct echo4 *echo = (const struct echo4 *)app;

	for (uint32_t i = 0; i < echo->own.count; i++)
		if (!ipv4_is_host((const uint8_t *)echo->own.items + i * 4))
			errors_add(errors, "app '%s': key 'ip[%u]': not the address of one host; a unicast address is needed", app->name,
				i + 1);
}

/* The header of a whole echo request to an own address; NULL. Fragments are not looked into: reassemble before. */
static struct ipv4 *request(const struct echo4 *echo, const struct packet *p)
{
	struct ipv4 *ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	const struct icmp *icmp;

	if (ip == NULL || ipv4_total_length(ip) > p->length - ETHERNET_HEADER || ipv4_payload_length(ip) < ICMP_HEADER)
		return NULL;
	icmp = (const struct icmp *)((const uint8_t *)ip + ipv4_header_length(ip));
	if (ipv4_is_fragment(ip) || icmp->type != ICMP_ECHO || icmp->code != 0 || !is_own(echo, ip->dst_be))
		return NULL;
	return ip;
}

/* Exchange 6 bytes, the Ethernet addresses. */
static void swap_addresses(struct ethernet *ethernet)
{
	uint8_t mac[ETHERNET_ADDRESS];

	memcpy(mac, ethernet->dst, sizeof(mac));
	memcpy(ethernet->dst, ethernet->src, sizeof(mac));
	memcpy(ethernet->src, mac, sizeof(mac));
}

/* Answer a request in its own packet: everything that is not said here stays as it came. The header's checksum is made anew, as
 * that of the request was not looked at. */
static void answer(struct echo4 *echo, struct packet *p, struct ipv4 *ip)
{
	struct app *app = &echo->app;
	struct icmp *icmp = (struct icmp *)((uint8_t *)ip + ipv4_header_length(ip));
	uint32_t length = ipv4_payload_length(ip), address_be = ip->src_be;
	bool is_host = ipv4_is_host((const uint8_t *)&address_be);      /* that may be answered */

	app->counter[IN_PACKETS]++;
	app->counter[IN_BYTES] += p->length;
	if (p->meta.flags & PACKET_CHECKSUM_PARTIAL)
		offload_complete(p);
	if (checksum_finish(checksum_add(0, icmp, length)) != 0 || !is_host) {
		app_drop(app, is_host ? BAD_CHECKSUM : BAD_SOURCE, p);
		return;
	}
	swap_addresses((struct ethernet *)p->data);
	ip->src_be = ip->dst_be;
	ip->dst_be = address_be;
	ip->ttl = echo->ttl;
	ipv4_set_checksum(ip);
	icmp->type = ICMP_ECHO_REPLY;
	icmp->checksum_be = 0;
	icmp->checksum_be = checksum_finish(checksum_add(0, icmp, length));
	p->length = ETHERNET_HEADER + ipv4_total_length(ip);
	app->counter[OUT_PACKETS]++;
	app->counter[OUT_BYTES] += p->length;
	link_send(app->output[WIRE], p);
}

/* No ICMP packet. */
static inline bool is_plain(const struct packet *p)
{
	return ((const struct ipv4 *)(p->data + ETHERNET_HEADER))->protocol != IP_ICMP ||
		bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4;
}

/* Take the first packet from the wire, which may be a request. */
static void take(struct echo4 *echo)
{
	struct packet *p = link_receive(echo->app.input[WIRE]);
	struct ipv4 *ip = p->length > ETHERNET_HEADER ? request(echo, p) : NULL;

	if (ip != NULL)
		answer(echo, p, ip);
	else
		link_send(echo->app.output[INSIDE], p);
}

static void echo4_push(struct app *app)
{
	uint32_t left;

	link_move(app->input[INSIDE], app->output[WIRE], BURST);
	if (app->input[ERRORS] != NULL)
		link_move(app->input[ERRORS], app->output[WIRE], BURST);
	left = app_push_room(app, app->input[WIRE]);
	while (left > 0) {
		uint32_t n = left, plain = run_pass(app->input[WIRE], app->output[INSIDE], &n, is_plain);

		left -= plain;
		if (plain < n) {
			take((struct echo4 *)app);
			left--;
		}
	}
}

const struct app_class ip_echo4_class = {
	.name = "ip.echo4",
	.help = "Answer pings to own IPv4 addresses.\n"
		"Between an interface (ports 'wire') and everything else (ports 'inside'). Echo requests from the wire to an own address are "
		"answered to the wire, with both Ethernet addresses exchanged; everything else passes in both directions. Stands on the "
		"wire's side of ip.arp, so that answers keep their Ethernet addresses, and behind ip.reassemble4, whose errors, which are addressed "
		"already, leave to the wire when they come in at 'errors'.",
	.size = sizeof(struct echo4),
	.params = params,
	.inputs = (const char *const[]){ "wire", "inside", "errors?", NULL },
	.outputs = (const char *const[]){ "wire", "inside", NULL },
	.counters = (const char *const[]){ "in-icmpv4-echo-packets", "in-icmpv4-echo-bytes", "out-icmpv4-echo-packets",
		"out-icmpv4-echo-bytes", NULL },
	.reasons = (const char *const[]){ "bad-checksum", "bad-source", NULL },
	.two_way = true,
	.check = echo4_check, .push = echo4_push,
};
