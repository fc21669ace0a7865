/* bpf -- see bpf.h: the check of programs. */
#include "lib/lib.h"
#include "lib/bpf_code.h"

/* The kinds of instructions that need a closer look. */
enum kind { UNKNOWN, PLAIN, MEMORY, DIVIDES, SHIFTS, JUMPS, BRANCHES, RETURNS };

static enum kind alu_kind(uint16_t code)
{
	switch (code & OP_OPERATION) {
	case OP_DIV:
	case OP_MOD:
		return code & OP_X ? PLAIN : DIVIDES;
	case OP_LSH:
	case OP_RSH:
		return code & OP_X ? PLAIN : SHIFTS;
	case OP_NEG:
		return code & OP_X ? UNKNOWN : PLAIN;
	case OP_ADD:
	case OP_SUB:
	case OP_MUL:
	case OP_OR:
	case OP_AND:
	case OP_XOR:
		return PLAIN;
	default:
		return UNKNOWN;
	}
}

static enum kind jump_kind(uint16_t code)
{
	switch (code & OP_OPERATION) {
	case OP_JA:
		return code & OP_X ? UNKNOWN : JUMPS;
	case OP_JEQ:
	case OP_JGT:
	case OP_JGE:
	case OP_JSET:
		return BRANCHES;
	default:
		return UNKNOWN;
	}
}

static enum kind kind_of(uint16_t code)
{
	if (code > 0xff)
		return UNKNOWN;
	switch (code & OP_CLASS) {
	case OP_ALU:
		return alu_kind(code);
	case OP_JMP:
		return jump_kind(code);
	default:
		break;
	}
	switch (code) {
	case OP_LD | OP_W | OP_ABS:
	case OP_LD | OP_H | OP_ABS:
	case OP_LD | OP_B | OP_ABS:
	case OP_LD | OP_W | OP_IND:
	case OP_LD | OP_H | OP_IND:
	case OP_LD | OP_B | OP_IND:
	case OP_LD | OP_W | OP_LEN:
	case OP_LD | OP_IMM:
	case OP_LDX | OP_W | OP_LEN:
	case OP_LDX | OP_IMM:
	case OP_LDX | OP_B | OP_MSH:
	case OP_MISC | OP_TAX:
	case OP_MISC | OP_TXA:
		return PLAIN;
	case OP_LD | OP_MEM:
	case OP_LDX | OP_MEM:
	case OP_ST:
	case OP_STX:
		return MEMORY;
	case OP_RET | OP_K:
	case OP_RET | OP_A:
		return RETURNS;
	default:
		return UNKNOWN;
	}
}

/* What is wrong with one instruction, behind which `left` others stand; NULL: nothing. */
static const char *check_one(const struct bpf_op *op, uint32_t left)
{
	enum kind kind = kind_of(op->code);

	if (kind == UNKNOWN)
		return "an unknown instruction";
	if (kind == MEMORY && op->k >= BPF_WORDS)
		return "a memory word that does not exist";
	if (kind == DIVIDES && op->k == 0)
		return "a division by zero";
	if (kind == SHIFTS && op->k > 31)
		return "a shift by more than 31";
	if (kind == JUMPS && op->k >= left)
		return "a jump out of the program";
	if (kind == BRANCHES && (op->jt >= left || op->jf >= left))
		return "a jump out of the program";
	if (left == 0 && kind != RETURNS)
		return "an end that does not return";
	return NULL;
}

const char *bpf_check(const struct bpf_ops *program, uint32_t *at)
{
	const char *wrong;

	*at = 0;
	if (program->count == 0)
		return "no instruction";
	if (program->count > BPF_OPS)
		return "too many instructions";
	for (; *at < program->count; ++*at) {
		wrong = check_one(&program->op[*at], program->count - 1 - *at);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}
