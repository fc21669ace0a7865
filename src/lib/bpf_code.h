#pragma once
/* bpf_code -- the codes of BPF instructions: class | size | mode, class | operation | operand. C only, for bpf*.c. */

enum {
	OP_LD = 0x00, OP_LDX = 0x01, OP_ST = 0x02, OP_STX = 0x03, OP_ALU = 0x04, OP_JMP = 0x05, OP_RET = 0x06, OP_MISC = 0x07,
	OP_CLASS = 0x07,

	/* Loads. */
	OP_W = 0x00, OP_H = 0x08, OP_B = 0x10, OP_SIZE = 0x18,
	OP_IMM = 0x00, OP_ABS = 0x20, OP_IND = 0x40, OP_MEM = 0x60, OP_LEN = 0x80, OP_MSH = 0xa0, OP_MODE = 0xe0,

	/* Arithmetic and jumps, with the constant k or with X; a return of k or of A. */
	OP_ADD = 0x00, OP_SUB = 0x10, OP_MUL = 0x20, OP_DIV = 0x30, OP_OR = 0x40, OP_AND = 0x50, OP_LSH = 0x60, OP_RSH = 0x70,
	OP_NEG = 0x80, OP_MOD = 0x90, OP_XOR = 0xa0,
	OP_JA = 0x00, OP_JEQ = 0x10, OP_JGT = 0x20, OP_JGE = 0x30, OP_JSET = 0x40,
	OP_OPERATION = 0xf0,
	OP_K = 0x00, OP_X = 0x08, OP_A = 0x10,

	OP_TAX = 0x00, OP_TXA = 0x80
};

/* Bytes that a load from the frame reads. */
static inline uint32_t bpf_load_size(uint16_t code)
{
	return (code & OP_SIZE) == OP_W ? 4 : (code & OP_SIZE) == OP_H ? 2 : 1;
}
