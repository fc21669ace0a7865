/* bpf_native_x86_64 -- BPF to x86-64, in one pass from the last instruction to the first. Within an instruction, too, what runs
 * last is written first.
 *
 *      rdi data    esi length    eax A    ecx X    edx scratch    [rsp-64 .. rsp-1] memory words */
#ifdef __x86_64__
#include "lib/lib.h"
#include "lib/bpf_assembler.h"
#include "lib/bpf_code.h"
#include "lib/bpf_facts.h"

#include <errno.h>
#include <stdlib.h>

enum {
	OP_BYTES = 40,                  /* an instruction becomes this many bytes at most, ... */
	PROGRAM_BYTES = 128             /* ... and what clears registers and memory for a program */
};

struct translation {
	struct bpf_facts facts;
	struct bpf_assembler as;
	uint32_t *place;                /* of each instruction; behind them: of the end that gives 0 */
	bool numbers;
};

/* Jump where a frame goes that this program says 0 of. */
static void fail_if(struct translation *t, enum bpf_condition condition, uint32_t i)
{
	bpf_assembler_jump_if(&t->as, condition, t->place[t->facts.fact[i].otherwise]);
}

/* Turn a number that lies in eax as in the frame. */
static void put_turn(struct bpf_assembler *as, uint32_t size)
{
	if (size == 4)
		bpf_assembler_put(as, BPF_BYTES(0x0f, 0xc8), "bswap eax");
	else if (size == 2)
		bpf_assembler_put(as, BPF_BYTES(0x66, 0xc1, 0xc0, 0x08), "rol ax, 8");
}

static void put_check(struct translation *t, uint32_t i, bool relative)
{
	uint32_t end = t->facts.fact[i].check;
	struct bpf_assembler *as = &t->as;

	if (end == 0)
		return;
	if (relative) {
		fail_if(t, BPF_ABOVE, i);
		bpf_assembler_put(as, BPF_BYTES(0x48, 0x39, 0xf2), "cmp rdx, rsi");
		bpf_assembler_constant(as, BPF_BYTES(0x48, 0x8d, 0x51), BPF_BYTES(0x48, 0x8d, 0x91), end, "lea rdx, [rcx+%u]");
	} else {
		fail_if(t, BPF_BELOW, i);
		bpf_assembler_constant(as, BPF_BYTES(0x83, 0xfe), BPF_BYTES(0x81, 0xfe), end, "cmp esi, %u");
	}
}

/* A load from the frame into A, or the MSH load into X. */
static void put_frame_load(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];
	const struct bpf_fact *fact = &t->facts.fact[i];
	bool relative = (op->code & OP_MODE) == OP_IND;
	uint32_t size = bpf_load_size(op->code);

	if (fact->is_outside) {
		bpf_assembler_jump(&t->as, t->place[fact->otherwise]);
		return;
	}
	if (fact->is_kept) {
		put_check(t, i, relative);
		return;
	}
	if ((op->code & OP_CLASS) == OP_LDX) {
		bpf_assembler_put(&t->as, BPF_BYTES(0xc1, 0xe1, 0x02), "shl ecx, 2");
		bpf_assembler_put(&t->as, BPF_BYTES(0x83, 0xe1, 0x0f), "and ecx, 15");
		bpf_assembler_load(&t->as, BPF_ECX, 1, op->k, false);
	} else {
		if (bpf_facts_raw(&t->facts, fact->made) == 0)
			put_turn(&t->as, size);
		bpf_assembler_load(&t->as, BPF_EAX, size, op->k, relative);
	}
	put_check(t, i, relative);
}

static void put_load(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];
	enum bpf_register to = (op->code & OP_CLASS) == OP_LDX ? BPF_ECX : BPF_EAX;

	switch (op->code & OP_MODE) {
	case OP_IMM:
		bpf_assembler_set(&t->as, to, op->k);
		break;
	case OP_MEM:
		bpf_assembler_memory(&t->as, false, to, op->k);
		break;
	case OP_LEN:
		if (to == BPF_EAX)
			bpf_assembler_put(&t->as, BPF_BYTES(0x89, 0xf0), "mov eax, esi");
		else
			bpf_assembler_put(&t->as, BPF_BYTES(0x89, 0xf1), "mov ecx, esi");
		break;
	default:
		put_frame_load(t, i);
		break;
	}
}

/* A constant as it is compared with a number that may lie turned. gives: false when no number of that size equals it */
static bool turned(uint32_t raw, uint32_t k, uint32_t *constant)
{
	*constant = raw == 4 ? bytes_swap32(k) : raw == 2 ? bytes_swap16((uint16_t)k) : k;
	return raw != 2 || k <= UINT16_MAX;
}

/* A power of two? gives: which, -1: none */
static int power(uint32_t k)
{
	return k != 0 && (k & (k - 1)) == 0 ? __builtin_ctz(k) : -1;
}

static void put_shift(struct bpf_assembler *as, bool left, uint32_t bits)
{
	if (bits > 0)
		bpf_assembler_put(as, BPF_BYTES(0xc1, left ? 0xe0 : 0xe8, (uint8_t)bits), "%s eax, %u", left ? "shl" : "shr", bits);
}

static void put_and(struct bpf_assembler *as, uint32_t k)
{
	bpf_assembler_constant(as, BPF_BYTES(0x83, 0xe0), BPF_BYTES(0x25), k, "and eax, 0x%x");
}

static void put_divide(struct bpf_assembler *as, bool rest, uint32_t k)
{
	if (power(k) >= 0) {
		if (rest)
			put_and(as, k - 1);
		else
			put_shift(as, false, (uint32_t)power(k));
		return;
	}
	if (rest)
		bpf_assembler_put(as, BPF_BYTES(0x89, 0xd0), "mov eax, edx");
	bpf_assembler_put(as, BPF_BYTES(0x41, 0xf7, 0xf0), "div r8d");
	bpf_assembler_constant(as, NULL, 0, BPF_BYTES(0x41, 0xb8), k, "mov r8d, 0x%x");
	bpf_assembler_put(as, BPF_BYTES(0x31, 0xd2), "xor edx, edx");
}

static void put_compute_constant(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];
	struct bpf_assembler *as = &t->as;
	uint32_t k = op->k;

	switch (op->code & OP_OPERATION) {
	case OP_ADD:
		bpf_assembler_constant(as, BPF_BYTES(0x83, 0xc0), BPF_BYTES(0x05), k, "add eax, 0x%x");
		break;
	case OP_SUB:
		bpf_assembler_constant(as, BPF_BYTES(0x83, 0xe8), BPF_BYTES(0x2d), k, "sub eax, 0x%x");
		break;
	case OP_OR:
		bpf_assembler_constant(as, BPF_BYTES(0x83, 0xc8), BPF_BYTES(0x0d), k, "or eax, 0x%x");
		break;
	case OP_XOR:
		bpf_assembler_constant(as, BPF_BYTES(0x83, 0xf0), BPF_BYTES(0x35), k, "xor eax, 0x%x");
		break;
	case OP_AND:
		turned(bpf_facts_raw(&t->facts, t->facts.fact[i].web), k, &k);
		put_and(as, k);
		break;
	case OP_MUL:
		bpf_assembler_constant(as, BPF_BYTES(0x6b, 0xc0), BPF_BYTES(0x69, 0xc0), k, "imul eax, eax, 0x%x");
		break;
	case OP_DIV:
	case OP_MOD:
		put_divide(as, (op->code & OP_OPERATION) == OP_MOD, k);
		break;
	case OP_LSH:
	case OP_RSH:
		put_shift(as, (op->code & OP_OPERATION) == OP_LSH, k);
		break;
	default:
		bpf_assembler_put(as, BPF_BYTES(0xf7, 0xd8), "neg eax");
		break;
	}
}

/* A shift by X: the processor takes X modulo 32, BPF gives 0 from 32 on. */
static void put_shift_x(struct bpf_assembler *as, bool left)
{
	bpf_assembler_put(as, BPF_BYTES(0x0f, 0x43, 0xc2), "cmovae eax, edx");
	bpf_assembler_put(as, BPF_BYTES(0x83, 0xf9, 0x20), "cmp ecx, 32");
	bpf_assembler_put(as, BPF_BYTES(0x31, 0xd2), "xor edx, edx");
	bpf_assembler_put(as, BPF_BYTES(0xd3, left ? 0xe0 : 0xe8), "%s eax, cl", left ? "shl" : "shr");
}

static void put_divide_x(struct translation *t, uint32_t i, bool rest)
{
	struct bpf_assembler *as = &t->as;

	if (rest)
		bpf_assembler_put(as, BPF_BYTES(0x89, 0xd0), "mov eax, edx");
	bpf_assembler_put(as, BPF_BYTES(0xf7, 0xf1), "div ecx");
	bpf_assembler_put(as, BPF_BYTES(0x31, 0xd2), "xor edx, edx");
	fail_if(t, BPF_EQUAL, i);
	bpf_assembler_put(as, BPF_BYTES(0x85, 0xc9), "test ecx, ecx");
}

static void put_compute_x(struct translation *t, uint32_t i)
{
	struct bpf_assembler *as = &t->as;
	uint16_t operation = t->facts.op[i].code & OP_OPERATION;

	switch (operation) {
	case OP_ADD:
		bpf_assembler_put(as, BPF_BYTES(0x01, 0xc8), "add eax, ecx");
		break;
	case OP_SUB:
		bpf_assembler_put(as, BPF_BYTES(0x29, 0xc8), "sub eax, ecx");
		break;
	case OP_OR:
		bpf_assembler_put(as, BPF_BYTES(0x09, 0xc8), "or eax, ecx");
		break;
	case OP_XOR:
		bpf_assembler_put(as, BPF_BYTES(0x31, 0xc8), "xor eax, ecx");
		break;
	case OP_AND:
		bpf_assembler_put(as, BPF_BYTES(0x21, 0xc8), "and eax, ecx");
		break;
	case OP_MUL:
		bpf_assembler_put(as, BPF_BYTES(0x0f, 0xaf, 0xc1), "imul eax, ecx");
		break;
	case OP_DIV:
	case OP_MOD:
		put_divide_x(t, i, operation == OP_MOD);
		break;
	default:
		put_shift_x(as, operation == OP_LSH);
		break;
	}
}

/* Jump to one place when a condition holds, else to another. */
static void put_branch(struct bpf_assembler *as, enum bpf_condition condition, uint32_t yes, uint32_t no)
{
	/* The processor's conditions come in pairs: the last bit turns one round. */
	if (yes == bpf_assembler_place(as)) {
		bpf_assembler_jump_if(as, condition ^ 1, no);
	} else {
		bpf_assembler_jump(as, no);
		bpf_assembler_jump_if(as, condition, yes);
	}
}

/* Compare A with a constant, as it lies; the condition that then means that the jump is to be made. gives: false: it never is */
static bool put_compare(struct translation *t, uint32_t i, enum bpf_condition condition, uint32_t yes, uint32_t no)
{
	const struct bpf_op *op = &t->facts.op[i];
	uint32_t k, raw = bpf_facts_raw(&t->facts, t->facts.fact[i].web);
	bool is_set = (op->code & OP_OPERATION) == OP_JSET;

	if ((!turned(raw, op->k, &k) && !is_set) || (is_set && k == 0))
		return false;
	put_branch(&t->as, condition, yes, no);
	if (is_set && k < 0x100)
		bpf_assembler_put(&t->as, BPF_BYTES(0xa8, (uint8_t)k), "test al, 0x%x", k);
	else if (is_set)
		bpf_assembler_constant(&t->as, NULL, 0, BPF_BYTES(0xa9), k, "test eax, 0x%x");
	else if (k == 0)
		bpf_assembler_put(&t->as, BPF_BYTES(0x85, 0xc0), "test eax, eax");
	else
		bpf_assembler_constant(&t->as, BPF_BYTES(0x83, 0xf8), BPF_BYTES(0x3d), k, "cmp eax, 0x%x");
	return true;
}

static void put_jump(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];
	uint16_t operation = op->code & OP_OPERATION;
	enum bpf_condition condition = operation == OP_JEQ ? BPF_EQUAL : operation == OP_JGT ? BPF_ABOVE :
		operation == OP_JGE ? BPF_NOT_BELOW : BPF_NOT_EQUAL;
	uint32_t yes, no;

	if (operation == OP_JA) {
		bpf_assembler_jump(&t->as, t->place[i + 1 + op->k]);
		return;
	}
	yes = t->place[i + 1 + op->jt];
	no = t->place[i + 1 + op->jf];
	if (yes == no) {
		bpf_assembler_jump(&t->as, no);
	} else if (!(op->code & OP_X)) {
		if (!put_compare(t, i, condition, yes, no))
			bpf_assembler_jump(&t->as, no);
	} else {
		put_branch(&t->as, condition, yes, no);
		if (operation == OP_JSET)
			bpf_assembler_put(&t->as, BPF_BYTES(0x85, 0xc8), "test eax, ecx");
		else
			bpf_assembler_put(&t->as, BPF_BYTES(0x39, 0xc8), "cmp eax, ecx");
	}
}

static void put_return(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];
	uint32_t number = t->facts.fact[i].program + 1;
	bool returns_a = op->code & OP_A;

	bpf_assembler_put(&t->as, BPF_BYTES(0xc3), "ret");
	if (t->numbers || !returns_a)
		bpf_assembler_set(&t->as, BPF_EAX, t->numbers ? number : op->k);
	if (t->numbers && returns_a) {
		fail_if(t, BPF_EQUAL, i);
		bpf_assembler_put(&t->as, BPF_BYTES(0x85, 0xc0), "test eax, eax");
	}
}

/* Behind an instruction that is no jump the next one runs. */
static void put_other(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];

	if (!t->facts.fact[i].is_outside)
		bpf_assembler_jump(&t->as, t->place[i + 1]);
	switch (op->code & OP_CLASS) {
	case OP_LD:
	case OP_LDX:
		put_load(t, i);
		break;
	case OP_ST:
		bpf_assembler_memory(&t->as, true, BPF_EAX, op->k);
		break;
	case OP_STX:
		bpf_assembler_memory(&t->as, true, BPF_ECX, op->k);
		break;
	case OP_ALU:
		if (op->code & OP_X)
			put_compute_x(t, i);
		else
			put_compute_constant(t, i);
		break;
	default:
		if (op->code == (OP_MISC | OP_TAX))
			bpf_assembler_put(&t->as, BPF_BYTES(0x89, 0xc1), "mov ecx, eax");
		else
			bpf_assembler_put(&t->as, BPF_BYTES(0x89, 0xc8), "mov eax, ecx");
		break;
	}
}

/* Registers and memory words that the program reads before it writes them begin as 0. */
static void put_begin(struct translation *t, uint32_t i)
{
	const struct bpf_fact *fact = &t->facts.fact[i];

	if (fact->reads_x)
		bpf_assembler_set(&t->as, BPF_ECX, 0);
	if (fact->reads_a)
		bpf_assembler_set(&t->as, BPF_EAX, 0);
	for (uint32_t word = 0; word < BPF_WORDS; word++)
		if (fact->reads_memory & 1u << word)
			bpf_assembler_memory(&t->as, true, BPF_EAX, word);
	if (fact->reads_memory != 0)
		bpf_assembler_set(&t->as, BPF_EAX, 0);
}

static void put_op(struct translation *t, uint32_t i)
{
	const struct bpf_op *op = &t->facts.op[i];

	t->as.op = i;
	if (!t->facts.fact[i].is_reached)
		return;
	if (op->code == (OP_RET | OP_K) && op->k == 0) {
		t->place[i] = t->place[t->facts.fact[i].otherwise];
		return;
	}
	if ((op->code & OP_CLASS) == OP_RET)
		put_return(t, i);
	else if ((op->code & OP_CLASS) == OP_JMP)
		put_jump(t, i);
	else
		put_other(t, i);
	if (bpf_facts_begins(&t->facts, i))
		put_begin(t, i);
	t->place[i] = bpf_assembler_place(&t->as);
}

/* Whether a load relative to X compares 64 bits of the length. */
static bool has_relative(const struct bpf_facts *facts)
{
	for (uint32_t i = 0; i < facts->count; i++)
		if ((facts->op[i].code & OP_CLASS) == OP_LD && (facts->op[i].code & OP_MODE) == OP_IND && facts->fact[i].is_reached)
			return true;
	return false;
}

static void put_all(struct translation *t)
{
	uint32_t count = t->facts.count;

	/* What belongs to no program's instruction is shown with the last one, which says no. */
	t->as.op = count - 1;
	bpf_assembler_put(&t->as, BPF_BYTES(0xc3), "ret");
	bpf_assembler_set(&t->as, BPF_EAX, 0);
	t->place[count] = bpf_assembler_place(&t->as);
	for (uint32_t i = count; i-- > 0;)
		put_op(t, i);
	/* A first program that always says no has no code of its own. */
	bpf_assembler_jump(&t->as, t->place[0]);
	if (has_relative(&t->facts))
		bpf_assembler_put(&t->as, BPF_BYTES(0x89, 0xf6), "mov esi, esi");
}

/* The code into memory of its own, its lines in the order in which they run. */
static int finish(struct translation *t, struct bpf_native_code *code)
{
	uint32_t length = bpf_assembler_place(&t->as), n = t->as.line_count;

	if (t->as.failed)
		return -ENOMEM;
	code->bytes = malloc(length);
	if (code->bytes == NULL)
		return -ENOMEM;
	memcpy(code->bytes, t->as.at, length);
	code->length = length;
	for (uint32_t i = 0; i < n / 2; i++) {
		struct bpf_native_line line = t->as.line[i];

		t->as.line[i] = t->as.line[n - 1 - i];
		t->as.line[n - 1 - i] = line;
	}
	for (uint32_t i = 0; i < n; i++)
		t->as.line[i].offset = length - t->as.line[i].offset;
	code->line = t->as.line;
	code->line_count = n;
	t->as.line = NULL;
	return 0;
}

int bpf_native_translate(const struct bpf_ops *programs, uint32_t count, bool numbers, bool lines, struct bpf_native_code *code)
{
	struct translation t = { .numbers = numbers, .as.lines = lines };
	int result = bpf_facts_find(&t.facts, programs, count);
	size_t room = (size_t)t.facts.count * OP_BYTES + (size_t)count * PROGRAM_BYTES;
	uint8_t *buffer = NULL;

	*code = (struct bpf_native_code){ 0 };
	if (result == 0) {
		buffer = malloc(room);
		t.place = calloc(t.facts.count + 1, sizeof(*t.place));
		result = buffer == NULL || t.place == NULL ? -ENOMEM : 0;
	}
	if (result == 0) {
		t.as.end = t.as.at = buffer + room;
		put_all(&t);
		result = finish(&t, code);
	}
	free(t.as.line);
	free(t.place);
	free(buffer);
	bpf_facts_free(&t.facts);
	return result;
}
#endif
