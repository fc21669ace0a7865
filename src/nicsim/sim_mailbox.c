/* sim_mailbox -- see sim_mailbox.h and mailbox.h. source: futex(2) */
#include "nicsim/sim_mailbox.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	DEAD_ROUNDS = 64,               /* rounds after which a holder that is dead is looked for */
	DEAD_NS = 200000000
};

void sim_mailbox_path(const struct sim *sim, char *path, size_t size)
{
	snprintf(path, size, "%s/mailbox", sim->root);
}

int sim_mailbox_begin(struct sim *sim)
{
	char path[300];
	void *at = MAP_FAILED;
	int fd;

	sim_mailbox_path(sim, path, sizeof(path));
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, sizeof(struct sim_mailbox)) == 0)
		at = mmap(NULL, sizeof(struct sim_mailbox), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		nf_fail(errno, "cannot make %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return -EIO;
	sim->mailbox = at;
	sim->mailbox->magic = SIM_MAILBOX_MAGIC;
	return 0;
}

int sim_mailbox_add(struct sim *sim, struct sim_card *card)
{
	struct sim_mailbox_card *m = &sim->mailbox->card[card->number];
	struct stat status;
	char path[512];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/resource0", sim->root, card->address);
	if (stat(path, &status) < 0)
		return nf_fail(errno, "%s: %s", path, strerror(errno));
	m->device = (uint64_t)major(status.st_dev) << 32 | minor(status.st_dev);
	m->inode = status.st_ino;
	m->bytes = card->kind->bar;
	for (uint32_t page = 0; page < card->kind->bar / SIM_PAGE; page++)
		if (!sim_register_is_polled(card, page * SIM_PAGE))
			m->trapped[page / 64] |= 1ULL << page % 64;
	__atomic_store_n(&sim->mailbox->card_count, card->number + 1, __ATOMIC_RELEASE);
	return 0;
}

static void wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void sim_mailbox_show(struct sim_card *card, uint32_t at, uint32_t value)
{
	struct sim_mailbox_card *m = &card->sim->mailbox->card[card->number];
	uint32_t state;

	__atomic_store_n(&m->showing, 1, __ATOMIC_SEQ_CST);
	state = __atomic_load_n(&m->state, __ATOMIC_SEQ_CST);
	if ((state != SIM_MAILBOX_WRITING && state != SIM_MAILBOX_WRITTEN) || at + 4 <= m->offset || at >= m->offset + m->width)
		__atomic_store_n(&card->bar[at / 4], value, __ATOMIC_RELEASE);
	__atomic_store_n(&m->showing, 0, __ATOMIC_RELEASE);
}

/* Judge where and how wide an access is. gives: how many words it covers; 0: none, it lies outside */
static uint32_t words_of(struct sim_card *card, uint32_t offset, uint32_t width)
{
	if (width < 4)
		sim_judge(card, SIM_RULE_WIDTH, "%u bits at 0x%05x", width * 8, offset);
	if (offset % 4 != 0)
		sim_judge(card, SIM_RULE_UNALIGNED, "%u bits at 0x%05x", width * 8, offset);
	if (width > 8)
		sim_judge(card, SIM_RULE_WIDTH, "%u bits at 0x%05x", width * 8, offset);
	if (offset >= card->kind->bar)
		return 0;
	return (offset % 4 + width + 3) / 4;
}

/* A read: put what the registers hold, now, where the driver will read. */
static void answer_read(struct sim_card *card, uint32_t offset, uint32_t width)
{
	uint32_t words = words_of(card, offset, width), at = offset & ~3u;

	for (uint32_t i = 0; i < words && at + 4 * i < card->kind->bar; i++) {
		uint32_t value = sim_register_read(card, at + 4 * i);

		__atomic_store_n(&card->bar[at / 4 + i], value, __ATOMIC_RELEASE);
		card->seen[at / 4 + i] = value;
	}
}

/* A write: first read all of it, as what the first word does may change the next one. */
static void answer_written(struct sim_card *card, struct sim_mailbox_card *m, uint32_t offset, uint32_t width)
{
	enum { WORDS = 17 };            /* of the widest access there is, that begins within a word */
	uint32_t words = words_of(card, offset, width), at = offset & ~3u, written[WORDS];

	words = words < WORDS ? words : WORDS;
	for (uint32_t i = 0; i < words && at + 4 * i < card->kind->bar; i++)
		written[i] = __atomic_load_n(&card->bar[at / 4 + i], __ATOMIC_ACQUIRE);
	__atomic_store_n(&m->state, SIM_MAILBOX_TAKEN, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < words && at + 4 * i < card->kind->bar; i++)
		sim_register_write(card, at + 4 * i, written[i]);
}

/* What time has brought: since this round began the model may have had to wait for a processor, and the driver counts time, too. */
static void bring_up_to_date(struct sim_card *card)
{
	clock_update();
	card->sim->now_ns = clock_now();
	sim_ring_tick(card);
	sim_card_link(card);
}

static bool answer(struct sim_card *card, struct sim_mailbox_card *m)
{
	uint32_t state = __atomic_load_n(&m->state, __ATOMIC_ACQUIRE);

	if (state != SIM_MAILBOX_READ && state != SIM_MAILBOX_WRITTEN)
		return false;
	bring_up_to_date(card);
	if (state == SIM_MAILBOX_READ)
		answer_read(card, m->offset, m->width);
	else
		answer_written(card, m, m->offset, m->width);
	__atomic_store_n(&m->state, SIM_MAILBOX_DONE, __ATOMIC_RELEASE);
	wake(&m->state);
	return true;
}

/* A thread that died while it had the mailbox: nobody else would ever get it. Threads of other PID namespaces are not known here,
 * but hold it for a moment only. */
static void free_dead(const struct sim *sim, struct sim_mailbox_card *m)
{
	static struct { uint32_t owner; uint64_t since_ns; } held[SIM_MAILBOX_CARDS];
	uint32_t i = (uint32_t)(m - sim->mailbox->card), owner = __atomic_load_n(&m->owner, __ATOMIC_ACQUIRE);
	char path[32];

	if (owner == 0 || owner != held[i].owner) {
		held[i].owner = owner;
		held[i].since_ns = sim->now_ns;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%u", owner);
	if (sim->now_ns - held[i].since_ns < DEAD_NS || access(path, F_OK) == 0)
		return;
	__atomic_store_n(&m->state, SIM_MAILBOX_FREE, __ATOMIC_RELAXED);
	__atomic_compare_exchange_n(&m->owner, &owner, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	wake(&m->owner);
}

bool sim_mailbox_step(struct sim *sim)
{
	uint32_t beat = __atomic_add_fetch(&sim->mailbox->beat, 1, __ATOMIC_RELAXED);
	bool found = false;

	for (uint32_t i = 0; i < sim->card_count; i++) {
		found |= answer(&sim->card[i], &sim->mailbox->card[i]);
		if (beat % DEAD_ROUNDS == 0)
			free_dead(sim, &sim->mailbox->card[i]);
	}
	return found;
}

void sim_mailbox_rest(struct sim *sim, uint64_t limit_ns)
{
	struct timespec limit = { .tv_sec = (time_t)(limit_ns / 1000000000), .tv_nsec = (long)(limit_ns % 1000000000) };
	uint32_t bell = __atomic_load_n(&sim->mailbox->bell, __ATOMIC_SEQ_CST);

	__atomic_store_n(&sim->mailbox->sleeping, 1, __ATOMIC_SEQ_CST);
	if (!sim_mailbox_step(sim))
		syscall(SYS_futex, &sim->mailbox->bell, FUTEX_WAIT, bell, &limit, NULL, 0);
	__atomic_store_n(&sim->mailbox->sleeping, 0, __ATOMIC_SEQ_CST);
}

void sim_mailbox_end(struct sim *sim)
{
	if (sim->mailbox == NULL)
		return;
	__atomic_store_n(&sim->mailbox->ended, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < SIM_MAILBOX_CARDS; i++) {
		wake(&sim->mailbox->card[i].state);
		wake(&sim->mailbox->card[i].owner);
	}
	munmap(sim->mailbox, sizeof(struct sim_mailbox));
	sim->mailbox = NULL;
}
