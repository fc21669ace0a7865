/* pci_registers -- registers of cards, mapped. See pci_registers.h. When a card is taken out, the kernel takes its pages away, and an access
 * ends in SIGBUS.
 * source: sigaction(2), SIGBUS; PCI Express Base Specification, 2.3.2 "Completion Handling Rules": a read that nobody completes
 * gives all ones */
#include "core/core.h"

#include "core/pci_registers.h"

#include <signal.h>
#include <sys/mman.h>

enum { MAPPED_MOST = 1024 };            /* 16 queues of 64 cards */

static struct { uint8_t *base; uint32_t bytes; } mapped[MAPPED_MOST];

/* What nobody answers reads as all ones from here on. Any other fault is repeated without this handler, and ends the process. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_code > 0 ? info->si_addr : NULL;

	(void)context;
	for (uint32_t i = 0; at != NULL && i < MAPPED_MOST; i++) {
		uint8_t *base = mapped[i].base;

		if (base == NULL || at < base || at >= base + mapped[i].bytes)
			continue;
		if (mmap(base, mapped[i].bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != base)
			break;
		memset(base, 0xff, mapped[i].bytes);
		return;
	}
	signal(number, SIG_DFL);
	if (info->si_code <= 0)
		raise(number);
}

volatile uint8_t *pci_registers_map(int fd, uint32_t bytes)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	uint32_t i = 0;
	void *at;

	while (i < MAPPED_MOST && mapped[i].base != NULL)
		i++;
	if (i == MAPPED_MOST) {
		errno = ENOSPC;
		return NULL;
	}
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return NULL;
	mapped[i].bytes = bytes;
	mapped[i].base = at;
	sigaction(SIGBUS, &action, NULL);
	return at;
}

void pci_registers_unmap(volatile uint8_t *registers)
{
	for (uint32_t i = 0; registers != NULL && i < MAPPED_MOST; i++)
		if (mapped[i].base == registers) {
			mapped[i].base = NULL;
			munmap((void *)(uintptr_t)registers, mapped[i].bytes);
		}
}

void pci_registers_leave(void)
{
	for (uint32_t i = 0; i < MAPPED_MOST; i++)
		pci_registers_unmap(mapped[i].base);
}
