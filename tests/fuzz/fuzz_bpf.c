/* fuzz_bpf -- a BPF program and a frame from a hostile peer: the program is checked, and what passes runs interpreted and as native
 * code, which must say the same, alone and in a chain of programs. The frame ends where memory ends: a step outside is death in native
 * code, too, which the sanitizers do not see.
 *
 *      1 byte: instructions (0: as many as there are)    8 bytes each: an instruction    the rest: the frame */
#include "core/core.h"
#include "lib/lib.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { FRAME = 65536 };

static uint8_t *fence;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *memory = mmap(NULL, FRAME + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argc, (void)argv;
	nf_assert(memory != MAP_FAILED && mprotect(memory + FRAME, page, PROT_NONE) == 0, "no memory for frames");
	fence = memory + FRAME;
	return 0;
}

/* The codes that are accepted, so that random bytes are programs more often than not. */
static uint16_t code_of(uint16_t code)
{
	static const uint8_t known[] = { 0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x80, 0x00, 0x60, 0x01, 0x61, 0x81, 0xb1, 0x02, 0x03, 0x04,
		0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c, 0x54, 0x5c, 0x64, 0x6c, 0x74, 0x7c, 0x84, 0x94, 0x9c, 0xa4, 0xac,
		0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16, 0x07, 0x87 };

	return code < 0x8000 ? code : known[code % sizeof(known)];
}

/* One program alone: the interpreter's answer. */
static uint32_t compare(const struct bpf_ops *program, const uint8_t *frame, uint32_t length)
{
	struct bpf_native native;
	uint32_t run = bpf_run(program, frame, length), compiled = run;

	if (bpf_native_make(&native, program, 1, false) == 0)
		compiled = native.match(frame, length);
	bpf_native_free(&native);
	nf_assert(run == compiled, "interpreter %u, native code %u, frame of %u bytes", run, compiled, length);
	return run;
}

/* The program cut in two at each place where its first part is a program, too: what one part leaves in registers and memory must not
 * reach the other. */
static void compare_chain(const struct bpf_ops *program, const uint8_t *frame, uint32_t length)
{
	uint32_t at, cut = program->count / 2;
	struct bpf_ops parts[3] = { { program->op, cut }, { program->op + cut, program->count - cut }, *program };
	struct bpf_native native;
	uint32_t expected = 0;

	if (cut == 0 || bpf_check(&parts[0], &at) != NULL || bpf_check(&parts[1], &at) != NULL)
		return;
	for (uint32_t i = 0; i < 3 && expected == 0; i++)
		expected = bpf_run(&parts[i], frame, length) != 0 ? i + 1 : 0;
	if (bpf_native_make(&native, parts, 3, true) == 0)
		nf_assert(native.match(frame, length) == expected, "the chain gives %u instead of %u", native.match(frame, length), expected);
	bpf_native_free(&native);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	uint32_t count, at, bytes;
	struct bpf_op *op;
	struct bpf_ops program;

	if (length < 1 + sizeof(*op) || length > FRAME)
		return 0;
	count = data[0] > 0 && data[0] <= (length - 1) / sizeof(*op) ? data[0] : (uint32_t)((length - 1) / sizeof(*op));
	op = malloc(count * sizeof(*op));
	nf_assert(op != NULL, "out of memory");
	memcpy(op, data + 1, count * sizeof(*op));
	for (uint32_t i = 0; i < count; i++)
		op[i].code = code_of(op[i].code);
	bytes = (uint32_t)(length - 1 - count * sizeof(*op));
	memcpy(fence - bytes, data + 1 + count * sizeof(*op), bytes);
	program = (struct bpf_ops){ op, count };
	if (bpf_check(&program, &at) == NULL) {
		compare(&program, fence - bytes, bytes);
		compare(&program, fence - bytes / 2, bytes / 2);
		compare_chain(&program, fence - bytes, bytes);
	}
	free(op);
	return 0;
}
