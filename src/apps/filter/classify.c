/* classify -- each packet to the output of the first class whose expression it matches. */
#include "core/core.h"

#include "core/filter.h"

struct class {
	const char *name, *expression;
};

struct classify {
	struct app app;
	struct param_list classes;      /* struct class */
	bool native;
	struct filter *filter;
	struct link **output;           /* by the number that the filter gives: 0 is `default`; NULL: not linked */
};

enum { CLASSES = 255 };                 /* most: a number is a byte */

static const struct param class_params[] = {
	{ "name", PARAM_STRING, offsetof(struct class, name), "the output that the packets go to", .required = true, .min = 1, .max = 31 },
	{ "filter", PARAM_STRING, offsetof(struct class, expression), "which packets belong to it, see pcap-filter(7)", .required = true },
	{ 0 }
};

static const struct param class_item = {
	.type = PARAM_TABLE, .fields = class_params, .size = sizeof(struct class),
};

static const struct param params[] = {
	{ "classes", PARAM_LIST, offsetof(struct classify, classes), "the classes, in the order in which they are tried",
		.item = &class_item, .required = true, .min = 1, .max = CLASSES },
	{ "native", PARAM_BOOL, offsetof(struct classify, native), "translate the filters to the processor's instructions; false: "
		"interpret them", .initial = true },
	{ 0 }
};

enum { UNLINKED, UNMATCHED };           /* reasons */

static const struct class *class_of(const struct app *app, uint32_t i)
{
	return &((const struct class *)((const struct classify *)app)->classes.items)[i];
}

static uint32_t class_count(const struct app *app)
{
	return ((const struct classify *)app)->classes.count;
}

/* The class of a name; the count of classes: there is none. */
static uint32_t find_class(const struct app *app, const char *name)
{
	uint32_t i = 0;

	while (i < class_count(app) && strcmp(class_of(app, i)->name, name) != 0)
		i++;
	return i;
}

static bool is_name(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(name);
}

static void check_class(const struct app *app, uint32_t i, struct errors *errors)
{
	const char *name = class_of(app, i)->name;
	char key[64];

	snprintf(key, sizeof(key), "classes[%u].name", i + 1);
	if (!is_name(name))
		errors_add(errors, "app '%s': key '%s': '%s' is no name of an output; accepted: 1..31 letters, digits, _ and -", app->name,
			key, name);
	else if (strcmp(name, "default") == 0)
		errors_add(errors, "app '%s': key '%s': 'default' is the output of packets of no class", app->name, key);
	else if (find_class(app, name) < i)
		errors_add(errors, "app '%s': key '%s': '%s' is a class already", app->name, key, name);
	snprintf(key, sizeof(key), "classes[%u].filter", i + 1);
	filter_check(app, key, class_of(app, i)->expression, errors);
}

static void classify_check(const struct app *app, struct errors *errors)
{
	for (uint32_t i = 0; i < class_count(app); i++)
		check_class(app, i, errors);
	for (uint32_t i = 0; i < app->output_count; i++)
		if (strcmp(app->output_name[i], "default") != 0 && find_class(app, app->output_name[i]) == class_count(app))
			errors_add(errors, "app '%s': has no output '%s': it is no class", app->name, app->output_name[i]);
}

static void classify_resources(const struct app *app, struct resources *resources)
{
	for (uint32_t i = 0; i < class_count(app); i++)
		filter_resource(resources, class_of(app, i)->expression);
}

static int classify_open(const struct app *app, const char *key)
{
	for (uint32_t i = 0; i < class_count(app); i++)
		if (filter_is_key(class_of(app, i)->expression, key))
			return filter_open(class_of(app, i)->expression);
	return nf_fail(ENOENT, "app '%s': %s is the key of no class", app->name, key);
}

static int classify_prepare(struct app *app, const struct app *old)
{
	struct classify *classify = (struct classify *)app;
	uint32_t count = class_count(app);
	const char *expression[CLASSES];

	(void)old;
	for (uint32_t i = 0; i < count; i++)
		expression[i] = class_of(app, i)->expression;
	classify->output = app_alloc(app, (count + 1) * sizeof(struct link *));
	return filter_prepare(&classify->filter, app, expression, count, classify->native);
}

static void classify_retire(struct app *app)
{
	filter_delete(((struct classify *)app)->filter);
}

static void classify_link(struct app *app)
{
	struct classify *classify = (struct classify *)app;
	uint32_t count = class_count(app);

	memset(classify->output, 0, (count + 1) * sizeof(struct link *));
	for (uint32_t i = 0; i < app->output_count; i++) {
		uint32_t class = find_class(app, app->output_name[i]);

		classify->output[class < count ? class + 1 : 0] = app->output[i];
	}
}

/* Which class each packet belongs to. */
static void decide(const struct filter *filter, struct packet *const *burst, uint8_t *class, uint32_t n)
{
	uint32_t (*native)(const uint8_t *data, uint32_t length) = filter->native;

	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = burst[i];

		if (i + PACKET_PREFETCH < n)
			__builtin_prefetch(burst[i + PACKET_PREFETCH]->data);
		/* The filter is to see the frame as it was on the wire. */
		if (__builtin_expect(p->meta.flags & PACKET_VLAN, 0))
			offload_insert_tag(p);
		class[i] = (uint8_t)(native != NULL ? native(p->data, p->length) : filter_run(filter, p->data, p->length));
	}
}

static void classify_push(struct app *app)
{
	struct classify *classify = (struct classify *)app;
	struct packet *burst[BURST];
	uint8_t class[BURST];
	uint32_t n = app_push_room(app, app->input[0]);

	link_receive_burst(app->input[0], burst, n);
	decide(classify->filter, burst, class, n);
	for (uint32_t i = 0; i < n; i++) {
		struct link *output = classify->output[class[i]];

		if (__builtin_expect(output != NULL, 1))
			link_send(output, burst[i]);
		else
			app_drop(app, class[i] == 0 ? UNMATCHED : UNLINKED, burst[i]);
	}
}

const struct app_class filter_classify_class = {
	.name = "filter.classify",
	.help = "Send each packet to the output of the first class that it matches, in the pcap-filter language.\n"
		"The outputs have the names of the classes. What matches none goes to the output 'default'; when that is not linked it is "
		"dropped as unmatched, and packets of a class that is not linked as unlinked. A full output holds up all.",
	.size = sizeof(struct classify),
	.params = params,
	.inputs = (const char *const[]){ "input", NULL },
	.outputs = (const char *const[]){ "*", NULL },
	.reasons = (const char *const[]){ "unlinked", "unmatched", NULL },
	.executable = true,
	.check = classify_check, .resources = classify_resources, .open = classify_open,
	.prepare = classify_prepare, .abort = classify_retire, .retire = classify_retire,
	.link = classify_link, .push = classify_push,
};
