/* sandbox -- see sandbox.h.
 * source: seccomp(2), Linux Documentation/userspace-api/seccomp_filter.rst */
#include "core/core.h"

#include "core/descriptor.h"
#include "core/sandbox.h"
#include "core/worker.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifdef NF_SANITIZED
const bool sandbox_has_filter = false;
#else
const bool sandbox_has_filter = true;
#endif

/* All that a worker may do, each with the one who needs it. No call here opens a file, a socket or a process: what is opened
 * comes from the supervisor. */
const struct sandbox_call sandbox_calls[] = {
	{ "read", "packets from files and pipes, event descriptors" },
	{ "write", "packets to pipes, event descriptors, messages to standard error" },
	{ "readv", "frames from a tap" },
	{ "writev", "frames to a tap" },
	{ "pread64", "blocks of a capture file" },
	{ "pwrite64", "blocks of a capture file" },
	{ "ftruncate", "a capture file that begins anew, or that a dead worker left" },
	{ "lseek", "how far a capture file is written, for a successor" },
	{ "newfstatat", "kind and size of an open file" },
	{ "fstatfs", "whether a file lies on a disk" },
	{ "fcntl", "a pipe of a reload is not waited for (F_SETFL alone)" },
	{ "close", "what a reload or a lost device leaves behind" },
	{ "recvmmsg", "frames from a packet socket" },
	{ "sendmmsg", "frames to a packet socket" },
	{ "getsockopt", "drops of a packet socket" },
	{ "getsockname", "whether a packet socket still has its interface" },
	{ "ioctl", "whether a tap still has its interface, whether a file is a terminal (TUNGETIFF and TCGETS alone)" },
	{ "sendto", "a question to the supervisor, or about a tap's drops; never to an address" },
	{ "recvfrom", "the answer about a tap's drops" },
	{ "sendmsg", "reports to the supervisor" },
	{ "recvmsg", "orders of the supervisor, with descriptors" },
	{ "poll", "the house-keeping thread waits for orders" },
	{ "epoll_create1", "a new set of descriptors after a reload" },
	{ "epoll_ctl", "the descriptors that announce packets" },
	{ "epoll_pwait2", "the packet thread waits for packets" },
	{ "clock_nanosleep", "the packet thread sleeps when no packets come" },
	{ "clock_gettime", "time, and a thread's own processor time" },
	{ "getrandom", "the seed of a new Lua state" },
	{ "futex", "the threads of a worker wait for each other" },
	{ "mmap", "memory, a reload's segments and statistics; executable for LuaJIT and filters alone" },
	{ "mprotect", "memory; executable for LuaJIT and filters alone" },
	{ "munmap", "memory" },
	{ "madvise", "huge pages for the tables of apps (MADV_HUGEPAGE alone; all else is refused with EINVAL)" },
	{ "brk", "memory" },
	{ "timer_create", "the watch over Lua apps" },
	{ "timer_settime", "the watch over Lua apps" },
	{ "timer_delete", "the watch over Lua apps" },
	{ "sigaltstack", "the watch over Lua apps" },
	{ "gettid", "the watch over Lua apps" },
	{ "rt_sigaction", "the watch over Lua apps; not the handler of forbidden calls" },
	{ "rt_sigprocmask", "the watch over Lua apps" },
	{ "rt_sigreturn", "the end of a signal's handler" },
	{ "restart_syscall", "a wait goes on after the process was stopped" },
	{ "tgkill", "a failed assertion ends the process; no other process" },
	{ "sysinfo", "how much memory there is, before the C library sorts a long list" },
	{ "getpid", "a failed assertion ends the process" },
	{ "exit", "the end of a thread" },
	{ "exit_group", "the end" },
	{ NULL, NULL }
};

/* What the C library tries and can do without: refused with this error instead of ending the process. */
static const struct { const char *name; int error; } refused[] = {
	{ "mremap", ENOMEM },           /* realloc copies instead */
	{ "fadvise64", EINVAL },        /* that a capture is read in order */
	{ "epoll_wait", ENOSYS },       /* epoll_pwait2 is there, or the engine sleeps */
};

int sandbox_user_find(const char *name, struct sandbox_user *user)
{
	const struct passwd *entry;

	*user = (struct sandbox_user){ 0 };
	if (geteuid() != 0)
		return name == NULL ? 0 : nf_fail(EPERM, "only root can run workers as another user");
	errno = 0;
	entry = getpwnam(name != NULL ? name : "nf");
	if (entry == NULL && name == NULL)
		entry = getpwnam("nobody");
	if (entry == NULL)
		return nf_fail(ENOENT, "there is no user '%s'", name != NULL ? name : "nobody");
	if (entry->pw_uid == 0)
		return nf_fail(EINVAL, "user '%s' is root: workers do not run as root", entry->pw_name);
	*user = (struct sandbox_user){ .set = true, .uid = entry->pw_uid, .gid = entry->pw_gid };
	snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
	return 0;
}

/* What the supervisor keeps, as far as it has it. */
static const int kept[] = {
	CAP_NET_ADMIN,                  /* make and set up taps, buffers of packet sockets */
	CAP_NET_RAW,                    /* packet sockets */
	CAP_DAC_READ_SEARCH,            /* configurations and captures of other users */
	CAP_DAC_OVERRIDE,               /* captures in their folders */
	CAP_SETUID, CAP_SETGID, CAP_SETPCAP,    /* workers become somebody else, without anything */
	CAP_KILL,                       /* and are ended */
};

static bool lacks_namespaces, lacks_programs;

int sandbox_keep(bool namespaces, bool programs)
{
	bool has_namespaces, has_programs, has[sizeof(kept) / sizeof(kept[0])];
	capng_select_t sets = CAPNG_SELECT_CAPS;

	capng_get_caps_process();
	has_namespaces = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	has_programs = capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF);
	for (uint32_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		has[i] = capng_have_capability(CAPNG_EFFECTIVE, (unsigned)kept[i]);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		sets = CAPNG_SELECT_BOTH;
	capng_clear(CAPNG_SELECT_BOTH);
	for (uint32_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (has[i])
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, (unsigned)kept[i]);
	if (has_namespaces && namespaces)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_SYS_ADMIN);
	if (has_programs && programs)
		capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, CAP_BPF, CAP_IPC_LOCK, -1);
	lacks_namespaces = has_namespaces && !namespaces;
	lacks_programs = has_programs && !programs;
	return capng_apply(sets) == 0 ? 0 : nf_fail(EPERM, "the supervisor cannot give up its capabilities");
}

bool sandbox_lacks_namespaces(void)
{
	return lacks_namespaces;
}

bool sandbox_lacks_programs(void)
{
	return lacks_programs;
}

int sandbox_drop(const struct sandbox_user *user)
{
	/* While there is the capability to do so: programs that a process without it starts could not have others either. */
	capng_get_caps_process();
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOUNDS);
		if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
			return nf_fail(EPERM, "a worker cannot give up capabilities for its programs");
	}
	if (user->set && (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
		setresuid(user->uid, user->uid, user->uid) != 0))
		return nf_fail(errno, "a worker cannot become user '%s': %s; it takes the capabilities cap_setuid and cap_setgid, or "
			"--no-sandbox", user->name, strerror(errno));
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return nf_fail(EPERM, "a worker cannot give up its capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return nf_fail(errno, "a worker cannot close itself to others: %s", strerror(errno));
	return 0;
}

/* For the handler, which runs in whatever thread made the call. */
static int report_socket = -1;

/* A forbidden call was made, and not carried out. Say which, then end by the call that the filter answers with death. */
static void on_violation(int signal_number, siginfo_t *info, void *context)
{
	static struct worker_report report;
	struct sigaction action = { .sa_handler = SIG_DFL };

	(void)signal_number;
	(void)context;
	report.type = WORKER_BROKE;
	report.call = (uint32_t)info->si_syscall;
	descriptor_send(report_socket, &report, sizeof(report), NULL, 0);
	sigaction(SIGSYS, &action, NULL);
	_exit(1);
}

/* A rule with conditions on up to one argument. libseccomp gives -errno. */
static int allow_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 1, &condition);
}

/* Memory is never writable and executable at once, and executable only for a compiler. */
static int allow_memory(scmp_filter_ctx filter, const char *name, bool compiles)
{
	int code = allow_if(filter, name, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (code == 0 && compiles)
		code = allow_if(filter, name, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC));
	return code;
}

/* Allow a call of the table, with what its arguments must be. */
static int allow(scmp_filter_ctx filter, const char *name, bool compiles)
{
	int call = seccomp_syscall_resolve_name(name);

	if (call == __NR_SCMP_ERROR)
		return 0;               /* another kernel's, or another processor's */
	if (strcmp(name, "mmap") == 0 || strcmp(name, "mprotect") == 0)
		return allow_memory(filter, name, compiles);
	if (strcmp(name, "ioctl") == 0) {
		int code = allow_if(filter, name, SCMP_A1_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, TUNGETIFF));

		return code == 0 ? allow_if(filter, name, SCMP_A1_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, TCGETS)) : code;
	}
	if (strcmp(name, "madvise") == 0) {
		/* The C library's own: the stack of a thread that ended; free memory at the top of the heap. It can do without. */
		int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), call, 1, SCMP_A2_64(SCMP_CMP_NE, MADV_HUGEPAGE, 0));

		return code == 0 ? allow_if(filter, name, SCMP_A2_64(SCMP_CMP_EQ, MADV_HUGEPAGE, 0)) : code;
	}
	if (strcmp(name, "fcntl") == 0)
		return allow_if(filter, name, SCMP_A1_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, F_SETFL));
	if (strcmp(name, "tgkill") == 0)
		return allow_if(filter, name, SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (strcmp(name, "sendto") == 0)
		return allow_if(filter, name, SCMP_A4_64(SCMP_CMP_EQ, 0, 0));
	if (strcmp(name, "newfstatat") == 0)
		return allow_if(filter, name, SCMP_A3_64(SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
	if (strcmp(name, "rt_sigaction") == 0) {
		int code = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, call, 1, SCMP_A0_64(SCMP_CMP_EQ, SIGSYS, 0));

		return code == 0 ? allow_if(filter, name, SCMP_A0_64(SCMP_CMP_NE, SIGSYS, 0)) : code;
	}
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int fill(scmp_filter_ctx filter, bool compiles)
{
	/* All threads; no slower memory accesses than without a filter; a tree instead of a list. */
	int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	if (code == 0)
		code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	if (code == 0)
		code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (code == 0)
		code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (uint32_t i = 0; i < sizeof(refused) / sizeof(refused[0]) && code == 0; i++)
		if (seccomp_syscall_resolve_name(refused[i].name) != __NR_SCMP_ERROR)
			code = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)refused[i].error),
				seccomp_syscall_resolve_name(refused[i].name), 0);
	for (const struct sandbox_call *call = sandbox_calls; call->name != NULL && code == 0; call++)
		code = allow(filter, call->name, compiles);
	return code;
}

int sandbox_filter(bool compiles, int socket)
{
	struct sigaction action = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	scmp_filter_ctx filter;
	int code;

	if (!sandbox_has_filter) {
		log_info("no filter of system calls: this nf was built with sanitizers");
		return 0;
	}
	filter = seccomp_init(SCMP_ACT_TRAP);
	if (filter == NULL)
		return nf_fail(ENOMEM, "no memory for a filter of system calls");
	report_socket = socket;
	sigfillset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
	code = fill(filter, compiles);
	if (code == 0)
		code = seccomp_load(filter);
	seccomp_release(filter);
	return code == 0 ? 0 : nf_fail(-code, "the kernel takes no filter of system calls: %s; --no-sandbox runs without", strerror(-code));
}

void sandbox_call_name(uint32_t number, char *name, size_t size)
{
	char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);

	snprintf(name, size, "%s", found != NULL ? found : "?");
	free(found);
}
