/* config_source -- see config_source.h. */
#include "apps/lwaftr/config_source.h"

#include <inttypes.h>

enum { NUMBER = 32, DEEPEST = 16 };
static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", INNER[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	"abcdefghijklmnopqrstuvwxyz_0123456789.-";

bool config_source_begin(struct config_source *source)
{
	*source = (struct config_source){ 0 };
	source->out = open_memstream(&source->text, &source->size);
	return source->out != NULL;
}

static void put(struct config_source *source, const char *text, size_t length)
{
	source->place += fwrite(text, 1, length, source->out);
}

static void put_text(struct config_source *source, const char *text)
{
	put(source, text, strlen(text));
}

void config_source_open(struct config_source *source, const char *keyword, const char *key, uint32_t position)
{
	if (source->count == source->room) {
		uint32_t room = source->room * 2 + 64;
		void *larger = realloc(source->block, room * sizeof(*source->block));

		source->failed = source->failed || larger == NULL;
		if (larger == NULL)
			return;
		source->block = larger;
		source->room = room;
	}
	source->block[source->count] = (struct config_block){ .place = source->place, .key = key, .position = position,
		.parent = source->count > 0 ? source->current : 0 };
	source->current = source->count++;
	put_text(source, keyword);
	put_text(source, " {\n");
}

void config_source_close(struct config_source *source)
{
	put_text(source, "}\n");
	if (source->count > 0)
		source->current = source->block[source->current].parent;
}

void config_source_leaf(struct config_source *source, const char *keyword, const char *value, size_t length)
{
	put_text(source, keyword);
	put_text(source, " \"");
	for (size_t i = 0; i < length; i++) {
		if (value[i] == '"' || value[i] == '\\')
			put(source, "\\", 1);
		if (value[i] == '\n')
			put_text(source, "\\n");
		else
			put(source, &value[i], 1);
	}
	put_text(source, "\";\n");
}

int config_source_parse(struct config_source *source, struct lwaftr_config *config, const char *file, uint32_t flags)
{
	struct config_source *kept = malloc(sizeof(*kept));
	int code;

	if (fclose(source->out) != 0 || source->failed || kept == NULL) {
		source->out = NULL;
		config_source_free(source);
		free(kept);
		return nf_fail(ENOMEM, "%s: no memory for a configuration", file);
	}
	source->out = NULL;
	code = lwaftr_config_parse(config, file, source->text, source->size, flags);
	*kept = *source;
	config->source = kept;
	return code;
}

void config_source_free(struct config_source *source)
{
	if (source->out != NULL)
		fclose(source->out);
	free(source->text);
	free(source->block);
	value_free(source->value);
	*source = (struct config_source){ 0 };
}

/* The last block that begins at or before a place. */
static uint32_t block_at(const struct config_source *source, uint64_t place)
{
	uint32_t low = 0, high = source->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (source->block[middle].place <= place)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void config_source_locate(const struct config_source *source, uint64_t place, char *text, size_t size)
{
	const struct config_block *way[DEEPEST];
	uint32_t count = 0, at = block_at(source, place);
	size_t length = 0;

	text[0] = '\0';
	while (source->count > 0 && count < DEEPEST) {
		way[count++] = &source->block[at];
		if (source->block[at].parent == at)
			break;
		at = source->block[at].parent;
	}
	while (count > 0 && length < size) {
		const struct config_block *block = way[--count];

		if (block->key == NULL)
			continue;
		length += (size_t)snprintf(text + length, size - length, "%s%s", length > 0 ? "." : "", block->key);
		if (block->position > 0 && length < size)
			length += (size_t)snprintf(text + length, size - length, "[%u]", block->position);
	}
}

static void write_table(struct config_source *source, const struct value *table, uint32_t depth);

static void write_leaf(struct config_source *source, const char *key, const struct value *value)
{
	char text[NUMBER] = "nil";

	if (value->type == VALUE_STRING) {
		config_source_leaf(source, key, value->string, value->count);
		return;
	}
	if (value->type == VALUE_BOOL)
		snprintf(text, sizeof(text), "%s", value->boolean ? "true" : "false");
	else if (value->type == VALUE_NUMBER)
		snprintf(text, sizeof(text), "%.17g", value->number);
	else if (value->type == VALUE_INTEGER)
		snprintf(text, sizeof(text), "%" PRId64, value->integer);
	else if (value->type == VALUE_UNSIGNED)
		snprintf(text, sizeof(text), "%" PRIu64, value->unsigned_integer);
	config_source_leaf(source, key, text, strlen(text));
}

/* A key of a table: a leaf, a block, or the elements of a list. */
static void write_entry(struct config_source *source, const char *key, const struct value *value, uint32_t depth)
{
	const struct value *element;

	if (value->type != VALUE_TABLE) {
		write_leaf(source, key, value);
		return;
	}
	if (value_at(value, 1) == NULL) {
		config_source_open(source, key, key, 0);
		write_table(source, value, depth + 1);
		config_source_close(source);
		return;
	}
	for (uint32_t i = 1; (element = value_at(value, i)) != NULL; i++) {
		if (element->type != VALUE_TABLE) {
			write_leaf(source, key, element);
			continue;
		}
		config_source_open(source, key, key, i);
		write_table(source, element, depth + 1);
		config_source_close(source);
	}
}

/* Other keys, and positions beside names, become a key that the decoder does not know. */
static bool is_keyword(const struct value *key)
{
	return key->type == VALUE_STRING && key->count > 0 && strchr(LETTERS, key->string[0]) != NULL &&
		strspn(key->string, INNER) == key->count;
}

static void write_table(struct config_source *source, const struct value *table, uint32_t depth)
{
	for (uint32_t i = 0; i < table->count && depth < DEEPEST; i++) {
		const struct value_entry *entry = &table->entry[i];

		write_entry(source, is_keyword(&entry->key) ? entry->key.string : "_", &entry->value, depth);
	}
}

void config_source_value(struct config_source *source, const struct value *value)
{
	const struct value *inner = value_get(value, "softwire-config");

	config_source_open(source, "softwire-config", NULL, 0);
	if (inner != NULL && inner->type == VALUE_TABLE && value->count == 1)
		write_table(source, inner, 1);
	else
		write_table(source, value, 1);
	config_source_close(source);
}
