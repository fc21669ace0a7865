/* validate -- `nf lwaftr validate CONF`: is a configuration right? Tells all mistakes with their places; starts nothing. */
#include "program/lwaftr/lwaftr.h"

/* "CONF: good: 3 softwires on 2 addresses, 2 br-addresses, 1 queue, 512 bytes of table" */
static void print(const char *file, const struct lwaftr_config *config, const struct lwaftr_binding *binding)
{
	uint32_t queues = 0;

	for (uint32_t i = 0; i < config->instance_count; i++)
		queues += config->instance[i].queue_count;
	printf("%s: good: %llu softwires on %llu addresses, %u br-addresses, %u instances with %u queues, table of %llu KiB\n", file,
		(unsigned long long)binding->softwire.count, (unsigned long long)binding->address.count, binding->br_count,
		config->instance_count, queues, (unsigned long long)(lwaftr_binding_bytes(binding) + 1023) / 1024);
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
