/* graph_describe -- the class of a Lua app that stands in no configuration: for help. See graph.h. */
#include "core/graph_build.h"

struct script_module *graph_describe(const char *name, const char *folder, struct arena *arena, struct value **value,
	struct errors *errors)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	struct script_module *module = NULL;
	const struct value *described;
	char text[256];

	*value = NULL;
	if (strspn(name, letters) != strlen(name) || strlen(name) > sizeof(text) / 2)
		return NULL;
	snprintf(text, sizeof(text), "return { apps = { x = { '%s' } } }", name);
	if (graph_evaluate(name, text, folder, NULL, value, errors) < 0)
		return NULL;
	described = value_get(value_get(*value, "modules"), name);
	if (described != NULL && value_get(described, "error") != NULL)
		errors_add(errors, "app module '%s': %s", name, value_get(described, "error")->string);
	else if (described != NULL && script_module_new(&module, name, described, arena, errors) < 0)
		module = NULL;
	return module;
}
