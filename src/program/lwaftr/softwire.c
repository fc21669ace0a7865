/* softwire -- `nf lwaftr softwire ...`: look at and change the table of a relay that runs. What a file says is read and checked here;
 * what only the table knows, the relay finds out. Nothing is changed unless everything can be. */
#include "apps/lwaftr/command.h"
#include "apps/lwaftr/config_decode.h"
#include "apps/lwaftr/config_print.h"
#include "lib/lib.h"
#include "program/control.h"
#include "program/lwaftr/lwaftr.h"
#include "program/lwaftr/softwire.h"

/* What is to be done with the tables of an instance. */
struct task {
	const struct program *program;
	const struct options *options;
	struct relays relays;
	struct lwaftr_config config;            /* the file; empty without one */
	struct lwaftr_change *change;
	uint64_t count;
	bool has_file;
};

static int complain(const struct task *task)
{
	fprintf(stderr, "nf %s: %s\n", task->program->name, nf_error());
	return EXIT_FAILED;
}

/* An argument as a value of a softwire. fails: false after a message */
static bool is_right(const struct task *task, const char *what, const char *text, bool right, const char *expected)
{
	if (!right)
		options_wrong(task->program, "%s: %s is expected, not '%s'", what, expected, text);
	return right;
}

static bool read_ipv4(const struct task *task, const char *text, uint32_t *ipv4)
{
	uint8_t bytes[4];

	if (!is_right(task, "IPV4", text, config_ipv4(text, (uint32_t)strlen(text), bytes), "an IPv4 address"))
		return false;
	*ipv4 = bytes_read32(bytes);
	return true;
}

static bool read_ipv6(const struct task *task, const char *what, const char *text, uint8_t *ipv6)
{
	return is_right(task, what, text, config_ipv6(text, (uint32_t)strlen(text), ipv6), "an IPv6 address");
}

static bool read_u16(const struct task *task, const char *what, const char *text, uint16_t *number)
{
	uint64_t value = 0;

	if (!is_right(task, what, text, config_number(text, (uint32_t)strlen(text), &value) && value <= UINT16_MAX, "a number 0..65535"))
		return false;
	*number = (uint16_t)value;
	return true;
}

/* The port set of one softwire that is to be added. */
static bool read_set(const struct task *task, struct lwaftr_softwire *softwire)
{
	uint64_t length = 0, reserved = 0;

	if (!options_number(task->options, "--psid-length", 0, 16, &length) || !options_number(task->options, "--reserved", 0, 16, &reserved))
		return false;
	softwire->psid_length = (uint8_t)length;
	softwire->reserved = (uint8_t)reserved;
	if (length + reserved > 16)
		options_wrong(task->program, "--psid-length and --reserved are more than 16 bits together");
	else if (softwire->psid >> length != 0)
		options_wrong(task->program, "PSID %u does not fit --psid-length %u: at most %u", softwire->psid, (unsigned)length,
			(1u << length) - 1);
	return length + reserved <= 16 && softwire->psid >> length == 0;
}

/* The softwire of the command line: "IPV4 PSID", to be added with "B4 BR" behind. */
static int read_arguments(struct task *task, enum lwaftr_op op)
{
	char *const *argument = task->options->argument;
	struct lwaftr_softwire softwire = { 0 };
	int wanted = op == LWAFTR_REMOVE ? 3 : 5;

	if (task->options->count != wanted)
		return options_wrong(task->program, op == LWAFTR_REMOVE ? "it needs IPV4 and PSID, or --file" :
			"it needs IPV4, PSID, B4 and BR, or --file");
	if (!read_ipv4(task, argument[1], &softwire.ipv4) || !read_u16(task, "PSID", argument[2], &softwire.psid))
		return EXIT_USAGE;
	if (op != LWAFTR_REMOVE && (!read_ipv6(task, "B4", argument[3], softwire.b4) || !read_ipv6(task, "BR", argument[4], softwire.br) ||
		!read_set(task, &softwire)))
		return EXIT_USAGE;
	task->change = calloc(1, sizeof(*task->change));
	if (task->change == NULL && nf_fail(ENOMEM, "no memory") < 0)
		return complain(task);
	task->change[0] = (struct lwaftr_change){ .softwire = softwire, .op = op };
	task->count = 1;
	return OPTIONS_GO;
}

/* The softwires of a file; its mistakes are told here. */
static int read_file(struct task *task, const char *file, enum lwaftr_op op)
{
	uint32_t flags = op == LWAFTR_REMOVE ? LWAFTR_KEYS_ALONE : LWAFTR_SOFTWIRES_ALONE;

	if (task->options->count != 1)
		return options_wrong(task->program, "--file and a softwire exclude each other");
	if (!lwaftr_read_list(task->program, file, flags, &task->config))
		return EXIT_FAILED;
	task->has_file = true;
	task->count = task->config.softwire_count;
	task->change = calloc(task->count + 1, sizeof(*task->change));
	if (task->change == NULL && nf_fail(ENOMEM, "no memory for %llu changes", (unsigned long long)task->count) < 0)
		return complain(task);
	for (uint64_t i = 0; i < task->count; i++)
		task->change[i] = (struct lwaftr_change){ .softwire = task->config.softwire[i], .op = op };
	return OPTIONS_GO;
}

/* Why a change cannot be made, in words. */
static const char *explain(const struct lwaftr_fault *fault, char text[160], const struct lwaftr_softwire *softwire)
{
	static const char *const reason[] = {
		[LWAFTR_EXISTS] = "is there already, in the table or earlier in this list; --replace changes it",
		[LWAFTR_MISSING] = "is not in the table",
		[LWAFTR_OTHER_SET] = "cannot have this port set: other softwires of the address have a different one",
	};
	uint32_t ip = softwire->ipv4;

	snprintf(text, 160, "softwire %u.%u.%u.%u psid %u %s", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255, softwire->psid,
		fault->kind < sizeof(reason) / sizeof(reason[0]) ? reason[fault->kind] : "cannot be");
	return text;
}

/* Tell what the relay found, each where it stands in the file. */
static void tell_faults(struct task *task, const struct relay_answer *answer)
{
	const struct lwaftr_fault *fault = (const struct lwaftr_fault *)answer->rest;
	uint64_t count = answer->rest_bytes / sizeof(*fault);
	struct errors errors = { 0 };
	char text[160];

	for (uint64_t i = 0; i < count; i++) {
		const struct lwaftr_softwire *softwire;

		if (fault[i].index >= task->count)
			continue;
		softwire = &task->change[fault[i].index].softwire;
		if (task->has_file)
			lwaftr_config_mistake(&task->config, softwire->place, "%s", explain(&fault[i], text, softwire));
		else
			errors_add(&errors, "%s", explain(&fault[i], text, softwire));
	}
	if (task->has_file)
		lwaftr_config_mistakes(&task->config, &errors);
	lwaftr_print_mistakes(task->program, &errors);
	fprintf(stderr, "nf %s: nothing was changed\n", task->program->name);
	errors_fini(&errors);
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void tell_change(const struct task *task, const struct lwaftr_reply *reply, double ms)
{
	if (options_has(task->options, "--json")) {
		printf("{\"relays\": %u, \"changes\": %llu, \"softwires\": %llu, \"milliseconds\": %.3f, \"grew\": %s, \"pauses\": %llu, "
			"\"longest_pause_us\": %.1f, \"longest_pause_processor_us\": %.1f, \"all_pauses_us\": %.1f}\n", task->relays.count,
			(unsigned long long)reply->made, (unsigned long long)reply->softwires, ms, reply->grew ? "true" : "false",
			(unsigned long long)reply->slices, us(reply->longest_ns), us(reply->longest_busy_ns), us(reply->total_ns));
		return;
	}
	printf("%llu change%s in %.1f ms, %llu softwires in the table; %llu pause%s of the packet thread, the longest %.1f us (%.1f us of its "
		"own time)%s\n", (unsigned long long)reply->made, reply->made == 1 ? "" : "s", ms, (unsigned long long)reply->softwires,
		(unsigned long long)reply->slices, reply->slices == 1 ? "" : "s", us(reply->longest_ns), us(reply->longest_busy_ns),
		reply->grew ? "; the table had no room, a larger one has taken its place" : "");
}

/* Have one relay check or make the changes. gives: EXIT_DONE, EXIT_FAILED after a message */
static int ask_change(struct task *task, uint32_t number, bool check_only, struct lwaftr_reply *reply)
{
	struct lwaftr_request request = { .magic = LWAFTR_MAGIC, .kind = LWAFTR_CHANGE, .check_only = check_only,
		.has_version = reply->magic == LWAFTR_MAGIC, .version = reply->version };
	struct relay_answer answer;
	bool good;

	if (relay_ask(&task->relays, number, &request, task->change, task->count * sizeof(*task->change), &answer) < 0)
		return complain(task);
	good = answer.reply.faults == 0;
	if (!good)
		tell_faults(task, &answer);
	*reply = answer.reply;
	relay_answer_free(&answer);
	return good ? EXIT_DONE : EXIT_FAILED;
}

/* Several relays: all of them look first, so that either all of them or none is changed. */
static int change_all(struct task *task)
{
	struct lwaftr_reply reply[RELAYS] = { { .magic = 0 } }, sum = { 0 };
	bool check_only = options_has(task->options, "--check");
	uint64_t start = clock_system_ns();
	double ms;

	for (uint32_t i = 0; i < task->relays.count && (task->relays.count > 1 || check_only); i++)
		if (ask_change(task, i, true, &reply[i]) != EXIT_DONE)
			return EXIT_FAILED;
	if (check_only) {
		printf("%llu changes could be made\n", (unsigned long long)task->count);
		return EXIT_DONE;
	}
	for (uint32_t i = 0; i < task->relays.count; i++) {
		if (ask_change(task, i, false, &reply[i]) != EXIT_DONE) {
			if (i > 0)
				fprintf(stderr, "nf %s: %u of %u relays have been changed\n", task->program->name, i, task->relays.count);
			return EXIT_FAILED;
		}
		sum.grew |= reply[i].grew;
		sum.slices += reply[i].slices;
		sum.total_ns += reply[i].total_ns;
		sum.longest_ns = reply[i].longest_ns > sum.longest_ns ? reply[i].longest_ns : sum.longest_ns;
		sum.longest_busy_ns = reply[i].longest_busy_ns > sum.longest_busy_ns ? reply[i].longest_busy_ns : sum.longest_busy_ns;
	}
	ms = (double)(clock_system_ns() - start) / 1e6;
	sum.made = reply[0].made;
	sum.softwires = reply[0].softwires;
	tell_change(task, &sum, ms);
	return EXIT_DONE;
}

static int change(int argc, char **argv, enum lwaftr_op op)
{
	struct options options;
	struct task task = { 0 };
	const char *file;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	task.program = options.program;
	task.options = &options;
	file = options_value(&options, "--file");
	if (op == LWAFTR_ADD && options_has(&options, "--replace"))
		op = LWAFTR_REPLACE;
	code = file != NULL ? read_file(&task, file, op) : read_arguments(&task, op);
	if (code == OPTIONS_GO && relays_find(&task.relays, options.argument[0], options_value(&options, "--app")) < 0)
		code = complain(&task);
	if (code == OPTIONS_GO)
		code = change_all(&task);
	free(task.change);
	lwaftr_config_fini(&task.config);
	return code;
}

int program_lwaftr_softwire_add(int argc, char **argv)
{
	return change(argc, argv, LWAFTR_ADD);
}

int program_lwaftr_softwire_remove(int argc, char **argv)
{
	return change(argc, argv, LWAFTR_REMOVE);
}

/* By address, then by PSID. */
static int compare(const void *a, const void *b)
{
	const struct lwaftr_softwire *one = a, *two = b;

	if (one->ipv4 != two->ipv4)
		return one->ipv4 < two->ipv4 ? -1 : 1;
	return (int)one->psid - (int)two->psid;
}

static void print_list(struct lwaftr_softwire *softwire, uint64_t count, bool json)
{
	if (count > 1)
		qsort(softwire, count, sizeof(*softwire), compare);
	if (json)
		fputs("[", stdout);
	for (uint64_t i = 0; i < count; i++) {
		if (json && i > 0)
			fputs(",\n ", stdout);
		(json ? config_print_softwire_json : config_print_softwire)(stdout, &softwire[i]);
		if (!json)
			fputc('\n', stdout);
	}
	if (json)
		fputs("]\n", stdout);
}

/* Ask the first relay for those of a pattern, and print them. none: what to say when there is none; NULL: nothing */
static int list(struct task *task, const struct lwaftr_pattern *pattern, const char *none)
{
	struct lwaftr_request request = { .magic = LWAFTR_MAGIC, .kind = LWAFTR_LIST, .pattern = *pattern };
	struct relay_answer answer;
	uint64_t count;

	if (relays_find(&task->relays, task->options->argument[0], options_value(task->options, "--app")) < 0 ||
		relay_ask(&task->relays, 0, &request, NULL, 0, &answer) < 0)
		return complain(task);
	count = answer.rest_bytes / sizeof(struct lwaftr_softwire);
	print_list((struct lwaftr_softwire *)answer.rest, count, options_has(task->options, "--json"));
	relay_answer_free(&answer);
	if (count == 0 && none != NULL)
		fprintf(stderr, "nf %s: %s\n", task->program->name, none);
	return count == 0 && none != NULL ? EXIT_FAILED : EXIT_DONE;
}

int program_lwaftr_softwire_list(int argc, char **argv)
{
	struct lwaftr_pattern pattern = { 0 };
	struct options options;
	struct task task = { 0 };
	const char *ipv4, *b4, *br;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	task.program = options.program;
	task.options = &options;
	ipv4 = options_value(&options, "--ipv4");
	b4 = options_value(&options, "--b4");
	br = options_value(&options, "--br");
	if ((ipv4 != NULL && !read_ipv4(&task, ipv4, &pattern.ipv4)) || (b4 != NULL && !read_ipv6(&task, "--b4", b4, pattern.b4)) ||
		(br != NULL && !read_ipv6(&task, "--br", br, pattern.br)))
		return EXIT_USAGE;
	pattern.has_ipv4 = ipv4 != NULL;
	pattern.has_b4 = b4 != NULL;
	pattern.has_br = br != NULL;
	return list(&task, &pattern, NULL);
}

int program_lwaftr_softwire_show(int argc, char **argv)
{
	struct lwaftr_pattern pattern = { .has_ipv4 = true };
	struct options options;
	struct task task = { 0 };
	const char *port;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	task.program = options.program;
	task.options = &options;
	port = options_value(&options, "--port");
	if (!read_ipv4(&task, options.argument[1], &pattern.ipv4) ||
		(options.count > 2 && !read_u16(&task, "PSID", options.argument[2], &pattern.psid)) ||
		(port != NULL && !read_u16(&task, "--port", port, &pattern.port)))
		return EXIT_USAGE;
	pattern.has_psid = options.count > 2;
	pattern.has_port = port != NULL;
	return list(&task, &pattern, "there is no such softwire");
}

static void print_count(const struct lwaftr_reply *reply, bool json)
{
	printf(json ? "{\"softwires\": %llu, \"addresses\": %llu, \"br_addresses\": %llu, \"room\": %llu, \"bytes\": %llu}\n" :
		"%llu softwires on %llu addresses, %llu br-addresses; room for %llu softwires, %llu bytes\n",
		(unsigned long long)reply->softwires, (unsigned long long)reply->addresses, (unsigned long long)reply->brs,
		(unsigned long long)reply->softwire_room, (unsigned long long)reply->bytes);
}

int program_lwaftr_softwire_count(int argc, char **argv)
{
	struct lwaftr_request request = { .magic = LWAFTR_MAGIC, .kind = LWAFTR_COUNT };
	struct options options;
	struct task task = { 0 };
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	task.program = options.program;
	task.options = &options;
	if (relays_find(&task.relays, options.argument[0], options_value(&options, "--app")) < 0)
		return complain(&task);
	for (uint32_t i = 0; i < task.relays.count; i++) {
		struct relay_answer answer;

		if (relay_ask(&task.relays, i, &request, NULL, 0, &answer) < 0)
			return complain(&task);
		if (task.relays.count > 1 && !options_has(&options, "--json"))
			printf("%s: ", task.relays.relay[i].worker);
		print_count(&answer.reply, options_has(&options, "--json"));
		relay_answer_free(&answer);
	}
	return EXIT_DONE;
}
