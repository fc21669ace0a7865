/* fuzz_b4 -- any frames on both sides of lwaftr.b4, which has four ports.
 *
 *      a step: two bytes with a frame's length, low first (the highest bit: it comes out of the tunnel; the next one: time goes by), and
 *      its bytes
 *
 * Each input is done twice, with other bytes behind the frames: they must not count. After each step what left is a sound packet with
 * the right addresses, nothing was lost, and the ports that are given and those that are left are all there are. */
#include "apps/apps.h"
#include "apps/lwaftr/b4.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME_MOST = 2000, MTU = 1280, START_NS = 1000000000 };

static struct link links[6];
static struct app *app;
static uint64_t given, left;

#define TEXT(text) { VALUE_STRING, sizeof(text) - 1, { .string = (char *)(text) } }
#define NUMBER(value) { VALUE_NUMBER, 0, { .number = (value) } }
static struct value_entry entries[] = {
	{ TEXT("b4"), TEXT("2001:db8:b4::b") }, { TEXT("br"), TEXT("2001:db8:af::1") }, { TEXT("ip"), TEXT("192.168.1.1") },
	{ TEXT("ipv4"), TEXT("198.51.100.2") }, { TEXT("mac"), TEXT("02:00:00:00:00:01") }, { TEXT("mtu"), NUMBER(MTU) },
	{ TEXT("psid"), NUMBER(1024) }, { TEXT("psid_length"), NUMBER(14) }, { TEXT("sessions"), NUMBER(16) },
};

/* The instance is made once: to make a table takes longer than to use it. */
static void make(void)
{
	const struct value params = { VALUE_TABLE, sizeof(entries) / sizeof(entries[0]), { .entry = entries } };
	struct errors errors = { 0 };

	app = app_new(app_class_find("lwaftr.b4"), "x", &params, "", NULL, NULL, &errors);
	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	for (uint32_t i = 0; i < 3; i++) {
		app->input[i] = &links[i];
		app->output[i] = &links[3 + i];
	}
	nf_assert(app->class->prepare(app, NULL) == 0, "%s", nf_error());
	app->class->commit(app, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 256, -1) >= 0 && memory_worker_start(0) == 0,
		"no packet memory");
	random_seed = 1;
	clock_set(START_NS);
	make();
	return 0;
}

/* All sessions have ended: put what chance made of it in the order of the beginning. */
static void begin(void)
{
	struct b4_state *state = ((struct b4 *)app)->state;
	struct b4 *b4 = (struct b4 *)app;

	clock_time_ns = START_NS;
	token_bucket_init(&b4->errors, b4->error_rate, b4->error_rate, START_NS);
	random_init(&state->random, 1, "x");
	ident_init(&state->ident, 1, 2);
	state->mtu = 0;
	for (uint32_t i = 0; i < state->sessions->capacity; i++)
		state->sessions->order[i] = state->sessions->place[i] = i;
	state->sessions->cursor = 0;
	for (uint32_t kind = 0; kind < B4_KINDS; kind++)
		for (uint32_t i = 0; i < state->ports.spare_count[kind]; i++)
			state->ports.spare[kind][i] = (uint16_t)(state->ports.first + i);
}

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

static const struct ipv4 *sound4(const uint8_t *data, uint32_t length)
{
	const struct ipv4 *ip = ipv4_parse(data, length);

	nf_assert(ip != NULL && ipv4_total_length(ip) == length && ipv4_has_checksum(ip), "no sound IPv4");
	nf_assert(ip->ttl > 0, "a TTL of 0");
	return ip;
}

/* To a client: a whole packet, not to our own addresses. */
static void check_inside(const struct packet *p)
{
	const struct b4 *b4 = (const struct b4 *)app;
	const struct ipv4 *ip = sound4(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);

	nf_assert(bytes_read16(p->data + 12) == ETHERNET_IPV4 && !ipv4_is_fragment(ip), "no whole IPv4");
	nf_assert(ip->dst_be != b4->ipv4_be, "not translated");
}

/* Into the tunnel: between its ends, no longer than the MTU, from our address and one of our ports. */
static void check_tunnel(const struct packet *p)
{
	const struct b4 *b4 = (const struct b4 *)app;
	const struct ipv6 *outer = ipv6_parse(p->data + ETHERNET_HEADER, p->length - ETHERNET_HEADER);
	uint32_t length = p->length - ETHERNET_HEADER - IPV6_HEADER;
	struct b4_view view;
	struct ipv4 *ip;

	nf_assert(outer != NULL && ipv6_payload_length(outer) == length && length + IPV6_HEADER <= MTU, "no sound IPv6");
	nf_assert(memcmp(outer->src, b4->b4, 16) == 0 && memcmp(outer->dst, b4->br, 16) == 0, "another tunnel");
	if (outer->next_header == IP_FRAGMENT)
		return;
	nf_assert(outer->next_header == IP_IPV4, "no tunnel");
	ip = (struct ipv4 *)(p->data + ETHERNET_HEADER + IPV6_HEADER);
	nf_assert(sound4((const uint8_t *)ip, length)->src_be == b4->ipv4_be, "not translated");
	nf_assert(b4_view(&view, ip, length, false) == B4_PASS, "no port");
	nf_assert(view.is_error || b4_ports_index(&b4->state->ports, view.kind, view.src) >= 0, "not our port");
}

static uint64_t take(uint32_t side)
{
	uint64_t sum = 0;

	while (link_waiting(app->output[side]) > 0) {
		struct packet *p = link_receive(app->output[side]);

		if (side == B4_INSIDE)
			check_inside(p);
		else if (side == B4_TUNNEL)
			check_tunnel(p);
		left++;
		sum = checksum_add(sum * 3 % 1000003 + p->length, p->data, p->length);
		packet_free(p);
	}
	return sum;
}

/* Nothing is lost; every port is somebody's or nobody's; every mapping has its sessions. */
static void balance(void)
{
	const struct b4_state *state = ((const struct b4 *)app)->state;
	const struct b4_ports *ports = &state->ports;
	uint64_t dropped = 0, users = 0, taken = 0, spare = 0;

	for (uint32_t i = 0; i < app->reason_count; i++)
		dropped += app->reason[i];
	nf_assert(given + app->created == left + dropped + app->consumed, "the ledger does not balance");
	for (uint32_t i = 0; i < ports->count * B4_KINDS; i++) {
		taken += ports->mapping[i].client_be != 0;
		users += ports->mapping[i].users;
		nf_assert((ports->mapping[i].client_be != 0) == (ports->mapping[i].users != 0), "a mapping without sessions");
	}
	for (uint32_t i = 0; i < B4_KINDS; i++)
		spare += ports->spare_count[i];
	nf_assert(users == state->sessions->used && taken == ports->client.count, "sessions and mappings differ");
	nf_assert(taken + spare == (uint64_t)ports->count * B4_KINDS, "ports are lost");
}

static uint64_t run(const uint8_t *data, size_t length, int behind)
{
	uint64_t sum = 0;

	begin();
	while (length >= 2) {
		uint32_t bytes = data[0] | (uint32_t)(data[1] & 0x3f) << 8, side = data[1] >> 7;

		if (data[1] & 0x40)
			clock_set(clock_now() + 100000000000);
		data += 2;
		length -= 2;
		bytes = bytes > length ? (uint32_t)length : bytes;
		give(side, data, bytes < FRAME_MOST ? bytes : FRAME_MOST, behind);
		for (uint32_t i = 0; i < 3; i++)
			sum = sum * 7 + take(i);
		balance();
		data += bytes;
		length -= bytes;
	}
	clock_set(clock_now() + 10000000000000);
	for (uint32_t i = 0; i < 100; i++)
		app->class->tick(app);
	balance();
	nf_assert(((const struct b4 *)app)->state->sessions->used == 0, "sessions outlive their time");
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	uint64_t first = run(data, length, 0), second = run(data, length, 0x45);

	nf_assert(first == second, "what lay behind a frame counted");
	return 0;
}
