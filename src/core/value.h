#pragma once
/* value -- plain data: what a configuration is made of. A tree that can be compared, printed, hashed and sent to another
 * process. The tree is made in one piece by value_decode and freed in one piece. */

enum value_type { VALUE_NIL, VALUE_BOOL, VALUE_NUMBER, VALUE_INTEGER, VALUE_UNSIGNED, VALUE_STRING, VALUE_TABLE };

enum {
	VALUE_DEPTH = 32,               /* deepest nesting of tables */
	VALUE_BYTES = 256 << 20,        /* largest encoding */
	VALUE_ENTRIES = 16 << 20        /* most entries of all tables together */
};

struct value {
	enum value_type type;
	uint32_t count;                 /* VALUE_STRING: bytes; VALUE_TABLE: entries */
	union {                         /* look only at what the type says */
		bool boolean;
		double number;                  /* VALUE_NUMBER */
		int64_t integer;                /* VALUE_INTEGER: LuaJIT's 1LL */
		uint64_t unsigned_integer;      /* VALUE_UNSIGNED: LuaJIT's 1ULL */
		const char *string;             /* VALUE_STRING: bytes and a final zero; may hold zeros */
		const struct value_entry *entry;/* VALUE_TABLE: 1, 2, 3, ... first, then the string keys sorted by bytes */
	};
};

struct value_entry {
	struct value key, value;
};

/* Read an encoded value (written by script_value_encode). The bytes may come from anybody. One byte of type, then:
 *   'n' nil, 't' true, 'f' false; 'd' double, 'i' int64_t, 'u' uint64_t: 8 bytes;
 *   's' uint32_t bytes, the bytes;
 *   'T' uint32_t positions, uint32_t fields, the values of 1, 2, 3, ..., then for each field its name (uint32_t bytes, the
 *       bytes), in ascending order, and its value. No nil in a table. Numbers are little-endian.
 *   gives: 0 and a tree in *value, to be freed with value_free
 *   fails: -EBADMSG with nf_error(): cut off, too deep, too large, a bad type, names out of order; *value is NULL
 *   cost:  one allocation, O(length) */
int value_decode(const uint8_t *data, size_t length, struct value **value) __attribute__((warn_unused_result));
void value_free(struct value *value);

/* The reverse: malloc'ed bytes that value_decode reads. gives: 0; fails: -ENOMEM with nf_error() */
int value_encode(const struct value *value, uint8_t **data, size_t *length) __attribute__((warn_unused_result));

/* The entry of a table by string key, or by position from 1; NULL when there is none or `table` is none. */
const struct value *value_get(const struct value *table, const char *key);
const struct value *value_at(const struct value *table, uint32_t position);

/* Same type, same content. NULL equals NULL and VALUE_NIL. */
bool value_equal(const struct value *a, const struct value *b);

/* A 64-bit hash of the content; equal values have equal hashes. */
uint64_t value_hash(const struct value *value);

/* Print as Lua source into text, cut off at size - 1 bytes; gives the length that would be needed. */
size_t value_print(const struct value *value, char *text, size_t size);

/* "a number", "a string", ...: for messages. */
const char *value_type_name(const struct value *value);
