#pragma once
/* param -- one table of typed parameters per app gives decoding, range checks, messages, `nf help APP`, docs/apps.md. */

enum param_type {
	PARAM_END,              /* ends a table of parameters */
	PARAM_U8, PARAM_U16, PARAM_U32, PARAM_U64, PARAM_INT,   /* uint8_t .. uint64_t, int64_t */
	PARAM_NUMBER,           /* double */
	PARAM_BOOL,             /* bool */
	PARAM_STRING,           /* const char * */
	PARAM_BYTES,            /* uint64_t bytes: 1500, "64K", "1M", "2G" (powers of 1,024) */
	PARAM_RATE,             /* struct rate: "10G" "100M" (bits), "14.88Mpps" */
	PARAM_DURATION,         /* uint64_t nanoseconds: "100us", "5ms", "2s", "1min", "1h"; a plain number is seconds */
	PARAM_MAC,              /* uint8_t[6]: "02:00:00:00:00:01" */
	PARAM_IPV4, PARAM_IPV6, /* uint8_t[4], uint8_t[16], network order */
	PARAM_PREFIX4, PARAM_PREFIX6,   /* struct prefix: "10.0.0.0/8"; host bits must be zero */
	PARAM_PCI,              /* const char *, made canonical: "0000:01:00.0" */
	PARAM_FILE,             /* const char *: a path; relative ones start at the configuration file's folder */
	PARAM_ENUM,             /* uint32_t: index in choices */
	PARAM_LIST,             /* struct param_list: { x, y, ... } of what `item` says; a single x is a list of one */
	PARAM_TABLE,            /* a nested struct, laid out by `fields` */
	PARAM_VALUE             /* const struct value *: a table whose inside the app reads itself; the configuration's, for prepare. Not
	                         * for Lua apps */
};

struct rate {
	double per_second;
	bool packets;           /* packets per second, else bits per second */
};

struct prefix {
	uint8_t address[16];    /* network order; the first 4 bytes for IPv4 */
	uint8_t length;         /* bits */
};

struct param_list {
	uint32_t count;
	void *items;            /* count elements as `item` says, one after the other */
};

/* Which numbers are accepted: min..max when either is not 0. For strings, lists: their length. For BYTES and DURATION:
 * bytes and nanoseconds. For RATE: per second. INT and NUMBER use real_min..real_max. */
struct param {
	const char *name;
	enum param_type type;
	uint32_t offset;        /* of the field in the app's struct, or in the nested one */
	const char *help;       /* a sentence */
	uint64_t min, max;
	double real_min, real_max;
	uint64_t initial;       /* default of a number, bool or enum */
	const char *initial_text;       /* default of any type, written as a user would; stands before `initial` */
	bool required;          /* no default: must be given */
	bool optional;          /* no default, may be missing: the field stays zero (NULL, empty) */
	uint32_t present;       /* offset of a bool that tells whether an optional one was given; 0: none */
	const char *const *choices;     /* ENUM: names, NULL at the end. LIST of no strings: words that may stand in its place;
	                                 * then count is 0 and items points to the word */
	const struct param *item;       /* LIST: type, range of an element (its name and offset are not used) */
	const struct param *fields;     /* TABLE: its parameters */
	uint32_t size;          /* TABLE: bytes of the nested struct */
};

/* Memory of decoded strings and lists; freed in one go. */
struct arena {
	struct arena_block *block;
};
void *arena_alloc(struct arena *arena, size_t bytes);   /* zeroed, aligned to 16; aborts when memory is short */
char *arena_copy(struct arena *arena, const char *text, size_t length);
void arena_free(struct arena *arena);

/* Where a decoding stands, for its messages and paths. */
struct param_context {
	const char *app;        /* "app 'x'": the name in messages */
	const char *folder;     /* where relative paths start */
	struct arena *arena;
	struct errors *errors;
};

/* Decode a Lua table into the struct at `base`: every parameter is set, from the table or from its default.
 * Messages: "app 'x': key 'y': what is wrong, what is accepted"; for an unknown key the nearest known one; nested keys as
 * "y.z" and "y[3]". All mistakes are found, not only the first.
 *   needs: base zeroed; table NULL or a table
 *   gives: true when no mistake was added to errors; else the struct must not be used */
bool param_decode(const struct param *params, const struct value *table, void *base, const struct param_context *context);

/* What is accepted, as in messages and help: "a number 1..255", "bytes, for example 64K", "one of a, b". */
void param_accepts(const struct param *param, char *text, size_t size);

/* The default as a user would write it; "" when there is none. */
void param_default(const struct param *param, char *text, size_t size);

/* Bytes that an element of this type takes in a struct or list. */
size_t param_size(const struct param *param);
