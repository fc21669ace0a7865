/* fuzz_lwaftr -- any frames on both sides of lwaftr.lwaftr.
 *
 *      byte 0: which configuration and parameters; then steps: two bytes with a frame's length, low first (the highest bit: it comes on the v6 side), and its bytes
 *
 * Each step is done twice, with other bytes behind the frame: they must not count. After each step what left is a sound packet,
 * nothing was lost, and the drop counters add up. */
#include "apps/apps.h"
#include "apps/lwaftr/lwaftr.h"

#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME_MOST = 2000, MTU4 = 576, MTU6 = 1400 };

#define SOFTWIRE(ip, psid, b4, br, set) "softwire { ipv4 " ip "; psid " psid "; b4-ipv6 " b4 "; br-address " br "; port-set { " set " } } "
#define CONF(external, internal, more) \
	"softwire-config { instance { device x; queue { id 0; external-interface { ip 203.0.113.1; mac 02:00:00:00:04:01; next-hop { mac " \
	"02:00:00:00:04:02; } } internal-interface { ip 2001:db8:af::f; mac 02:00:00:00:06:01; next-hop { mac 02:00:00:00:06:02; } } } } " \
	"external-interface { mtu 576; error-rate-limiting { packets 1000000; } " external " } internal-interface { mtu 1400; " \
	"error-rate-limiting { packets 1000000; } " internal " } binding-table { " \
	SOFTWIRE("198.51.100.1", "0", "2001:db8:b4::a", "2001:db8:af::1", "psid-length 0;") \
	SOFTWIRE("198.51.100.2", "4", "2001:db8:b4::b", "2001:db8:af::1", "psid-length 6;") \
	SOFTWIRE("198.51.100.2", "5", "2001:db8:b4::c", "2001:db8:af::2", "psid-length 6;") \
	SOFTWIRE("198.51.100.2", "0", "2001:db8:b4::d", "2001:db8:af::1", "psid-length 6;") more "} }"
#define RESERVED SOFTWIRE("198.51.100.3", "1", "2001:db8:b4::e", "2001:db8:af::1", "psid-length 2; reserved-ports-bit-count 6;") \
	SOFTWIRE("198.51.100.4", "80", "2001:db8:b4::f", "2001:db8:af::1", "psid-length 16;")

enum { WORLDS = 3, PARAMS_MOST = 8 };

/* Configurations and parameters: the defaults; what the RFCs say; the old meaning of reserved ports, in silence. */
static const struct world {
	const char *text;
	const char *params[PARAMS_MOST][2];
	bool forwards_any;              /* wrong header checksums, too */
} worlds[WORLDS] = {
	{ .text = CONF("", "", "") },
	{ .text = CONF("", "hairpinning false;", RESERVED), .params = { { "echo", "identifier" }, { "ecn", "rfc6040" },
		{ "decrement_ttl_on_decapsulation", "true" }, { "verify_checksum", "false" }, { "learn_mtu", "true" }, { "mtu_expiry", "60s" } }, .forwards_any = true },
	{ .text = CONF("generate-icmp-errors false; allow-incoming-icmp false;", "generate-icmp-errors false; allow-incoming-icmp false;", RESERVED),
		.params = { { "reserved_ports", "old" } } },
};

static struct link links[4];
static struct app *apps[WORLDS], *app;
static const struct world *world;
static uint64_t given, left;

/* An instance of a world; its table does not change. */
static struct app *start(const struct world *of)
{
	static char path[] = "/tmp/nf-fuzz-lwaftr.XXXXXX";
	struct value_entry entries[PARAMS_MOST] = { { { VALUE_STRING, 6, { .string = "config" } },
		{ VALUE_STRING, sizeof(path) - 1, { .string = path } } } };
	struct value params = { VALUE_TABLE, 1, { .entry = entries } };
	struct resources resources = { 0 };
	struct errors errors = { 0 };
	struct app *made;
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	nf_assert(fd >= 0 && write(fd, of->text, strlen(of->text)) == (ssize_t)strlen(of->text) && close(fd) == 0, "no file");
	for (uint32_t i = 0; of->params[i][0] != NULL; i++) {
		const char *key = of->params[i][0], *value = of->params[i][1];
		bool is_bool = strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
		struct value_entry *entry = &entries[params.count++];

		*entry = (struct value_entry){ { VALUE_STRING, (uint32_t)strlen(key), { .string = key } }, { VALUE_BOOL, 0, { .boolean = strcmp(value, "true") == 0 } } };
		if (!is_bool)
			entry->value = (struct value){ VALUE_STRING, (uint32_t)strlen(value), { .string = value } };
	}
	made = app_new(app_class_find("lwaftr.lwaftr"), "x", &params, "", NULL, NULL, &errors);
	nf_assert(made != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	for (uint32_t i = 0; i < 2; i++) {
		made->input[i] = &links[i];
		made->output[i] = &links[2 + i];
	}
	resources.app = made;
	resources.errors = &errors;
	made->class->resources(made, &resources);
	resource_serve_here(&resources);
	nf_assert(made->class->prepare(made, NULL) == 0, "%s", nf_error());
	resource_serve_here(NULL);
	resources_fini(&resources, false);
	unlink(path);
	made->class->commit(made, NULL);
	return made;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	clock_set(1000000000);
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 256, -1) >= 0 && memory_worker_start(0) == 0,
		"no packet memory");
	for (uint32_t i = 0; i < WORLDS; i++)
		apps[i] = start(&worlds[i]);
	return 0;
}

/* A frame in a packet, with something behind it. */
static void give(uint32_t side, const uint8_t *frame, uint32_t length, int behind)
{
	struct packet *p = packet_alloc();

	nf_assert(p != NULL, "packets are lost");
	memset(p->data, behind, FRAME_MOST + 40);
	memcpy(p->data, frame, length);
	p->length = length;
	link_send(app->input[side], p);
	given++;
	app->class->push(app);
}

static void check4(const struct packet *p)
{
	const struct ipv4 *ip = ipv4_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);

	nf_assert(p->length > ETHERNET_HEADER && bytes_read16(p->data + 12) == ETHERNET_IPV4 && ip != NULL, "no IPv4");
	nf_assert(ipv4_total_length(ip) == p->length - ETHERNET_HEADER, "the length");
	nf_assert(world->forwards_any || ipv4_has_checksum(ip), "the checksum");
	nf_assert(ip->ttl > 0, "a TTL of 0");
	nf_assert(ipv4_total_length(ip) <= MTU4 || !(bytes_swap16(ip->fragment_be) & IPV4_DF), "too long to be cut");
}

static void check6(struct packet *p)
{
	const struct ipv6 *ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	uint32_t length = p->length - ETHERNET_HEADER - IPV6_HEADER;

	nf_assert(p->length > ETHERNET_HEADER && bytes_read16(p->data + 12) == ETHERNET_IPV6 && ip != NULL, "no IPv6");
	nf_assert(ipv6_payload_length(ip) == length && (ip->next_header == IP_IPV4 || ip->next_header == IP_ICMPV6 ||
		ip->next_header == IP_FRAGMENT), "length or header");
	if (ip->next_header == IP_FRAGMENT) {
		nf_assert(length + IPV6_HEADER <= MTU6 && length > FRAGMENT_HEADER, "a fragment of %u bytes", length);
		/* Each time another one. */
		memset(p->data + ETHERNET_HEADER + IPV6_HEADER + 4, 0, 4);
	} else if (ip->next_header == IP_IPV4) {
		const struct ipv4 *inner = ipv4_parse((const uint8_t *)(ip + 1), length);

		nf_assert(inner != NULL && ipv4_total_length(inner) == length && inner->ttl > 0, "inner packet");
		nf_assert(world->forwards_any || ipv4_has_checksum(inner), "the inner checksum");
		nf_assert(length + IPV6_HEADER <= MTU6 || !(bytes_swap16(inner->fragment_be) & IPV4_DF), "too long to be cut");
	} else {
		nf_assert(length + IPV6_HEADER <= 1280, "an error of %u bytes", length);
		nf_assert(checksum_finish(checksum_add(ipv6_pseudo(ip, IP_ICMPV6, length), ip + 1, length)) == 0, "ICMPv6 checksum");
	}
}

/* Look at what left; gives a sum over its bytes. */
static uint64_t take(uint32_t side)
{
	uint64_t sum = 0;

	while (link_waiting(app->output[side]) > 0) {
		struct packet *p = link_receive(app->output[side]);

		if (side == LWAFTR_V4)
			check4(p);
		else
			check6(p);
		left++;
		sum = checksum_add(sum * 3 % 1000003 + p->length, p->data, p->length);
		packet_free(p);
	}
	return sum;
}

/* The app's part of the ledger, and the sums of its counters. */
static void balance(void)
{
	uint64_t dropped = 0, counted = app->counter[LWAFTR_FRAGMENT4] + app->counter[LWAFTR_FRAGMENT6];

	for (uint32_t i = 0; i < app->reason_count; i++)
		dropped += app->reason[i];
	for (uint32_t i = LWAFTR_MISPLACED4; i <= LWAFTR_INNER_FRAGMENT; i += 2)
		counted += app->counter[i];
	nf_assert(given + app->created == left + dropped + app->consumed + app->class->held(app), "the ledger does not balance");
	nf_assert(counted == app->counter[LWAFTR_DROP_ALL4] + app->counter[LWAFTR_DROP_ALL6], "the drops do not add up");
}

/* Begin with an input's world, as if nothing had come before. */
static void enter(uint8_t number)
{
	world = &worlds[number % WORLDS];
	app = apps[number % WORLDS];
	memset(app->counter, 0, LWAFTR_COUNTERS * sizeof(app->counter[0]));
	memset(app->reason, 0, app->reason_count * sizeof(app->reason[0]));
	given = left = app->created = app->consumed = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	if (length == 0)
		return 0;
	enter(*data++);
	for (length--; length >= 2; ) {
		uint32_t waited = app->class->held(app);
		uint64_t sum[2];
		uint32_t bytes = data[0] | (uint32_t)(data[1] & 0x7f) << 8, side = data[1] >> 7;

		data += 2;
		length -= 2;
		bytes = bytes > length ? (uint32_t)length : bytes;
		for (uint32_t i = 0; i < 2; i++) {
			give(side, data, bytes < FRAME_MOST ? bytes : FRAME_MOST, i == 0 ? 0 : 0x45);
			sum[i] = take(LWAFTR_V4) * 7 + take(LWAFTR_V6);
			balance();
		}
		/* A fragment may set others free, which wait no more the second time. */
		nf_assert(sum[0] == sum[1] || waited + app->class->held(app) > 0, "what lay behind a frame counted");
		data += bytes;
		length -= bytes;
	}
	/* What waited is dropped, and nothing is remembered: the next input begins anew. */
	clock_set(clock_now() + 100000000000);
	app->class->tick(app);
	balance();
	return 0;
}
