/* ready -- see ready.h. */
#include "apps/lwaftr/ready.h"

static struct lwaftr_ready kept;
static char *kept_file;

void lwaftr_ready_put(const char *file, struct lwaftr_config *config, struct lwaftr_binding *binding, uint64_t room)
{
	lwaftr_ready_clear();
	kept_file = strdup(file);
	kept = (struct lwaftr_ready){ .config = *config, .room = room, .has_binding = binding != NULL };
	*config = (struct lwaftr_config){ 0 };
	if (binding == NULL)
		return;
	lwaftr_config_shrink(&kept.config);
	kept.binding = *binding;
	*binding = (struct lwaftr_binding){ 0 };
}

bool lwaftr_ready_has(const char *file)
{
	return kept_file != NULL && strcmp(kept_file, file) == 0;
}

bool lwaftr_ready_take(const char *file, struct lwaftr_ready *ready)
{
	if (!lwaftr_ready_has(file))
		return false;
	*ready = kept;
	free(kept_file);
	kept_file = NULL;
	return true;
}

void lwaftr_ready_clear(void)
{
	if (kept_file == NULL)
		return;
	if (kept.has_binding)
		lwaftr_binding_fini(&kept.binding);
	lwaftr_config_fini(&kept.config);
	free(kept_file);
	kept_file = NULL;
}
