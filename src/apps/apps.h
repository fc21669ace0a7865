#pragma once
/* apps -- the table of native app classes. */
#include "core/core.h"

/* All classes, sorted by name, NULL at the end; main hands it to the core (app_classes). */
extern const struct app_class *const apps_table[];
