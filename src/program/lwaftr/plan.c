/* plan -- see plan.h. */
#include "program/lwaftr/plan.h"

#include <arpa/inet.h>

/* What the apps take at most; no datagram has more fragments, and no memory is wanted for more datagrams. */
enum { FRAGMENTS_MOST = 1280, DATAGRAMS_MOST = 1 << 20, ERRORS_MOST = 1000000 };

static uint32_t at_most(uint32_t value, uint32_t most)
{
	return value < most ? value : most;
}

/* What differs between the sides. */
struct side {
	int version;                    /* 4 or 6 */
	const struct lwaftr_side *common;
	const struct lwaftr_port *port;
	const char *neighbor;           /* the app that knows the next hop */
	const char *exempt;             /* its frames, which no egress filter stops */
	uint32_t first_id;              /* fragments' identification when it is fixed */
	const char *in, *out;
};

void plan_quote(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\' || *text < ' ')
			fprintf(out, "\\%03u", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static void print_mac(FILE *out, const char *key, const uint8_t mac[6])
{
	fprintf(out, ", %s = \"%02x:%02x:%02x:%02x:%02x:%02x\"", key, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_ip(FILE *out, const char *key, const struct side *side, const uint8_t *ip)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(side->version == 4 ? AF_INET : AF_INET6, ip, text, sizeof(text));
	fprintf(out, "%s = \"%s\"", key, text);
}

static void print_filter(FILE *out, const struct side *side, const char *name, const char *filter, const char *exempt)
{
	char *text = NULL;

	if (filter == NULL)
		return;
	if (asprintf(&text, exempt != NULL ? "%2$s or (%1$s)" : "%1$s", filter, exempt) < 0)
		return;
	fprintf(out, "    %s%d = { \"filter.pcap\", filter = ", name, side->version);
	plan_quote(out, text);
	fputs(" },\n", out);
	free(text);
}

static void print_neighbor(FILE *out, const struct side *side, bool fixed, bool proxy_arp)
{
	const struct lwaftr_next_hop *hop = &side->port->next_hop;

	fprintf(out, "    %s = { \"ip.%s\", ", side->neighbor, side->neighbor);
	print_ip(out, "ip", side, side->port->ip);
	print_mac(out, "mac", side->port->mac);
	if (hop->has_mac)
		print_mac(out, "next_hop_mac", hop->mac);
	else {
		fputs(", ", out);
		print_ip(out, "next_hop", side, hop->ip);
	}
	fputs(fixed ? ", announce = false" : "", out);
	fputs(side->version == 4 && proxy_arp ? ", hand_on = true },\n" : " },\n", out);
}

/* Who sent fragments that never became whole is told so, when errors are wanted, as often as others are. */
static void print_errors(FILE *out, const struct side *side)
{
	const struct lwaftr_side *common = side->common;
	uint32_t rate = common->error_packets / common->error_period;

	if (!common->generate_icmp_errors || common->error_packets == 0)
		return;
	fputs(", ", out);
	print_ip(out, "error_source", side, side->port->ip);
	fprintf(out, ", error_rate = %u%s", rate == 0 ? 1 : at_most(rate, ERRORS_MOST), side->version == 6 ? ", tell_malformed = false" : "");
}

/* "KEY=VALUE,...": a value that is no number and no truth is text. */
static void print_set(FILE *out, const char *set)
{
	while (set != NULL && *set != '\0') {
		int key = (int)strcspn(set, "="), length = (int)strcspn(set + key + 1, ",");
		char *value = strndup(set + key + 1, (size_t)length), *rest;

		if (value == NULL)
			return;
		fprintf(out, ", %.*s = ", key, set);
		strtod(value, &rest);
		if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0 || *rest == '\0')
			fputs(value, out);
		else
			plan_quote(out, value);
		free(value);
		set += key + 1 + length;
		set += *set == ',';
	}
}

static void print_apps(FILE *out, const struct side *side, bool fixed, bool proxy_arp)
{
	const int v = side->version;

	if (side->port->has_vlan) {
		fprintf(out, "    untag%d = { \"vlan.untag\", vlan = %u },\n", v, side->port->vlan);
		fprintf(out, "    tag%d = { \"vlan.tag\", vlan = %u },\n", v, side->port->vlan);
	}
	fprintf(out, "    reassemble%d = { \"ip.reassemble%d\", fragments_per_datagram = %u, datagrams = %u%s", v, v,
		at_most(side->common->max_fragments, FRAGMENTS_MOST), at_most(side->common->max_packets, DATAGRAMS_MOST),
		fixed && v == 4 ? ", identification = \"zero\"" : "");
	print_errors(out, side);
	fputs(" },\n", out);
	print_filter(out, side, "ingress", side->common->ingress_filter, NULL);
	fprintf(out, "    echo%d = { \"ip.echo%d\", ", v, v);
	print_ip(out, "ip", side, side->port->ip);
	fputs(" },\n", out);
	print_neighbor(out, side, fixed, proxy_arp);
	print_filter(out, side, "egress", side->common->egress_filter, side->exempt);
	fprintf(out, "    fragment%d = { \"ip.fragment%d\", mtu = %u", v, v, side->common->mtu);
	if (fixed)
		fprintf(out, ", first_id = %u", side->first_id);
	fputs(" },\n", out);
}

/* The two chains of a side; the outer ends are names of ports. */
static void print_links(FILE *out, const struct side *side)
{
	const int v = side->version;

	fprintf(out, "    \"%s -> ", side->in);
	if (side->port->has_vlan)
		fprintf(out, "untag%d.input\", \"untag%d.output -> ", v, v);
	fprintf(out, "reassemble%d.input\", \"reassemble%d.output -> ", v, v);
	if (side->common->ingress_filter != NULL)
		fprintf(out, "ingress%d.input\", \"ingress%d.output -> ", v, v);
	fprintf(out, "echo%d.wire\", \"echo%d.inside -> %s.wire\", \"%s.inside -> lwaftr.v%d\",\n", v, v, side->neighbor, side->neighbor, v);
	fprintf(out, "    \"lwaftr.v%d -> %s.inside\", \"%s.wire -> echo%d.inside\", \"echo%d.wire -> ", v, side->neighbor, side->neighbor, v, v);
	if (side->common->egress_filter != NULL)
		fprintf(out, "egress%d.input\", \"egress%d.output -> ", v, v);
	fprintf(out, "fragment%d.input\", \"fragment%d.output -> ", v, v);
	if (side->port->has_vlan)
		fprintf(out, "tag%d.input\", \"tag%d.output -> ", v, v);
	fprintf(out, "%s\",\n    \"reassemble%d.errors -> echo%d.errors\",\n", side->out, v, v);
}

/* Both sides meet on one wire, and are divided again. A side's tag is taken off, and put on, where it is alone. */
static void print_stick(FILE *out, const struct plan_ends *ends, const struct side *v4, const struct side *v6)
{
	const struct side *sides[] = { v4, v6 };

	for (uint32_t i = 0; i < 2; i++) {
		const int v = sides[i]->version;
		const bool tagged = sides[i]->port->has_vlan;

		fprintf(out, "    \"%s -> %s\",%s", v == 4 ? ends->in4 : ends->in6, tagged ? (v == 4 ? "untag4.input" : "untag6.input") :
			(v == 4 ? "wire_in.v4" : "wire_in.v6"), tagged ? " " : "\n");
		if (tagged)
			fprintf(out, "\"untag%d.output -> wire_in.v%d\",\n", v, v);
		fprintf(out, "    \"sort_out.v%d -> ", v);
		if (tagged)
			fprintf(out, "tag%d.input\", \"tag%d.output -> ", v, v);
		fprintf(out, "%s\",\n", v == 4 ? ends->out4 : ends->out6);
	}
	fputs("    \"wire_in.output -> sort_in.input\", \"wire_out.output -> sort_out.input\",\n", out);
}

/* On a stick, the chains of a side begin and end at the wire, without tags. */
static void print_sides_on_a_stick(FILE *out, const struct side *v4, const struct side *v6)
{
	struct lwaftr_port port4 = *v4->port, port6 = *v6->port;
	struct side inner4 = *v4, inner6 = *v6;

	port4.has_vlan = port6.has_vlan = false;
	inner4.port = &port4;
	inner6.port = &port6;
	inner4.in = "sort_in.v4";
	inner6.in = "sort_in.v6";
	inner4.out = "wire_out.v4";
	inner6.out = "wire_out.v6";
	print_links(out, &inner4);
	print_links(out, &inner6);
}

char *plan_graph(const struct lwaftr_config *config, const struct lwaftr_instance *instance, const struct lwaftr_queue *queue,
	const char *file, const struct plan_ends *ends)
{
	const struct side v4 = { .version = 4, .common = &config->external, .port = &queue->external, .neighbor = "arp", .exempt = "arp",
		.first_id = 0x4243, .in = ends->in4, .out = ends->out4 };
	const struct side v6 = { .version = 6, .common = &config->internal, .port = &queue->internal, .neighbor = "ndp",
		.exempt = "(icmp6 and ip6[40] >= 133 and ip6[40] <= 137)", .first_id = 0x42424243, .in = ends->in6, .out = ends->out6 };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return NULL;
	fprintf(out, "return {\n  apps = {\n%s", ends->apps);
	print_apps(out, &v4, ends->fixed, ends->proxy_arp);
	print_apps(out, &v6, ends->fixed, ends->proxy_arp);
	if (ends->on_a_stick)
		fputs("    wire_in = { \"basic.join\" }, sort_in = { \"lwaftr.stick\", tags = false }, wire_out = { \"basic.join\" }, "
			"sort_out = { \"lwaftr.stick\", tags = false },\n", out);
	fputs("    lwaftr = { \"lwaftr.lwaftr\", config = ", out);
	plan_quote(out, file);
	fputs(", device = ", out);
	plan_quote(out, instance->device);
	fprintf(out, ", queue = %u%s", queue->id, ends->proxy_arp ? ", proxy_arp = true" : "");
	print_set(out, ends->set);
	fputs(" },\n  },\n  links = {\n", out);
	if (ends->links != NULL)
		fputs(ends->links, out);
	if (ends->on_a_stick) {
		print_stick(out, ends, &v4, &v6);
		print_sides_on_a_stick(out, &v4, &v6);
	} else {
		print_links(out, &v4);
		print_links(out, &v6);
	}
	fputs("  },\n}\n", out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
