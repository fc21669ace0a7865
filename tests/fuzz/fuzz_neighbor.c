/* fuzz_neighbor -- frames of hostile neighbours and of the inside through ip.arp, ip.ndp, ip.echo4, ip.echo6.
 *
 *      byte 0: which app; then steps, one byte: bits 0, 1: what; bits 2..7: how much
 *          0: a frame from the wire: two bytes with its length, low first, and its bytes
 *          1: a frame from the inside, in the same way
 *          2: time goes on by 2^(bits 2..7, at most 40) ns
 *          3: a reload, with another queue
 *
 * A frame from the wire lies in memory of its own, of at least LEAST bytes as every packet has them, so that a step behind its end
 * is seen. After each step the ledger is checked; what came from the wire and goes inside is unchanged. */
#include "apps/apps.h"
#include "lib/lib.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { WIRE, INSIDE, TIME, RELOAD, FRAME_MOST = 2000, LEAST = 64, APPS = 4 };

static struct link links[4];            /* inputs, outputs */
static uint64_t given, taken;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	nf_assert(memory_reserve() == 0 && memory_segment_add(0, PACKET_STANDARD, 256, -1) >= 0 && memory_worker_start(0) == 0,
		"no packet memory");
	return 0;
}

static struct value_entry entry(const char *key, const char *text)
{
	return (struct value_entry){ { VALUE_STRING, (uint32_t)strlen(key), { .string = key } },
		{ VALUE_STRING, (uint32_t)strlen(text), { .string = text } } };
}

/* A running instance, which takes over from another one. */
static struct app *start(uint32_t which, uint32_t queue, struct app *old)
{
	static const char *const names[APPS] = { "ip.arp", "ip.ndp", "ip.echo4", "ip.echo6" };
	bool four = which % 2 == 0;
	struct value_entry entries[] = { entry("ip", four ? "10.0.0.1" : "2001:db8::1"), entry("mac", "02:00:00:00:00:01"),
		entry("next_hop", four ? "10.0.0.254" : "2001:db8::fe"), entry(four ? "proxy_arp" : "proxy", four ? "10.1.0.0/16" : "2001:db8:1::/48"),
		{ { VALUE_STRING, 5, { .string = "queue" } }, { VALUE_NUMBER, 0, { .number = queue } } } };
	const struct value params = { VALUE_TABLE, which < 2 ? 5 : 1, { .entry = entries } };
	struct errors errors = { 0 };
	struct app *app = app_new(app_class_find(names[which]), "x", &params, "", NULL, NULL, &errors);

	nf_assert(app != NULL, "%s", errors.count > 0 ? errors.text[0] : "no instance");
	for (uint32_t i = 0; i < 2; i++) {
		app->input[i] = &links[i];
		app->output[i] = &links[2 + i];
	}
	nf_assert(app->class->prepare == NULL || app->class->prepare(app, old) == 0, "%s", nf_error());
	if (app->class->commit != NULL)
		app->class->commit(app, old);
	if (old == NULL)
		return app;
	app->created = old->created;
	app->consumed = old->consumed;
	for (uint32_t i = 0; i < app->reason_count + APP_REASONS; i++)
		app->reason[i] += old->reason[i];
	app_delete(old);
	return app;
}

static void check(const struct app *app)
{
	uint64_t dropped = 0, held = app->class->held != NULL ? app->class->held(app) : 0;

	for (uint32_t i = 0; i < app->reason_count + APP_REASONS; i++)
		dropped += app->reason[i];
	nf_assert(given + app->created == dropped + app->consumed + taken + held, "the ledger");
	nf_assert(memory_in_use() == held, "a packet is missing");
}

/* Push, and take what comes out; what goes inside must be `frame`. */
static void push(struct app *app, const uint8_t *frame, uint32_t length)
{
	app->class->push(app);
	for (uint32_t i = 0; i < 2; i++) {
		while (link_waiting(&links[2 + i]) > 0) {
			struct packet *p = link_receive(&links[2 + i]);

			nf_assert(i == WIRE || (p->length == length && memcmp(p->data, frame, length) == 0), "a frame was changed");
			taken++;
			packet_free(p);
		}
	}
}

static void send_wire(struct app *app, const uint8_t *frame, uint32_t length)
{
	struct packet *p = packet_alloc();
	uint8_t *copy = calloc(1, length > LEAST ? length : LEAST);

	nf_assert(p != NULL && copy != NULL, "out of memory");
	memcpy(copy, frame, length);
	p->data = copy;
	p->length = length;
	link_send(&links[WIRE], p);
	given++;
	push(app, frame, length);
	free(copy);
}

/* A frame from the inside may be held: it lies in its packet. */
static void send_inside(struct app *app, const uint8_t *frame, uint32_t length)
{
	struct packet *p = packet_alloc();

	nf_assert(p != NULL && packet_set(p, frame, length), "out of memory");
	link_send(&links[INSIDE], p);
	given++;
	push(app, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	const uint8_t *end = data + length;
	struct app *app;
	uint32_t which;

	if (length == 0)
		return 0;
	given = taken = 0;
	clock_set(clock_now() + 1);
	which = *data++ % APPS;
	app = start(which, 16, NULL);
	while (end - data >= 3) {
		uint32_t what = *data & 3, much = *data >> 2;

		data++;
		if (what <= INSIDE) {
			uint32_t bytes = data[0] | (uint32_t)data[1] << 8;

			data += 2;
			if (bytes > FRAME_MOST)
				bytes = FRAME_MOST;
			if (bytes > (size_t)(end - data))
				bytes = (uint32_t)(end - data);
			(what == WIRE ? send_wire : send_inside)(app, data, bytes);
			data += bytes;
		} else if (what == TIME) {
			clock_set(clock_now() + (1ull << (much < 40 ? much : 40)));
			push(app, NULL, 0);
		} else {
			app = start(which, 1 + much, app);
		}
		check(app);
	}
	if (app->class->stop != NULL)
		app->class->stop(app);
	check(app);
	app_delete(app);
	return 0;
}
