#pragma once
/* filter_child -- see filter_child.c. */
#include "lib/lib.h"

/* filter_compile.c: compile in this process, however long it takes. needs: strlen(expression) <= FILTER_TEXT; else as filter_compile */
int filter_compile_here(const char *expression, struct bpf_ops *program) __attribute__((warn_unused_result));
