/* trap_mailbox -- the driver's side of the mailbox. Everything here may run in a signal's handler: no allocation, no lock of the
 * C library, and of system calls only futex and gettid. */
#include "nicsim/trap/trap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
	SPINS = 200, PATIENCE = 600,    /* PATIENCE: waits of 50 ms without a sign of life before the model is given up */
	SHOWING = 1 << 20               /* looks, some 40 ms */
};

static struct sim_mailbox *mailbox;

bool trap_mailbox_begin(void)
{
	const char *path = getenv(SIM_MAILBOX_VARIABLE);
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return false;
	at = mmap(NULL, sizeof(struct sim_mailbox), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED || ((struct sim_mailbox *)at)->magic != SIM_MAILBOX_MAGIC)
		return false;
	mailbox = at;
	return true;
}

int trap_mailbox_card(int fd)
{
	struct stat status;
	uint64_t device;

	if (mailbox == NULL || fd < 0 || fstat(fd, &status) < 0)
		return -1;
	device = (uint64_t)major(status.st_dev) << 32 | minor(status.st_dev);
	for (uint32_t i = 0; i < mailbox->card_count && i < SIM_MAILBOX_CARDS; i++)
		if (mailbox->card[i].inode == status.st_ino && mailbox->card[i].device == device)
			return (int)i;
	return -1;
}

bool trap_mailbox_is_trapped(uint32_t card, uint32_t page)
{
	return page < SIM_MAILBOX_PAGES && mailbox->card[card].trapped[page / 64] >> page % 64 & 1;
}

static long sleep_on(uint32_t *word, uint32_t value)
{
	struct timespec limit = { .tv_nsec = 50000000 };

	return syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
}

static void wake(uint32_t *word, int how_many)
{
	syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
}

static bool is_gone(void)
{
	return __atomic_load_n(&mailbox->ended, __ATOMIC_ACQUIRE) != 0;
}

void trap_mailbox_lock(uint32_t card)
{
	uint32_t *owner = &mailbox->card[card].owner, own = (uint32_t)syscall(SYS_gettid), seen = 0;

	while (!is_gone() && !__atomic_compare_exchange_n(owner, &seen, own, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (seen != 0)
			sleep_on(owner, seen);
		seen = 0;
	}
}

void trap_mailbox_unlock(uint32_t card)
{
	__atomic_store_n(&mailbox->card[card].state, SIM_MAILBOX_FREE, __ATOMIC_RELAXED);
	__atomic_store_n(&mailbox->card[card].owner, 0, __ATOMIC_RELEASE);
	wake(&mailbox->card[card].owner, 1);
}

/* Wait until the model has answered; its beat tells that it lives. */
static bool await(struct sim_mailbox_card *m, uint32_t question)
{
	uint32_t beat = __atomic_load_n(&mailbox->beat, __ATOMIC_RELAXED), quiet = 0;

	for (uint32_t i = 0; ; i++) {
		if (__atomic_load_n(&m->state, __ATOMIC_ACQUIRE) == SIM_MAILBOX_DONE)
			return true;
		if (is_gone() || quiet > PATIENCE)
			return false;
		if (i < SPINS) {
			__builtin_ia32_pause();
			continue;
		}
		if (sleep_on(&m->state, question) < 0 && errno == ETIMEDOUT) {
			uint32_t now = __atomic_load_n(&mailbox->beat, __ATOMIC_RELAXED);

			quiet = now == beat ? quiet + 1 : 0;
			beat = now;
		}
	}
}

void trap_mailbox_announce(uint32_t card, uint32_t offset, uint32_t width)
{
	struct sim_mailbox_card *m = &mailbox->card[card];

	m->offset = offset;
	m->width = width;
	__atomic_store_n(&m->state, SIM_MAILBOX_WRITING, __ATOMIC_SEQ_CST);
	/* Either the model has seen this, or we see that it is changing a word. */
	for (uint32_t i = 0; i < SHOWING && __atomic_load_n(&m->showing, __ATOMIC_SEQ_CST) != 0; i++)
		__builtin_ia32_pause();
}

bool trap_mailbox_ask(uint32_t card, enum sim_mailbox_state question, uint32_t offset, uint32_t width)
{
	struct sim_mailbox_card *m = &mailbox->card[card];
	int before = errno;
	bool answered;

	if (is_gone())
		return false;
	m->offset = offset;
	m->width = width;
	__atomic_store_n(&m->state, question, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&mailbox->bell, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&mailbox->sleeping, __ATOMIC_SEQ_CST))
		wake(&mailbox->bell, 1);
	answered = await(m, question);
	errno = before;
	return answered;
}
