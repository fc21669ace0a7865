/* bpf_assembler -- see bpf_assembler.h.
 * source: AMD64 Architecture Programmer's Manual, volume 3 */
#include "lib/lib.h"
#include "lib/bpf_assembler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 15 };                     /* bytes of an instruction */

static const char *const register_name[] = { [BPF_EAX] = "eax", [BPF_ECX] = "ecx" };

/* Remember what was just written, for people. */
static void add_line(struct bpf_assembler *as, size_t n, const char *format, va_list arguments)
{
	struct bpf_native_line *line;

	if (as->line_count == as->line_room) {
		uint32_t room = as->line_room > 0 ? 2 * as->line_room : 256;

		line = realloc(as->line, room * sizeof(*line));
		if (line == NULL) {
			as->failed = true;
			return;
		}
		as->line = line;
		as->line_room = room;
	}
	line = &as->line[as->line_count++];
	*line = (struct bpf_native_line){ .op = as->op, .offset = bpf_assembler_place(as), .length = (uint8_t)n };
	memcpy(line->bytes, as->at, n);
	vsnprintf(line->text, sizeof(line->text), format, arguments);
}

void bpf_assembler_put(struct bpf_assembler *as, const uint8_t *bytes, size_t n, const char *format, ...)
{
	va_list arguments;

	as->at -= n;
	memcpy(as->at, bytes, n);
	if (!as->lines)
		return;
	va_start(arguments, format);
	add_line(as, n, format, arguments);
	va_end(arguments);
}

/* Append a number of n bytes, the lowest first. */
static size_t append(uint8_t *bytes, size_t at, uint32_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
	return at + n;
}

static bool is_byte(uint32_t value)
{
	return value < 0x80 || value >= 0xffffff80;
}

void bpf_assembler_constant(struct bpf_assembler *as, const uint8_t *one, size_t one_size, const uint8_t *four, size_t four_size,
	uint32_t value, const char *format)
{
	uint8_t bytes[MOST];
	bool is_short = one_size > 0 && is_byte(value);
	size_t n = is_short ? one_size : four_size;

	memcpy(bytes, is_short ? one : four, n);
	n = append(bytes, n, value, is_short ? 1 : 4);
	bpf_assembler_put(as, bytes, n, format, value);
}

/* The operand [rdi + k] or [rdi + rcx + k] behind an opcode. */
static size_t append_frame(uint8_t *bytes, size_t at, enum bpf_register r, uint32_t k, bool relative)
{
	size_t width = k == 0 ? 0 : k < 0x80 ? 1 : 4;
	uint8_t mode = width == 0 ? 0x00 : width == 1 ? 0x40 : 0x80;

	bytes[at++] = (uint8_t)(mode | r << 3 | (relative ? 4 : 7));
	if (relative)
		bytes[at++] = 0x0f;     /* base rdi, index rcx */
	return append(bytes, at, k, width);
}

void bpf_assembler_load(struct bpf_assembler *as, enum bpf_register to, uint32_t size, uint32_t k, bool relative)
{
	uint8_t bytes[MOST];
	size_t n = 0;

	if (size < 4)
		bytes[n++] = 0x0f;
	bytes[n++] = size == 4 ? 0x8b : size == 2 ? 0xb7 : 0xb6;
	n = append_frame(bytes, n, to, k, relative);
	bpf_assembler_put(as, bytes, n, "%s %s, %s[rdi%s+%u]", size == 4 ? "mov" : "movzx", register_name[to],
		size == 4 ? "dword" : size == 2 ? "word" : "byte", relative ? "+rcx" : "", k);
}

void bpf_assembler_memory(struct bpf_assembler *as, bool store, enum bpf_register r, uint32_t word)
{
	uint32_t below = 4 * (BPF_WORDS - word);
	uint8_t modrm = (uint8_t)(0x44 | r << 3);

	if (store)
		bpf_assembler_put(as, BPF_BYTES(0x89, modrm, 0x24, (uint8_t)(0x100 - below)), "mov dword[rsp-%u], %s", below,
			register_name[r]);
	else
		bpf_assembler_put(as, BPF_BYTES(0x8b, modrm, 0x24, (uint8_t)(0x100 - below)), "mov %s, dword[rsp-%u]",
			register_name[r], below);
}

void bpf_assembler_set(struct bpf_assembler *as, enum bpf_register r, uint32_t value)
{
	uint8_t bytes[MOST] = { (uint8_t)(0xb8 | r) };

	if (value == 0)
		bpf_assembler_put(as, BPF_BYTES(0x31, (uint8_t)(0xc0 | r << 3 | r)), "xor %s, %s", register_name[r], register_name[r]);
	else
		bpf_assembler_put(as, bytes, append(bytes, 1, value, 4), "mov %s, 0x%x", register_name[r], value);
}

void bpf_assembler_jump_if(struct bpf_assembler *as, enum bpf_condition condition, uint32_t place)
{
	static const char *const names[] = { [BPF_BELOW] = "jb", [BPF_NOT_BELOW] = "jae", [BPF_EQUAL] = "je", [BPF_NOT_EQUAL] = "jne",
		[BPF_NOT_ABOVE] = "jbe", [BPF_ABOVE] = "ja" };
	uint32_t distance = bpf_assembler_place(as) - place;
	uint8_t bytes[MOST] = { 0x0f, (uint8_t)(0x80 | condition) };

	if (distance == 0)
		return;
	if (distance < 0x80)
		bpf_assembler_put(as, BPF_BYTES((uint8_t)(0x70 | condition), (uint8_t)distance), "%s +%u", names[condition], distance);
	else
		bpf_assembler_put(as, bytes, append(bytes, 2, distance, 4), "%s +%u", names[condition], distance);
}

void bpf_assembler_jump(struct bpf_assembler *as, uint32_t place)
{
	uint32_t distance = bpf_assembler_place(as) - place;
	uint8_t bytes[MOST] = { 0xe9 };

	if (distance == 0)
		return;
	if (distance < 0x80)
		bpf_assembler_put(as, BPF_BYTES(0xeb, (uint8_t)distance), "jmp +%u", distance);
	else
		bpf_assembler_put(as, bytes, append(bytes, 1, distance, 4), "jmp +%u", distance);
}
