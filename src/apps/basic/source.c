/* source -- frames from nothing: of given sizes, at a given rate, of one flow or of many. */
#include "core/core.h"
#include "lib/lib.h"

enum content { CONTENT_ZERO, CONTENT_RANDOM };

struct source {
	struct app app;
	struct param_list sizes;        /* uint32_t; empty: imix */
	struct rate rate;               /* 0: as fast as the outputs take them */
	uint64_t number;                /* 0: no end */
	uint32_t content;               /* enum content */
	struct traffic_headers headers;

	struct traffic_frame *frame;    /* one for each size */
	uint32_t frame_count, next;     /* next: the frame that comes next */
	bool plain;                     /* all packets are the same, and standard ones */
	bool paced;                     /* the bucket has been started */
	uint64_t made;
	struct traffic_steps steps;
	struct token_bucket bucket;
	struct random random;
};

enum {
	SIZE_MOST = 10240,              /* the data room of a jumbo packet */
	STANDARD_MOST = 2048            /* ... and of a standard one */
};

/* The simple IMIX of test equipment: IP packets of 40, 576 and 1,500 bytes as 7 : 4 : 1, here as Ethernet frames without FCS, of
 * which the shortest has 60 bytes, in an order that spreads them. A custom: no standard fixes it (RFC 6985 is about naming such
 * sequences). */
static const uint32_t imix[] = { 60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590 };

static const struct param size_item = { .type = PARAM_U32, .min = 1, .max = SIZE_MOST };
static const char *const size_words[] = { "imix", NULL };
static const char *const content_names[] = { "zero", "random", NULL };

#define FIELD(field) offsetof(struct traffic_ethernet, field)
static const struct param ethernet_fields[] = {
	{ "src", PARAM_MAC, FIELD(src), "first source address", .initial_text = "02:00:00:00:00:01" },
	{ "src_count", PARAM_U32, FIELD(src_count), "how many source addresses follow one another", .min = 1, .initial = 1 },
	{ "dst", PARAM_MAC, FIELD(dst), "first destination address", .initial_text = "02:00:00:00:00:02" },
	{ "dst_count", PARAM_U32, FIELD(dst_count), "how many destination addresses follow one another", .min = 1, .initial = 1 },
	{ "type", PARAM_U16, FIELD(type), "type; 0: that of the header that follows, else 0x88b5", .initial = 0 },
	{ "vlan", PARAM_U16, FIELD(vlan), "a VLAN tag with this id", .max = 4095, .optional = true, .present = FIELD(tagged) },
	{ 0 }
};
#undef FIELD

#define FIELD(field) offsetof(struct traffic_ip, field)
#define IP_FIELDS(type, from, to) \
	{ "src", type, FIELD(src), "first source address", .initial_text = from }, \
	{ "src_count", PARAM_U32, FIELD(src_count), "how many source addresses follow one another", .min = 1, .initial = 1 }, \
	{ "dst", type, FIELD(dst), "first destination address", .initial_text = to }, \
	{ "dst_count", PARAM_U32, FIELD(dst_count), "how many destination addresses follow one another", .min = 1, .initial = 1 }, \
	{ "ttl", PARAM_U8, FIELD(ttl), "TTL or hop limit", .initial = 64 }, \
	{ "tos", PARAM_U8, FIELD(tos), "DSCP and ECN: type of service or traffic class", .initial = 0 }, \
	{ "protocol", PARAM_U8, FIELD(protocol), "protocol when neither udp nor tcp is given", .initial = 253 }, \
	{ 0 }
/* The addresses for tests of network equipment: RFC 2544 appendix C.2.2, RFC 5180 section 8; protocol 253: RFC 3692. */
static const struct param ipv4_fields[] = { IP_FIELDS(PARAM_IPV4, "198.18.0.1", "198.19.0.1") };
static const struct param ipv6_fields[] = { IP_FIELDS(PARAM_IPV6, "2001:2::1", "2001:2:0:1::1") };
#undef FIELD

#define FIELD(field) offsetof(struct traffic_ports, field)
static const struct param port_fields[] = {
	{ "src", PARAM_U16, FIELD(src), "first source port", .initial = 1024 },
	{ "src_count", PARAM_U32, FIELD(src_count), "how many source ports follow one another", .min = 1, .max = 65536, .initial = 1 },
	{ "dst", PARAM_U16, FIELD(dst), "first destination port", .initial = 9 },
	{ "dst_count", PARAM_U32, FIELD(dst_count), "how many destination ports follow one another", .min = 1, .max = 65536,
		.initial = 1 },
	{ 0 }
};
#undef FIELD

#define FIELD(field) offsetof(struct source, field)
#define HEADER(name, fields_, help_) \
	{ #name, PARAM_TABLE, FIELD(headers.name), help_, .fields = fields_, .size = sizeof(((struct traffic_headers *)0)->name), \
		.present = FIELD(headers.name.given) }
static const struct param params[] = {
	{ "sizes", PARAM_LIST, FIELD(sizes), "bytes of the frames, without FCS: one size, a list that is taken in turn, or imix: "
		"60, 590 and 1514 as 7 : 4 : 1", .min = 1, .max = 65536, .item = &size_item, .choices = size_words, .initial_text = "60" },
	{ "rate", PARAM_RATE, FIELD(rate), "bits of the frames, or packets, per second on all outputs together; "
		"without it as fast as the outputs take them", .optional = true },
	{ "number", PARAM_U64, FIELD(number), "how many packets in all; without it there is no end", .min = 1, .optional = true },
	{ "content", PARAM_ENUM, FIELD(content), "what is behind the headers", .choices = content_names, .initial = CONTENT_ZERO },
	HEADER(ethernet, ethernet_fields, "begin with an Ethernet header"),
	HEADER(ipv4, ipv4_fields, "then an IPv4 header"),
	HEADER(ipv6, ipv6_fields, "or an IPv6 header"),
	HEADER(udp, port_fields, "then a UDP header"),
	HEADER(tcp, port_fields, "or a TCP header"),
	{ 0 }
};

static const uint32_t *sizes_of(const struct source *source, uint32_t *count)
{
	*count = source->sizes.count != 0 ? source->sizes.count : sizeof(imix) / sizeof(imix[0]);
	return source->sizes.count != 0 ? source->sizes.items : imix;
}

/* A range of ports that goes past the last one. */
static void check_ports(const struct app *app, const char *key, const struct traffic_ports *ports, struct errors *errors)
{
	if (ports->src + ports->src_count > 65536)
		errors_add(errors, "app '%s': key '%s.src_count': %u ports from %u go past 65535; accepted: 1..%u", app->name, key,
			ports->src_count, ports->src, 65536 - ports->src);
	if (ports->dst + ports->dst_count > 65536)
		errors_add(errors, "app '%s': key '%s.dst_count': %u ports from %u go past 65535; accepted: 1..%u", app->name, key,
			ports->dst_count, ports->dst, 65536 - ports->dst);
}

static void source_check(const struct app *app, struct errors *errors)
{
	const struct source *source = (const struct source *)app;
	const struct traffic_headers *h = &source->headers;
	const char *ports = h->udp.given ? "udp" : "tcp";
	uint32_t count, least = traffic_length(h);
	const uint32_t *sizes = sizes_of(source, &count);

	if (h->ipv4.given && h->ipv6.given)
		errors_add(errors, "app '%s': key 'ipv6': there is an ipv4 header already; accepted: one of both", app->name);
	if (h->udp.given && h->tcp.given)
		errors_add(errors, "app '%s': key 'tcp': there is a udp header already; accepted: one of both", app->name);
	if ((h->udp.given || h->tcp.given) && !h->ipv4.given && !h->ipv6.given)
		errors_add(errors, "app '%s': key '%s': there is no header before it; accepted: together with ipv4 or ipv6", app->name,
			ports);
	check_ports(app, "udp", &h->udp, errors);
	check_ports(app, "tcp", &h->tcp, errors);
	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] < least)
			errors_add(errors, "app '%s': key 'sizes[%u]': %u bytes do not hold the headers; accepted: %u..%u", app->name,
				i + 1, sizes[i], least, SIZE_MOST);
}

/* A source keeps no packets, but large ones must exist: as many as wait on its outputs. */
static void source_holds(const struct app *app, uint32_t holds[PACKET_SIZES])
{
	uint32_t count;
	const uint32_t *sizes = sizes_of((const struct source *)app, &count);

	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] > STANDARD_MOST)
			holds[PACKET_JUMBO] = LINK_SLOTS * app->output_count;
}

/* Make the frames; those that are always the same are finished here. */
static int source_prepare(struct app *app, const struct app *old)
{
	struct source *source = (struct source *)app;
	const uint32_t *sizes = sizes_of(source, &source->frame_count);
	bool same = source->content == CONTENT_ZERO;

	(void)old;
	traffic_steps_init(&source->steps, &source->headers);
	same = same && source->steps.count == 0;
	source->frame = app_alloc(app, source->frame_count * sizeof(*source->frame));
	for (uint32_t i = 0; i < source->frame_count; i++) {
		/* Whole blocks of 64 bytes, as they are copied. */
		uint8_t *bytes = app_alloc(app, (sizes[i] + 63U) / 64 * 64);

		traffic_frame_init(&source->frame[i], &source->headers, bytes, sizes[i]);
		if (same)
			traffic_frame_finish(&source->frame[i], &source->steps, bytes, false);
	}
	source->plain = same && source->frame_count == 1 && sizes[0] <= STANDARD_MOST;
	return 0;
}

/* What a frame costs in the unit of the rate. */
static double price(const struct source *source, const struct traffic_frame *frame)
{
	return source->rate.packets ? 1 : frame->length * 8.0;
}

/* Start the bucket with the first packet's price: it goes out at once, the others follow at the rate. The capacity is what may
 * be caught up with after the engine was held up, at least the largest frame. */
static void start_bucket(struct source *source)
{
	double largest = 0;

	for (uint32_t i = 0; i < source->frame_count; i++)
		if (largest < price(source, &source->frame[i]))
			largest = price(source, &source->frame[i]);
	token_bucket_init(&source->bucket, source->rate.per_second, token_bucket_capacity(source->rate.per_second, largest),
		clock_now());
	source->bucket.tokens = price(source, &source->frame[source->next]);
	source->paced = true;
}

/* What an earlier instance made counts; the flows begin anew, and so does the rate. */
static void source_commit(struct app *app, struct app *old)
{
	struct source *source = (struct source *)app;
	const struct source *before = (const struct source *)old;

	random_init(&source->random, random_seed, app->name);
	if (before != NULL) {
		source->made = before->made;
		source->random = before->random;
	}
	app->ended = source->number != 0 && source->made >= source->number;
}

/* How many of the next n packets the rate allows now; takes their price. */
static uint32_t source_due(struct source *source, uint32_t n)
{
	uint32_t next = source->next, due = 0;

	if (!source->paced)
		start_bucket(source);
	token_bucket_fill(&source->bucket, clock_now());
	while (due < n && token_bucket_take(&source->bucket, price(source, &source->frame[next]))) {
		due++;
		if (++next == source->frame_count)
			next = 0;
	}
	return due;
}

/* Whole blocks: both buffers have room for them. */
static void copy_frame(struct packet *p, const uint8_t *bytes, uint32_t length)
{
	uint8_t *data = p->data;

	p->length = length;
	for (uint32_t done = 0; done < length; done += 64)
		packet_block(data + done, bytes + done);
}

static void fill_random(struct random *random, uint8_t *at, uint32_t length)
{
	uint64_t word;

	for (; length >= sizeof(word); at += sizeof(word), length -= (uint32_t)sizeof(word)) {
		word = random_u64(random);
		memcpy(at, &word, sizeof(word));
	}
	word = random_u64(random);
	memcpy(at, &word, length);
}

/* Up to n packets of which any may differ from the one before; gives how many. */
static uint32_t make_each(struct source *source, struct packet **burst, uint32_t n)
{
	bool is_random = source->content == CONTENT_RANDOM, unfinished = is_random || source->steps.count != 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct traffic_frame *frame = &source->frame[source->next];
		struct packet *p = packet_alloc_size(frame->length > STANDARD_MOST ? PACKET_JUMBO : PACKET_STANDARD);

		if (p == NULL)
			return i;
		copy_frame(p, frame->bytes, frame->length);
		if (is_random)
			fill_random(&source->random, p->data + frame->payload, frame->length - frame->payload);
		if (unfinished) {
			traffic_frame_finish(frame, &source->steps, p->data, is_random);
			traffic_steps_next(&source->steps);
		}
		if (++source->next == source->frame_count)
			source->next = 0;
		burst[i] = p;
	}
	return n;
}

/* Up to n packets that are all the same; gives how many. */
static uint32_t make_plain(struct source *source, struct packet **burst, uint32_t n)
{
	const uint8_t *bytes = source->frame->bytes;
	uint32_t length = source->frame->length;

	n = packet_take_burst(PACKET_STANDARD, burst, n);
	for (uint32_t i = 0; i < n; i++) {
		packet_clear(burst[i]);
		copy_frame(burst[i], bytes, length);
	}
	return n;
}

static void source_pull(struct app *app)
{
	struct source *source = (struct source *)app;
	struct packet *burst[BURST];
	uint32_t n = app_pull_room(app);

	if (source->number != 0 && n > source->number - source->made)
		n = (uint32_t)(source->number - source->made);
	if (source->rate.per_second > 0)
		n = source_due(source, n);
	n = source->plain ? make_plain(source, burst, n) : make_each(source, burst, n);
	if (app->output_count == 1)
		link_send_burst(app->output[0], burst, n);
	else
		for (uint32_t i = 0; i < n; i++)
			link_send(app->output[(source->made + i) % app->output_count], burst[i]);
	app->created += n;
	source->made += n;
	app->ended = source->number != 0 && source->made >= source->number;
}

static uint64_t source_wake_at(const struct app *app)
{
	const struct source *source = (const struct source *)app;

	/* Without a rate there is no time to wait for, without room only others can make progress. */
	if (app->ended || source->rate.per_second == 0 || app_pull_room(app) == 0)
		return CLOCK_NEVER;
	if (!source->paced)
		return clock_now();
	return token_bucket_ready(&source->bucket, price(source, &source->frame[source->next]));
}

const struct app_class basic_source_class = {
	.name = "basic.source",
	.help = "Make packets: of one size or several, as fast as possible or at a rate, of one flow or of many.\n"
		"Without header tables a frame is zero or random from its first byte. With them it begins with these headers, and has "
		"right lengths and checksums; ethernet comes before ipv4 and ipv6 by itself. A field with a count of n takes n values one "
		"after the other; fields count like the digits of a number, source port first, so every combination comes once before "
		"the first comes again. With several outputs each packet goes to the next one.",
	.size = sizeof(struct source),
	.params = params,
	.outputs = (const char *const[]){ "*", NULL },
	.check = source_check, .holds = source_holds, .prepare = source_prepare, .commit = source_commit,
	.pull = source_pull, .wake_at = source_wake_at,
};
