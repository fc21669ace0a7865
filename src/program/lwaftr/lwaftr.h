#pragma once
/* lwaftr -- the programs `nf lwaftr ...`: rows of the table of programs named "lwaftr check" and so on. */
#include "apps/lwaftr/binding.h"
#include "program/options.h"

/* The programs' main functions; argv[0] is "lwaftr check". */
int program_lwaftr_bench(int argc, char **argv);
int program_lwaftr_check(int argc, char **argv);
int program_lwaftr_convert(int argc, char **argv);
int program_lwaftr_counters(int argc, char **argv);
int program_lwaftr_explain(int argc, char **argv);
int program_lwaftr_gen(int argc, char **argv);
int program_lwaftr_run(int argc, char **argv);
int program_lwaftr_softwire(int argc, char **argv);
int program_lwaftr_softwire_add(int argc, char **argv);
int program_lwaftr_softwire_count(int argc, char **argv);
int program_lwaftr_softwire_list(int argc, char **argv);
int program_lwaftr_softwire_remove(int argc, char **argv);
int program_lwaftr_softwire_show(int argc, char **argv);
int program_lwaftr_validate(int argc, char **argv);

/* Read a configuration and its table, and print all mistakes to standard error, each as "nf PROGRAM: FILE:LINE:COLUMN: what".
 *   gives: true when there was none; else config and binding are empty. binding NULL: the table is not made, softwires are
 *          looked at one by one
 *   undo:  lwaftr_config_fini, lwaftr_binding_fini */
bool lwaftr_read(const struct program *program, const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding);

/* Read a configuration with its softwires, but without a table: for lwaftr_ready_put, so that the app does not read it again. */
bool lwaftr_read_ahead(const struct program *program, const char *file, struct lwaftr_config *config);

/* Print all mistakes of a configuration, and make its table. gives: true when there was none; else binding is empty */
bool lwaftr_is_good(const struct program *program, const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding);

/* Read a file, or standard input for "-": see lwaftr_config_load. */
int lwaftr_load_list(struct lwaftr_config *config, const char *file, uint32_t flags) __attribute__((warn_unused_result));

/* The same for what a flag of config.h makes of a file, without its table; "-" is standard input. */
bool lwaftr_read_list(const struct program *program, const char *file, uint32_t flags, struct lwaftr_config *config);

/* Print mistakes, each behind the program's name. */
void lwaftr_print_mistakes(const struct program *program, const struct errors *errors);
