/* value -- see value.h. */
#include "core/core.h"

enum { NUMBER_BYTES = 8, COUNT_BYTES = 4 };

/* Where a decoding stands: the bytes that are left, and what was counted or where the next part of the tree goes. */
struct reader {
	const uint8_t *at;
	size_t left;
	uint64_t entries, text;         /* counted by the first pass: entries of tables, bytes of strings with their zeros */
	struct value_entry *next_entry; /* used by the second pass */
	char *next_text;
};

/* Strings of bytes in the order of memcmp, a shorter one before its continuations. */
static int compare_bytes(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	if (order != 0 || a_length == b_length)
		return order;
	return a_length < b_length ? -1 : 1;
}

static bool read_count(struct reader *r, uint32_t *count)
{
	if (r->left < COUNT_BYTES)
		return false;
	memcpy(count, r->at, COUNT_BYTES);
	r->at += COUNT_BYTES;
	r->left -= COUNT_BYTES;
	return true;
}

static int cut_off(void)
{
	return nf_fail(EBADMSG, "an encoded value is cut off");
}

/* First pass over a string: the reader goes past it. */
static int check_string(struct reader *r, const char **string, uint32_t *length)
{
	if (!read_count(r, length) || r->left < *length)
		return cut_off();
	*string = (const char *)r->at;
	r->at += *length;
	r->left -= *length;
	r->text += (uint64_t)*length + 1;
	return 0;
}

static int check_value(struct reader *r, uint32_t depth);

/* First pass over a table. */
static int check_table(struct reader *r, uint32_t depth)
{
	const char *name = NULL, *last = NULL;
	uint32_t positions, fields, length = 0, last_length = 0;
	int code;

	if (depth == VALUE_DEPTH)
		return nf_fail(EBADMSG, "an encoded value has more than %d tables within each other", VALUE_DEPTH);
	if (!read_count(r, &positions) || !read_count(r, &fields))
		return cut_off();
	r->entries += (uint64_t)positions + fields;
	if (r->entries > VALUE_ENTRIES)
		return nf_fail(EBADMSG, "an encoded value has more than %d entries", VALUE_ENTRIES);
	for (uint32_t i = 0; i < positions; i++) {
		code = check_value(r, depth + 1);
		if (code < 0)
			return code;
	}
	for (uint32_t i = 0; i < fields; i++) {
		code = check_string(r, &name, &length);
		if (code < 0)
			return code;
		if (last != NULL && compare_bytes(last, last_length, name, length) >= 0)
			return nf_fail(EBADMSG, "an encoded table has its names twice or out of order");
		last = name;
		last_length = length;
		code = check_value(r, depth + 1);
		if (code < 0)
			return code;
	}
	return 0;
}

/* First pass: check everything and count what the tree needs. */
static int check_value(struct reader *r, uint32_t depth)
{
	const char *string;
	uint32_t length;
	uint8_t type;

	if (r->left == 0)
		return cut_off();
	type = *r->at++;
	r->left--;
	switch (type) {
	case 'n':
		return depth == 0 ? 0 : nf_fail(EBADMSG, "an encoded table holds nil");
	case 't':
	case 'f':
		return 0;
	case 'd':
	case 'i':
	case 'u':
		if (r->left < NUMBER_BYTES)
			return cut_off();
		r->at += NUMBER_BYTES;
		r->left -= NUMBER_BYTES;
		return 0;
	case 's':
		return check_string(r, &string, &length);
	case 'T':
		return check_table(r, depth);
	default:
		return nf_fail(EBADMSG, "an encoded value has a part of unknown type %u", type);
	}
}

/* Second pass, over bytes that the first one has found right. */
static void build_string(struct reader *r, struct value *value)
{
	char *text = r->next_text;

	value->type = VALUE_STRING;
	read_count(r, &value->count);
	memcpy(text, r->at, value->count);
	text[value->count] = '\0';
	value->string = text;
	r->next_text += (size_t)value->count + 1;
	r->at += value->count;
	r->left -= value->count;
}

static void build_value(struct reader *r, struct value *value);

static void build_table(struct reader *r, struct value *value)
{
	struct value_entry *entry = r->next_entry;
	uint32_t positions = 0, fields = 0;

	read_count(r, &positions);
	read_count(r, &fields);
	value->type = VALUE_TABLE;
	value->count = positions + fields;
	value->entry = entry;
	r->next_entry += value->count;
	for (uint32_t i = 0; i < value->count; i++) {
		if (i < positions)
			entry[i].key = (struct value){ .type = VALUE_NUMBER, .number = i + 1 };
		else
			build_string(r, &entry[i].key);
		build_value(r, &entry[i].value);
	}
}

static void build_value(struct reader *r, struct value *value)
{
	uint8_t type = *r->at++;

	r->left--;
	switch (type) {
	case 't':
	case 'f':
		value->type = VALUE_BOOL;
		value->boolean = type == 't';
		break;
	case 'd':
	case 'i':
	case 'u':
		value->type = type == 'd' ? VALUE_NUMBER : type == 'i' ? VALUE_INTEGER : VALUE_UNSIGNED;
		memcpy(&value->unsigned_integer, r->at, NUMBER_BYTES);
		r->at += NUMBER_BYTES;
		r->left -= NUMBER_BYTES;
		break;
	case 's':
		build_string(r, value);
		break;
	case 'T':
		build_table(r, value);
		break;
	}
}

int value_decode(const uint8_t *data, size_t length, struct value **value)
{
	struct reader r = { .at = data, .left = length };
	struct value *root;
	int code;

	*value = NULL;
	if (length > VALUE_BYTES)
		return nf_fail(EBADMSG, "an encoded value has more than %d MiB", VALUE_BYTES >> 20);
	code = check_value(&r, 0);
	if (code < 0)
		return code;
	if (r.left > 0)
		return nf_fail(EBADMSG, "an encoded value is followed by %zu more bytes", r.left);
	/* The root, all entries, all strings: one piece, freed at once. */
	root = calloc(1, sizeof(*root) + r.entries * sizeof(struct value_entry) + r.text);
	if (root == NULL)
		return nf_fail(ENOMEM, "no memory for a value of %llu entries", (unsigned long long)r.entries);
	r.next_entry = (struct value_entry *)(root + 1);
	r.next_text = (char *)(r.next_entry + r.entries);
	r.at = data;
	r.left = length;
	build_value(&r, root);
	*value = root;
	return 0;
}

void value_free(struct value *value)
{
	free(value);
}

/* How many entries have positions for keys: they come first. */
static uint32_t position_count(const struct value *table)
{
	uint32_t low = 0, high = table->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (table->entry[middle].key.type == VALUE_NUMBER)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct value *value_get(const struct value *table, const char *key)
{
	uint32_t low, high;
	size_t length = strlen(key);

	if (table == NULL || table->type != VALUE_TABLE)
		return NULL;
	low = position_count(table);
	high = table->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct value_entry *entry = &table->entry[middle];
		int order = compare_bytes(entry->key.string, entry->key.count, key, length);

		if (order == 0)
			return &entry->value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct value *value_at(const struct value *table, uint32_t position)
{
	if (table == NULL || table->type != VALUE_TABLE || position == 0 || position > table->count ||
		table->entry[position - 1].key.type != VALUE_NUMBER)
		return NULL;
	return &table->entry[position - 1].value;
}

/* A number's bits: one zero, one NaN, so that equal numbers have equal bits. */
static uint64_t number_bits(double number)
{
	uint64_t bits;

	if (number == 0)
		return 0;
	if (number != number)
		return UINT64_MAX;
	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

static bool table_equal(const struct value *a, const struct value *b)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (!value_equal(&a->entry[i].key, &b->entry[i].key) || !value_equal(&a->entry[i].value, &b->entry[i].value))
			return false;
	return true;
}

bool value_equal(const struct value *a, const struct value *b)
{
	enum value_type type = a == NULL ? VALUE_NIL : a->type;

	if (type != (b == NULL ? VALUE_NIL : b->type))
		return false;
	if (type == VALUE_NIL)
		return true;
	if (a->count != b->count)
		return false;
	switch (type) {
	case VALUE_BOOL:
		return a->boolean == b->boolean;
	case VALUE_NUMBER:
		return number_bits(a->number) == number_bits(b->number);
	case VALUE_STRING:
		return memcmp(a->string, b->string, a->count) == 0;
	case VALUE_TABLE:
		return table_equal(a, b);
	default:
		return a->unsigned_integer == b->unsigned_integer;
	}
}

/* FNV-1a over bytes, 64 bits (draft-eastlake-fnv): short inputs, and nobody gains from a collision with himself. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t hash_value(uint64_t hash, const struct value *value)
{
	uint64_t head[2] = { value == NULL ? VALUE_NIL : value->type, value == NULL ? 0 : value->count }, bits;

	hash = hash_bytes(hash, head, sizeof(head));
	if (value == NULL)
		return hash;
	switch (value->type) {
	case VALUE_NIL:
		break;
	case VALUE_STRING:
		hash = hash_bytes(hash, value->string, value->count);
		break;
	case VALUE_TABLE:
		for (uint32_t i = 0; i < value->count; i++)
			hash = hash_value(hash_value(hash, &value->entry[i].key), &value->entry[i].value);
		break;
	default:
		bits = value->type == VALUE_NUMBER ? number_bits(value->number) :
			value->type == VALUE_BOOL ? value->boolean : value->unsigned_integer;
		hash = hash_bytes(hash, &bits, sizeof(bits));
	}
	return hash;
}

uint64_t value_hash(const struct value *value)
{
	return hash_value(0xcbf29ce484222325ULL, value);
}

const char *value_type_name(const struct value *value)
{
	static const char *const names[] = {
		[VALUE_NIL] = "nothing", [VALUE_BOOL] = "a boolean", [VALUE_NUMBER] = "a number", [VALUE_INTEGER] = "an integer",
		[VALUE_UNSIGNED] = "an unsigned integer", [VALUE_STRING] = "a string", [VALUE_TABLE] = "a table",
	};

	return names[value == NULL ? VALUE_NIL : value->type];
}
