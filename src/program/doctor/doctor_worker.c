/* doctor_worker -- `nf doctor NAME`: what the workers of a running instance may do, and where they run. See doctor.h. */
#include "program/doctor/doctor.h"
#include "program/program.h"
#include "program/reading.h"

#include "core/sandbox.h"

#include <jansson.h>
#include <pwd.h>
#include <unistd.h>

/* What /proc/PID/status tells of a worker. */
struct privileges {
	uint32_t number, pid;
	unsigned uid, seccomp;
	unsigned long long capabilities;        /* in any set that it has or could get back */
	bool no_new, has_groups;
};

/* One line "Name:\tvalue". */
static void take_line(struct privileges *p, const char *line)
{
	const char *value = strchr(line, ':');

	if (value == NULL)
		return;
	value += 1 + strspn(value + 1, " \t");
	if (strncmp(line, "Uid:", 4) == 0)
		p->uid = (unsigned)strtoul(value, NULL, 10);
	else if (strncmp(line, "Groups:", 7) == 0)
		p->has_groups = *value >= '0' && *value <= '9';
	else if (strncmp(line, "NoNewPrivs:", 11) == 0)
		p->no_new = *value == '1';
	else if (strncmp(line, "Seccomp:", 8) == 0)
		p->seccomp = (unsigned)strtoul(value, NULL, 10);
	else if (strncmp(line, "CapPrm:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapAmb:", 7) == 0)
		p->capabilities |= strtoull(value, NULL, 16);
}

static int read_privileges(struct privileges *p)
{
	char path[1024], line[512];
	FILE *file;

	doctor_path(path, sizeof(path), "/proc/%u/status", p->pid);
	file = fopen(path, "re");
	if (file == NULL)
		return nf_fail(errno, "worker %u: %s: %s", p->number, path, strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL)
		take_line(p, line);
	fclose(file);
	return 0;
}

static const char *user_name(unsigned uid)
{
	const struct passwd *entry = getpwuid(uid);

	return entry != NULL ? entry->pw_name : "?";
}

/* Does nothing stay that a sandbox takes away? */
static bool is_closed(const struct privileges *p)
{
	return p->uid != 0 && p->capabilities == 0 && p->no_new && p->seccomp == 2;
}

/* Where it runs, and what of that is bad; NULL: not known. */
static void print_placement(const struct placement *placement)
{
	struct errors errors = { 0 };
	char text[2048];

	if (placement == NULL) {
		printf("  placement         not known: no supervisor tells\n");
		return;
	}
	doctor_placement_text(placement, text, sizeof(text));
	printf("  placement         %s\n", text);
	placement_judge(placement, placement_nodes(), &errors);
	for (uint32_t i = 0; i < errors.count; i++)
		printf("  poor placement    %s\n", errors.text[i]);
	errors_fini(&errors);
}

static void print_worker(const struct privileges *p, const struct placement *placement)
{
	static const char *const modes[] = { "none", "strict", "the calls below, any other ends it" };

	printf("worker %u (process %u): %s\n", p->number, p->pid, is_closed(p) ? "closed" : "NOT CLOSED");
	printf("  user              %s (%u)%s\n", user_name(p->uid), p->uid, p->has_groups ? ", with groups" : ", no groups");
	if (p->capabilities == 0)
		printf("  capabilities      none\n");
	else
		printf("  capabilities      %llx\n", p->capabilities);
	printf("  new privileges    %s\n", p->no_new ? "cannot be got" : "can be got by programs that give some");
	printf("  system calls      %s\n", p->seccomp < 3 ? modes[p->seccomp] : "?");
	print_placement(placement);
}

/* The same as an object. */
static json_t *placement_object(const struct placement *placement)
{
	json_t *devices = json_object(), *memory = json_object(), *poor = json_array();
	struct errors errors = { 0 };
	char node[16];

	for (uint32_t i = 0; i < placement->device_count; i++)
		json_object_set_new(devices, placement->device[i].name, json_integer(placement->device[i].node));
	for (int i = 0; i < PLACEMENT_NODES; i++) {
		snprintf(node, sizeof(node), "%d", i);
		if (placement->kib[i] > 0)
			json_object_set_new(memory, node, json_integer((json_int_t)placement->kib[i]));
	}
	placement_judge(placement, placement_nodes(), &errors);
	for (uint32_t i = 0; i < errors.count; i++)
		json_array_append_new(poor, json_string(errors.text[i]));
	errors_fini(&errors);
	return json_pack("{s:i, s:i, s:o, s:o, s:o}", "processor", placement->cpu, "node", placement->node, "devices", devices,
		"packets_kib", memory, "poor", poor);
}

static void print_json(const struct privileges *p, const struct placement *placement)
{
	json_t *object = json_pack("{s:i, s:i, s:s, s:i, s:I, s:b, s:i, s:b, s:o}", "worker", (int)p->number, "process", (int)p->pid,
		"user", user_name(p->uid), "uid", (int)p->uid, "capabilities", (json_int_t)p->capabilities, "no-new-privileges",
		(int)p->no_new, "seccomp", (int)p->seccomp, "closed", (int)is_closed(p), "placement",
		placement != NULL ? placement_object(placement) : json_null());

	if (object != NULL && json_dumpf(object, stdout, 0) == 0)
		fputc('\n', stdout);
	json_decref(object);
}

static void print_calls(void)
{
	printf("\nsystem calls of a worker, and what for:\n");
	for (const struct sandbox_call *call = sandbox_calls; call->name != NULL; call++)
		printf("  %-17s %s\n", call->name, call->why);
}

int doctor_instance(const char *name, bool json)
{
	struct reading reading;
	bool closed = true, filtered = false;
	int code = instance_find(name);

	if (code == 0)
		code = reading_init(&reading, name);
	if (code < 0) {
		fprintf(stderr, "nf doctor: %s\n", nf_error());
		return EXIT_FAILED;
	}
	for (uint32_t w = 0; w < reading.workers && code == 0; w++) {
		struct privileges p = { .number = w + 1, .pid = reading.header.worker_pid[w] };
		struct placement placement;

		code = read_privileges(&p);
		if (code < 0)
			continue;
		(json ? print_json : print_worker)(&p, doctor_placement(&placement, name, w, (int)p.pid) ? &placement : NULL);
		closed = closed && is_closed(&p);
		filtered = filtered || p.seccomp == 2;
	}
	if (code < 0)
		fprintf(stderr, "nf doctor: %s\n", nf_error());
	else if (filtered && !json)
		print_calls();
	reading_fini(&reading);
	return code == 0 && closed ? EXIT_DONE : EXIT_FAILED;
}
