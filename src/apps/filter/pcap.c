/* pcap -- packets that match an expression of the pcap-filter language go one way, the others another. */
#include "core/core.h"

#include "core/filter.h"

struct pcap {
	struct app app;
	const char *expression;
	bool invert, native;
	struct filter *filter;
};

static const struct param params[] = {
	{ "filter", PARAM_STRING, offsetof(struct pcap, expression), "which packets match, see pcap-filter(7); \"\": all", .required = true },
	{ "invert", PARAM_BOOL, offsetof(struct pcap, invert), "let those pass that do not match", .initial = false },
	{ "native", PARAM_BOOL, offsetof(struct pcap, native), "translate the filter to the processor's instructions; false: interpret it",
		.initial = true },
	{ 0 }
};

enum { MATCHED };                       /* counters */
enum { REJECTED };                      /* reasons */
enum { OUTPUT, OTHERS };

static void pcap_check(const struct app *app, struct errors *errors)
{
	filter_check(app, "filter", ((const struct pcap *)app)->expression, errors);
}

static void pcap_resources(const struct app *app, struct resources *resources)
{
	filter_resource(resources, ((const struct pcap *)app)->expression);
}

static int pcap_open(const struct app *app, const char *key)
{
	(void)key;
	return filter_open(((const struct pcap *)app)->expression);
}

static int pcap_prepare(struct app *app, const struct app *old)
{
	struct pcap *pcap = (struct pcap *)app;

	(void)old;
	return filter_prepare(&pcap->filter, app, &pcap->expression, 1, pcap->native);
}

static void pcap_retire(struct app *app)
{
	filter_delete(((struct pcap *)app)->filter);
}

/* Every packet gets the same answer: nobody looks at them, and the other output does not matter. */
static void push_all(struct pcap *pcap)
{
	struct app *app = &pcap->app;
	struct link *to = app->output[(pcap->filter->constant != 0) != pcap->invert ? OUTPUT : OTHERS];
	uint32_t n = to != NULL ? link_move(app->input[0], to, BURST) : link_free(app->input[0], BURST);

	app->counter[MATCHED] += pcap->filter->constant ? n : 0;
	app->reason[REJECTED] += to == NULL ? n : 0;
}

/* Decide about the first n packets of the input. Each is put into the next free slot of both outputs, and one of them goes on: which
 * way a packet takes is no branch to be guessed, and no list of pointers lies between the links (13.9 cycles instead of 15.1 with one).
 * Without a second output the others go to `others`.
 *   needs: n <= room of both outputs
 *   gives: how many pass */
static uint32_t decide(struct pcap *pcap, uint32_t n, struct packet **others)
{
	const struct filter *filter = pcap->filter;
	uint32_t (*native)(const uint8_t *data, uint32_t length) = filter->native;
	struct link *from = pcap->app.input[0], *to = pcap->app.output[OUTPUT], *rest = pcap->app.output[OTHERS];
	uint32_t at = link_slot(from, from->received), next = link_slot(to, to->sent), passes = 0, invert = pcap->invert;
	struct packet **slot = rest != NULL ? rest->slot : others;
	uint32_t other = rest != NULL ? link_slot(rest, rest->sent) : 0;
	uint64_t bytes = 0, all = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = from->slot[(at + i) % LINK_SLOTS];
		uint32_t pass;

		if (PACKET_DEBUG)
			packet_debug_check(p);
		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(from->slot[(at + i + PACKET_PREFETCH) % LINK_SLOTS]->data);
		/* The filter is to see the frame as it was on the wire. */
		if (__builtin_expect(p->meta.flags & PACKET_VLAN, 0))
			offload_insert_tag(p);
		pass = (native != NULL ? native(p->data, p->length) : filter_run(filter, p->data, p->length)) ^ invert;
		to->slot[(next + passes) % LINK_SLOTS] = p;
		slot[(other + i - passes) % LINK_SLOTS] = p;
		all += p->length;
		bytes += p->length & -pass;
		passes += pass;
	}
	to->sent += passes;
	to->bytes += bytes;
	if (rest != NULL) {
		rest->sent += n - passes;
		rest->bytes += all - bytes;
	}
	link_advance(from, n);
	return passes;
}

static void pcap_push(struct app *app)
{
	struct pcap *pcap = (struct pcap *)app;
	struct packet *others[BURST];
	uint32_t n, passes;

	if (pcap->filter->constant >= 0) {
		push_all(pcap);
		return;
	}
	n = app_push_room(app, app->input[0]);
	passes = decide(pcap, n, others);
	app->counter[MATCHED] += pcap->invert ? n - passes : passes;
	if (app->output[OTHERS] == NULL)
		app_drop_burst(app, REJECTED, others, n - passes);
}

const struct app_class filter_pcap_class = {
	.name = "filter.pcap",
	.help = "Let packets pass that match an expression of the pcap-filter language, as tcpdump has it.\n"
		"The others go to the output 'rejected' when it is linked, else they are dropped. Names of hosts, ports and protocols are "
		"looked up when the configuration is read. 'nf filter EXPRESSION' shows what one becomes.",
	.size = sizeof(struct pcap),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "output", "rejected?", NULL },
	.counters = (const char *const[]){ "matched", NULL },
	.reasons = (const char *const[]){ "rejected", NULL },
	.executable = true,
	.check = pcap_check, .resources = pcap_resources, .open = pcap_open,
	.prepare = pcap_prepare, .abort = pcap_retire, .retire = pcap_retire, .push = pcap_push,
};
