/* split -- every packet on one of several outputs: in turn, or all of a flow on the same one. */
#include "core/core.h"
#include "lib/lib.h"

enum mode { MODE_ROUND_ROBIN, MODE_FLOW, MODE_PORTS };

struct split {
	struct app app;
	uint32_t mode;                  /* enum mode */
	uint32_t next;                  /* the output that is next in turn */
	struct siphash_key key;
};

static const char *const modes[] = { "round-robin", "flow", "ports", NULL };

static const struct param params[] = {
	{ "mode", PARAM_ENUM, offsetof(struct split, mode), "round-robin: in turn; flow: by both IP addresses, so that fragments stay "
		"with their flow; ports: by addresses and ports, fragments by addresses alone", .choices = modes,
		.initial = MODE_ROUND_ROBIN },
	{ 0 }
};

/* The key comes from the run's seed and the app's name: who sends packets cannot aim at one output, a run can be repeated. */
static void split_commit(struct app *app, struct app *old)
{
	struct split *split = (struct split *)app;
	struct random random;

	(void)old;
	random_init(&random, random_seed, app->name);
	split->key.word[0] = random_u64(&random);
	split->key.word[1] = random_u64(&random);
}

static void split_link(struct app *app)
{
	struct split *split = (struct split *)app;

	if (split->next >= app->output_count)
		split->next = 0;
}

/* One output after the other: each takes every output_count-th packet of the burst. */
static void send_in_turn(struct split *split, struct packet **burst, uint32_t n)
{
	struct packet *share[BURST];
	uint32_t outputs = split->app.output_count, at = split->next;

	for (uint32_t i = 0; i < outputs && i < n; i++) {
		uint32_t count = 0;

		for (uint32_t j = i; j < n; j += outputs)
			share[count++] = burst[j];
		link_send_burst(split->app.output[at], share, count);
		if (++at == outputs)
			at = 0;
	}
	split->next = (split->next + n) % outputs;
}

/* The hash's upper half, scaled to the number of outputs, chooses. */
static void send_by_flow(struct split *split, struct packet **burst, uint32_t n)
{
	enum flow_hash_ends ends = split->mode == MODE_PORTS ? FLOW_HASH_PORTS : FLOW_HASH_ADDRESSES;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];

		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(burst[i + PACKET_PREFETCH]->data);
		link_send(split->app.output[(flow_hash(p->data, p->length, ends, &split->key) >> 32) * split->app.output_count >> 32], p);
	}
}

static void split_push(struct app *app)
{
	struct split *split = (struct split *)app;
	struct packet *burst[BURST];
	uint32_t n = app_push_room(app, app->input[0]);

	link_receive_burst(app->input[0], burst, n);
	if (split->mode == MODE_ROUND_ROBIN)
		send_in_turn(split, burst, n);
	else
		send_by_flow(split, burst, n);
}

const struct app_class basic_split_class = {
	.name = "basic.split",
	.help = "Send each packet to one of several outputs.\n"
		"By flow, both directions of a flow go to the same output, whatever VLAN tags they have; frames that are not IP are "
		"told apart by their Ethernet addresses. A full output holds up all.",
	.size = sizeof(struct split),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "*", NULL },
	.commit = split_commit, .link = split_link, .push = split_push,
};
