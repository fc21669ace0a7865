/* change -- see change.h. */
#include "apps/lwaftr/change.h"

enum { SHAPE_BITS = 10, SHAPE_MASK = (1 << SHAPE_BITS) - 1, ROOM_PART = 8, ROOM_LEAST = 1024, ROOM_BR = 256 };
static const uint32_t LOOKED_AT = 1u << 31;     /* of an address: it stands in the overlay */

/* The table as it would be after the changes that were looked at: what they touch stands here, all else in the table. */
struct overlay {
	const struct lwaftr_binding *binding;
	struct cuckoo softwire;                 /* key -> a byte: is it there? */
	struct map address;                     /* IPv4 address -> LOOKED_AT | softwires << 10 | shape */
	uint8_t (*br)[16];                      /* of the relay, that the table does not have; with repetitions */
	uint64_t br_count;
	uint64_t softwires, addresses;
};

static bool exists(const struct overlay *overlay, uint64_t key)
{
	const struct cuckoo_entry *entry = cuckoo_find(&overlay->softwire, key);

	return entry != NULL ? entry->value[0] != 0 : cuckoo_find(&overlay->binding->softwire, key) != NULL;
}

/* What is known of an address: softwires << 10 | shape; 0: it has none. */
static uint32_t known(const struct overlay *overlay, uint32_t ipv4)
{
	uint32_t value = (uint32_t)map_find(&overlay->address, ipv4);

	return value != 0 ? value & ~LOOKED_AT : (uint32_t)map_find(&overlay->binding->address, ipv4);
}

/* A softwire comes or goes. gives: 0; -ENOSPC when the overlay has no place for it, which another seed gives */
static int note(struct overlay *overlay, const struct lwaftr_softwire *softwire, uint32_t shape, bool comes)
{
	uint8_t value[CUCKOO_VALUE] = { comes };
	uint32_t count = known(overlay, softwire->ipv4) >> SHAPE_BITS, after = comes ? count + 1 : count - 1;
	int code = cuckoo_put(&overlay->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid), value);

	if (code >= 0)
		code = map_put(&overlay->address, softwire->ipv4, LOOKED_AT | after << SHAPE_BITS | (after > 0 ? shape : 0));
	overlay->softwires += comes ? 1 : (uint64_t)-1;
	overlay->addresses += comes ? count == 0 : (uint64_t)-(after == 0);
	return code < 0 ? code : 0;
}

static void note_br(struct overlay *overlay, const uint8_t address[16])
{
	if (!lwaftr_binding_has_br(overlay->binding, address))
		memcpy(overlay->br[overlay->br_count++], address, 16);
}

/* Would the next change succeed? gives: 0 or 1 and *fault; -ENOSPC */
static int look(struct overlay *overlay, const struct lwaftr_change *change, uint32_t *fault)
{
	const struct lwaftr_softwire *softwire = &change->softwire;
	uint32_t shape = lwaftr_binding_shape(softwire), address = known(overlay, softwire->ipv4);
	bool there = exists(overlay, lwaftr_binding_key(softwire->ipv4, softwire->psid)), alone = there && address >> SHAPE_BITS == 1;

	if (change->op == LWAFTR_REMOVE) {
		*fault = LWAFTR_MISSING;
		return there ? note(overlay, softwire, address & SHAPE_MASK, false) : 1;
	}
	if (there && change->op == LWAFTR_ADD) {
		*fault = LWAFTR_EXISTS;
		return 1;
	}
	if (address != 0 && (address & SHAPE_MASK) != shape && !alone) {
		*fault = LWAFTR_OTHER_SET;
		return 1;
	}
	note_br(overlay, softwire->br);
	if (there && note(overlay, softwire, shape, false) < 0)
		return -ENOSPC;
	return note(overlay, softwire, shape, true);
}

static int add_fault(struct lwaftr_changes *changes, uint64_t index, uint32_t kind)
{
	if ((changes->fault_count & (changes->fault_count - 1)) == 0) {         /* 0, 1, 2, 4, 8: it is full */
		uint64_t room = changes->fault_count == 0 ? 1 : changes->fault_count * 2;
		void *larger = realloc(changes->fault, room * sizeof(*changes->fault));

		if (larger == NULL)
			return -ENOMEM;
		changes->fault = larger;
	}
	changes->fault[changes->fault_count++] = (struct lwaftr_fault){ .index = index, .kind = kind };
	return 0;
}

static int compare_br(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static uint64_t count_distinct(struct overlay *overlay)
{
	uint64_t distinct = overlay->br_count > 0;

	if (overlay->br_count > 1)
		qsort(overlay->br, overlay->br_count, sizeof(*overlay->br), compare_br);
	for (uint64_t i = 1; i < overlay->br_count; i++)
		distinct += memcmp(overlay->br[i], overlay->br[i - 1], 16) != 0;
	return distinct;
}

static int look_at_all(struct lwaftr_changes *changes, struct overlay *overlay)
{
	for (uint64_t i = 0; i < changes->count; i++) {
		uint32_t kind = 0;
		int code = look(overlay, &changes->change[i], &kind);

		if (code == 1)
			code = add_fault(changes, i, kind);
		if (code < 0)
			return code;
		changes->softwires = overlay->softwires > changes->softwires ? overlay->softwires : changes->softwires;
		changes->addresses = overlay->addresses > changes->addresses ? overlay->addresses : changes->addresses;
	}
	changes->brs = count_distinct(overlay);
	return 0;
}

static int check(struct lwaftr_changes *changes, const struct lwaftr_binding *binding, uint64_t salt)
{
	const uint64_t seed[2] = { binding->seed[0] + salt, binding->seed[1] };
	struct overlay overlay = { .binding = binding, .softwires = binding->softwire.count, .addresses = binding->address.count };
	int code = -ENOMEM;

	changes->softwires = overlay.softwires;
	changes->addresses = overlay.addresses;
	overlay.br = malloc((changes->count + 1) * sizeof(*overlay.br));
	if (overlay.br != NULL && cuckoo_init(&overlay.softwire, changes->count, seed) == 0 &&
		map_init(&overlay.address, changes->count, seed[0]) == 0)
		code = look_at_all(changes, &overlay);
	cuckoo_fini(&overlay.softwire);
	map_fini(&overlay.address);
	free(overlay.br);
	return code;
}

int lwaftr_changes_check(struct lwaftr_changes *changes, const struct lwaftr_binding *binding)
{
	uint64_t salt = 0;
	int code;

	do {
		lwaftr_changes_free(changes);
		code = check(changes, binding, salt++);
	} while (code == -ENOSPC);
	return code < 0 ? nf_fail(-code, "no memory for %llu changes", (unsigned long long)changes->count) : 0;
}

void lwaftr_changes_free(struct lwaftr_changes *changes)
{
	free(changes->fault);
	changes->fault = NULL;
	changes->fault_count = 0;
}

/* Make one change. fails: -ENOSPC, -ENOMEM: the table has no place for it */
static int make(struct lwaftr_binding *binding, const struct lwaftr_change *change)
{
	const struct lwaftr_softwire *softwire = &change->softwire;

	if (change->op == LWAFTR_REMOVE)
		return lwaftr_binding_remove(binding, softwire->ipv4, softwire->psid);
	return change->op == LWAFTR_ADD ? lwaftr_binding_add(binding, softwire) : lwaftr_binding_replace(binding, softwire);
}

/* What the packet thread has to do. */
struct work {
	struct lwaftr_binding *binding;
	const struct lwaftr_change *change;
	uint64_t count, at;
	int code;                               /* why it stopped at `at` */
	struct lwaftr_binding *next;            /* not NULL: change over to this one, and leave the old one here */
};

static bool change_over(struct work *work)
{
	struct lwaftr_binding old = *work->binding;

	*work->binding = *work->next;
	*work->next = old;
	return false;
}

/* Packet thread, between two breaths. */
static bool work_slice(void *context)
{
	struct work *work = context;
	uint64_t start = clock_cycles();

	if (work->next != NULL)
		return change_over(work);
	while (work->at < work->count) {
		work->code = make(work->binding, &work->change[work->at]);
		if (work->code < 0)
			return false;
		work->at++;
		if (clock_cycles_ns(clock_cycles() - start) > LWAFTR_SLICE_NS)
			break;
	}
	return work->at < work->count;
}

/* Room for what is to come, and some more. */
static uint64_t with_room(uint64_t count, uint64_t least)
{
	return count + count / ROOM_PART + least;
}

int lwaftr_changes_copy(const struct lwaftr_changes *changes, uint64_t from, const struct lwaftr_binding *binding,
	struct lwaftr_binding *larger)
{
	uint64_t softwires = with_room(changes->softwires, ROOM_LEAST);
	int code;

	do {
		code = lwaftr_binding_copy(larger, binding, softwires, with_room(changes->addresses, ROOM_LEAST),
			with_room(binding->br_count + changes->brs, ROOM_BR));
		for (uint64_t i = from; i < changes->count && code >= 0; i++)
			code = make(larger, &changes->change[i]);
		if (code < 0)
			lwaftr_binding_fini(larger);
		softwires += softwires / ROOM_PART;
	} while (code == -ENOSPC);
	return code < 0 ? nf_fail(-code, "no memory for a table of %llu softwires", (unsigned long long)softwires) : 0;
}

bool lwaftr_changes_fit(const struct lwaftr_changes *changes, const struct lwaftr_binding *binding)
{
	return changes->softwires <= binding->softwire_room && changes->addresses <= binding->address_room &&
		changes->brs <= binding->br_room - binding->br_count;
}

/* Change over to a larger table, with the changes from number `from` on. */
static int grow(struct lwaftr_changes *changes, uint64_t from, struct lwaftr_binding *binding, struct engine *engine)
{
	struct lwaftr_binding larger;
	struct work work = { .binding = binding, .next = &larger };
	int code = lwaftr_changes_copy(changes, from, binding, &larger);

	if (code < 0)
		return code;
	changes->grew = true;
	changes->slices.context = &work;
	engine_slices(engine, &changes->slices);
	changes->made = changes->count;
	lwaftr_binding_fini(&larger);
	return 0;
}

int lwaftr_changes_apply(struct lwaftr_changes *changes, struct lwaftr_binding *binding, struct engine *engine)
{
	struct work work = { .binding = binding, .change = changes->change, .count = changes->count };

	changes->slices = (struct engine_slices){ .slice = work_slice, .context = &work };
	if (!lwaftr_changes_fit(changes, binding))
		return grow(changes, 0, binding, engine);
	if (changes->count > 0)
		engine_slices(engine, &changes->slices);
	changes->made = work.at;
	/* No place although there is room: chance was against it. A copy has another seed. */
	return work.code < 0 ? grow(changes, work.at, binding, engine) : 0;
}

int lwaftr_changes_make(struct lwaftr_changes *changes, struct lwaftr_binding *binding)
{
	struct lwaftr_binding larger;
	int code = lwaftr_changes_fit(changes, binding) ? 0 : -ENOSPC;

	while (code == 0 && changes->made < changes->count) {
		code = make(binding, &changes->change[changes->made]);
		changes->made += code == 0;
	}
	if (code == 0)
		return 0;
	code = lwaftr_changes_copy(changes, changes->made, binding, &larger);
	if (code < 0)
		return code;
	lwaftr_binding_fini(binding);
	*binding = larger;
	changes->made = changes->count;
	return 0;
}

bool lwaftr_change_is_sound(const struct lwaftr_change *change)
{
	const struct lwaftr_softwire *s = &change->softwire;

	return change->op <= LWAFTR_REPLACE && s->psid_length <= 16 && s->reserved <= 16 && s->psid_length + s->reserved <= 16 &&
		(change->op == LWAFTR_REMOVE || s->psid >> s->psid_length == 0);
}
