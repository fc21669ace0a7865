/* reassemble6 -- make whole IPv6 packets of fragments. source: RFC 8200, 4.5; RFC 5722; RFC 6946 */
#include "apps/ip/reassembler.h"

static const struct param params[] = {
	REASSEMBLER_PARAMS(struct reassembler, PARAM_IPV6),
	{ "tell_malformed", PARAM_BOOL, offsetof(struct reassembler, tells_malformed), "tell senders of fragments of impossible length, too "
		"(RFC 8200, 4.5: 4/0)", .initial = true },
	{ 0 }
};

enum { PAYLOAD_LENGTH_AT = 4, OFFSET_AT = 2, MORE = 1, OFFSET = 0xfff8 };       /* of the headers; RFC 8200, 3 and 4.5 */

/* The headers before which a fragment header may stand, and itself. All are below 64. */
static inline bool may_be_fragment(uint8_t next_header)
{
	const uint64_t headers = 1ULL << IP_HOP_BY_HOP | 1ULL << IP_ROUTING | 1ULL << IP_FRAGMENT | 1ULL << IP_DESTINATION;

	return next_header < 64 && headers >> next_header & 1;
}

/* Neither a fragment nor longer than its frame. */
static inline bool is_plain6(const struct packet *p)
{
	const struct ipv6 *ip = (const struct ipv6 *)(p->data + ETHERNET_HEADER);

	if (__builtin_expect(bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6, 0))
		return true;
	return !may_be_fragment(ip->next_header) && ipv6_payload_length(ip) + ETHERNET_HEADER + IPV6_HEADER <= p->length;
}

/* The fragment header of an IPv6 packet of `length` bytes.
 *   gives: where it begins, and where the field stands that says so; 0: there is none; length: it is cut off itself */
static uint32_t find_header(const uint8_t *data, uint32_t length, uint32_t *next_at)
{
	uint32_t at = IPV6_HEADER;

	*next_at = offsetof(struct ipv6, next_header);
	for (uint32_t i = 0; i < IPV6_EXTENSIONS && may_be_fragment(data[*next_at]); i++) {
		if (data[*next_at] == IP_FRAGMENT)
			return length - at < FRAGMENT_HEADER ? length : at;
		if (length - at < FRAGMENT_UNIT || length - at < (data[at + 1] + 1u) * 8)
			return 0;
		*next_at = at;
		at += (data[at + 1] + 1u) * 8;
	}
	return 0;
}

/* RFC 6946: what is alone needs no others, whatever of the same identification is on its way. */
static void unwrap(struct packet *p, uint32_t at, uint32_t next_at, uint8_t next)
{
	struct ipv6 *ip;

	packet_strip(p, FRAGMENT_HEADER);
	memmove(p->data, p->data - FRAGMENT_HEADER, ETHERNET_HEADER + at);
	ip = (struct ipv6 *)(p->data + ETHERNET_HEADER);
	((uint8_t *)ip)[next_at] = next;
	ip->payload_be = bytes_swap16((uint16_t)(ipv6_payload_length(ip) - FRAGMENT_HEADER));
}

/* RFC 8200, 4.5: what is wrong about a fragment, as the place that its sender is told about; 0: nothing */
static uint32_t mistake(const struct reassembler_fragment *fragment, uint32_t at)
{
	if (fragment->more && (fragment->end - fragment->begin) % FRAGMENT_UNIT != 0)
		return PAYLOAD_LENGTH_AT;
	return fragment->end + at - IPV6_HEADER > FRAGMENT_END ? at + OFFSET_AT : 0;
}

static enum reassembler_find find6(struct packet *p, struct reassembler_fragment *fragment)
{
	const struct ipv6_fragment *header;
	const struct ipv6 *ip;
	uint32_t whole, at, next_at;
	uint16_t offset;

	if (p->length < ETHERNET_HEADER || bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6)
		return REASSEMBLER_OTHER;
	ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	if (ip == NULL)
		return REASSEMBLER_OTHER;
	whole = IPV6_HEADER + ipv6_payload_length(ip);
	if (whole > p->length - ETHERNET_HEADER)
		return REASSEMBLER_CUT_OFF;
	at = find_header((const uint8_t *)ip, whole, &next_at);
	if (at == 0)
		return REASSEMBLER_OTHER;
	memset(fragment->key, 0, sizeof(fragment->key));
	if (at == whole)
		return REASSEMBLER_MALFORMED;
	header = (const struct ipv6_fragment *)((const uint8_t *)ip + at);
	offset = bytes_swap16(header->offset_be);
	memcpy(fragment->key, ip->src, 32);
	memcpy(fragment->key + 32, &header->id_be, 4);
	fragment->header = ETHERNET_HEADER + at;
	fragment->payload = fragment->header + FRAGMENT_HEADER;
	fragment->begin = offset & OFFSET;
	fragment->end = fragment->begin + whole - at - FRAGMENT_HEADER;
	fragment->more = offset & MORE;
	fragment->pointer = mistake(fragment, at);
	if (fragment->begin == 0 && !fragment->more) {
		unwrap(p, at, next_at, header->next_header);
		return REASSEMBLER_WHOLE;
	}
	return fragment->pointer != 0 || fragment->end == fragment->begin ? REASSEMBLER_MALFORMED : REASSEMBLER_FRAGMENT;
}

/* What follows the headers is what the fragment with offset 0 says. */
static void finish6(const struct reassembler *reassembler, const struct packet *first, struct packet *whole, uint32_t header)
{
	struct ipv6 *ip = (struct ipv6 *)(whole->data + ETHERNET_HEADER);
	const uint8_t *from = first->data + ETHERNET_HEADER;
	uint32_t next_at, ignored;

	(void)reassembler;
	find_header((const uint8_t *)ip, header - ETHERNET_HEADER + FRAGMENT_HEADER, &next_at);
	((uint8_t *)ip)[next_at] = from[find_header(from, first->length - ETHERNET_HEADER, &ignored)];
	ip->payload_be = bytes_swap16((uint16_t)(whole->length - ETHERNET_HEADER - IPV6_HEADER));
}

static uint32_t error6(const struct reassembler *reassembler, uint8_t *to, const struct packet *p, uint32_t pointer)
{
	enum { REASSEMBLY = 1, FIELD = 0 };     /* codes */

	return icmp_error6(to, p->data, p->length, pointer != 0 ? ICMPV6_PARAMETER : ICMPV6_TIME_EXCEEDED,
		pointer != 0 ? FIELD : REASSEMBLY, pointer, reassembler->source);
}

static void reassemble6_check(const struct app *app, struct errors *errors)
{
	const struct reassembler *reassembler = (const struct reassembler *)app;

	if (reassembler->has_source && !ipv6_is_host(reassembler->source))
		errors_add(errors, "app '%s': key 'error_source': not the address of one host; a unicast address is needed", app->name);
}

static int reassemble6_prepare(struct app *app, const struct app *old)
{
	struct reassembler *reassembler = (struct reassembler *)app;

	reassembler->find = find6;
	reassembler->finish = finish6;
	reassembler->error = error6;
	return reassembler_prepare(app, old);
}

static void reassemble6_push(struct app *app)
{
	reassembler_push((struct reassembler *)app, is_plain6);
}

const struct app_class ip_reassemble6_class = {
	.name = "ip.reassemble6",
	.help = "Make whole IPv6 packets of their fragments.\n"
		"Frames of other types and whole packets pass; IPv6 packets longer than their frame are dropped. Fragments belong together "
		"by addresses and identification; they may come in any order, and twice. A fragment that is alone (RFC 6946) loses its "
		"fragment header and passes. A packet is dropped when fragments overlap (RFC 5722: then also what comes later), when two end "
		"it differently, when one is malformed, when there are too many of them or time is over, or when it has to make room for "
		"others; the counters drop-ipv6-frag-* count such packets, the reasons their fragments. The whole packet may have a frame "
		"of 10,240 bytes. Senders are told by the output 'errors': an ICMPv6 message 3/1 when time is over and the first fragment "
		"has come, 4/0 about a fragment of impossible length, unless tell_malformed is false. What is incomplete when all inputs have ended does not keep a run going.",
	.size = sizeof(struct reassembler),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "errors?", NULL },
	.counters = (const char *const[]){ "in-ipv6-frag-needs-reassembly", "in-ipv6-frag-reassembled", "in-ipv6-frag-reassembly-unneeded",
		"drop-ipv6-frag-invalid-reassembly", "drop-ipv6-frag-random-evicted", "drop-ipv6-frag-timed-out", "out-errors",
		"memuse-ipv6-frag-reassembly-buffer", NULL },
	.gauges = (const char *const[]){ "memuse-ipv6-frag-reassembly-buffer", NULL },
	.reasons = (const char *const[]){ "invalid", "overlap", "too-many", "too-long", "duplicate", "evicted", "timed-out", "no-packet",
		"cut-off", NULL },
	.attends = true,
	.check = reassemble6_check,
	.holds = reassembler_holds, .prepare = reassemble6_prepare, .commit = reassembler_commit, .abort = reassembler_retire,
	.flush = reassembler_flush, .stop = reassembler_stop, .retire = reassembler_retire,
	.push = reassemble6_push, .tick = reassembler_tick, .held = reassembler_held, .wake_at = reassembler_wake_at,
};
