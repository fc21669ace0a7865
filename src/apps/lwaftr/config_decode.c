/* config_decode -- see config_decode.h. */
#include "apps/lwaftr/config_decode.h"
#include "lib/lib.h"

static struct config_frame *current(struct config_decoder *decoder)
{
	return &decoder->frame[decoder->depth - 1];
}

/* Give the numbers and booleans of a block and of the blocks in it their defaults. */
static void set_defaults(const struct config_node *children, uint8_t *base)
{
	for (const struct config_node *node = children; node->name != NULL; node++) {
		if (node->kind == CONFIG_BLOCK)
			set_defaults(node->children, base + node->offset);
		else if (node->initial != 0)
			memcpy(base + node->offset, &node->initial, node->kind == CONFIG_U16 ? 2 : node->kind == CONFIG_U32 ? 4 : 1);
	}
}

void config_begin(struct config_decoder *decoder, struct lwaftr_config *config)
{
	static const struct config_node whole = { .kind = CONFIG_BLOCK, .children = config_model },
		softwires = { .kind = CONFIG_BLOCK, .children = config_model_softwires },
		keys = { .kind = CONFIG_BLOCK, .children = config_model_keys };
	const struct config_node *root = config->flags & LWAFTR_KEYS_ALONE ? &keys :
		config->flags & LWAFTR_SOFTWIRES_ALONE ? &softwires : &whole;

	memset(decoder, 0, offsetof(struct config_decoder, frame));
	decoder->config = config;
	decoder->depth = 1;
	decoder->frame[0] = (struct config_frame){ .node = root, .base = (uint8_t *)config };
	set_defaults(root->children, (uint8_t *)config);
}

const char *config_shown(const struct config_word *word, char text[CONFIG_SHOWN])
{
	enum { MOST = CONFIG_SHOWN - 8 };
	uint32_t length = word->length < MOST ? word->length : MOST;

	for (uint32_t i = 0; i < length; i++)
		text[i] = (char)((uint8_t)word->text[i] < ' ' || word->text[i] == 127 ? '?' : word->text[i]);
	strcpy(text + length, word->length > MOST ? "..." : "");
	return text;
}

static bool is_named(const struct config_node *node, const struct config_word *word)
{
	return node->name != NULL && strncmp(node->name, word->text, word->length) == 0 && node->name[word->length] == '\0';
}

/* "in 'mtu'", or where the top level is. */
static const char *where(const struct config_frame *frame)
{
	return frame->node->name != NULL ? frame->node->name : "the top level";
}

static void unknown(struct config_decoder *decoder, const struct config_word *word)
{
	const struct config_frame *frame = current(decoder);
	const char *names[CONFIG_CHILDREN + 1] = { NULL }, *nearest;
	char text[CONFIG_SHOWN];

	for (uint32_t i = 0; frame->node->children[i].name != NULL; i++)
		names[i] = frame->node->children[i].name;
	config_shown(word, text);
	nearest = error_nearest(text, names);
	if (nearest != NULL)
		lwaftr_config_mistake(decoder->config, word->place, "unknown key '%s' in '%s'; did you mean '%s'?", text, where(frame), nearest);
	else
		lwaftr_config_mistake(decoder->config, word->place, "unknown key '%s' in '%s'", text, where(frame));
}

/* The child of the open block that a keyword names; NULL after a mistake. Most files have one order, so the next one is tried
 * first. */
static const struct config_node *find(struct config_decoder *decoder, const struct config_word *keyword, bool opens)
{
	struct config_frame *frame = current(decoder);
	const struct config_node *children = frame->node->children;
	uint32_t i = frame->hint;
	bool is_block;

	if (!is_named(&children[i], keyword))
		for (i = 0; children[i].name != NULL && !is_named(&children[i], keyword); )
			i++;
	if (children[i].name == NULL) {
		if (keyword->length > 0)        /* what has no name was complained of already */
			unknown(decoder, keyword);
		return NULL;
	}
	is_block = children[i].kind <= CONFIG_LIST;
	frame->hint = children[i].kind == CONFIG_LIST ? i : i + 1;
	if (is_block != opens)
		lwaftr_config_mistake(decoder->config, keyword->place, is_block ? "'%s' is a block: { is expected, not a value" :
			"'%s' takes a value, not a block", children[i].name);
	else if (frame->seen >> i & 1 && children[i].kind != CONFIG_LIST)
		lwaftr_config_mistake(decoder->config, keyword->place, "'%s' is given twice in this block", children[i].name);
	frame->seen |= 1ull << i;
	return is_block == opens ? &children[i] : NULL;
}

void config_open(struct config_decoder *decoder, const struct config_word *keyword)
{
	const struct config_node *node = decoder->skipped == 0 ? find(decoder, keyword, true) : NULL;
	struct config_frame *parent = current(decoder);
	uint8_t *base;

	if (node == NULL) {
		decoder->skipped++;
		return;
	}
	nf_assert(decoder->depth < CONFIG_DEPTH, "the model is deeper than CONFIG_DEPTH");
	base = node->kind == CONFIG_LIST ? node->begin(decoder->config, parent->base) : parent->base + node->offset;
	decoder->frame[decoder->depth++] = (struct config_frame){ .node = node, .base = base, .place = keyword->place,
		.mistakes = decoder->config->mistake_count };
}

/* What a key lacks in a block that is complete, and the block's own check. */
static void close_frame(struct config_decoder *decoder, const struct config_frame *frame, void *parent)
{
	const struct config_node *children = frame->node->children;

	for (uint32_t i = 0; children[i].name != NULL; i++)
		if (children[i].mandatory && !(frame->seen >> i & 1))
			lwaftr_config_mistake(decoder->config, frame->place, "'%s' lacks '%s'", where(frame), children[i].name);
	if (frame->node->end != NULL && decoder->config->mistake_count == frame->mistakes)
		frame->node->end(decoder->config, parent, frame->base, frame->place);
}

void config_close(struct config_decoder *decoder)
{
	if (decoder->skipped > 0) {
		decoder->skipped--;
		return;
	}
	decoder->depth--;
	close_frame(decoder, &decoder->frame[decoder->depth], current(decoder)->base);
}

/* Numbers have the range of the model, or of their type. */
static bool read_number(struct config_decoder *decoder, const struct config_node *node, const struct config_word *value, void *to)
{
	static const uint64_t most[] = { [CONFIG_U8] = UINT8_MAX, [CONFIG_U16] = UINT16_MAX, [CONFIG_U32] = UINT32_MAX, [CONFIG_U64] = UINT64_MAX };
	static const uint8_t bytes[] = { [CONFIG_U8] = 1, [CONFIG_U16] = 2, [CONFIG_U32] = 4, [CONFIG_U64] = 8 };
	uint64_t limit = node->max != 0 ? node->max : most[node->kind], number;
	char text[CONFIG_SHOWN];

	if (!config_number(value->text, value->length, &number) || number < node->min || number > limit) {
		lwaftr_config_mistake(decoder->config, value->place, "'%s': a number %llu..%llu is expected, not '%s'", node->name,
			(unsigned long long)node->min, (unsigned long long)limit, config_shown(value, text));
		return false;
	}
	if (node->offset == CONFIG_NOWHERE)
		decoder->config->paddings += number != 0;
	else
		memcpy(to, &number, bytes[node->kind]);         /* little-endian */
	return true;
}

static bool is_bool(const struct config_word *value, bool *to)
{
	*to = value->length == 4;
	return (value->length == 4 && memcmp(value->text, "true", 4) == 0) || (value->length == 5 && memcmp(value->text, "false", 5) == 0);
}

/* A copy with a zero behind it, as C wants it. */
static bool read_string(struct config_decoder *decoder, const struct config_node *node, const struct config_word *value, const char **to)
{
	if (value->length > CONFIG_VALUE) {
		lwaftr_config_mistake(decoder->config, value->place, "'%s': a value of more than %d bytes", node->name, CONFIG_VALUE);
		return false;
	}
	if (memchr(value->text, '\0', value->length) != NULL) {
		lwaftr_config_mistake(decoder->config, value->place, "'%s': a zero byte in the value", node->name);
		return false;
	}
	if (node->kind == CONFIG_DATE && !config_date(value->text, value->length)) {
		lwaftr_config_mistake(decoder->config, value->place, "'%s': a time stamp such as 2021-11-08T00:00:00Z is expected", node->name);
		return false;
	}
	/* An empty filter lets everything pass, as none does. */
	*to = node->kind == CONFIG_FILTER && value->length == 0 ? NULL : arena_copy(&decoder->config->arena, value->text, value->length);
	return true;
}

/* Whether the address that was read is one that a host can have. */
static bool is_host(enum config_kind kind, const uint8_t *address)
{
	static const uint8_t none[6];

	if (kind == CONFIG_IPV4)
		return ipv4_is_host(address);
	if (kind == CONFIG_IPV6)
		return ipv6_is_host(address);
	return !ethernet_is_group(address) && memcmp(address, none, sizeof(none)) != 0;
}

static bool read_value(struct config_decoder *decoder, const struct config_node *node, const struct config_word *value, void *to)
{
	const char *expected;
	char text[CONFIG_SHOWN];
	bool right;

	switch (node->kind) {
	case CONFIG_BOOL:
		right = is_bool(value, to);
		expected = "true or false";
		break;
	case CONFIG_IPV4:
		right = config_ipv4(value->text, value->length, to);
		expected = "an IPv4 address";
		break;
	case CONFIG_IPV6:
		right = config_ipv6(value->text, value->length, to);
		expected = "an IPv6 address";
		break;
	case CONFIG_MAC:
		right = config_mac(value->text, value->length, to);
		expected = "an Ethernet address such as 02:00:00:00:00:01";
		break;
	case CONFIG_STRING:
	case CONFIG_FILTER:
	case CONFIG_DATE:
		return read_string(decoder, node, value, to);
	default:
		return read_number(decoder, node, value, to);
	}
	if (right && node->host && !is_host(node->kind, to)) {
		right = false;
		expected = node->kind == CONFIG_MAC ? "the Ethernet address of one interface" : "the address of one host";
	}
	if (!right)
		lwaftr_config_mistake(decoder->config, value->place, "'%s': %s is expected, not '%s'", node->name, expected,
			config_shown(value, text));
	return right;
}

void config_leaf(struct config_decoder *decoder, const struct config_word *keyword, const struct config_word *value)
{
	const struct config_node *node = decoder->skipped == 0 ? find(decoder, keyword, false) : NULL;
	uint8_t *base = current(decoder)->base;

	if (node == NULL || !read_value(decoder, node, value, base + node->offset))
		return;
	if (node->present != 0)
		base[node->present - 1] = true;
	if (node->place != 0)
		memcpy(base + node->place - 1, &value->place, sizeof(value->place));
}

void config_finish(struct config_decoder *decoder)
{
	close_frame(decoder, &decoder->frame[0], NULL);
}
