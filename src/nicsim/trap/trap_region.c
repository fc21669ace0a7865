/* trap_region -- the mappings of registers in this process, and the calls of the C library that make and remove them. */
#include "nicsim/trap/trap.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REGIONS = 64, PAGE = 4096 };

static struct trap_region regions[REGIONS];     /* length 0: free */

const struct trap_region *trap_region_find(const void *address)
{
	for (uint32_t i = 0; i < REGIONS; i++) {
		uint64_t length = __atomic_load_n(&regions[i].length, __ATOMIC_ACQUIRE);

		if (length > 0 && (const uint8_t *)address >= regions[i].at && (const uint8_t *)address < regions[i].at + length)
			return &regions[i];
	}
	return NULL;
}

void trap_region_add(void *at, uint64_t length, int fd, uint64_t offset)
{
	int card = trap_mailbox_card(fd);
	uint32_t i = 0;

	if (card < 0)
		return;
	while (i < REGIONS && regions[i].length > 0)
		i++;
	if (i == REGIONS)
		return;
	regions[i].at = at;
	regions[i].offset = offset;
	regions[i].card = (uint32_t)card;
	for (uint64_t page = 0; page < length; page += PAGE)
		if (trap_mailbox_is_trapped((uint32_t)card, (uint32_t)((offset + page) / PAGE)))
			mprotect((uint8_t *)at + page, PAGE, PROT_NONE);
	__atomic_store_n(&regions[i].length, length, __ATOMIC_RELEASE);
}

/* Drivers unmap what they mapped: whole mappings. */
void trap_region_remove(void *at, uint64_t length)
{
	for (uint32_t i = 0; i < REGIONS; i++)
		if (regions[i].length > 0 && regions[i].at >= (uint8_t *)at && regions[i].at < (uint8_t *)at + length)
			__atomic_store_n(&regions[i].length, 0, __ATOMIC_RELEASE);
}

/* --- what we stand in front of ----------------------------------------------------------------------------------------- */

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
	return mmap(address, length, protection, flags, fd, offset);
}

int munmap(void *address, size_t length)
{
	trap_region_remove(address, length);
	return (int)syscall(SYS_munmap, address, length);
}

/* Some programs map with the system call itself; mmap comes here, too. */
long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	long a[6], result;
	va_list list;

	if (real == NULL)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(list, number);
	for (uint32_t i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_mmap && result != -1 && (int)a[4] >= 0)
		trap_region_add((void *)result, (uint64_t)a[1], (int)a[4], (uint64_t)a[5]);
	return result;
}
