/* fuzz_lwaftr -- any frames on both sides of lwaftr.lwaftr.
 *
 *      a step: two bytes with a frame's length, low first (the highest bit: it comes on the v6 side), and its bytes
 *
 * Each step is done twice, with other bytes behind the frame: they must not count. After each step what left is a sound packet,
 * nothing was lost, and the drop counters add up. */
#include "apps/apps.h"
#include "apps/lwaftr/lwaftr.h"

#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME_MOST = 2000 };

static const char text[] =
	"softwire-config { instance { device x; queue { id 0; external-interface { ip 203.0.113.1; mac 02:00:00:00:04:01; next-hop { mac "
	"02:00:00:00:04:02; } } internal-interface { ip 2001:db8:af::f; mac 02:00:00:00:06:01; next-hop { mac 02:00:00:00:06:02; } } } } "
	"external-interface { mtu 576; error-rate-limiting { packets 1000000; } } internal-interface { mtu 1280; error-rate-limiting { "
	"packets 1000000; } } binding-table { softwire { ipv4 198.51.100.1; psid 0; b4-ipv6 2001:db8:b4::a; br-address 2001:db8:af::1; "
	"port-set { psid-length 0; } } softwire { ipv4 198.51.100.2; psid 4; b4-ipv6 2001:db8:b4::b; br-address 2001:db8:af::1; port-set { "
	"psid-length 6; } } softwire { ipv4 198.51.100.2; psid 5; b4-ipv6 2001:db8:b4::c; br-address 2001:db8:af::2; port-set { psid-length "
	"6; } } softwire { ipv4 198.51.100.2; psid 0; b4-ipv6 2001:db8:b4::d; br-address 2001:db8:af::1; port-set { psid-length 6; } } } }";

static struct link links[4];
static struct app *app;
static uint64_t given, left;

/* The instance is made once: its table does not change. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char path[] = "/tmp/nf-fuzz-lwaftr.XXXXXX";
	struct value_entry entries[] = { { { VALUE_STRING, 6, { .string = "config" } }, { VALUE_STRING, sizeof(path) - 1, { .string = path } } } };
	const struct value params = { VALUE_TABLE, 1, { .entry = entries } };
	struct resources resources = { 0 };
	struct errors errors = { 0 };
	int fd = mkstemp(path);

	(void)argc, (void)argv;
	nf_assert(fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1 && close(fd) == 0, "no file");
	app_classes = apps_table;
	clock_set(1000000000);
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 256, -1) >= 0 && memory_worker_start(0) == 0,
		"no packet memory");
	app = app_new(app_class_find("lwaftr.lwaftr"), "x", &params, "", NULL, NULL, &errors);
	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	for (uint32_t i = 0; i < 2; i++) {
		app->input[i] = &links[i];
		app->output[i] = &links[2 + i];
	}
	resources.app = app;
	resources.errors = &errors;
	app->class->resources(app, &resources);
	resource_serve_here(&resources);
	nf_assert(app->class->prepare(app, NULL) == 0, "%s", nf_error());
	resource_serve_here(NULL);
	resources_fini(&resources, false);
	unlink(path);
	app->class->commit(app, NULL);
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
	nf_assert(ipv4_total_length(ip) == p->length - ETHERNET_HEADER && ipv4_has_checksum(ip), "length or checksum");
	nf_assert(ip->ttl > 0, "a TTL of 0");
	nf_assert(ipv4_total_length(ip) <= 576 || !(bytes_swap16(ip->fragment_be) & IPV4_DF), "too long to be cut");
}

static void check6(const struct packet *p)
{
	const struct ipv6 *ip = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	uint32_t length = p->length - ETHERNET_HEADER - IPV6_HEADER;

	nf_assert(p->length > ETHERNET_HEADER && bytes_read16(p->data + 12) == ETHERNET_IPV6 && ip != NULL, "no IPv6");
	nf_assert(ipv6_payload_length(ip) == length && (ip->next_header == IP_IPV4 || ip->next_header == IP_ICMPV6), "length or header");
	if (ip->next_header == IP_IPV4) {
		const struct ipv4 *inner = ipv4_parse((const uint8_t *)(ip + 1), length);

		nf_assert(inner != NULL && ipv4_total_length(inner) == length && ipv4_has_checksum(inner) && inner->ttl > 0, "inner packet");
		nf_assert(length + IPV6_HEADER <= 1280 || !(bytes_swap16(inner->fragment_be) & IPV4_DF), "too long to be cut");
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	while (length >= 2) {
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
	app->counter[LWAFTR_DROP_ALL6] -= app->counter[LWAFTR_INNER_FRAGMENT];
	app->counter[LWAFTR_INNER_FRAGMENT] = 0;
	return 0;
}
