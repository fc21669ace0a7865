/* lwaftr -- the border relay of lightweight 4over6 (RFC 7596): parameters, set-up, names. What happens to packets stands in
 * encapsulate.c, decapsulate.c, relay.c, error.c and fragment.c. */
#include "apps/lwaftr/command.h"
#include "apps/lwaftr/config_source.h"
#include "apps/lwaftr/lwaftr.h"
#include "apps/lwaftr/ready.h"
#include "apps/lwaftr/tunnel.h"

#include <sys/random.h>
#include <unistd.h>

static const char *const reserved_names[] = { "rfc7597", "old", NULL };
static const char *const echo_names[] = { "port0", "identifier", NULL };
static const char *const ecn_names[] = { "inner", "rfc6040", NULL };

static const struct param params[] = {
	{ "config", PARAM_FILE, offsetof(struct lwaftr, file), .optional = true,
		.help = "configuration file (softwire-config): policies, MTUs, own addresses, softwires" },
	{ "settings", PARAM_VALUE, offsetof(struct lwaftr, settings), .optional = true,
		.help = "the same as a table, in place of the file: blocks are tables, lists are lists of tables, with the file's names" },
	{ "device", PARAM_STRING, offsetof(struct lwaftr, device), .optional = true, .help = "which instance of the configuration, by its "
		"device; without it there must be one alone" },
	{ "queue", PARAM_U16, offsetof(struct lwaftr, queue), .max = 255, .optional = true, .present = offsetof(struct lwaftr, has_queue),
		.help = "which queue of the instance, by its id; without it there must be one alone" },
	{ "reserved_ports", PARAM_ENUM, offsetof(struct lwaftr, reserved), .choices = reserved_names, .help = "with reserved-ports-bit-count "
		"a > 0, whose the lowest ports are not: rfc7597: the lowest 2^(16-a) (RFC 7597 section 5.1); old: the lowest 2^a" },
	{ "echo", PARAM_ENUM, offsetof(struct lwaftr, echo), .choices = echo_names, .help = "by what pings to B4s, and their answers to pings, "
		"find their softwire: port0: as if they had port 0; identifier: the ICMP identifier (RFC 7596 section 8.1)" },
	{ "decrement_ttl_on_decapsulation", PARAM_BOOL, offsetof(struct lwaftr, decrement),
		.help = "take one off the TTL of packets to the internet, too (RFC 2473 section 3.1)" },
	{ "ecn", PARAM_ENUM, offsetof(struct lwaftr, ecn), .choices = ecn_names, .help = "congestion marks of the outer header on "
		"decapsulation: inner: they are ignored; rfc6040: they are carried over (RFC 6040 section 4.2)" },
	{ "verify_checksum", PARAM_BOOL, offsetof(struct lwaftr, verify), .initial = true,
		.help = "drop packets with a wrong IPv4 header checksum (RFC 1812 section 5.2.2)" },
	{ "proxy_arp", PARAM_BOOL, offsetof(struct lwaftr, proxies), .help = "answer ARP requests that come in on v4 for addresses that have "
		"softwires: for a router on the same network that has no route to them (ip.arp before it hands them on)" },
	{ "learn_mtu", PARAM_BOOL, offsetof(struct lwaftr, learns), .help = "what routers say in ICMPv6 packets too big lowers the MTU of the "
		"tunnel that they quote (RFC 2473 section 7.1): packets for it are cut, or refused, here; messages go on to the sender in "
		"any case" },
	{ "mtu_expiry", PARAM_DURATION, offsetof(struct lwaftr, mtu_expiry_ns), .min = 1000000000, .max = 86400000000000, .initial_text = "10min",
		.help = "how long such an MTU is believed (RFC 8201 section 4: 5 minutes at least)" },
	{ "room", PARAM_U64, offsetof(struct lwaftr, room), .max = 100000000, .initial = 1024,
		.help = "softwires that may be added while it runs, 54 bytes each" },
	{ 0 }
};

enum { ORIGIN = 80 };                   /* bytes of the beginning of a message */

/* What is to be made of the softwires: a table, or the difference to one that is in use. */
struct table {
	struct lwaftr_binding *binding;
	struct lwaftr_difference *difference;
	const struct lwaftr_binding *present;   /* NULL: there is none */
};

static int make_table(const struct lwaftr *lwaftr, struct lwaftr_config *config, const struct table *table)
{
	if (table->present != NULL)
		return lwaftr_difference_find(table->difference, config, table->present);
	return lwaftr_binding_init(table->binding, config, lwaftr->room, (enum lwaftr_reserved)lwaftr->reserved);
}

/* The file, or the table that stands in the graph. origin: what messages begin with in that case; lives as long as config */
static int read_source(const struct lwaftr *lwaftr, int fd, struct lwaftr_config *config, const char *origin)
{
	struct config_source source;

	if (lwaftr->file != NULL)
		return lwaftr_config_load(config, lwaftr->file, fd, 0);
	if (!config_source_begin(&source))
		return nf_fail(ENOMEM, "no memory for a configuration");
	config_source_value(&source, lwaftr->settings);
	return config_source_parse(&source, config, origin, 0);
}

/* The configuration, and its table, as this process has read them already, or from the source. fails: -errno with nf_error() */
static int load(const struct lwaftr *lwaftr, int fd, struct lwaftr_config *config, const struct table *table, const char *origin)
{
	struct lwaftr_ready ready;
	int code = 0;

	if (lwaftr->file != NULL && table->present == NULL && lwaftr_ready_take(lwaftr->file, &ready)) {
		*config = ready.config;
		*table->binding = ready.binding;
		if (ready.has_binding && ready.room == lwaftr->room && ready.binding.reserved_rule == lwaftr->reserved)
			return 0;
		if (ready.has_binding) {
			lwaftr_binding_fini(table->binding);
			lwaftr_config_fini(config);
			code = read_source(lwaftr, fd, config, origin);
		}
	} else {
		code = read_source(lwaftr, fd, config, origin);
	}
	if (code < 0)
		return code;
	code = make_table(lwaftr, config, table);
	if (code < 0)
		lwaftr_config_fini(config);
	return code;
}

/* Read the configuration, its table too, and find the queue. Mistakes go to errors. gives: false when there were any, and
 * nothing to undo */
static bool read_config(const struct lwaftr *lwaftr, int fd, struct lwaftr_config *config, const struct table *table,
	const struct lwaftr_queue **queue, struct errors *errors)
{
	char *origin = arena_alloc((struct arena *)(uintptr_t)&lwaftr->app.arena, ORIGIN);
	const char *key = lwaftr->file != NULL ? "config" : "settings";
	const struct lwaftr_instance *instance;
	bool good;

	snprintf(origin, ORIGIN, "app '%.40s': key 'settings'", lwaftr->app.name);
	if (load(lwaftr, fd, config, table, origin) < 0) {
		errors_add(errors, "app '%s': key '%s': %s", lwaftr->app.name, key, nf_error());
		return false;
	}
	good = lwaftr_config_mistakes(config, errors);
	if (good && !lwaftr_config_select(config, lwaftr->device, lwaftr->has_queue ? lwaftr->queue : -1, &instance, queue)) {
		errors_add(errors, "app '%s': key '%s': %s", lwaftr->app.name, key, nf_error());
		good = false;
	}
	if (!good) {
		lwaftr_binding_fini(table->binding);
		lwaftr_difference_free(table->difference);
		lwaftr_config_fini(config);
	}
	return good;
}

static void lwaftr_check(const struct app *app, struct errors *errors)
{
	const struct lwaftr *lwaftr = (const struct lwaftr *)app;
	const struct lwaftr_queue *queue;
	struct lwaftr_difference difference = { 0 };
	struct lwaftr_binding binding;
	struct lwaftr_config config;
	bool keeps = lwaftr->file != NULL && lwaftr_ready_has(lwaftr->file);
	const struct table table = { &binding, &difference, NULL };

	if ((lwaftr->file != NULL) == (lwaftr->settings != NULL)) {
		errors_add(errors, "app '%s': %s", app->name, lwaftr->file != NULL ? "keys 'config' and 'settings' exclude each other" :
			"key 'config' or 'settings' must be given");
		return;
	}
	/* A worker opens no files. It checks the graph of a reload again, which the supervisor has checked; prepare reads the file. */
	if (resource_is_asked())
		return;
	if (!read_config(lwaftr, -1, &config, &table, &queue, errors))
		return;
	if (keeps) {
		lwaftr_ready_put(lwaftr->file, &config, &binding, lwaftr->room);
		return;
	}
	lwaftr_binding_fini(&binding);
	lwaftr_config_fini(&config);
}

static void lwaftr_resources(const struct app *app, struct resources *resources)
{
	const struct lwaftr *lwaftr = (const struct lwaftr *)app;

	if (lwaftr->file != NULL)
		resources_add(resources, "read:%s", lwaftr->file);
	lwaftr_journal_resource(app, resources);
}

static int lwaftr_open(const struct app *app, const char *key)
{
	return lwaftr_journal_is(key) ? lwaftr_journal_make(app) : resource_file(app, key);
}

static void lwaftr_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	holds[PACKET_STANDARD] = LWAFTR_WAITING + (((const struct lwaftr *)app)->learns ? BURST : 0);
}

/* How frames to a side begin; a next hop that is to be found out writes its address later. */
static void begin_frames(uint8_t *ethernet, const struct lwaftr_port *port, uint16_t type)
{
	memcpy(ethernet, port->next_hop.mac, ETHERNET_ADDRESS);
	memcpy(ethernet + ETHERNET_ADDRESS, port->mac, ETHERNET_ADDRESS);
	bytes_write16(ethernet + ETHERNET_HEADER - 2, type);
}

/* As many errors at once as the configuration allows in a period, and so many in each period in the long run. */
static void limit(struct token_bucket *bucket, const struct lwaftr_side *side)
{
	double packets = side->error_packets;

	if (side->error_packets > 0)
		token_bucket_init(bucket, packets / side->error_period, packets, clock_now());
	else
		*bucket = (struct token_bucket){ .capacity = 1 };       /* never a token */
}

static void take_config(struct lwaftr *lwaftr, const struct lwaftr_config *config, const struct lwaftr_queue *queue)
{
	const struct lwaftr_side *external = &config->external, *internal = &config->internal;

	memcpy(&lwaftr->ip4_be, queue->external.ip, sizeof(lwaftr->ip4_be));
	lwaftr->mtu4 = external->mtu;
	lwaftr->mtu6 = lwaftr->mtu_least = internal->mtu;
	lwaftr->label_be = bytes_swap32(6u << 28 | internal->flow_label);
	lwaftr->hairpins = internal->hairpinning;
	lwaftr->allows4 = external->allow_incoming_icmp;
	lwaftr->allows6 = internal->allow_incoming_icmp;
	lwaftr->reports4 = external->generate_icmp_errors;
	lwaftr->reports6 = internal->generate_icmp_errors;
	begin_frames(lwaftr->ethernet4, &queue->external, ETHERNET_IPV4);
	begin_frames(lwaftr->ethernet6, &queue->internal, ETHERNET_IPV6);
	limit(&lwaftr->errors4, external);
	limit(&lwaftr->errors6, internal);
}

/* The difference is small, most of the time: then the table that is in use becomes the new one. Else, or when it has no room, a copy
 * does. */
static int prepare_changes(struct lwaftr *lwaftr, const struct lwaftr_binding *present)
{
	int code;

	lwaftr->changes = (struct lwaftr_changes){ .change = lwaftr->difference.change, .count = lwaftr->difference.count };
	code = lwaftr_changes_check(&lwaftr->changes, present);
	nf_assert(code < 0 || lwaftr->changes.fault_count == 0, "a difference that cannot be made");
	lwaftr->takes_over = code == 0 && lwaftr_changes_fit(&lwaftr->changes, present);
	if (code == 0 && !lwaftr->takes_over)
		code = lwaftr_changes_copy(&lwaftr->changes, 0, present, &lwaftr->binding);
	lwaftr->binding.reserved_rule = lwaftr->reserved;
	if (code < 0)
		lwaftr_difference_free(&lwaftr->difference);
	return code;
}

/* The successor of a worker that has died finds what was changed by hand; whoever takes over from another instance will have the table of
 * its configuration. */
static int take_journal(struct lwaftr *lwaftr, const struct lwaftr_binding *present)
{
	int code = lwaftr_journal_open(&lwaftr->journal, &lwaftr->app);

	if (code == 0 && present == NULL) {
		code = lwaftr_journal_replay(&lwaftr->journal, &lwaftr->binding, &lwaftr->version);
		if (code < 0)
			lwaftr_journal_close(&lwaftr->journal);
	}
	if (code < 0) {
		lwaftr_binding_fini(&lwaftr->binding);
		lwaftr_difference_free(&lwaftr->difference);
	}
	return code;
}

static int lwaftr_prepare(struct app *app, const struct app *old)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;
	const struct lwaftr_binding *present = old != NULL ? &((const struct lwaftr *)old)->binding : NULL;
	const struct table table = { &lwaftr->binding, &lwaftr->difference, present };
	const struct lwaftr_queue *queue;
	struct lwaftr_config config;
	struct errors errors = { 0 };
	char key[RESOURCE_KEY];
	int fd = -1, code;
	bool good;

	snprintf(key, sizeof(key), "read:%s", lwaftr->file != NULL ? lwaftr->file : "");
	if (lwaftr->file != NULL && (fd = resource_open(key)) < 0)
		return fd;
	good = read_config(lwaftr, fd, &config, &table, &queue, &errors);
	if (fd >= 0)
		close(fd);
	if (!good) {
		code = nf_fail(EINVAL, "%s%s", errors.count > 0 ? errors.text[0] : "no memory", errors.count > 1 ? ", and more" : "");

		errors_fini(&errors);
		return code;
	}
	errors_fini(&errors);
	take_config(lwaftr, &config, queue);
	lwaftr_config_fini(&config);
	code = take_journal(lwaftr, present);
	if (code == 0 && present != NULL && (code = prepare_changes(lwaftr, present)) < 0)
		lwaftr_journal_close(&lwaftr->journal);
	if (code < 0)
		return code;
	lwaftr->track = app_alloc(app, LWAFTR_TRACKS * sizeof(*lwaftr->track));
	lwaftr->track_key = (struct siphash_key){ { lwaftr->binding.seed[0], lwaftr->binding.seed[1] } };
	if (lwaftr->learns) {
		lwaftr->path = app_alloc(app, LWAFTR_PATHS * sizeof(*lwaftr->path));
		lwaftr->ident = app_alloc(app, sizeof(*lwaftr->ident));
		ident_init(lwaftr->ident, lwaftr->binding.seed[1], lwaftr->binding.seed[0]);
	}
	return 0;
}

/* What may be sent of errors stays, as far as the new limits allow. */
static void keep_tokens(struct token_bucket *bucket, const struct token_bucket *before)
{
	if (before->tokens < bucket->tokens)
		bucket->tokens = before->tokens;
}

/* Inner fragments that wait, and what is known about those to come, go on in the new instance. */
static void lwaftr_commit(struct app *app, struct app *old)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app, *before = (struct lwaftr *)old;

	if (before != NULL && lwaftr->takes_over) {
		lwaftr->binding = before->binding;
		lwaftr->binding.reserved_rule = lwaftr->reserved;
		before->binding = (struct lwaftr_binding){ 0 };
	}
	app->counter[LWAFTR_SOFTWIRES] = lwaftr->binding.softwire.count;
	if (before == NULL)
		return;
	lwaftr->version = before->version + 1;
	lwaftr_journal_clear(&lwaftr->journal, lwaftr->version);
	keep_tokens(&lwaftr->errors4, &before->errors4);
	keep_tokens(&lwaftr->errors6, &before->errors6);
	lwaftr->track_key = before->track_key;
	memcpy(lwaftr->track, before->track, LWAFTR_TRACKS * sizeof(*lwaftr->track));
	lwaftr->waiting = before->waiting;
	memcpy(lwaftr->wait, before->wait, sizeof(lwaftr->wait));
	memcpy(lwaftr->wait_until_ns, before->wait_until_ns, sizeof(lwaftr->wait_until_ns));
	before->waiting = 0;
	if (lwaftr->learns && before->learns) {
		memcpy(lwaftr->path, before->path, LWAFTR_PATHS * sizeof(*lwaftr->path));
		*lwaftr->ident = *before->ident;
		lwaftr->path_until_ns = before->path_until_ns;
		lwaftr_path_tick(lwaftr);
	}
}

static void lwaftr_stop(struct app *app)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;

	app_drop_burst(app, app_reason(app, APP_REASON_STOP), lwaftr->wait, lwaftr->waiting);
	lwaftr->waiting = 0;
}

/* The table becomes that of the new configuration, while packets go through it. */
static uint64_t lwaftr_settle(struct app *app, struct engine *engine)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;
	const struct lwaftr_difference *difference = &lwaftr->difference;

	if (lwaftr->takes_over && lwaftr_changes_apply(&lwaftr->changes, &lwaftr->binding, engine) < 0)
		log_error("app '%s': %s; %llu of %llu softwires have changed", app->name, nf_error(), (unsigned long long)lwaftr->changes.made,
			(unsigned long long)lwaftr->changes.count);
	else if (difference->count > 0)
		log_info("app '%s': softwires: %llu added, %llu with another tunnel, %llu removed", app->name,
			(unsigned long long)difference->added, (unsigned long long)difference->replaced, (unsigned long long)difference->removed);
	lwaftr_difference_free(&lwaftr->difference);
	return lwaftr->changes.slices.longest_ns;
}

static void lwaftr_retire(struct app *app)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;

	lwaftr_binding_fini(&lwaftr->binding);
	lwaftr_difference_free(&lwaftr->difference);
	lwaftr_journal_close(&lwaftr->journal);
}

static void send_all(struct lwaftr *lwaftr)
{
	lwaftr_flush(lwaftr, LWAFTR_V4);
	lwaftr_flush(lwaftr, LWAFTR_V6);
}

static void lwaftr_push(struct app *app)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;

	if (link_waiting(app->input[LWAFTR_V4]) > 0) {
		lwaftr_encapsulate(lwaftr);
		send_all(lwaftr);
	}
	if (link_waiting(app->input[LWAFTR_V6]) > 0) {
		lwaftr_decapsulate(lwaftr);
		send_all(lwaftr);
	}
}

static void lwaftr_tick(struct app *app)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;

	lwaftr_fragment_tick(lwaftr);
	app->counter[LWAFTR_SOFTWIRES] = lwaftr->binding.softwire.count;
}

static uint32_t lwaftr_held(const struct app *app)
{
	const struct lwaftr *lwaftr = (const struct lwaftr *)app;
	uint32_t count = 0;

	for (uint32_t i = 0; i < lwaftr->waiting; i++)
		count += lwaftr->wait[i] != NULL;
	return count;
}

#define PAIR(id, name) name "-packets", name "-bytes",
#define SINGLE(id, name) name,
static const char *const counters[] = { LWAFTR_PAIRS(PAIR) LWAFTR_SINGLES(SINGLE) NULL };
_Static_assert(sizeof(counters) / sizeof(counters[0]) == LWAFTR_COUNTERS + 1, "a name for each counter");

/* The name of a drop's counters without "drop-". */
#define REASON(id, name) &name[5],
static const char *const reasons[] = { LWAFTR_DROPS(REASON) "fragment", "bad-length", "unsegmented", "error-unbound", NULL };
_Static_assert(sizeof(reasons) / sizeof(reasons[0]) == LWAFTR_REASONS + 1, "a name for each reason");

const struct app_class lwaftr_lwaftr_class = {
	.name = "lwaftr.lwaftr",
	.help = "Relay between IPv4 and the tunnels of lightweight 4over6 (lwAFTR, RFC 7596).\n"
		"Whole IPv4 packets come in on v4 and leave on v6 in the tunnel of their softwire; what comes out of tunnels leaves on v4, or, "
		"for another B4, on v6 again. It wants reassembly before it and fragmentation behind it, and somebody who knows the next hops: "
		"docs/lwaftr.md has the whole graph. Own addresses, MTUs and policies are those of the configuration file; so are the "
		"Ethernet addresses of frames.\n"
		"Counters have the names that Snabb's lwAFTR gives them. Each packet that is dropped is counted under one reason, under a pair "
		"of counters of that name, and in drop-all-ipv4-iface or drop-all-ipv6-iface, by the side where it came in.",
	.size = sizeof(struct lwaftr),
	.expansion = TUNNEL_FRAGMENTS,
	.params = params,
	.inputs = (const char *const[]){ "v4", "v6", NULL },
	.outputs = (const char *const[]){ "v4", "v6", NULL },
	.counters = counters,
	.gauges = (const char *const[]){ "softwires", NULL },
	.reasons = reasons,
	.check = lwaftr_check, .resources = lwaftr_resources, .open = lwaftr_open, .holds = lwaftr_holds, .prepare = lwaftr_prepare,
	.commit = lwaftr_commit, .abort = lwaftr_retire, .stop = lwaftr_stop, .retire = lwaftr_retire, .push = lwaftr_push,
	.tick = lwaftr_tick, .held = lwaftr_held, .settle = lwaftr_settle, .command = lwaftr_command,
};
