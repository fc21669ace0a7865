/* echo6 -- answer pings to own IPv6 addresses. source: RFC 4443, 4.1 and 4.2 */
#include "apps/ip/run.h"

struct echo6 {
	struct app app;
	struct param_list own;          /* uint8_t[16] */
	uint8_t hop_limit;
};

static const struct param own_item = { .type = PARAM_IPV6 };

static const struct param params[] = {
	{ "ip", PARAM_LIST, offsetof(struct echo6, own), "own addresses, whose pings are answered", .min = 1, .max = 1024,
		.item = &own_item, .required = true },
	{ "hop_limit", PARAM_U8, offsetof(struct echo6, hop_limit), "hop limit of the answers", .min = 1, .max = 255, .initial = 64 },
	{ 0 }
};

enum { WIRE, INSIDE, ERRORS };          /* ports */
enum { IN_PACKETS, IN_BYTES, OUT_PACKETS, OUT_BYTES };
enum { BAD_CHECKSUM, BAD_SOURCE };

static bool is_own(const struct echo6 *echo, const uint8_t *address)
{
	for (uint32_t i = 0; i < echo->own.count; i++)
		if (memcmp((const uint8_t *)echo->own.items + i * 16, address, 16) == 0)
			return true;
	return false;
}

static void echo6_check(const struct app *app, struct errors *errors)
{
	const struct echo6 *echo = (const struct echo6 *)app;

	for (uint32_t i = 0; i < echo->own.count; i++)
		if (!ipv6_is_host((const uint8_t *)echo->own.items + i * 16))
			errors_add(errors, "app '%s': key 'ip[%u]': not the address of one host; a unicast address is needed", app->name,
				i + 1);
}

/* The header of a whole echo request to an own address, directly behind the IPv6 header; NULL. */
static struct ipv6 *request(const struct echo6 *echo, const struct packet *p)
{
	struct ipv6 *ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	const struct icmp *icmp;

	if (ip == NULL || ipv6_payload_length(ip) > p->length - ETHERNET_HEADER - IPV6_HEADER || ipv6_payload_length(ip) < ICMP_HEADER)
		return NULL;
	icmp = (const struct icmp *)(ip + 1);
	return icmp->type == ICMPV6_ECHO && icmp->code == 0 && is_own(echo, ip->dst) ? ip : NULL;
}

/* Exchange two fields of `length` bytes, at most 16, one after the other. */
static void swap(uint8_t *first, uint32_t length)
{
	uint8_t bytes[16];

	memcpy(bytes, first, length);
	memcpy(first, first + length, length);
	memcpy(first + length, bytes, length);
}

/* Answer a request in its own packet: everything that is not said here stays as it came. */
static void answer(struct echo6 *echo, struct packet *p, struct ipv6 *ip)
{
	struct app *app = &echo->app;
	struct icmp *icmp = (struct icmp *)(ip + 1);
	uint32_t length = ipv6_payload_length(ip);
	uint64_t pseudo = ipv6_pseudo(ip, IP_ICMPV6, length);   /* the same for the answer: a sum has no order */

	app->counter[IN_PACKETS]++;
	app->counter[IN_BYTES] += p->length;
	if (p->meta.flags & PACKET_CHECKSUM_PARTIAL)
		offload_complete(p);
	if (checksum_finish(checksum_add(pseudo, icmp, length)) != 0 || !ipv6_is_host(ip->src)) {
		app_drop(app, ipv6_is_host(ip->src) ? BAD_CHECKSUM : BAD_SOURCE, p);
		return;
	}
	swap(p->data, ETHERNET_ADDRESS);
	swap(ip->src, sizeof(ip->src));
	ip->hop_limit = echo->hop_limit;
	icmp->type = ICMPV6_ECHO_REPLY;
	icmp->checksum_be = 0;
	icmp->checksum_be = checksum_finish(checksum_add(pseudo, icmp, length));
	p->length = ETHERNET_HEADER + IPV6_HEADER + length;
	app->counter[OUT_PACKETS]++;
	app->counter[OUT_BYTES] += p->length;
	link_send(app->output[WIRE], p);
}

/* No ICMPv6 packet. */
static inline bool is_plain(const struct packet *p)
{
	return ((const struct ipv6 *)(p->data + ETHERNET_HEADER))->next_header != IP_ICMPV6 ||
		bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6;
}

/* Take the first packet from the wire, which may be a request. */
static void take(struct echo6 *echo)
{
	struct packet *p = link_receive(echo->app.input[WIRE]);
	struct ipv6 *ip = p->length > ETHERNET_HEADER ? request(echo, p) : NULL;

	if (ip != NULL)
		answer(echo, p, ip);
	else
		link_send(echo->app.output[INSIDE], p);
}

static void echo6_push(struct app *app)
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
			take((struct echo6 *)app);
			left--;
		}
	}
}

const struct app_class ip_echo6_class = {
	.name = "ip.echo6",
	.help = "Answer pings to own IPv6 addresses.\n"
		"Between an interface (ports 'wire') and everything else (ports 'inside'). Echo requests from the wire to an own address are "
		"answered to the wire, with both Ethernet addresses exchanged; everything else passes in both directions. Stands on the "
		"wire's side of ip.ndp, so that answers keep their Ethernet addresses, and behind ip.reassemble6, whose errors, which are addressed "
		"already, leave to the wire when they come in at 'errors'.",
	.size = sizeof(struct echo6),
	.params = params,
	.inputs = (const char *const[]){ "wire", "inside", "errors?", NULL },
	.outputs = (const char *const[]){ "wire", "inside", NULL },
	.counters = (const char *const[]){ "in-icmpv6-echo-packets", "in-icmpv6-echo-bytes", "out-icmpv6-echo-packets",
		"out-icmpv6-echo-bytes", NULL },
	.reasons = (const char *const[]){ "bad-checksum", "bad-source", NULL },
	.two_way = true,
	.check = echo6_check, .push = echo6_push,
};
