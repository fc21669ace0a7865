/* fuzz_conntrack -- frames of hostile hosts on both sides of filter.conntrack, silence and reloads between them.
 *
 *      a step: one byte: bits 0, 1: what; bits 2..7: how much
 *          0, 1: a frame from the inside, the outside: two bytes with its length, low first, and its bytes;
 *                bit 2: with a tag in the metadata
 *          2: time goes on by 2^(bits 2..7, at most 24) ms, and a tick passes
 *          3: a reload, with another number of flows
 *
 * Each frame lies in memory of its own, so that a step behind its end is seen. After each step the ledger and the numbers of flows
 * are checked; from the outside no frame passes before one has passed from the inside, but for what neighbours say. */
#include "apps/apps.h"
#include "lib/lib.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { INSIDE, OUTSIDE, SILENCE, RELOAD, FRAME_MOST = 2048 };
enum { OPENED, CLOSED, TIMED_OUT, EVICTED, CURRENT, HALF_OPEN };

static struct link links[4];
static uint64_t passed[2], given;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 64, -1) >= 0 && memory_worker_start(0) == 0,
		"no packet memory");
	return 0;
}

/* A running instance for so many flows, which takes over from another one. */
static struct app *start(uint32_t flows, struct app *old)
{
	struct value_entry entries[] = {
		{ { VALUE_STRING, 5, { .string = "flows" } }, { VALUE_NUMBER, 0, { .number = flows } } },
		{ { VALUE_STRING, 9, { .string = "fragments" } }, { VALUE_NUMBER, 0, { .number = 8 } } },
		{ { VALUE_STRING, 9, { .string = "half_open" } }, { VALUE_NUMBER, 0, { .number = 8 } } },
		{ { VALUE_STRING, 9, { .string = "midstream" } }, { VALUE_BOOL, 0, { .boolean = flows % 2 == 1 } } },
	};
	const struct value params = { VALUE_TABLE, sizeof(entries) / sizeof(entries[0]), { .entry = entries } };
	struct errors errors = { 0 };
	struct app *app = app_new(app_class_find("filter.conntrack"), "x", &params, "", NULL, NULL, &errors);

	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	for (uint32_t i = 0; i < 2; i++) {
		app->input[i] = &links[i];
		app->output[i] = &links[2 + i];
	}
	if (app->class->prepare(app, old) < 0) {
		app->class->abort(app);
		app_delete(app);
		return old;
	}
	app->class->commit(app, old);
	if (old == NULL)
		return app;
	for (uint32_t i = OPENED; i <= EVICTED; i++)
		app->counter[i] += old->counter[i];
	for (uint32_t i = 0; i < app->reason_count; i++)
		app->reason[i] += old->reason[i];
	old->class->retire(old);
	app_delete(old);
	return app;
}

/* A frame goes in on one side; what comes out is counted. */
static void send(struct app *app, uint32_t side, const uint8_t *frame, uint32_t length, bool tagged)
{
	struct packet *p = packet_alloc();
	uint8_t *copy = malloc(length > 0 ? length : 1), *home = p->data;

	nf_assert(copy != NULL, "out of memory");
	memcpy(copy, frame, length);
	p->data = copy;
	p->length = length;
	if (tagged) {
		p->meta.flags = PACKET_VLAN;
		p->meta.vlan = 7;
	}
	link_send(&links[side], p);
	given++;
	app->class->push(app);
	nf_assert(link_waiting(&links[2 + side]) == 0, "a frame came back");
	if (link_waiting(&links[3 - side]) > 0) {
		nf_assert(link_receive(&links[3 - side]) == p && p->length == length, "another frame");
		nf_assert(memcmp(copy, frame, length) == 0, "the frame was changed");
		p->data = home;
		packet_free(p);
		passed[side]++;
	}
	free(copy);
}

/* What needs no flow: ARP, and what a neighbour says to all. */
static bool is_neighborly(const uint8_t *frame, uint32_t length)
{
	uint16_t type = 0;
	uint32_t at = ethernet_payload(frame, length, &type);

	return at != 0 && (type == ETHERNET_ARP || type == ETHERNET_IPV6);
}

static void check(struct app *app, bool is_quiet)
{
	uint64_t dropped = 0;

	for (uint32_t i = 0; i < app->reason_count; i++)
		dropped += app->reason[i];
	nf_assert(given == dropped + passed[INSIDE] + passed[OUTSIDE], "the ledger");
	nf_assert(memory_in_use() == 0, "a packet is missing");
	app->class->push(app);
	nf_assert(app->counter[OPENED] == app->counter[CLOSED] + app->counter[TIMED_OUT] + app->counter[EVICTED] + app->counter[CURRENT],
		"flows are missing");
	nf_assert(app->counter[HALF_OPEN] <= app->counter[CURRENT], "half-open flows");
	nf_assert(is_quiet || passed[INSIDE] > 0 || passed[OUTSIDE] == 0, "a frame from the outside passed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;
	struct app *app;
	bool is_quiet = false;

	given = passed[INSIDE] = passed[OUTSIDE] = 0;
	clock_set(1000000000);
	app = start(16, NULL);
	while (end - data >= 3) {
		uint32_t what = *data & 3, much = *data >> 2;

		data++;
		if (what <= OUTSIDE) {
			uint32_t bytes = data[0] | (uint32_t)data[1] << 8;

			data += 2;
			if (bytes > FRAME_MOST)
				bytes = FRAME_MOST;
			if (bytes > (size_t)(end - data))
				bytes = (uint32_t)(end - data);
			is_quiet = is_quiet || is_neighborly(data, bytes);
			send(app, what, data, bytes, much & 1);
			data += bytes;
		} else if (what == SILENCE) {
			clock_set(clock_now() + (1000000ull << (much < 24 ? much : 24)));
			app->class->tick(app);
		} else {
			app = start(16 + much, app);
		}
		check(app, is_quiet);
	}
	app->class->retire(app);
	app_delete(app);
	return 0;
}
