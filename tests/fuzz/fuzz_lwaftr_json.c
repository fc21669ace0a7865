/* fuzz_lwaftr_json -- a configuration in the JSON of RFC 8676 from anybody: read and checked, all mistakes told. What was accepted is
 * written in each form; written as JSON, it is read again, and is the same then. */
#include "apps/lwaftr/binding.h"
#include "apps/lwaftr/config_print.h"
#include "apps/lwaftr/config_rfc8676.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static char *print(const struct lwaftr_config *config, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	nf_assert(out != NULL, "out of memory");
	config_rfc8676_print(out, config);
	fclose(out);
	return text;
}

/* Read, with its table. gives: whether it was right; else there is nothing to undo */
static bool read_json(struct lwaftr_config *config, const void *text, size_t length)
{
	struct errors errors = { 0 }, lost = { 0 };
	struct lwaftr_binding binding;
	bool good = false;

	if (config_rfc8676_parse(config, "x", text, length, LWAFTR_WITHOUT_FILTERS, &lost) == 0) {
		nf_assert(lwaftr_binding_init(&binding, config, 4, LWAFTR_RESERVED_RFC7597) == 0, "%s", nf_error());
		good = lwaftr_config_mistakes(config, &errors);
		nf_assert(good || errors.count > 0, "a mistake without a message");
		lwaftr_binding_fini(&binding);
		if (!good)
			lwaftr_config_fini(config);
	}
	errors_fini(&errors);
	errors_fini(&lost);
	return good;
}

static void write_forms(const struct lwaftr_config *config)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	nf_assert(out != NULL, "out of memory");
	config_print(out, config, CONFIG_LUA);
	config_print(out, config, CONFIG_TEXT);
	fclose(out);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct errors lost = { 0 }, wrong = { 0 };
	struct lwaftr_config config, again;

	if (!read_json(&config, data, length))
		return 0;
	write_forms(&config);
	if (config_rfc8676_fits(&config, &lost, &wrong)) {
		size_t size, size_again;
		char *text = print(&config, &size), *text_again;

		nf_assert(read_json(&again, text, size), "what was written is wrong");
		text_again = print(&again, &size_again);
		nf_assert(size == size_again && memcmp(text, text_again, size) == 0, "what was written is not the same");
		lwaftr_config_fini(&again);
		free(text);
		free(text_again);
	}
	errors_fini(&lost);
	errors_fini(&wrong);
	lwaftr_config_fini(&config);
	return 0;
}
