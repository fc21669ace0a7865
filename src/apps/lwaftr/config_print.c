/* config_print -- see config_print.h. */
#include "apps/lwaftr/config_print.h"
#include "apps/lwaftr/config_decode.h"

#include <arpa/inet.h>
#include <inttypes.h>

enum { LUA_CALLS = 1000 };              /* softwires of a Lua function, which may have 65,536 constants */

struct printer {
	FILE *out;
	enum config_form form;
	uint32_t depth;
};

static void indent(const struct printer *p)
{
	for (uint32_t i = 0; i < p->depth; i++)
		fputs("  ", p->out);
}

/* A key of a Lua table: a name, or a text in brackets. */
static void print_key(const struct printer *p, const char *key)
{
	indent(p);
	fprintf(p->out, p->form == CONFIG_TEXT ? "%s " : strchr(key, '-') != NULL ? "[\"%s\"] = " : "%s = ", key);
}

static void open_block(struct printer *p, const char *key)
{
	print_key(p, key);
	fputs("{\n", p->out);
	p->depth++;
}

static void close_block(struct printer *p)
{
	p->depth--;
	indent(p);
	fputs(p->form == CONFIG_TEXT ? "}\n" : "},\n", p->out);
}

/* The elements of a list: in Lua they are in a table. */
static void open_list(struct printer *p, const char *key)
{
	if (p->form == CONFIG_LUA)
		open_block(p, key);
}

static void open_element(struct printer *p, const char *key)
{
	if (p->form == CONFIG_TEXT) {
		open_block(p, key);
		return;
	}
	indent(p);
	fputs("{\n", p->out);
	p->depth++;
}

static void close_list(struct printer *p)
{
	if (p->form == CONFIG_LUA)
		close_block(p);
}

static void print_number(const struct printer *p, const char *key, uint64_t number)
{
	print_key(p, key);
	/* Lua's numbers are exact up to 2^53; a text is read as well. */
	fprintf(p->out, p->form == CONFIG_TEXT ? "%" PRIu64 ";\n" : number < 1ull << 53 ? "%" PRIu64 ",\n" : "\"%" PRIu64 "\",\n", number);
}

static void print_bool(const struct printer *p, const char *key, bool value)
{
	print_key(p, key);
	fprintf(p->out, p->form == CONFIG_TEXT ? "%s;\n" : "%s,\n", value ? "true" : "false");
}

static void print_quoted(const struct printer *p, const char *text)
{
	fputc('"', p->out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fprintf(p->out, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", p->out);
		else if (p->form == CONFIG_LUA && (unsigned char)*text < ' ')
			fprintf(p->out, "\\%03u", (unsigned char)*text);
		else
			fputc(*text, p->out);
	}
	fputc('"', p->out);
}

static void print_text(const struct printer *p, const char *key, const char *text)
{
	if (text == NULL)
		return;
	print_key(p, key);
	print_quoted(p, text);
	fputs(p->form == CONFIG_TEXT ? ";\n" : ",\n", p->out);
}

/* What needs no quotes in the text. */
static void print_word(const struct printer *p, const char *key, const char *word)
{
	print_key(p, key);
	fprintf(p->out, p->form == CONFIG_TEXT ? "%s;\n" : "\"%s\",\n", word);
}

static void print_ip(const struct printer *p, const char *key, int family, const uint8_t *ip)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, ip, text, sizeof(text));
	print_word(p, key, text);
}

static void print_mac(const struct printer *p, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	print_word(p, "mac", text);
}

static void print_port(struct printer *p, const char *key, int family, const struct lwaftr_port *port)
{
	open_block(p, key);
	print_ip(p, "ip", family, port->ip);
	print_mac(p, port->mac);
	if (port->has_vlan)
		print_number(p, "vlan-tag", port->vlan);
	open_block(p, "next-hop");
	if (port->next_hop.has_ip)
		print_ip(p, "ip", family, port->next_hop.ip);
	if (port->next_hop.has_mac)
		print_mac(p, port->next_hop.mac);
	close_block(p);
	close_block(p);
}

static void print_instance(struct printer *p, const struct lwaftr_instance *instance)
{
	open_element(p, "instance");
	print_text(p, "device", instance->device);
	print_text(p, "external-device", instance->external_device);
	if (instance->queue_count > 0)
		open_list(p, "queue");
	for (uint32_t i = 0; i < instance->queue_count; i++) {
		const struct lwaftr_queue *queue = &instance->queue[i];

		open_element(p, "queue");
		print_number(p, "id", queue->id);
		print_port(p, "external-interface", AF_INET, &queue->external);
		print_port(p, "internal-interface", AF_INET6, &queue->internal);
		close_block(p);
	}
	if (instance->queue_count > 0)
		close_list(p);
	close_block(p);
}

/* Numbers and booleans of a side that are not what they would be anyway. */
#define UNUSUAL(print, key, field) do { \
	if (side->field != usual->field) \
		print(p, key, side->field); \
	} while (0)

static void print_side(struct printer *p, const char *key, const struct lwaftr_side *side, const struct lwaftr_side *usual)
{
	open_block(p, key);
	UNUSUAL(print_number, "mtu", mtu);
	UNUSUAL(print_number, "mru", mru);
	print_text(p, "ingress-filter", side->ingress_filter);
	print_text(p, "egress-filter", side->egress_filter);
	UNUSUAL(print_bool, "allow-incoming-icmp", allow_incoming_icmp);
	UNUSUAL(print_bool, "generate-icmp-errors", generate_icmp_errors);
	if (side->error_packets != usual->error_packets || side->error_period != usual->error_period) {
		open_block(p, "error-rate-limiting");
		UNUSUAL(print_number, "packets", error_packets);
		UNUSUAL(print_number, "period", error_period);
		close_block(p);
	}
	if (side->max_fragments != usual->max_fragments || side->max_packets != usual->max_packets) {
		open_block(p, "reassembly");
		UNUSUAL(print_number, "max-fragments-per-packet", max_fragments);
		UNUSUAL(print_number, "max-packets", max_packets);
		close_block(p);
	}
	UNUSUAL(print_number, "flow-label", flow_label);
	UNUSUAL(print_bool, "hairpinning", hairpinning);
	if (side->has_vlan)
		print_number(p, "vlan-tag", side->vlan);
	close_block(p);
}

/* Its addresses as text. */
struct addresses {
	char ipv4[INET_ADDRSTRLEN], b4[INET6_ADDRSTRLEN], br[INET6_ADDRSTRLEN];
};

static struct addresses addresses_of(const struct lwaftr_softwire *softwire)
{
	struct in_addr ipv4 = { htonl(softwire->ipv4) };
	struct addresses text;

	inet_ntop(AF_INET, &ipv4, text.ipv4, sizeof(text.ipv4));
	inet_ntop(AF_INET6, softwire->b4, text.b4, sizeof(text.b4));
	inet_ntop(AF_INET6, softwire->br, text.br, sizeof(text.br));
	return text;
}

void config_print_softwire(FILE *out, const struct lwaftr_softwire *softwire)
{
	struct addresses text = addresses_of(softwire);

	fprintf(out, "softwire { ipv4 %s; psid %u; b4-ipv6 %s; br-address %s; port-set { psid-length %u; ", text.ipv4, softwire->psid, text.b4,
		text.br, softwire->psid_length);
	if (softwire->reserved > 0)
		fprintf(out, "reserved-ports-bit-count %u; ", softwire->reserved);
	fputs("} }", out);
}

void config_print_softwire_json(FILE *out, const struct lwaftr_softwire *softwire)
{
	struct addresses text = addresses_of(softwire);

	fprintf(out, "{\"ipv4\": \"%s\", \"psid\": %u, \"b4-ipv6\": \"%s\", \"br-address\": \"%s\", \"port-set\": {\"psid-length\": %u, "
		"\"reserved-ports-bit-count\": %u}}", text.ipv4, softwire->psid, text.b4, text.br, softwire->psid_length, softwire->reserved);
}

/* In Lua, a list that a function fills: a table of a million constants would be too large for one. */
static void print_lua_softwires(FILE *out, const struct lwaftr_config *config)
{
	fputs("local softwires = {}\n"
		"local function add(ipv4, psid, b4, br, length, reserved)\n"
		"  softwires[#softwires + 1] = { ipv4 = ipv4, psid = psid, [\"b4-ipv6\"] = b4, [\"br-address\"] = br,\n"
		"    [\"port-set\"] = { [\"psid-length\"] = length, [\"reserved-ports-bit-count\"] = reserved } }\n"
		"end\n", out);
	for (uint64_t i = 0; i < config->softwire_count; i++) {
		struct addresses text = addresses_of(&config->softwire[i]);

		if (i % LUA_CALLS == 0)
			fputs("do local f = function ()\n", out);
		fprintf(out, "  add(\"%s\", %u, \"%s\", \"%s\", %u, %u)\n", text.ipv4, config->softwire[i].psid, text.b4, text.br,
			config->softwire[i].psid_length, config->softwire[i].reserved);
		if (i % LUA_CALLS == LUA_CALLS - 1 || i == config->softwire_count - 1)
			fputs("end f() end\n", out);
	}
}

static void print_table(struct printer *p, const struct lwaftr_config *config)
{
	open_block(p, "binding-table");
	if (config->has_version) {
		open_block(p, "version");
		if (config->has_version_number)
			print_number(p, "number", config->version_number);
		print_text(p, "date", config->version_date);
		close_block(p);
	}
	if (p->form == CONFIG_LUA && config->softwire_count > 0) {
		indent(p);
		fputs("softwire = softwires,\n", p->out);
	}
	for (uint64_t i = 0; p->form == CONFIG_TEXT && i < config->softwire_count; i++) {
		indent(p);
		config_print_softwire(p->out, &config->softwire[i]);
		fputc('\n', p->out);
	}
	close_block(p);
}

void config_print(FILE *out, const struct lwaftr_config *config, enum config_form form)
{
	struct printer p = { .out = out, .form = form };
	struct lwaftr_config usual = { 0 };
	struct config_decoder decoder;

	config_begin(&decoder, &usual);
	if (form == CONFIG_LUA && config->softwire_count > 0)
		print_lua_softwires(out, config);
	if (form == CONFIG_LUA)
		fputs("return {\n", out);
	p.depth = form == CONFIG_LUA;
	open_block(&p, "softwire-config");
	print_text(&p, "name", config->name);
	if (config->instance_count > 0)
		open_list(&p, "instance");
	for (uint32_t i = 0; i < config->instance_count; i++)
		print_instance(&p, &config->instance[i]);
	if (config->instance_count > 0)
		close_list(&p);
	print_side(&p, "external-interface", &config->external, &usual.external);
	print_side(&p, "internal-interface", &config->internal, &usual.internal);
	print_table(&p, config);
	close_block(&p);
	if (form == CONFIG_LUA)
		fputs("}\n", out);
}
