/* command -- see command.h. House-keeping thread. The request is hostile: whatever its bytes are, the table stays one. */
#include "apps/lwaftr/command.h"
#include "apps/lwaftr/lwaftr.h"

enum { BLOCK = 512 };                   /* softwires that are written at once */

static struct lwaftr_reply describe(const struct lwaftr *lwaftr)
{
	const struct lwaftr_binding *binding = &lwaftr->binding;
	uint64_t brs = 0;

	for (uint32_t i = 0; i < binding->br_count; i++)
		brs += binding->br[i].users > 0;
	return (struct lwaftr_reply){ .magic = LWAFTR_MAGIC, .version = lwaftr->version, .softwires = binding->softwire.count,
		.addresses = binding->address.count, .brs = brs, .softwire_room = binding->softwire_room,
		.bytes = lwaftr_binding_bytes(binding) };
}

bool lwaftr_pattern_matches(const struct lwaftr_pattern *pattern, const struct lwaftr_softwire *softwire, const struct lwaftr_binding *binding)
{
	if (pattern->has_ipv4 && pattern->ipv4 != softwire->ipv4)
		return false;
	if (pattern->has_psid && pattern->psid != softwire->psid)
		return false;
	if (pattern->has_b4 && memcmp(pattern->b4, softwire->b4, sizeof(pattern->b4)) != 0)
		return false;
	if (pattern->has_br && memcmp(pattern->br, softwire->br, sizeof(pattern->br)) != 0)
		return false;
	return !pattern->has_port ||
		lwaftr_binding_port_key(binding, softwire->ipv4, pattern->port) == lwaftr_binding_key(softwire->ipv4, softwire->psid);
}

/* Write those that match, a block at a time. */
struct list {
	struct command *command;
	uint32_t count;
	struct lwaftr_softwire softwire[BLOCK];
};

static int flush(struct list *list)
{
	int code = list->count > 0 ? command_write(list->command, list->softwire, list->count * sizeof(list->softwire[0])) : 0;

	list->count = 0;
	return code;
}

static int add(struct list *list, const struct lwaftr_softwire *softwire)
{
	list->softwire[list->count++] = *softwire;
	return list->count == BLOCK ? flush(list) : 0;
}

/* All of one address, by their PSIDs. */
static int list_address(struct list *list, const struct lwaftr_binding *binding, const struct lwaftr_pattern *pattern)
{
	uint32_t known = (uint32_t)map_find(&binding->address, pattern->ipv4), psids = known != 0 ? 1u << (known & 31) : 0;
	struct lwaftr_softwire softwire;
	int code = 0;

	for (uint32_t psid = 0; psid < psids && code >= 0; psid++)
		if (lwaftr_binding_get(binding, pattern->ipv4, (uint16_t)psid, &softwire) && lwaftr_pattern_matches(pattern, &softwire, binding))
			code = add(list, &softwire);
	return code;
}

static int list_all(struct list *list, const struct lwaftr_binding *binding, const struct lwaftr_pattern *pattern)
{
	struct lwaftr_softwire softwire;
	uint64_t position = 0;
	int code = 0;

	while (code >= 0 && lwaftr_binding_next(binding, &position, &softwire))
		if (lwaftr_pattern_matches(pattern, &softwire, binding))
			code = add(list, &softwire);
	return code;
}

static int do_list(struct lwaftr *lwaftr, struct command *command, const struct lwaftr_pattern *pattern)
{
	struct lwaftr_reply reply = describe(lwaftr);
	struct list list = { .command = command };
	int code = command_write(command, &reply, sizeof(reply));

	if (code >= 0)
		code = (pattern->has_ipv4 ? list_address : list_all)(&list, &lwaftr->binding, pattern);
	return code < 0 ? code : flush(&list);
}

static int read_changes(const struct command *command, struct lwaftr_changes *changes)
{
	uint64_t bytes = command->length - sizeof(struct lwaftr_request);

	changes->change = (const struct lwaftr_change *)(command->request + sizeof(struct lwaftr_request));
	changes->count = bytes / sizeof(*changes->change);
	if (bytes % sizeof(*changes->change) != 0)
		return nf_fail(EPROTO, "the changes are cut off");
	for (uint64_t i = 0; i < changes->count; i++)
		if (!lwaftr_change_is_sound(&changes->change[i]))
			return nf_fail(EPROTO, "change %llu is none", (unsigned long long)i + 1);
	return 0;
}

/* Make the changes that were found good, and keep account of it. */
static int apply(struct lwaftr *lwaftr, struct lwaftr_changes *changes, struct command *command)
{
	int code = lwaftr_journal_write(&lwaftr->journal, changes, &lwaftr->binding);

	if (code < 0)
		return code;
	code = lwaftr_changes_apply(changes, &lwaftr->binding, command->engine);
	if (changes->made > 0)
		lwaftr->version++;
	lwaftr_journal_commit(&lwaftr->journal, changes->made, lwaftr->version);
	return code < 0 ? nf_fail(-code, "%s; %llu of %llu changes are made", nf_error(), (unsigned long long)changes->made,
		(unsigned long long)changes->count) : 0;
}

static int answer_change(struct lwaftr *lwaftr, struct command *command, const struct lwaftr_changes *changes)
{
	struct lwaftr_reply reply = describe(lwaftr);
	int code;

	reply.grew = changes->grew;
	reply.made = changes->made;
	reply.faults = changes->fault_count;
	reply.slices = changes->slices.count;
	reply.total_ns = changes->slices.total_ns;
	reply.longest_ns = changes->slices.longest_ns;
	reply.longest_busy_ns = changes->slices.longest_busy_ns;
	code = command_write(command, &reply, sizeof(reply));
	return code < 0 ? code : command_write(command, changes->fault, changes->fault_count * sizeof(*changes->fault));
}

static int do_change(struct lwaftr *lwaftr, struct command *command, const struct lwaftr_request *request)
{
	struct lwaftr_changes changes = { 0 };
	int code = read_changes(command, &changes);

	if (code == 0 && request->has_version && request->version != lwaftr->version)
		code = nf_fail(EAGAIN, "somebody else has changed the table meanwhile; nothing was done");
	if (code == 0)
		code = lwaftr_changes_check(&changes, &lwaftr->binding);
	if (code == 0 && changes.fault_count == 0 && !request->check_only)
		code = apply(lwaftr, &changes, command);
	if (code == 0)
		code = answer_change(lwaftr, command, &changes);
	lwaftr_changes_free(&changes);
	return code;
}

int lwaftr_command(struct app *app, struct command *command)
{
	struct lwaftr *lwaftr = (struct lwaftr *)app;
	struct lwaftr_request request;
	struct lwaftr_reply reply;

	if (command->length < sizeof(request))
		return nf_fail(EPROTO, "the request is cut off");
	memcpy(&request, command->request, sizeof(request));
	if (request.magic != LWAFTR_MAGIC)
		return nf_fail(EPROTO, "the instance and this command are of different versions of nf");
	switch (request.kind) {
	case LWAFTR_COUNT:
		reply = describe(lwaftr);
		return command_write(command, &reply, sizeof(reply));
	case LWAFTR_LIST:
		return do_list(lwaftr, command, &request.pattern);
	case LWAFTR_CHANGE:
		return do_change(lwaftr, command, &request);
	default:
		return nf_fail(EPROTO, "the relay does not know request %u", request.kind);
	}
}
