/* fuzz_lwaftr_graph -- any frames on both sides of the whole graph of an lwAFTR, as `nf lwaftr` makes it: tags, reassembly, filters, ARP,
 * NDP, pings, the relay, fragments; on two wires and on one.
 *
 *      byte 0: which configuration; then steps: two bytes and a frame
 *          bits 0..10: its length; bit 11: no tag is added where the configuration has them; bits 12..14: how much time goes on before;
 *          bit 15: it comes on the v6 side
 *
 * After each step: what left is a sound packet, tagged as it must be, no longer than the MTU of its side; the ledger balances, and the
 * drop counters add up. After each input nothing is held any more. */
#include "apps/apps.h"
#include "apps/lwaftr/lwaftr.h"
#include "program/lwaftr/plan.h"

#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME_MOST = 2000, MTU4 = 576, MTU6 = 1280, VLAN4 = 12, VLAN6 = 13, WORLDS = 4 };

#define SOFTWIRE(ip, psid, b4, br, set) "softwire { ipv4 " ip "; psid " psid "; b4-ipv6 " b4 "; br-address " br "; port-set { " set " } } "
#define CONF(vlan4, vlan6, external, internal, more) \
	"softwire-config { instance { device x; queue { id 0; external-interface { ip 203.0.113.1; mac 02:00:00:00:04:01; next-hop { mac " \
	"02:00:00:00:04:02; } " vlan4 " } internal-interface { ip 2001:db8:af::f; mac 02:00:00:00:06:01; next-hop { mac 02:00:00:00:06:02; } " \
	vlan6 " } } } external-interface { mtu 576; " external " } internal-interface { mtu 1280; " internal " } binding-table { " \
	SOFTWIRE("198.51.100.1", "0", "2001:db8:b4::a", "2001:db8:af::1", "psid-length 0;") \
	SOFTWIRE("198.51.100.2", "4", "2001:db8:b4::b", "2001:db8:af::1", "psid-length 6;") \
	SOFTWIRE("198.51.100.2", "5", "2001:db8:b4::c", "2001:db8:af::2", "psid-length 6;") \
	SOFTWIRE("198.51.100.2", "0", "2001:db8:b4::d", "2001:db8:af::1", "psid-length 6;") more "} }"
#define FEW "reassembly { max-fragments-per-packet 4; max-packets 3; } "

static const char *const texts[WORLDS] = {
	CONF("", "", "error-rate-limiting { packets 1000000; }", "error-rate-limiting { packets 1000000; }", ""),
	CONF("vlan-tag 12;", "vlan-tag 13;", FEW "ingress-filter 'not tcp port 25'; egress-filter 'not udp port 53';", FEW "ingress-filter 'less 1800'; egress-filter ip6;",
		SOFTWIRE("198.51.100.3", "1", "2001:db8:b4::e", "2001:db8:af::1", "psid-length 2; reserved-ports-bit-count 6;")),
	CONF("", "", "generate-icmp-errors false; allow-incoming-icmp false;", "hairpinning false; generate-icmp-errors false; flow-label 7;", ""),
	CONF("vlan-tag 12;", "vlan-tag 13;", "error-rate-limiting { packets 2; }" FEW, "error-rate-limiting { packets 2; } allow-incoming-icmp false;" FEW, ""),
};
static const bool is_stick[WORLDS] = { false, false, true, true }, is_tagged[WORLDS] = { false, true, false, true };

/* The ends of the graph: one for each side. */
struct end {
	struct app app;
	const uint8_t *frame;           /* to be sent; NULL: none */
	uint32_t length;
};

static struct graph *graphs[WORLDS];     /* live as long as their engines */
static struct engine *engines[WORLDS];
static uint32_t current;                /* world */
static uint64_t breaths_without;        /* in a row in which nothing moved */

static void check4(const struct packet *p, const uint8_t *data, uint32_t length, uint16_t type)
{
	const struct ipv4 *ip = ipv4_parse(data, length);

	if (type == ETHERNET_ARP) {
		nf_assert(p->length <= ARP_FRAME + VLAN_TAG, "a long answer");
		return;
	}
	nf_assert(type == ETHERNET_IPV4 && ip != NULL && ipv4_total_length(ip) == length, "no IPv4, or another length");
	nf_assert(ipv4_has_checksum(ip) && ip->ttl > 0 && length <= MTU4, "checksum, TTL, or %u bytes", length);
}

static void check6(const uint8_t *data, uint32_t length, uint16_t type)
{
	const struct ipv6 *ip = ipv6_parse(data, length);

	nf_assert(type == ETHERNET_IPV6 && ip != NULL && IPV6_HEADER + ipv6_payload_length(ip) == length, "no IPv6, or another length");
	nf_assert(length <= MTU6, "%u bytes", length);
	nf_assert(ip->next_header == IP_IPV4 || ip->next_header == IP_ICMPV6 || ip->next_header == IP_FRAGMENT, "header %u", ip->next_header);
	if (ip->next_header == IP_ICMPV6)
		nf_assert(checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, length - IPV6_HEADER), ip + 1, length - IPV6_HEADER)) == 0,
			"ICMPv6 checksum");
}

/* A frame that leaves. */
static void check_frame(const struct packet *p, bool six)
{
	uint32_t at = ETHERNET_HEADER;

	nf_assert(p->length > ETHERNET_HEADER + VLAN_TAG, "a short frame");
	if (is_tagged[current]) {
		nf_assert(bytes_read16(p->data + 12) == ETHERNET_VLAN && bytes_read16(p->data + 14) == (six ? VLAN6 : VLAN4), "the tag");
		at += VLAN_TAG;
	}
	if (six)
		check6(p->data + at, p->length - at, bytes_read16(p->data + at - 2));
	else
		check4(p, p->data + at, p->length - at, bytes_read16(p->data + at - 2));
}

static void end_pull(struct app *app)
{
	struct end *end = (struct end *)app;
	struct packet *p;

	if (end->frame == NULL)
		return;
	p = packet_alloc();
	nf_assert(p != NULL && packet_set(p, end->frame, end->length), "packets are lost");
	app->received++;
	end->frame = NULL;
	link_send(app->output[0], p);
}

static void end_push(struct app *app)
{
	while (link_waiting(app->input[0]) > 0) {
		struct packet *p = link_receive(app->input[0]);

		check_frame(p, app->name[1] == '6');
		app->sent++;
		packet_free(p);
	}
}

static const struct app_class end_class = {
	.name = "fuzz.end", .help = "An end of the graph.", .size = sizeof(struct end),
	.inputs = (const char *const[]){ "input", NULL }, .outputs = (const char *const[]){ "output", NULL },
	.pull = end_pull, .push = end_push,
};

/* The table of classes, and the one of the ends. */
static void add_class(void)
{
	static const struct app_class *classes[256];
	uint32_t count = 0;

	for (; apps_table[count] != NULL; count++)
		classes[count] = apps_table[count];
	nf_assert(count < 250, "too many classes");
	classes[count] = &end_class;
	app_classes = classes;
}

/* An engine that runs the graph of a configuration. */
static struct engine *start(uint32_t world)
{
	static char paths[WORLDS][40];
	const struct plan_ends ends = { .apps = "    v4 = { \"fuzz.end\" },\n    v6 = { \"fuzz.end\" },\n", .in4 = "v4.output", .in6 = "v6.output",
		.out4 = "v4.input", .out6 = "v6.input", .on_a_stick = is_stick[world], .fixed = true };
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	struct engine *engine = engine_new();
	struct lwaftr_config config;
	struct errors errors = { 0 };
	struct engine_plan *plan;
	char *source;
	int fd;

	strcpy(paths[world], "/tmp/nf-fuzz-graph.XXXXXX");
	fd = mkstemp(paths[world]);
	nf_assert(fd >= 0 && write(fd, texts[world], strlen(texts[world])) == (ssize_t)strlen(texts[world]) && close(fd) == 0, "no file");
	nf_assert(lwaftr_config_load(&config, paths[world], -1, 0) == 0 && lwaftr_config_select(&config, NULL, -1, &instance, &queue), "%s", nf_error());
	source = plan_graph(&config, instance, queue, paths[world], &ends);
	nf_assert(source != NULL, "no memory");
	graphs[world] = graph_from_text(source, "lwaftr", NULL, &errors);
	nf_assert(graphs[world] != NULL, "%s", errors.count > 0 ? errors.text[0] : "no graph");
	resource_serve_here(graphs[world]->resources);
	nf_assert(engine != NULL && engine_plan(engine, &graphs[world]->worker[0], &plan) == 0, "%s", nf_error());
	engine_commit(engine, plan);
	engine_retire(engine, plan);
	resource_serve_here(NULL);
	lwaftr_config_fini(&config);
	unlink(paths[world]);
	free(source);
	return engine;
}

/* The graphs are made once. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	add_class();
	clock_set(1000000000);
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 4096, -1) >= 0 &&
		memory_segment_add(0, PACKET_JUMBO, 64, -1) >= 0 && memory_worker_start(0) == 0, "no packet memory");
	for (uint32_t i = 0; i < WORLDS; i++)
		engines[i] = start(i);
	return 0;
}

/* The drops of the relay add up. */
static void check_counters(const struct app *app)
{
	uint64_t counted = app->counter[LWAFTR_FRAGMENT4] + app->counter[LWAFTR_FRAGMENT6];

	for (uint32_t i = LWAFTR_MISPLACED4; i <= LWAFTR_INNER_FRAGMENT; i += 2)
		counted += app->counter[i];
	nf_assert(counted == app->counter[LWAFTR_DROP_ALL4] + app->counter[LWAFTR_DROP_ALL6], "the drops do not add up");
}

/* Breathe until nothing moves any more. */
static void breathe(struct engine *engine, struct ledger *ledger)
{
	breaths_without = 0;
	for (uint32_t i = 0; i < 100 && breaths_without < 2; i++)
		breaths_without = engine_breathe(engine) == 0 ? breaths_without + 1 : 0;
	engine_ledger(engine, ledger);
	nf_assert(ledger_flow_balances(ledger) && ledger->on_links == 0 && ledger->taken - ledger->returned == ledger->held, "the ledger");
	check_counters(engine_app_find(engine, "lwaftr"));
}

/* Send a frame of a side, with its tag. */
static void give(struct engine *engine, bool six, const uint8_t *frame, uint32_t length, bool adds_tag)
{
	static uint8_t bytes[FRAME_MOST + VLAN_TAG];
	struct end *end = (struct end *)engine_app_find(engine, six ? "v6" : "v4");
	struct ledger ledger;

	memcpy(bytes, frame, length);
	if (adds_tag && length >= ETHERNET_HEADER) {
		memmove(bytes + 12 + VLAN_TAG, bytes + 12, length - 12);
		bytes_write16(bytes + 12, ETHERNET_VLAN);
		bytes_write16(bytes + 14, six ? VLAN6 : VLAN4);
		length += VLAN_TAG;
	}
	end->frame = bytes;
	end->length = length;
	breathe(engine, &ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct ledger ledger;
	struct engine *engine;

	if (length == 0)
		return 0;
	current = *data++ % WORLDS;
	engine = engines[current];
	for (length--; length >= 2; ) {
		uint32_t head = data[0] | (uint32_t)data[1] << 8, bytes = head & 0x7ff, time = head >> 12 & 7;

		data += 2;
		length -= 2;
		bytes = bytes > length ? (uint32_t)length : bytes;
		if (bytes > FRAME_MOST)
			bytes = FRAME_MOST;
		if (time > 0)
			clock_set(clock_now() + (1ull << (time * 5 + 1)));
		give(engine, head >> 15, data, bytes, is_tagged[current] && !(head & 0x800));
		data += bytes;
		length -= bytes;
	}
	/* What waits has no more time, and limits begin anew. */
	clock_set(clock_now() + 100000000000);
	breathe(engine, &ledger);
	nf_assert(ledger.held == 0, "%llu packets are held", (unsigned long long)ledger.held);
	return 0;
}
