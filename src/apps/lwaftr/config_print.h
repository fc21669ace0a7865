#pragma once
/* config_print -- write a configuration: what it says, without comments, and without what is a default anyway. */
#include "apps/lwaftr/config.h"

enum config_form { CONFIG_TEXT, CONFIG_LUA };

/* As text, or as the source of a Lua file that gives the same as a table. needs: softwires were kept */
void config_print(FILE *out, const struct lwaftr_config *config, enum config_form form);

/* One softwire as text has it: "softwire { ... }". */
void config_print_softwire(FILE *out, const struct lwaftr_softwire *softwire);

/* The same as a JSON object with the same names. */
void config_print_softwire_json(FILE *out, const struct lwaftr_softwire *softwire);
