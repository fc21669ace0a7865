/* bpf_native -- see bpf_native.h: memory for the code. */
#include "lib/lib.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef __x86_64__
int bpf_native_translate(const struct bpf_ops *programs, uint32_t count, bool numbers, bool lines, struct bpf_native_code *code)
{
	(void)programs, (void)count, (void)numbers, (void)lines;
	*code = (struct bpf_native_code){ 0 };
	return -ENOTSUP;
}
#endif

void bpf_native_code_free(struct bpf_native_code *code)
{
	free(code->bytes);
	free(code->line);
	*code = (struct bpf_native_code){ 0 };
}

/* Memory is written first, and then made executable and read-only for as long as it lives. */
static int place(struct bpf_native *native, const struct bpf_native_code *code)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (code->length + page - 1) / page * page;
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (memory == MAP_FAILED)
		return -errno;
	memcpy(memory, code->bytes, code->length);
	if (mprotect(memory, size, PROT_READ | PROT_EXEC) != 0) {
		error = errno;
		munmap(memory, size);
		return -error;
	}
	native->memory = memory;
	native->size = size;
	/* An object pointer becomes a function pointer: POSIX allows it. */
	memcpy(&native->match, &memory, sizeof(memory));
	return 0;
}

int bpf_native_make(struct bpf_native *native, const struct bpf_ops *programs, uint32_t count, bool numbers)
{
	struct bpf_native_code code;
	int result = bpf_native_translate(programs, count, numbers, false, &code);

	*native = (struct bpf_native){ 0 };
	if (result < 0)
		return result;
	result = place(native, &code);
	bpf_native_code_free(&code);
	return result;
}

void bpf_native_free(struct bpf_native *native)
{
	if (native->memory != NULL)
		munmap(native->memory, native->size);
	*native = (struct bpf_native){ 0 };
}
