/* fragment6 -- cut IPv6 packets that are longer than the MTU, at their source. source: RFC 8200, 4.5; RFC 4443, 3.2 */
#include "apps/ip/fragmenter.h"

struct fragment6 {
	struct fragmenter fragmenter;
	bool refuses;
};

static const struct param params[] = {
	FRAGMENTER_PARAMS(struct fragmenter, PARAM_IPV6, 1280, 0xffffffff),
	{ "refuse", PARAM_BOOL, offsetof(struct fragment6, refuses), "cut nothing: the packets are those of others, who must send shorter "
		"ones (RFC 8200, section 5)", .initial = false },
	{ 0 }
};

static enum fragment_verdict plan6(const struct fragmenter *fragmenter, struct fragment *plan, const struct packet *p)
{
	enum fragment_verdict verdict;

	if (bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV6)
		return FRAGMENT_FITS;
	verdict = fragment6_plan(plan, p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER, fragmenter->mtu);
	return verdict == FRAGMENT_CUT && ((const struct fragment6 *)fragmenter)->refuses ? FRAGMENT_FORBIDDEN : verdict;
}

static bool cut6(struct fragmenter *fragmenter, const struct fragment *plan, struct packet *p, struct packet *const *later)
{
	uint8_t *data = p->data + ETHERNET_HEADER;
	uint32_t headers = ETHERNET_HEADER + plan->header, id;

	if (packet_headroom(p) < FRAGMENT_HEADER)
		return false;
	id = ident_next(fragmenter->ident, ((const struct ipv6 *)data)->src, 32);
	for (uint32_t i = 1; i < plan->count; i++) {
		fragment6_write(plan, data, i, id, later[i - 1]->data + ETHERNET_HEADER);
		later[i - 1]->length = ETHERNET_HEADER + fragment_length(plan, i) + FRAGMENT_HEADER;
	}
	p->data -= FRAGMENT_HEADER;
	memmove(p->data, p->data + FRAGMENT_HEADER, headers);
	fragment6_first(plan, p->data + ETHERNET_HEADER, id);
	p->length = ETHERNET_HEADER + fragment_length(plan, 0) + FRAGMENT_HEADER;
	return true;
}

static uint32_t error6(const struct fragmenter *fragmenter, uint8_t *to, const struct packet *p)
{
	return icmp_error6(to, p->data, p->length, ICMPV6_TOO_BIG, 0, fragmenter->mtu, fragmenter->source);
}

static void fragment6_check(const struct app *app, struct errors *errors)
{
	const struct fragmenter *fragmenter = (const struct fragmenter *)app;

	if (fragmenter->has_source && !ipv6_is_host(fragmenter->source))
		errors_add(errors, "app '%s': key 'error_source': not the address of one host; a unicast address is needed", app->name);
}

static int fragment6_prepare(struct app *app, const struct app *old)
{
	struct fragmenter *fragmenter = (struct fragmenter *)app;

	fragmenter->plan = plan6;
	fragmenter->cut = cut6;
	fragmenter->error = error6;
	return fragmenter_prepare(app, old);
}

const struct app_class ip_fragment6_class = {
	.name = "ip.fragment6",
	.help = "Cut IPv6 packets that are longer than the MTU into fragments, as their source does: the end of a tunnel.\n"
		"Frames of other types pass, and so do packets that a card or the kernel will cut into segments that are short enough. A "
		"packet that has a fragment header already, or any that is too long with refuse = true, is dropped as too-big, and its "
		"sender told so by the output 'errors': an ICMPv6 message 2/0, its Ethernet addresses those of the packet exchanged. "
		"Fragments leave in order, each but the last as long as possible.",
	.size = sizeof(struct fragment6),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "errors?", NULL },
	.counters = (const char *const[]){ "out-ipv6-frag", "out-ipv6-frag-not", "out-errors", NULL },
	.reasons = (const char *const[]){ "too-big", "invalid", "no-packet", "too-many", NULL },
	.check = fragment6_check,
	.holds = fragmenter_holds, .prepare = fragment6_prepare, .commit = fragmenter_commit, .push = fragmenter_push,
};
