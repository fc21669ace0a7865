/* reassemble4 -- make whole IPv4 datagrams of fragments. source: RFC 791, 3.2; RFC 1122, 3.3.2; RFC 6864 */
#include "apps/ip/reassembler.h"

struct reassemble4 {
	struct reassembler reassembler;
	uint32_t identification;        /* index of the names below */
};

enum { KEEP, ZERO };
static const char *const identification_names[] = { "keep", "zero", NULL };

static const struct param params[] = {
	REASSEMBLER_PARAMS(struct reassembler, PARAM_IPV4),
	{ "identification", PARAM_ENUM, offsetof(struct reassemble4, identification), "of the whole datagram: that of its fragments, or 0",
		.choices = identification_names, .initial_text = "keep" },
	{ 0 }
};

/* Neither a fragment nor longer than its frame. */
static inline bool is_plain4(const struct packet *p)
{
	const struct ipv4 *ip = (const struct ipv4 *)(p->data + ETHERNET_HEADER);

	if (__builtin_expect(bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4, 0))
		return true;
	return (ip->fragment_be & bytes_swap16(IPV4_MF | IPV4_OFFSET)) == 0 && ipv4_total_length(ip) + ETHERNET_HEADER <= p->length;
}

/* What the fragments of a datagram have in common: addresses, identification and protocol (RFC 791, 3.2). */
static void set_key(uint8_t *key, const struct ipv4 *ip)
{
	memset(key, 0, REASSEMBLY_KEY);
	memcpy(key, &ip->src_be, 8);
	memcpy(key + 8, &ip->id_be, 2);
	key[10] = ip->protocol;
}

static enum reassembler_find find4(struct packet *p, struct reassembler_fragment *fragment)
{
	const struct ipv4 *ip;
	uint32_t length;

	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4)
		return REASSEMBLER_OTHER;
	ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL)
		return REASSEMBLER_OTHER;
	if (ipv4_total_length(ip) > p->length - ETHERNET_HEADER)
		return REASSEMBLER_CUT_OFF;
	if (!ipv4_is_fragment(ip))
		return REASSEMBLER_OTHER;
	set_key(fragment->key, ip);
	length = ipv4_payload_length(ip);
	fragment->header = fragment->payload = ETHERNET_HEADER + ipv4_header_length(ip);
	fragment->begin = (bytes_swap16(ip->fragment_be) & IPV4_OFFSET) * FRAGMENT_UNIT;
	fragment->end = fragment->begin + length;
	fragment->more = bytes_swap16(ip->fragment_be) & IPV4_MF;
	if (length == 0 || (fragment->more && length % FRAGMENT_UNIT != 0) || fragment->end + ipv4_header_length(ip) > FRAGMENT_END)
		return REASSEMBLER_MALFORMED;
	return REASSEMBLER_FRAGMENT;
}

static void finish4(const struct reassembler *reassembler, const struct packet *first, struct packet *whole, uint32_t header)
{
	struct ipv4 *ip = (struct ipv4 *)(whole->data + ETHERNET_HEADER);

	(void)first, (void)header;
	ip->total_be = bytes_swap16((uint16_t)(whole->length - ETHERNET_HEADER));
	ip->fragment_be = 0;
	if (((const struct reassemble4 *)reassembler)->identification == ZERO)
		ip->id_be = 0;
	ipv4_set_checksum(ip);
}

static uint32_t error4(const struct reassembler *reassembler, uint8_t *to, const struct packet *p, uint32_t pointer)
{
	enum { REASSEMBLY = 1 };        /* code */

	(void)pointer;
	return icmp_error4(to, p->data, p->length, ICMP_TIME_EXCEEDED, REASSEMBLY, 0, reassembler->source);
}

static void reassemble4_check(const struct app *app, struct errors *errors)
{
	const struct reassembler *reassembler = (const struct reassembler *)app;

	if (reassembler->has_source && !ipv4_is_host(reassembler->source))
		errors_add(errors, "app '%s': key 'error_source': not the address of one host; a unicast address is needed", app->name);
}

static int reassemble4_prepare(struct app *app, const struct app *old)
{
	struct reassembler *reassembler = (struct reassembler *)app;

	reassembler->find = find4;
	reassembler->finish = finish4;
	reassembler->error = error4;
	return reassembler_prepare(app, old);
}

static void reassemble4_push(struct app *app)
{
	reassembler_push((struct reassembler *)app, is_plain4);
}

const struct app_class ip_reassemble4_class = {
	.name = "ip.reassemble4",
	.help = "Make whole IPv4 datagrams of their fragments.\n"
		"Frames of other types and whole packets pass; IPv4 packets longer than their frame are dropped. Fragments belong together "
		"by addresses, identification and protocol; they may come in any order, and twice. A datagram is dropped when fragments "
		"overlap, when two end it differently, when one is malformed, when there are too many of them or time is over, or when it "
		"has to make room for others; the counters drop-ipv4-frag-* count such datagrams, the reasons their packets. The whole "
		"datagram may have a frame of 10,240 bytes. When time is over its sender is told by the output 'errors', if the first "
		"fragment has come: an ICMP message 11/1. What is incomplete when all inputs have ended does not keep a run going.",
	.size = sizeof(struct reassemble4),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "errors?", NULL },
	.counters = (const char *const[]){ "in-ipv4-frag-needs-reassembly", "in-ipv4-frag-reassembled", "in-ipv4-frag-reassembly-unneeded",
		"drop-ipv4-frag-invalid-reassembly", "drop-ipv4-frag-random-evicted", "drop-ipv4-frag-timed-out", "out-errors",
		"memuse-ipv4-frag-reassembly-buffer", NULL },
	.gauges = (const char *const[]){ "memuse-ipv4-frag-reassembly-buffer", NULL },
	.reasons = (const char *const[]){ "invalid", "overlap", "too-many", "too-long", "duplicate", "evicted", "timed-out", "no-packet",
		"cut-off", NULL },
	.attends = true,
	.check = reassemble4_check,
	.holds = reassembler_holds, .prepare = reassemble4_prepare, .commit = reassembler_commit, .abort = reassembler_retire,
	.flush = reassembler_flush, .stop = reassembler_stop, .retire = reassembler_retire,
	.push = reassemble4_push, .tick = reassembler_tick, .held = reassembler_held, .wake_at = reassembler_wake_at,
};
