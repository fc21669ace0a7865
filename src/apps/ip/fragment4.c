/* fragment4 -- cut IPv4 packets that are longer than the MTU. source: RFC 791, 3.2; RFC 1191, section 4 */
#include "apps/ip/fragmenter.h"

struct fragment4 {
	struct fragmenter fragmenter;
	uint32_t identification, options;       /* indices of the names below */
};

enum { FRESH, KEEP };
static const char *const identification_names[] = { "fresh", "keep", NULL };
enum { ALL, FLAGGED };
static const char *const options_names[] = { "all", "flagged", NULL };

static const struct param params[] = {
	FRAGMENTER_PARAMS(struct fragmenter, PARAM_IPV4, 68, 65535),
	{ "identification", PARAM_ENUM, offsetof(struct fragment4, identification), "fresh: each packet that is cut gets a new one, so "
		"that hosts behind one shared address do not meet in it; keep: its own (RFC 791). A packet that is a fragment already keeps its "
		"own in any case", .choices = identification_names, .initial_text = "fresh" },
	{ "options", PARAM_ENUM, offsetof(struct fragment4, options), "header options that later fragments have, too: all of them, or "
		"those flagged to be copied (RFC 791)", .choices = options_names, .initial_text = "all" },
	{ 0 }
};

static enum fragment_verdict plan4(const struct fragmenter *fragmenter, struct fragment *plan, const struct packet *p)
{
	const struct fragment4 *fragment4 = (const struct fragment4 *)fragmenter;

	if (bytes_read16(p->data + ETHERNET_HEADER - 2) != ETHERNET_IPV4)
		return FRAGMENT_FITS;
	return fragment4_plan(plan, p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER, fragmenter->mtu,
		fragment4->options == FLAGGED);
}

/* The identification of all fragments of a packet. It is unique for source, destination and protocol (RFC 6864, 4). */
static uint16_t identify(struct fragmenter *fragmenter, const struct ipv4 *ip)
{
	uint8_t between[9];

	if (((struct fragment4 *)fragmenter)->identification == KEEP || ipv4_is_fragment(ip))
		return bytes_swap16(ip->id_be);
	memcpy(between, &ip->src_be, 8);
	between[8] = ip->protocol;
	return (uint16_t)ident_next(fragmenter->ident, between, sizeof(between));
}

static bool cut4(struct fragmenter *fragmenter, const struct fragment *plan, struct packet *p, struct packet *const *later)
{
	uint8_t *data = p->data + ETHERNET_HEADER;
	uint16_t id = identify(fragmenter, (const struct ipv4 *)data);

	for (uint32_t i = 1; i < plan->count; i++) {
		fragment4_write(plan, data, i, id, later[i - 1]->data + ETHERNET_HEADER);
		later[i - 1]->length = ETHERNET_HEADER + fragment_length(plan, i);
	}
	fragment4_first(plan, data, id);
	p->length = ETHERNET_HEADER + fragment_length(plan, 0);
	return true;
}

/* RFC 1191, section 4: fragmentation needed and DF set, with the MTU. */
static uint32_t error4(const struct fragmenter *fragmenter, uint8_t *to, const struct packet *p)
{
	enum { NEEDED = 4 };            /* code */

	return icmp_error4(to, p->data, p->length, ICMP_UNREACHABLE, NEEDED, fragmenter->mtu, fragmenter->source);
}

static void fragment4_check(const struct app *app, struct errors *errors)
{
	const struct fragmenter *fragmenter = (const struct fragmenter *)app;

	if (fragmenter->has_source && !ipv4_is_host(fragmenter->source))
		errors_add(errors, "app '%s': key 'error_source': not the address of one host; a unicast address is needed", app->name);
}

static int fragment4_prepare(struct app *app, const struct app *old)
{
	struct fragmenter *fragmenter = (struct fragmenter *)app;

	fragmenter->plan = plan4;
	fragmenter->cut = cut4;
	fragmenter->error = error4;
	return fragmenter_prepare(app, old);
}

const struct app_class ip_fragment4_class = {
	.name = "ip.fragment4",
	.help = "Cut IPv4 packets that are longer than the MTU into fragments.\n"
		"Frames of other types pass, and so do packets that a card or the kernel will cut into segments that are short enough. A "
		"packet with DF set that is too long is dropped as dont-fragment, and its sender told so by the output 'errors': an ICMP "
		"message 3/4, its Ethernet addresses those of the packet exchanged. Fragments leave in order, each but the last as long as "
		"possible.",
	.size = sizeof(struct fragment4),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "errors?", NULL },
	.counters = (const char *const[]){ "out-ipv4-frag", "out-ipv4-frag-not", "out-errors", NULL },
	.reasons = (const char *const[]){ "dont-fragment", "invalid", "no-packet", "too-many", NULL },
	.check = fragment4_check,
	.holds = fragmenter_holds, .prepare = fragment4_prepare, .commit = fragmenter_commit, .push = fragmenter_push,
};
