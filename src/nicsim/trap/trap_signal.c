/* trap_signal -- a fault on a trapped page: ask the model, open the page, let one instruction run, close it again.
 * source: sigaction(2); Intel 64 SDM volume 3, 6.15 "Page-Fault Exception" (error code), 17.3.1.4 "Single-Step Exception" */
#include "nicsim/trap/trap.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, FAULT_WRITE = 2, SINGLE_STEP = 0x100 };

/* The access under way in this thread. */
static __thread struct {
	bool active, writes;
	uint8_t *page;
	uint32_t card, offset, width, pages;
	sigset_t mask;
} step;

static struct sigaction next_fault, next_trap;  /* what the program asked for */

static int (*real_sigaction)(int number, const struct sigaction *action, struct sigaction *before);

/* It is none of ours: what would have happened without us. */
static void pass_on(const struct sigaction *next, int number, siginfo_t *info, void *context)
{
	if (next->sa_flags & SA_SIGINFO && next->sa_sigaction != NULL) {
		next->sa_sigaction(number, info, context);
	} else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
		next->sa_handler(number);
	} else {
		struct sigaction plain = { .sa_handler = SIG_DFL };

		real_sigaction(number, &plain, NULL);
	}
}

/* Open the page, and the next one when the access reaches into it. */
static void open_page(const struct trap_region *region, uint8_t *address, uint32_t width)
{
	step.page = (uint8_t *)((uintptr_t)address & ~(uintptr_t)(PAGE - 1));
	step.pages = (uint32_t)(address + width - step.page + PAGE - 1) / PAGE;
	if (step.page + (uint64_t)step.pages * PAGE > region->at + region->length)
		step.pages = 1;
	mprotect(step.page, (size_t)step.pages * PAGE, PROT_READ | PROT_WRITE);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	uint8_t *address = info->si_addr;
	const struct trap_region *region = trap_region_find(address);
	struct trap_access access;
	int before = errno;

	if (region == NULL || step.active) {
		pass_on(&next_fault, number, info, context);
		return;
	}
	step.writes = user->uc_mcontext.gregs[REG_ERR] & FAULT_WRITE;
	access = trap_decode((const uint8_t *)user->uc_mcontext.gregs[REG_RIP], step.writes);
	step.active = true;
	step.card = region->card;
	step.offset = (uint32_t)(address - region->at + (ptrdiff_t)region->offset);
	step.width = access.width;
	trap_mailbox_lock(step.card);
	if (access.reads)
		trap_mailbox_ask(step.card, SIM_MAILBOX_READ, step.offset, step.width);
	if (step.writes)
		trap_mailbox_announce(step.card, step.offset, step.width);
	open_page(region, address, access.width);
	user->uc_mcontext.gregs[REG_EFL] |= SINGLE_STEP;
	/* Nothing else may run in this thread while the page is open. */
	step.mask = user->uc_sigmask;
	sigfillset(&user->uc_sigmask);
	sigdelset(&user->uc_sigmask, SIGTRAP);
	sigdelset(&user->uc_sigmask, SIGSEGV);
	errno = before;
}

static void on_step(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	int before = errno;

	if (!step.active) {
		pass_on(&next_trap, number, info, context);
		return;
	}
	mprotect(step.page, (size_t)step.pages * PAGE, PROT_NONE);
	if (step.writes)
		trap_mailbox_ask(step.card, SIM_MAILBOX_WRITTEN, step.offset, step.width);
	trap_mailbox_unlock(step.card);
	user->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)SINGLE_STEP;
	user->uc_sigmask = step.mask;
	step.active = false;
	errno = before;
}

static void catch(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGSEGV);
	sigdelset(&action.sa_mask, SIGTRAP);
	real_sigaction(number, &action, NULL);
}

static void find_real(void)
{
	if (real_sigaction == NULL)
		real_sigaction = (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
}

void trap_signal_begin(void)
{
	find_real();
	real_sigaction(SIGSEGV, NULL, &next_fault);
	real_sigaction(SIGTRAP, NULL, &next_trap);
	catch(SIGSEGV, on_fault);
	catch(SIGTRAP, on_step);
}

static bool has_model;

__attribute__((constructor)) static void begin(void)
{
	has_model = trap_mailbox_begin();
	if (has_model)
		trap_signal_begin();
}

/* --- what we stand in front of: the program's handlers come behind ours, and it cannot block our signals --------------------- */

int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	struct sigaction *next = number == SIGSEGV ? &next_fault : number == SIGTRAP ? &next_trap : NULL;

	find_real();
	if (next == NULL || !has_model)
		return real_sigaction(number, action, before);
	if (before != NULL)
		*before = *next;
	if (action != NULL)
		*next = *action;
	return 0;
}

sighandler_t signal(int number, sighandler_t handler)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, before;

	return sigaction(number, &action, &before) < 0 ? SIG_ERR : before.sa_handler;
}

typedef int (*masker)(int how, const sigset_t *set, sigset_t *before);

static int mask(masker real, int how, const sigset_t *set, sigset_t *before)
{
	sigset_t ours;

	if (set == NULL || !has_model || how == SIG_UNBLOCK)
		return real(how, set, before);
	ours = *set;
	sigdelset(&ours, SIGSEGV);
	sigdelset(&ours, SIGTRAP);
	return real(how, &ours, before);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
	static masker real;

	if (real == NULL)
		real = (masker)dlsym(RTLD_NEXT, "sigprocmask");
	return mask(real, how, set, before);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	static masker real;

	if (real == NULL)
		real = (masker)dlsym(RTLD_NEXT, "pthread_sigmask");
	return mask(real, how, set, before);
}
