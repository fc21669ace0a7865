/* value_encode -- a value as bytes, for another process. See value.h. */
#include "core/core.h"

/* Where the encoding stands: bytes written, or only counted while `at` is NULL. */
struct writer {
	uint8_t *at;
	size_t length;
};

static void put(struct writer *w, const void *bytes, size_t count)
{
	if (w->at != NULL)
		memcpy(w->at + w->length, bytes, count);
	w->length += count;
}

static void put_type(struct writer *w, char type)
{
	put(w, &type, 1);
}

static void put_string(struct writer *w, const struct value *value)
{
	put(w, &value->count, sizeof(value->count));
	put(w, value->string, value->count);
}

static void put_value(struct writer *w, const struct value *value);

static void put_table(struct writer *w, const struct value *table)
{
	uint32_t positions = 0, fields;

	while (positions < table->count && table->entry[positions].key.type == VALUE_NUMBER)
		positions++;
	fields = table->count - positions;
	put_type(w, 'T');
	put(w, &positions, sizeof(positions));
	put(w, &fields, sizeof(fields));
	for (uint32_t i = 0; i < table->count; i++) {
		if (i >= positions)
			put_string(w, &table->entry[i].key);
		put_value(w, &table->entry[i].value);
	}
}

static void put_value(struct writer *w, const struct value *value)
{
	switch (value->type) {
	case VALUE_NIL:
		put_type(w, 'n');
		break;
	case VALUE_BOOL:
		put_type(w, value->boolean ? 't' : 'f');
		break;
	case VALUE_NUMBER:
		put_type(w, 'd');
		put(w, &value->number, sizeof(value->number));
		break;
	case VALUE_INTEGER:
		put_type(w, 'i');
		put(w, &value->integer, sizeof(value->integer));
		break;
	case VALUE_UNSIGNED:
		put_type(w, 'u');
		put(w, &value->unsigned_integer, sizeof(value->unsigned_integer));
		break;
	case VALUE_STRING:
		put_type(w, 's');
		put_string(w, value);
		break;
	case VALUE_TABLE:
		put_table(w, value);
		break;
	}
}

int value_encode(const struct value *value, uint8_t **data, size_t *length)
{
	struct writer count = { 0 }, write = { 0 };

	put_value(&count, value);
	*data = malloc(count.length);
	if (*data == NULL)
		return nf_fail(ENOMEM, "no memory for %zu bytes of an encoded value", count.length);
	write.at = *data;
	put_value(&write, value);
	*length = write.length;
	return 0;
}
