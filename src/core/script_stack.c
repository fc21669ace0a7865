/* script_stack -- when an app written in Lua fills the C stack.
 *
 * LuaJIT limits the depth of Lua's own stack, but not of the C stack below it: functions that call each other through
 * string.gsub take 9 KiB a level, and coroutines that resume each other have a Lua stack each. The fault at the end of the stack
 * is met on a stack of its own, and the call is left as after too much time. */
#include "core/script_app.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { OWN_STACK = 64 << 10, NEAR = 64 << 10 };

static stack_t own, former;
static struct sigaction former_action;

static uintptr_t stack_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.sp;
#else
#error "where does this processor keep the stack pointer?"
#endif
}

/* A fault beside the stack pointer is the end of the stack. Any other is a bug: it happens again, with the former action. One that
 * somebody sent does not happen again by itself. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr, pointer = stack_pointer(context);

	if (info->si_code > 0 && address + NEAR > pointer && address < pointer + NEAR)
		script_watch_overflow(context);
	sigaction(SIGSEGV, &former_action, NULL);
	if (info->si_code <= 0)
		raise(signal);
}

int script_stack_start(int watch_signal)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	own.ss_size = OWN_STACK;
	own.ss_sp = mmap(NULL, OWN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own.ss_sp == MAP_FAILED)
		return nf_fail(ENOMEM, "no memory for a signal stack");
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, watch_signal);
	if (sigaltstack(&own, &former) < 0 || sigaction(SIGSEGV, &action, &former_action) < 0) {
		munmap(own.ss_sp, OWN_STACK);
		return nf_fail(errno, "no signal stack: %s", strerror(errno));
	}
	return 0;
}

void script_stack_stop(void)
{
	sigaction(SIGSEGV, &former_action, NULL);
	sigaltstack(&former, NULL);
	munmap(own.ss_sp, OWN_STACK);
}
