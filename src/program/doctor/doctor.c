/* doctor -- `nf doctor [NAME] [--json]`: what of this machine nf can use, and how the rest is mended; what the workers of an
 * instance may do. */
#include "program/doctor/doctor.h"
#include "program/options.h"

#include <jansson.h>

static const struct { const char *name; void (*look)(struct doctor_finding *finding); } checks[] = {
	{ "packet memory", doctor_memory },
	{ "huge pages", doctor_huge_pages },
	{ "locked memory", doctor_locked_memory },
	{ "clock", doctor_clock },
	{ "CPU isolation", doctor_isolation },
	{ "CPU frequency", doctor_governor },
	{ "NUMA", doctor_numa },
	{ "IOMMU", doctor_iommu },
	{ "cards", doctor_cards },
	{ "capabilities", doctor_capabilities },
	{ "packet sockets", doctor_packet_socket },
	{ "tap devices", doctor_tap },
	{ "XDP sockets", doctor_xdp },
};

static const char *const state_names[] = { "good", "poor", "unusable" };

static void print_text(const char *name, const struct doctor_finding *finding)
{
	printf("%-8s %-15s %s\n", state_names[finding->state], name, finding->found);
	if (finding->state != DOCTOR_GOOD)
		printf("%-8s %-15s wanted: %s\n%-8s %-15s mend:   %s\n", "", "", finding->wanted, "", "", finding->mend);
}

/* One object per line. */
static void print_json(const char *name, const struct doctor_finding *finding)
{
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", name, "state", state_names[finding->state],
		"found", finding->found, "wanted", finding->wanted, "mend", finding->mend);

	if (object != NULL && json_dumpf(object, stdout, 0) == 0)
		fputc('\n', stdout);
	json_decref(object);
}

int program_doctor(int argc, char **argv)
{
	struct options options;
	uint32_t count[3] = { 0 };
	int code = options_parse(&options, argc, argv);
	bool json;

	if (code != OPTIONS_GO)
		return code;
	json = options_has(&options, "--json");
	if (options.count > 0)
		return doctor_instance(options.argument[0], json);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct doctor_finding finding = { 0 };

		checks[i].look(&finding);
		count[finding.state]++;
		(json ? print_json : print_text)(checks[i].name, &finding);
	}
	if (!json && count[DOCTOR_UNUSABLE] > 0)
		printf("\nnf cannot run here until what is unusable is mended\n");
	else if (!json)
		printf("\nnf runs here; %u of %u points could be better\n", count[DOCTOR_POOR], count[DOCTOR_POOR] + count[DOCTOR_GOOD]);
	return count[DOCTOR_UNUSABLE] > 0 ? EXIT_FAILED : EXIT_DONE;
}
