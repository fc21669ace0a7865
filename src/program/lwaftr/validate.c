/* validate -- `nf lwaftr validate CONF`: is a configuration right? Tells all mistakes with their places; starts nothing. */
#include "program/lwaftr/lwaftr.h"

static void print_count(const char *before, uint64_t n, const char *one, const char *many)
{
	printf("%s%llu %s", before, (unsigned long long)n, n == 1 ? one : many);
}

/* "CONF: good: 3 softwires on 2 addresses, 2 br-addresses, 1 instance with 1 queue, table of 9 KiB" */
static void print(const char *file, const struct lwaftr_config *config, const struct lwaftr_binding *binding)
{
	uint32_t queues = 0;

	for (uint32_t i = 0; i < config->instance_count; i++)
		queues += config->instance[i].queue_count;
	printf("%s: good", file);
	print_count(": ", binding->softwire.count, "softwire", "softwires");
	print_count(" on ", binding->address.count, "address", "addresses");
	print_count(", ", binding->br_count, "br-address", "br-addresses");
	print_count(", ", config->instance_count, "instance", "instances");
	print_count(" with ", queues, "queue", "queues");
	printf(", table of %llu KiB\n", (unsigned long long)(lwaftr_binding_bytes(binding) + 1023) / 1024);
}

int program_lwaftr_validate(int argc, char **argv)
{
	struct lwaftr_binding binding;
	struct lwaftr_config config;
	struct options options;
	int code = options_parse(&options, argc, argv);

	if (code != OPTIONS_GO)
		return code;
	if (!lwaftr_read(options.program, options.argument[0], &config, &binding))
		return EXIT_FAILED;
	print(options.argument[0], &config, &binding);
	lwaftr_binding_fini(&binding);
	lwaftr_config_fini(&config);
	return EXIT_DONE;
}
