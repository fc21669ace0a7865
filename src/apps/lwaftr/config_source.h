#pragma once
/* config_source -- a configuration that is no text: it is written as one, which the decoder of the text reads. What is written where is
 * remembered, so that mistakes are told as they stand in the original: "FILE: binding-table.softwire[17]: what". */
#include "apps/lwaftr/config.h"

struct config_block {
	uint64_t place;                 /* where it begins in the text */
	const char *key;                /* as in the original; lives as long as it */
	uint32_t position;              /* of a list's element, from 1; 0: no list */
	uint32_t parent;                /* number of the block around it; its own: none */
};

struct config_source {
	FILE *out;
	char *text;
	size_t size;
	uint64_t place;                 /* bytes written */
	struct config_block *block;
	uint32_t count, room, current;
	bool failed;                    /* no memory */
	struct value *value;            /* freed with it; NULL: the original is somebody else's */
};

/* Begin to write. fails: false: no memory */
bool config_source_begin(struct config_source *source);

/* A block or list element with the model's name; key and position: what the original calls it. Then its leaves and blocks, then close. */
void config_source_open(struct config_source *source, const char *keyword, const char *key, uint32_t position);
void config_source_close(struct config_source *source);

/* A leaf whose value is text, which is quoted. */
void config_source_leaf(struct config_source *source, const char *keyword, const char *value, size_t length);

/* Read what was written. config owns the source then. file: as in lwaftr_config_parse. fails: as that, -ENOMEM */
int config_source_parse(struct config_source *source, struct lwaftr_config *config, const char *file, uint32_t flags)
	__attribute__((warn_unused_result));
void config_source_free(struct config_source *source);

/* The path of what stands at a place: "binding-table.softwire[17]". */
void config_source_locate(const struct config_source *source, uint64_t place, char *text, size_t size);

/* Write a Lua table: the same structure, with blocks as tables, lists as lists of tables, numbers, booleans and strings. It is what
 * stands in softwire-config, or has that as its only key. */
void config_source_value(struct config_source *source, const struct value *value);
