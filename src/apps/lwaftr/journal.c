/* journal -- see journal.h. The file: a page that says which part of the rest counts, then entries. The dead worker that wrote it was
 * not better than its successor, but it may have run wild: what it left is checked. */
#include "apps/lwaftr/journal.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 0x6c776a01, HEAD_BYTES = 4096, LIMIT_LEAST = 4096 };

/* A change, and whether the softwire was there before. Of all entries of a softwire the first one says so of the configuration. */
struct entry {
	struct lwaftr_softwire softwire;        /* place: the entry's number, while they are sorted */
	uint32_t op;                            /* enum lwaftr_op */
	uint32_t was_there;
};

struct lwaftr_journal_head {
	uint32_t magic, active;                 /* active: which part counts */
	uint64_t version;                       /* of the table */
	struct {
		uint64_t from, count;           /* byte in the file; entries */
	} part[2];
};

/* What the head says, which is hostile: read once. */
struct part {
	uint64_t from, count;
};

static struct part active_part(const struct lwaftr_journal *journal)
{
	const struct lwaftr_journal_head *head = journal->head;
	uint32_t active = __atomic_load_n(&head->active, __ATOMIC_ACQUIRE) & 1;

	return (struct part){ head->part[active].from, __atomic_load_n(&head->part[active].count, __ATOMIC_ACQUIRE) };
}

static uint64_t part_end(struct part part)
{
	return part.from + part.count * sizeof(struct entry);
}

static void key_of(const struct app *app, char key[RESOURCE_KEY])
{
	snprintf(key, RESOURCE_KEY, "kept:softwires of %u/%s", app->worker, app->name);
}

void lwaftr_journal_resource(const struct app *app, struct resources *resources)
{
	char key[RESOURCE_KEY];

	key_of(app, key);
	resources_add(resources, "%s", key);
}

bool lwaftr_journal_is(const char *key)
{
	return strncmp(key, "kept:", 5) == 0;
}

int lwaftr_journal_make(const struct app *app)
{
	int fd = memfd_create("nf-softwires", MFD_CLOEXEC);

	return fd >= 0 ? fd : nf_fail(errno, "app '%s': no file in memory: %s", app->name, strerror(errno));
}

/* Make sure that the file has its first page, and map that. */
static int map_head(struct lwaftr_journal *journal)
{
	struct stat status;

	if (fstat(journal->fd, &status) != 0)
		return -errno;
	if (status.st_size < HEAD_BYTES && ftruncate(journal->fd, HEAD_BYTES) != 0)
		return -errno;
	journal->head = mmap(NULL, HEAD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
	if (journal->head != MAP_FAILED)
		return 0;
	journal->head = NULL;
	return -errno;
}

int lwaftr_journal_open(struct lwaftr_journal *journal, const struct app *app)
{
	char key[RESOURCE_KEY];
	int code;

	*journal = (struct lwaftr_journal){ .fd = -1, .limit = LIMIT_LEAST };
	if (!resource_is_asked())
		return 0;
	key_of(app, key);
	journal->fd = resource_open(key);
	if (journal->fd < 0)
		return journal->fd;
	code = map_head(journal);
	if (code < 0) {
		close(journal->fd);
		return nf_fail(-code, "app '%s': the changes of its softwires cannot be kept: %s", app->name, strerror(-code));
	}
	if (journal->head->magic != MAGIC)
		*journal->head = (struct lwaftr_journal_head){ .magic = MAGIC, .part[0].from = HEAD_BYTES };
	return 0;
}

void lwaftr_journal_close(struct lwaftr_journal *journal)
{
	if (journal->head == NULL)
		return;
	munmap(journal->head, HEAD_BYTES);
	close(journal->fd);
	*journal = (struct lwaftr_journal){ .fd = -1 };
}

static int write_entries(const struct lwaftr_journal *journal, const struct entry *entry, uint64_t count, uint64_t at)
{
	const uint8_t *bytes = (const uint8_t *)entry;
	uint64_t length = count * sizeof(*entry);

	while (length > 0) {
		ssize_t n = pwrite(journal->fd, bytes, length, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return nf_fail(n < 0 ? errno : EIO, "the changes cannot be kept: %s", strerror(n < 0 ? errno : EIO));
		bytes += n;
		at += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* All entries. gives: malloc'ed, *count of them; NULL with nf_error() */
static struct entry *read_entries(const struct lwaftr_journal *journal, uint64_t *count)
{
	struct part part = active_part(journal);
	uint64_t length, done = 0;
	struct entry *entry;
	struct stat status;

	if (fstat(journal->fd, &status) != 0 || part.from > (uint64_t)status.st_size ||
		part.count > ((uint64_t)status.st_size - part.from) / sizeof(*entry)) {
		nf_fail(EBADMSG, "what was kept of changed softwires is cut off");
		return NULL;
	}
	*count = part.count;
	length = part.count * sizeof(*entry);
	entry = malloc(length + 1);
	if (entry == NULL)
		nf_fail(ENOMEM, "no memory for %llu changed softwires", (unsigned long long)part.count);
	while (entry != NULL && done < length) {
		ssize_t n = pread(journal->fd, (uint8_t *)entry + done, length - done, (off_t)(part.from + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			nf_fail(EBADMSG, "what was kept of changed softwires cannot be read");
			free(entry);
			entry = NULL;
		}
		done += n > 0 ? (uint64_t)n : 0;
	}
	return entry;
}

static uint64_t key(const struct entry *entry)
{
	return lwaftr_binding_key(entry->softwire.ipv4, entry->softwire.psid);
}

/* By softwire, then by age. */
static int compare(const void *a, const void *b)
{
	const struct entry *one = a, *two = b;

	if (key(one) != key(two))
		return key(one) < key(two) ? -1 : 1;
	return one->softwire.place < two->softwire.place ? -1 : 1;
}

/* One entry for each softwire that is not as the configuration has it, in place. gives: how many */
static uint64_t collapse(struct entry *entry, uint64_t count)
{
	uint64_t kept = 0;

	for (uint64_t i = 0; i < count; i++)
		entry[i].softwire.place = i;
	if (count > 1)
		qsort(entry, count, sizeof(*entry), compare);
	for (uint64_t first = 0, next; first < count; first = next) {
		struct entry last;

		for (next = first + 1; next < count && key(&entry[next]) == key(&entry[first]);)
			next++;
		last = entry[next - 1];
		last.was_there = entry[first].was_there;
		if (last.op != LWAFTR_REMOVE || last.was_there)
			entry[kept++] = last;
	}
	return kept;
}

/* Write the collapsed entries into the other part, where there is room: before the present one, or behind it. */
static int rewrite(struct lwaftr_journal *journal)
{
	struct lwaftr_journal_head *head = journal->head;
	struct part part = active_part(journal), next = { .from = HEAD_BYTES };
	struct entry *entry = read_entries(journal, &next.count);
	uint32_t other = ~head->active & 1;
	int code;

	if (entry == NULL)
		return -ENOMEM;
	next.count = collapse(entry, next.count);
	if (part_end(next) > part.from)
		next.from = part_end(part);
	code = write_entries(journal, entry, next.count, next.from);
	free(entry);
	if (code < 0)
		return code;
	head->part[other].from = next.from;
	head->part[other].count = next.count;
	__atomic_store_n(&head->active, other, __ATOMIC_RELEASE);
	journal->limit = 2 * next.count + LIMIT_LEAST;
	/* What is longer than needed is only memory. */
	return ftruncate(journal->fd, (off_t)part_end(next)) == 0 ? 0 : nf_fail(errno, "the changes cannot be kept: %s", strerror(errno));
}

int lwaftr_journal_write(struct lwaftr_journal *journal, const struct lwaftr_changes *changes, const struct lwaftr_binding *binding)
{
	struct entry *entry;
	int code = 0;

	if (journal->head == NULL || changes->count == 0)
		return 0;
	if (active_part(journal).count > journal->limit)
		code = rewrite(journal);
	if (code < 0)
		return code;
	entry = calloc(changes->count, sizeof(*entry));
	if (entry == NULL)
		return nf_fail(ENOMEM, "no memory for %llu changes", (unsigned long long)changes->count);
	for (uint64_t i = 0; i < changes->count; i++) {
		const struct lwaftr_softwire *softwire = &changes->change[i].softwire;

		entry[i] = (struct entry){ .softwire = *softwire, .op = changes->change[i].op,
			.was_there = cuckoo_find(&binding->softwire, lwaftr_binding_key(softwire->ipv4, softwire->psid)) != NULL };
	}
	code = write_entries(journal, entry, changes->count, part_end(active_part(journal)));
	free(entry);
	return code;
}

void lwaftr_journal_commit(struct lwaftr_journal *journal, uint64_t made, uint64_t version)
{
	struct lwaftr_journal_head *head = journal->head;

	if (head == NULL)
		return;
	head->version = version;
	__atomic_store_n(&head->part[head->active & 1].count, active_part(journal).count + made, __ATOMIC_RELEASE);
}

void lwaftr_journal_clear(struct lwaftr_journal *journal, uint64_t version)
{
	struct lwaftr_journal_head *head = journal->head;

	if (head == NULL)
		return;
	head->version = version;
	__atomic_store_n(&head->part[head->active & 1].count, 0, __ATOMIC_RELEASE);
}

/* Changes that make the table what it was: what was touched goes, and comes again as it was last, so that their order, and port sets
 * that changed meanwhile, do not matter. gives: how many */
static uint64_t list_changes(const struct entry *entry, uint64_t count, const struct lwaftr_binding *binding, struct lwaftr_change *change)
{
	uint64_t made = 0;

	for (uint64_t i = 0; i < count; i++)
		if (cuckoo_find(&binding->softwire, key(&entry[i])) != NULL)
			change[made++] = (struct lwaftr_change){ .softwire = entry[i].softwire, .op = LWAFTR_REMOVE };
	for (uint64_t i = 0; i < count; i++)
		if (entry[i].op != LWAFTR_REMOVE)
			change[made++] = (struct lwaftr_change){ .softwire = entry[i].softwire, .op = LWAFTR_ADD };
	return made;
}

/* Make them; the configuration file may be another one than the one of which the table was when they were made. */
static int make(struct lwaftr_changes *changes, struct lwaftr_change *change, struct lwaftr_binding *binding)
{
	uint64_t refused = 0, kept = 0;
	int code = lwaftr_changes_check(changes, binding);

	if (code == 0 && changes->fault_count > 0) {
		for (uint64_t i = 0; i < changes->count; i++) {
			if (refused < changes->fault_count && changes->fault[refused].index == i)
				refused++;
			else
				change[kept++] = change[i];
		}
		log_warn("%llu softwires that were added by hand cannot be beside those of the file as it is now", (unsigned long long)refused);
		changes->count = kept;
		code = lwaftr_changes_check(changes, binding);
	}
	if (code == 0)
		code = lwaftr_changes_make(changes, binding);
	lwaftr_changes_free(changes);
	return code;
}

int lwaftr_journal_replay(const struct lwaftr_journal *journal, struct lwaftr_binding *binding, uint64_t *version)
{
	struct lwaftr_changes changes = { 0 };
	struct lwaftr_change *change;
	struct entry *entry;
	uint64_t count;
	int code = 0;

	if (journal->head == NULL)
		return 0;
	*version = journal->head->version;
	entry = read_entries(journal, &count);
	if (entry == NULL)
		return -EBADMSG;
	for (uint64_t i = 0; i < count && code == 0; i++)
		if (!lwaftr_change_is_sound(&(struct lwaftr_change){ .softwire = entry[i].softwire, .op = entry[i].op }))
			code = nf_fail(EBADMSG, "what was kept of changed softwires is damaged");
	count = code == 0 ? collapse(entry, count) : 0;
	change = calloc(2 * count + 1, sizeof(*change));
	if (change == NULL)
		code = nf_fail(ENOMEM, "no memory for %llu changed softwires", (unsigned long long)count);
	if (code == 0 && count > 0) {
		changes.change = change;
		changes.count = list_changes(entry, count, binding, change);
		code = make(&changes, change, binding);
		if (code == 0)
			log_info("%llu softwires that were changed by hand are as they were", (unsigned long long)count);
	}
	free(change);
	free(entry);
	return code;
}
