/* fuzz_config -- hostile bytes in place of an evaluated configuration: decoded, printed, hashed, read back, decoded as
 * parameters of every type, checked as a graph of the native apps, drawn. */
#include "apps/apps.h"
#include "core/graph_build.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

struct inner {
	uint8_t number;
	const char *text;
};

/* One field of each type. */
struct all {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32, choice;
	uint64_t u64, bytes, duration;
	int64_t integer;
	double number;
	bool boolean, present;
	const char *string, *pci, *file;
	struct rate rate;
	uint8_t mac[6], ipv4[4], ipv6[16];
	struct prefix prefix4, prefix6;
	struct param_list list, tables;
	struct inner table;
};

static const char *const choices[] = { "red", "green", "blue", NULL };
static const struct param item = { .type = PARAM_U16, .max = 9000 };
static const struct param inner_params[] = {
	{ "number", PARAM_U8, offsetof(struct inner, number), .initial = 7 },
	{ "text", PARAM_STRING, offsetof(struct inner, text), .min = 1, .max = 8, .optional = true },
	{ 0 }
};
static const struct param inner_item = { .type = PARAM_TABLE, .fields = inner_params, .size = sizeof(struct inner) };

static const struct param params[] = {
	{ "u8", PARAM_U8, offsetof(struct all, u8), .min = 1, .max = 200, .initial = 1 },
	{ "u16", PARAM_U16, offsetof(struct all, u16), .help = NULL },
	{ "u32", PARAM_U32, offsetof(struct all, u32), .optional = true, .present = offsetof(struct all, present), .help = NULL },
	{ "u64", PARAM_U64, offsetof(struct all, u64), .help = NULL },
	{ "int", PARAM_INT, offsetof(struct all, integer), .real_min = -1e9, .real_max = 1e9 },
	{ "number", PARAM_NUMBER, offsetof(struct all, number), .help = NULL },
	{ "bool", PARAM_BOOL, offsetof(struct all, boolean), .help = NULL },
	{ "string", PARAM_STRING, offsetof(struct all, string), .initial_text = "default" },
	{ "bytes", PARAM_BYTES, offsetof(struct all, bytes), .initial_text = "64K" },
	{ "rate", PARAM_RATE, offsetof(struct all, rate), .initial_text = "10G" },
	{ "duration", PARAM_DURATION, offsetof(struct all, duration), .initial_text = "5ms" },
	{ "mac", PARAM_MAC, offsetof(struct all, mac), .help = NULL },
	{ "ipv4", PARAM_IPV4, offsetof(struct all, ipv4), .help = NULL },
	{ "ipv6", PARAM_IPV6, offsetof(struct all, ipv6), .help = NULL },
	{ "prefix4", PARAM_PREFIX4, offsetof(struct all, prefix4), .help = NULL },
	{ "prefix6", PARAM_PREFIX6, offsetof(struct all, prefix6), .help = NULL },
	{ "pci", PARAM_PCI, offsetof(struct all, pci), .help = NULL },
	{ "file", PARAM_FILE, offsetof(struct all, file), .help = NULL },
	{ "choice", PARAM_ENUM, offsetof(struct all, choice), .choices = choices },
	{ "list", PARAM_LIST, offsetof(struct all, list), .item = &item, .max = 1000 },
	{ "tables", PARAM_LIST, offsetof(struct all, tables), .item = &inner_item },
	{ "table", PARAM_TABLE, offsetof(struct all, table), .fields = inner_params, .size = sizeof(struct inner) },
	{ 0 }
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	app_classes = apps_table;
	return 0;
}

/* Touch every byte of what has been decoded: the sanitizers look on. */
static void walk(const struct all *all)
{
	uint64_t sum = all->string != NULL ? strlen(all->string) : 0;

	sum += all->file != NULL ? strlen(all->file) : 0;
	sum += all->pci != NULL ? strlen(all->pci) : 0;
	for (uint32_t i = 0; i < all->list.count; i++)
		sum += ((uint16_t *)all->list.items)[i];
	for (uint32_t i = 0; i < all->tables.count; i++)
		sum += ((struct inner *)all->tables.items)[i].number;
	nf_assert(sum != UINT64_MAX && all->u8 >= 1 && all->u8 <= 200 && all->choice < 3, "a decoded field is out of range");
}

static void decode_params(const struct value *value)
{
	struct arena arena = { 0 };
	struct errors errors = { 0 };
	struct all all = { 0 };

	if (param_decode(params, value, &all,
		&(struct param_context){ .app = "app 'x'", .folder = "/tmp", .arena = &arena, .errors = &errors }))
		walk(&all);
	else
		nf_assert(errors.count > 0, "a table was refused without a message");
	errors_fini(&errors);
	arena_free(&arena);
}

/* What is printed of a value cut off anywhere stays within its buffer. */
static void print(const struct value *value, size_t length)
{
	size_t size = length % 64 + 1;
	char *text = malloc(size);

	value_print(value, text, size);
	nf_assert(strlen(text) < size, "a printed value has no end");
	free(text);
}

static void check_graph(struct value *value)
{
	struct errors errors = { 0 };
	struct graph *graph = graph_from_value(value, "", "/nonexistent", &errors);

	nf_assert(graph != NULL || errors.count > 0, "a configuration was refused without a message");
	if (graph != NULL) {
		free(graph_draw_text(graph));
		free(graph_draw_dot(graph));
	}
	graph_free(graph);
	errors_fini(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct value *value;

	if (value_decode(data, length, &value) < 0)
		return 0;
	nf_assert(value_equal(value, value), "a value differs from itself");
	value_hash(value);
	print(value, length);
	decode_params(value);
	check_graph(value);
	return 0;
}
