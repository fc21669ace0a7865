/* config_rfc8676 -- see config_rfc8676.h. The JSON is turned into the text of a configuration, which the one decoder reads. */
#include "apps/lwaftr/config_rfc8676.h"
#include "apps/lwaftr/config_decode.h"
#include "apps/lwaftr/config_source.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>

enum { OUTER = 40, RATE_PERIOD = 2, NUMBER = 32, PATH = 96, PSID_MOST = 15 };
static const char MODULE[] = "ietf-softwire-br:";

struct reader {
	struct config_source source;
	struct errors *lost;
	const char *file;
	uint64_t wrong;                 /* keys that the model does not have, and values that cannot be */
	struct errors mistakes;
};

/* A member, with the module's name before its own or without. */
static json_t *get(const json_t *object, const char *key)
{
	char qualified[PATH];
	json_t *value = json_object_get(object, key);

	if (value != NULL)
		return value;
	snprintf(qualified, sizeof(qualified), "%s%s", MODULE, key);
	return json_object_get(object, qualified);
}

static const char *unqualified(const char *key)
{
	return strncmp(key, MODULE, sizeof(MODULE) - 1) == 0 ? key + sizeof(MODULE) - 1 : key;
}

/* Complain of members that the model does not have. known: names, NULL at the end */
static void check_members(struct reader *r, const char *where, json_t *object, const char *const *known)
{
	const char *key, *nearest;
	json_t *value;

	json_object_foreach(object, key, value) {
		uint32_t i = 0;

		while (known[i] != NULL && strcmp(known[i], unqualified(key)) != 0)
			i++;
		if (known[i] != NULL)
			continue;
		nearest = error_nearest(unqualified(key), known);
		errors_add(&r->mistakes, "%s: %s: unknown member '%.64s'%s%s%s", r->file, where, key, nearest != NULL ? "; did you mean '" : "",
			nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
	}
}

/* A member that must be an object, when it is there. */
static json_t *get_object(struct reader *r, const char *where, const json_t *object, const char *key)
{
	json_t *value = get(object, key);

	if (value == NULL || json_is_object(value))
		return value;
	errors_add(&r->mistakes, "%s: %s: '%s' must be an object", r->file, where, key);
	return NULL;
}

/* A leaf, as the text of its value. */
static void write_leaf(struct reader *r, const char *keyword, const json_t *value)
{
	char text[NUMBER];

	if (json_is_string(value)) {
		config_source_leaf(&r->source, keyword, json_string_value(value), json_string_length(value));
		return;
	}
	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : json_is_false(value) ? "false" : json_is_null(value) ? "null" :
			json_is_real(value) ? "a fraction" : "no value");
	config_source_leaf(&r->source, keyword, text, strlen(text));
}

static void write_if(struct reader *r, const char *keyword, const json_t *object, const char *key)
{
	const json_t *value = get(object, key);

	if (value != NULL)
		write_leaf(r, keyword, value);
}

/* A number that changes its meaning on the way. fails: false after a message */
static bool read_number(struct reader *r, const char *where, const json_t *object, const char *key, uint64_t most, uint64_t *number)
{
	const json_t *value = get(object, key);

	if (value == NULL)
		return false;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > most) {
		errors_add(&r->mistakes, "%s: %s: '%s': a number 0..%" PRIu64 " is expected", r->file, where, key, most);
		return false;
	}
	*number = (uint64_t)json_integer_value(value);
	return true;
}

static void write_number(struct reader *r, const char *keyword, uint64_t number)
{
	char text[NUMBER];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	config_source_leaf(&r->source, keyword, text, strlen(text));
}

static void read_entry(struct reader *r, json_t *entry, uint32_t position)
{
	static const char *const known[] = { "binding-ipv6info", "binding-ipv4-addr", "port-set", "br-ipv6-addr", NULL };
	static const char *const set_known[] = { "psid-offset", "psid-len", "psid", NULL };
	char where[PATH];
	json_t *set;

	snprintf(where, sizeof(where), "binding-entry[%u]", position);
	if (!json_is_object(entry)) {
		errors_add(&r->mistakes, "%s: %s must be an object", r->file, where);
		return;
	}
	if (json_object_size(entry) > 4)
		check_members(r, where, entry, known);
	set = get_object(r, where, entry, "port-set");
	config_source_open(&r->source, "softwire", "binding-entry", position);
	write_if(r, "ipv4", entry, "binding-ipv4-addr");
	write_if(r, "b4-ipv6", entry, "binding-ipv6info");
	write_if(r, "br-address", entry, "br-ipv6-addr");
	if (set != NULL) {
		if (json_object_size(set) > 3 || get(set, "psid") == NULL || get(set, "psid-len") == NULL)
			check_members(r, where, set, set_known);
		write_if(r, "psid", set, "psid");
		config_source_open(&r->source, "port-set", "port-set", 0);
		write_if(r, "psid-length", set, "psid-len");
		write_if(r, "reserved-ports-bit-count", set, "psid-offset");
		config_source_close(&r->source);
	}
	config_source_close(&r->source);
}

static void read_table(struct reader *r, const json_t *instance)
{
	static const char *const known[] = { "binding-entry", NULL };
	json_t *table = get_object(r, "bind-instance", instance, "binding-table"), *entries;
	json_t *version = get_object(r, "bind-instance", instance, "binding-table-versioning");

	config_source_open(&r->source, "binding-table", "binding-table", 0);
	if (version != NULL) {
		static const char *const version_known[] = { "version", "date", NULL };

		check_members(r, "binding-table-versioning", version, version_known);
		config_source_open(&r->source, "version", "version", 0);
		write_if(r, "number", version, "version");
		write_if(r, "date", version, "date");
		config_source_close(&r->source);
	}
	if (table != NULL) {
		check_members(r, "binding-table", table, known);
		entries = get(table, "binding-entry");
		if (entries != NULL && !json_is_array(entries))
			errors_add(&r->mistakes, "%s: 'binding-entry' must be an array", r->file);
		for (size_t i = 0; i < json_array_size(entries); i++)
			read_entry(r, json_array_get(entries, i), (uint32_t)i + 1);
	}
	config_source_close(&r->source);
}

static void read_policy(struct reader *r, const json_t *policy, const json_t *v6)
{
	uint64_t rate;

	if (read_number(r, "icmpv6-errors", v6, "icmpv6-rate", UINT32_MAX / RATE_PERIOD, &rate)) {
		config_source_open(&r->source, "error-rate-limiting", "icmpv6-rate", 0);
		write_number(r, "packets", rate * RATE_PERIOD);
		write_number(r, "period", RATE_PERIOD);
		config_source_close(&r->source);
	}
	(void)policy;
}

static void read_sides(struct reader *r, const json_t *instance)
{
	static const char *const known[] = { "icmpv4-errors", "icmpv6-errors", NULL };
	static const char *const known4[] = { "allow-incoming-icmpv4", "icmpv4-rate", "generate-icmpv4-errors", NULL };
	static const char *const known6[] = { "generate-icmpv6-errors", "icmpv6-rate", NULL };
	json_t *policy = get_object(r, "bind-instance", instance, "icmp-policy");
	json_t *v4 = policy != NULL ? get_object(r, "icmp-policy", policy, "icmpv4-errors") : NULL;
	json_t *v6 = policy != NULL ? get_object(r, "icmp-policy", policy, "icmpv6-errors") : NULL;
	uint64_t mtu;

	check_members(r, "icmp-policy", policy, known);
	check_members(r, "icmpv4-errors", v4, known4);
	check_members(r, "icmpv6-errors", v6, known6);
	config_source_open(&r->source, "external-interface", "icmpv4-errors", 0);
	write_if(r, "allow-incoming-icmp", v4, "allow-incoming-icmpv4");
	write_if(r, "generate-icmp-errors", v4, "generate-icmpv4-errors");
	config_source_close(&r->source);
	if (v4 != NULL && get(v4, "icmpv4-rate") != NULL)
		errors_add(r->lost, "%s: 'icmpv4-rate' is not taken over: ICMPv4 that comes in is not limited here", r->file);
	config_source_open(&r->source, "internal-interface", "bind-instance", 0);
	if (read_number(r, "bind-instance", instance, "softwire-payload-mtu", UINT16_MAX - OUTER, &mtu))
		write_number(r, "mtu", mtu + OUTER);
	write_if(r, "mru", instance, "softwire-path-mru");
	write_if(r, "hairpinning", instance, "enable-hairpinning");
	write_if(r, "generate-icmp-errors", v6, "generate-icmpv6-errors");
	read_policy(r, policy, v6);
	config_source_close(&r->source);
}

/* What the model demands, and what it has for telling how things are. */
static void check_instance(struct reader *r, json_t *instance)
{
	static const char *const known[] = { "name", "binding-table-versioning", "softwire-num-max", "softwire-payload-mtu", "softwire-path-mru",
		"enable-hairpinning", "binding-table", "icmp-policy", "traffic-stat", NULL };
	static const char *const wanted[] = { "name", "softwire-num-max", "softwire-payload-mtu", "softwire-path-mru", NULL };
	const json_t *entries = get(get(instance, "binding-table"), "binding-entry");
	uint64_t most;

	check_members(r, "bind-instance", instance, known);
	for (uint32_t i = 0; wanted[i] != NULL; i++)
		if (get(instance, wanted[i]) == NULL)
			errors_add(&r->mistakes, "%s: bind-instance lacks '%s'", r->file, wanted[i]);
	if (get(instance, "traffic-stat") != NULL)
		errors_add(r->lost, "%s: 'traffic-stat' is not taken over: it is no configuration", r->file);
	if (read_number(r, "bind-instance", instance, "softwire-num-max", UINT32_MAX, &most) && json_array_size(entries) > most)
		errors_add(&r->mistakes, "%s: %zu entries are more than 'softwire-num-max'", r->file, json_array_size(entries));
}

/* The one instance of the file; NULL after a message. */
static json_t *find_instance(struct reader *r, json_t *root)
{
	static const char *const top[] = { "br-instances", NULL }, *const inner[] = { "binding", NULL }, *const list[] = { "bind-instance", NULL };
	json_t *instances = json_is_object(root) ? get_object(r, "the top level", root, "br-instances") : NULL;
	json_t *binding = instances != NULL ? get_object(r, "br-instances", instances, "binding") : NULL;
	json_t *array = binding != NULL ? get(binding, "bind-instance") : NULL;

	check_members(r, "the top level", root, top);
	check_members(r, "br-instances", instances, inner);
	check_members(r, "binding", binding, list);
	if (json_array_size(array) == 1 && json_is_object(json_array_get(array, 0)))
		return json_array_get(array, 0);
	errors_add(&r->mistakes, "%s: one object in ietf-softwire-br:br-instances/binding/bind-instance is expected; there are %zu", r->file,
		json_array_size(array));
	return NULL;
}

static void read_root(struct reader *r, json_t *root)
{
	json_t *instance = find_instance(r, root);

	config_source_open(&r->source, "softwire-config", NULL, 0);
	if (instance != NULL) {
		check_instance(r, instance);
		write_if(r, "name", instance, "name");
		read_sides(r, instance);
		read_table(r, instance);
	}
	config_source_close(&r->source);
}

int config_rfc8676_parse(struct lwaftr_config *config, const char *file, const void *text, uint64_t length, uint32_t flags, struct errors *lost)
{
	struct reader r = { .lost = lost, .file = file };
	json_error_t error;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	int code;

	if (root == NULL)
		return nf_fail(EINVAL, "%s:%d:%d: %s", file, error.line, error.column, error.text);
	if (!config_source_begin(&r.source)) {
		json_decref(root);
		return nf_fail(ENOMEM, "%s: no memory for a configuration", file);
	}
	read_root(&r, root);
	code = config_source_parse(&r.source, config, file, flags);
	for (uint32_t i = 0; code == 0 && i < r.mistakes.count; i++)
		lwaftr_config_mistake(config, LWAFTR_NOWHERE, "%s", r.mistakes.text[i]);
	errors_fini(&r.mistakes);
	json_decref(root);
	return code;
}

/* What the model has no place for. */
static void lose(struct errors *lost, bool is_lost, const char *what)
{
	if (is_lost)
		errors_add(lost, "RFC 8676 has no place for %s", what);
}

static void check_side(struct errors *lost, const char *name, const struct lwaftr_side *side, const struct lwaftr_side *usual, bool internal)
{
	char text[PATH];
	const struct { const char *what; bool is; } list[] = {
		{ "mtu", !internal && side->mtu != usual->mtu },
		{ "mru", !internal && side->mru != usual->mru },
		{ "ingress-filter", side->ingress_filter != NULL },
		{ "egress-filter", side->egress_filter != NULL },
		{ "allow-incoming-icmp", internal && side->allow_incoming_icmp != usual->allow_incoming_icmp },
		{ "error-rate-limiting", internal ? side->error_period != RATE_PERIOD || side->error_packets % RATE_PERIOD != 0 :
			side->error_packets != usual->error_packets || side->error_period != usual->error_period },
		{ "reassembly", side->max_fragments != usual->max_fragments || side->max_packets != usual->max_packets },
		{ "flow-label", side->flow_label != usual->flow_label },
		{ "vlan-tag", side->has_vlan },
	};

	for (uint32_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		snprintf(text, sizeof(text), "%s/%s", name, list[i].what);
		lose(lost, list[i].is, text);
	}
}

static int compare(const void *a, const void *b)
{
	const struct lwaftr_softwire *one = *(const struct lwaftr_softwire *const *)a, *two = *(const struct lwaftr_softwire *const *)b;
	int order = memcmp(one->b4, two->b4, sizeof(one->b4));

	return order != 0 ? order : one->place < two->place ? -1 : one->place > two->place;
}

/* An entry's key is its B4: no two softwires may have one. */
static void check_entries(const struct lwaftr_config *config, struct errors *wrong)
{
	const struct lwaftr_softwire **sorted = malloc((config->softwire_count + 1) * sizeof(*sorted));
	char b4[INET6_ADDRSTRLEN];

	if (sorted == NULL) {
		errors_add(wrong, "no memory for %" PRIu64 " softwires", config->softwire_count);
		return;
	}
	for (uint64_t i = 0; i < config->softwire_count; i++) {
		sorted[i] = &config->softwire[i];
		if (sorted[i]->psid_length > PSID_MOST)
			errors_add(wrong, "RFC 8676 has no psid-length %u, as PSID %u has; at most %u", sorted[i]->psid_length, sorted[i]->psid,
				PSID_MOST);
	}
	if (config->softwire_count > 1)
		qsort(sorted, config->softwire_count, sizeof(*sorted), compare);
	for (uint64_t i = 1; i < config->softwire_count; i++) {
		if (memcmp(sorted[i]->b4, sorted[i - 1]->b4, sizeof(sorted[i]->b4)) != 0)
			continue;
		inet_ntop(AF_INET6, sorted[i]->b4, b4, sizeof(b4));
		errors_add(wrong, "RFC 8676 has one binding-entry for each B4; %s has more than one softwire", b4);
	}
	free(sorted);
}

bool config_rfc8676_fits(const struct lwaftr_config *config, struct errors *lost, struct errors *wrong)
{
	struct lwaftr_config usual = { 0 };
	struct config_decoder decoder;
	uint32_t before = wrong->count;

	config_begin(&decoder, &usual);
	lose(lost, config->instance_count > 0, "'instance': devices, own addresses, VLANs, next hops");
	check_side(lost, "external-interface", &config->external, &usual.external, false);
	check_side(lost, "internal-interface", &config->internal, &usual.internal, true);
	if (config->name == NULL)
		errors_add(lost, "RFC 8676 wants a name: it is 'lwaftr'");
	check_entries(config, wrong);
	return wrong->count == before;
}

/* A JSON string of any bytes that are UTF-8. */
static void print_string(FILE *out, const char *text)
{
	json_t *string = json_string(text);

	if (string == NULL || json_dumpf(string, out, JSON_ENCODE_ANY) < 0)
		fputs("\"\"", out);
	json_decref(string);
}

static const char *truth(bool value)
{
	return value ? "true" : "false";
}

static void print_version(FILE *out, const struct lwaftr_config *config)
{
	if (!config->has_version)
		return;
	fputs("        \"binding-table-versioning\": {", out);
	if (config->has_version_number)
		fprintf(out, " \"version\": \"%" PRIu64 "\"%s", config->version_number, config->version_date != NULL ? "," : "");
	if (config->version_date != NULL) {
		fputs(" \"date\": ", out);
		print_string(out, config->version_date);
	}
	fputs(" },\n", out);
}

static void print_entries(FILE *out, const struct lwaftr_config *config)
{
	char ipv4[INET_ADDRSTRLEN], b4[INET6_ADDRSTRLEN], br[INET6_ADDRSTRLEN];

	for (uint64_t i = 0; i < config->softwire_count; i++) {
		const struct lwaftr_softwire *s = &config->softwire[i];
		struct in_addr address = { htonl(s->ipv4) };

		inet_ntop(AF_INET, &address, ipv4, sizeof(ipv4));
		inet_ntop(AF_INET6, s->b4, b4, sizeof(b4));
		inet_ntop(AF_INET6, s->br, br, sizeof(br));
		fprintf(out, "%s\n            { \"binding-ipv6info\": \"%s\", \"binding-ipv4-addr\": \"%s\", \"port-set\": { \"psid-offset\": %u, "
			"\"psid-len\": %u, \"psid\": %u }, \"br-ipv6-addr\": \"%s\" }", i > 0 ? "," : "", b4, ipv4, s->reserved, s->psid_length, s->psid, br);
	}
}

void config_rfc8676_print(FILE *out, const struct lwaftr_config *config)
{
	const struct lwaftr_side *external = &config->external, *internal = &config->internal;

	fputs("{\n  \"ietf-softwire-br:br-instances\": {\n    \"binding\": {\n      \"bind-instance\": [ {\n        \"name\": ", out);
	print_string(out, config->name != NULL ? config->name : "lwaftr");
	fputs(",\n", out);
	print_version(out, config);
	fprintf(out, "        \"softwire-num-max\": %" PRIu64 ",\n        \"softwire-payload-mtu\": %u,\n        \"softwire-path-mru\": %u,\n"
		"        \"enable-hairpinning\": %s,\n        \"binding-table\": {\n          \"binding-entry\": [",
		config->softwire_count > 0 ? config->softwire_count : 1, internal->mtu - OUTER, internal->mru, truth(internal->hairpinning));
	print_entries(out, config);
	fprintf(out, "\n          ]\n        },\n        \"icmp-policy\": {\n          \"icmpv4-errors\": { \"allow-incoming-icmpv4\": %s, "
		"\"generate-icmpv4-errors\": %s },\n          \"icmpv6-errors\": { \"generate-icmpv6-errors\": %s, \"icmpv6-rate\": %u }\n"
		"        }\n      } ]\n    }\n  }\n}\n", truth(external->allow_incoming_icmp), truth(external->generate_icmp_errors),
		truth(internal->generate_icmp_errors), internal->error_packets / RATE_PERIOD);
}
