/* accesses -- reads and writes registers of the first card with every kind of instruction that a compiler, or a person, might use;
 * prints what came of it. For tests of trapped accesses: it runs without a driver and without huge pages. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CTRL_EXT = 0x18, EITR = 0x820, FCTRL = 0x5080, MTA = 0x5200, RAL = 0xa200, VFTA = 0xa000, SWSM = 0x10140, RETA = 0xeb00, RETA_82598 = 0x5c00 };

static uint8_t *bar;
static sigjmp_buf back;

static volatile uint32_t *reg(uint32_t at)
{
	return (volatile uint32_t *)(void *)(bar + at);
}

static void show(const char *name, uint32_t at)
{
	printf("%s %08x\n", name, *reg(at));
}

/* Stores, and instructions that read before they write. */
static void write_all(void)
{
	uint32_t value = 0x11111111, other = 0x00ff00ff;

	*(volatile uint64_t *)(void *)(bar + RAL + 8) = 0x8000bbaa99887766;
	show("store64 low", RAL + 8);
	show("store64 high", RAL + 12);
	*reg(FCTRL) = 0x100;
	__asm__ volatile("orl $0x400, %0" : "+m"(*reg(FCTRL)));
	show("or", FCTRL);
	__asm__ volatile("andl $0xfffffeff, %0" : "+m"(*reg(FCTRL)));
	show("and", FCTRL);
	__asm__ volatile("movnti %1, %0" : "=m"(*reg(VFTA)) : "r"(value));
	show("movnti", VFTA);
	__asm__ volatile("xchgl %1, %0" : "+m"(*reg(VFTA)), "+r"(other));
	printf("xchg was %08x\n", other);
	show("xchg", VFTA);
	__asm__ volatile("lock addl $1, %0" : "+m"(*reg(VFTA)));
	show("add", VFTA);
	__asm__ volatile("movl $0x5a5a5a5a, %0" : "=m"(*reg(EITR)));
	show("store imm", EITR);
}

static void repeat_all(void)
{
	void *to = bar + MTA;
	uint64_t count = 128;
	uint32_t sum = 0;

	__asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0x01010101) : "memory");
	for (uint32_t i = 0; i < 128; i++)
		sum += *reg(MTA + 4 * i);
	printf("rep stos %08x\n", sum);
	*reg(RETA_82598 + 8) = 0x03020100;
	show("alias", RETA + 8);
}

/* Loads, and comparisons with memory. */
static void read_all(void)
{
	uint64_t wide = *(volatile uint64_t *)(void *)(bar + RAL + 8);
	uint32_t four[4], first;
	uint8_t equal;

	printf("load64 %016llx\n", (unsigned long long)wide);
	__asm__ volatile("cmpl $0x5a5a5a5a, %1; sete %0" : "=q"(equal) : "m"(*reg(EITR)) : "cc");
	printf("cmp %u\n", equal);
	__asm__ volatile("testl $0x400, %1; setnz %0" : "=q"(equal) : "m"(*reg(FCTRL)) : "cc");
	printf("test %u\n", equal);
	first = *reg(SWSM) & 1;
	printf("semaphore %u %u\n", first, *reg(SWSM) & 1);
	__asm__ volatile("movdqu (%1), %%xmm0; movdqu %%xmm0, (%0)" : : "r"(four), "r"(bar + MTA) : "xmm0", "memory");
	printf("sse %08x\n", four[3]);
	printf("byte %02x\n", *(volatile uint8_t *)(bar + EITR));
	*(volatile uint16_t *)(void *)(bar + CTRL_EXT) = 0x1234;
	show("store16", CTRL_EXT);
	printf("unaligned %08x\n", *(volatile uint32_t *)(void *)(bar + EITR + 2));
}

static void on_fault(int number)
{
	siglongjmp(back, number);
}

/* Faults that are none of the card's go where the program wants them; processes made by fork are seen, too. */
static void others(void)
{
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	volatile uint32_t *nowhere = (volatile uint32_t *)(uintptr_t)(getpid() & 0xff);
	sigset_t all;
	pid_t child;

	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(back, 1) == 0)
		printf("not reached %u\n", *nowhere);
	printf("own fault\n");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	show("blocked", EITR);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		*reg(EITR) = 0x77;
		_exit(*reg(EITR) == 0x77 ? 7 : 1);
	}
	int status = 0;

	waitpid(child, &status, 0);
	printf("child %d\n", WEXITSTATUS(status));
	show("after child", EITR);
}

int main(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:05:00.0/resource0", getenv("NF_SYSFS"));
	fd = open(path, O_RDWR);
	bar = mmap(NULL, 512 << 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || bar == MAP_FAILED)
		return 2;
	write_all();
	repeat_all();
	read_all();
	others();
	munmap(bar, 512 << 10);
	return 0;
}
