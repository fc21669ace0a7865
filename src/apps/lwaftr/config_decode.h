#pragma once
/* config_decode -- the model of the configuration, and what fills a struct lwaftr_config by it. A syntax calls config_open,
 * config_leaf and config_close for what it reads; it need not know the model. Parts of config.h, not for others. */
#include "apps/lwaftr/config.h"

enum config_kind {
	CONFIG_BLOCK, CONFIG_LIST,                      /* with children; a list has one block per entry */
	CONFIG_U8, CONFIG_U16, CONFIG_U32, CONFIG_U64, CONFIG_BOOL, CONFIG_STRING, CONFIG_FILTER, CONFIG_IPV4, CONFIG_IPV6, CONFIG_MAC, CONFIG_DATE
};

enum { CONFIG_VALUE = 65536, CONFIG_SHOWN = 72 };      /* bytes of a value at most; of one in a message */
enum { CONFIG_NOWHERE = 1 << 30 };      /* the value is checked and forgotten */
enum { CONFIG_DEPTH = 8, CONFIG_CHILDREN = 20 };        /* deepest block of the model; most keys of a block */

/* A key of the model. */
struct config_node {
	const char *name;               /* NULL ends the children of a block */
	enum config_kind kind;
	uint32_t offset;                /* in the struct of its block, or CONFIG_NOWHERE; of a block: where its children count from */
	bool mandatory;
	bool host;                      /* an address: it must be that of one host, or of one interface */
	uint64_t min, max;              /* of a number; max 0: what the type holds */
	uint64_t initial;               /* of a number or boolean */
	uint32_t present;               /* 1 + offset of a bool that is set when it is given; 0: none */
	uint32_t place;                 /* 1 + offset of a uint64_t that gets its place; 0: none */
	const struct config_node *children;
	/* Of a list: make an entry. Of a list or block, when it is complete and had no mistake: check it, take it. */
	void *(*begin)(struct lwaftr_config *config, void *parent);
	void (*end)(struct lwaftr_config *config, void *parent, void *entry, uint64_t place);
};

/* A block that is open. */
struct config_frame {
	const struct config_node *node;
	uint8_t *base;
	uint64_t seen;                  /* a bit for each child that came */
	uint64_t mistakes;              /* of the configuration when the block began */
	uint64_t place;                 /* of its keyword */
	uint32_t hint;                  /* the child that comes next when the order is that of the model */
};

struct config_decoder {
	struct lwaftr_config *config;
	uint32_t depth;                 /* frames */
	uint64_t skipped;               /* unknown blocks that are open: nothing in them counts */
	struct config_frame frame[CONFIG_DEPTH];
};

/* A word of the text. */
struct config_word {
	const char *text;
	uint32_t length;
	uint64_t place;
};

/* A word as a message shows it: its beginning, and no byte that a terminal would obey. */
const char *config_shown(const struct config_word *word, char text[CONFIG_SHOWN]);

/* The model's root: the blocks of the top level. */
extern const struct config_node config_model[];
/* The same for a text of softwires alone, and of their keys alone. */
extern const struct config_node config_model_softwires[], config_model_keys[];

void config_begin(struct config_decoder *decoder, struct lwaftr_config *config);
void config_open(struct config_decoder *decoder, const struct config_word *keyword);
/* A syntax need not hand over more than CONFIG_VALUE + 1 bytes of a value: it is refused then. */
void config_leaf(struct config_decoder *decoder, const struct config_word *keyword, const struct config_word *value);
void config_close(struct config_decoder *decoder);
void config_finish(struct config_decoder *decoder);

/* Read the text form of the file. */
void config_text_read(struct config_decoder *decoder, const char *text, uint64_t length);

/* Values: false when the text is none of that type. */
bool config_number(const char *text, uint32_t length, uint64_t *number);
bool config_ipv4(const char *text, uint32_t length, uint8_t address[4]);
bool config_ipv6(const char *text, uint32_t length, uint8_t address[16]);
bool config_mac(const char *text, uint32_t length, uint8_t address[6]);
bool config_date(const char *text, uint32_t length);

/* What of the whole can be checked without the table of softwires: config_check.c. */
void config_check(struct lwaftr_config *config);
