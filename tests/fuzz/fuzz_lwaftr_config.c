/* fuzz_lwaftr_config -- a configuration file from anybody: read, checked, its table made, all mistakes told. What was accepted must
 * be found again. */
#include "apps/lwaftr/binding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

/* Each softwire of a good configuration is found by its first port, and by a walk; then all are removed again. */
static void check_table(struct lwaftr_config *config, struct lwaftr_binding *binding)
{
	struct lwaftr_softwire softwire;
	uint64_t position = 0, count = 0;

	for (uint64_t i = 0; i < config->softwire_count; i++) {
		const struct lwaftr_softwire *s = &config->softwire[i];
		uint32_t k = s->psid_length, a = s->reserved, m = 16 - k - a;
		uint16_t port = (uint16_t)((a > 0 ? 1u << (16 - a) : 0) | (uint32_t)s->psid << m);
		const struct lwaftr_tunnel *tunnel = lwaftr_binding_find(binding, s->ipv4, port);

		nf_assert(tunnel != NULL && memcmp(tunnel->b4, s->b4, 16) == 0 &&
			memcmp(binding->br[tunnel->br].address, s->br, 16) == 0, "softwire %llu is not found", (unsigned long long)i);
		nf_assert(lwaftr_binding_serves(binding, s->ipv4), "the address of softwire %llu", (unsigned long long)i);
	}
	while (lwaftr_binding_next(binding, &position, &softwire))
		count++;
	nf_assert(count == config->softwire_count && count == binding->softwire.count, "%llu softwires", (unsigned long long)count);
	for (uint64_t i = 0; i < count; i++)
		nf_assert(lwaftr_binding_remove(binding, config->softwire[i].ipv4, config->softwire[i].psid) == 0, "cannot be removed");
	nf_assert(binding->softwire.count == 0 && binding->address.count == 0 && binding->shapes == 0, "something is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	/* Memory of its own: there is no zero behind a file's end. */
	uint8_t *text = malloc(length > 0 ? length : 1);
	const struct lwaftr_instance *instance;
	const struct lwaftr_queue *queue;
	struct lwaftr_binding binding;
	struct lwaftr_config config;
	struct errors errors = { 0 };

	nf_assert(text != NULL, "out of memory");
	memcpy(text, data, length);
	nf_assert(lwaftr_config_parse(&config, "x", text, length, LWAFTR_WITHOUT_FILTERS) == 0, "no parse");
	nf_assert(lwaftr_binding_init(&binding, &config, 4, LWAFTR_RESERVED_RFC7597) == 0, "%s", nf_error());
	if (lwaftr_config_mistakes(&config, &errors)) {
		check_table(&config, &binding);
		if (lwaftr_config_select(&config, NULL, -1, &instance, &queue))
			nf_assert(config.external.mtu >= 68 && config.internal.mtu >= 1280, "an MTU");
	}
	errors_fini(&errors);
	lwaftr_binding_fini(&binding);
	lwaftr_config_fini(&config);
	free(text);
	return 0;
}
