/* bpf_run -- see bpf.h: the interpreter. */
#include "lib/lib.h"
#include "lib/bpf_code.h"

/* The machine's registers and memory. */
struct machine {
	uint32_t a, x, memory[BPF_WORDS];
	const uint8_t *data;
	uint32_t length;
};

/* Read `size` bytes at `at`, which may be beyond any frame. fails: false: not wholly inside the frame */
static inline bool load(const struct machine *m, uint64_t at, uint32_t size, uint32_t *value)
{
	const uint8_t *bytes;

	if (at + size > m->length)
		return false;
	bytes = m->data + at;
	*value = size == 1 ? bytes[0] : size == 2 ? bytes_read16(bytes) : bytes_read32(bytes);
	return true;
}

/* fails: false: a division by zero */
static inline bool compute(struct machine *m, uint16_t operation, uint32_t b)
{
	switch (operation) {
	case OP_ADD:
		m->a += b;
		break;
	case OP_SUB:
		m->a -= b;
		break;
	case OP_MUL:
		m->a *= b;
		break;
	case OP_DIV:
		if (b == 0)
			return false;
		m->a /= b;
		break;
	case OP_MOD:
		if (b == 0)
			return false;
		m->a %= b;
		break;
	case OP_OR:
		m->a |= b;
		break;
	case OP_AND:
		m->a &= b;
		break;
	case OP_XOR:
		m->a ^= b;
		break;
	case OP_LSH:
		m->a = b < 32 ? m->a << b : 0;
		break;
	case OP_RSH:
		m->a = b < 32 ? m->a >> b : 0;
		break;
	default:                                /* OP_NEG */
		m->a = 0 - m->a;
		break;
	}
	return true;
}

static inline bool holds(uint16_t operation, uint32_t a, uint32_t b)
{
	switch (operation) {
	case OP_JEQ:
		return a == b;
	case OP_JGT:
		return a > b;
	case OP_JGE:
		return a >= b;
	default:                                /* OP_JSET */
		return (a & b) != 0;
	}
}

/* One instruction that is neither a jump nor a return. fails: false: the program ends with 0 */
static inline bool step(struct machine *m, const struct bpf_op *op)
{
	switch (op->code) {
	case OP_LD | OP_W | OP_ABS:
		return load(m, op->k, 4, &m->a);
	case OP_LD | OP_H | OP_ABS:
		return load(m, op->k, 2, &m->a);
	case OP_LD | OP_B | OP_ABS:
		return load(m, op->k, 1, &m->a);
	case OP_LD | OP_W | OP_IND:
		return load(m, (uint64_t)m->x + op->k, 4, &m->a);
	case OP_LD | OP_H | OP_IND:
		return load(m, (uint64_t)m->x + op->k, 2, &m->a);
	case OP_LD | OP_B | OP_IND:
		return load(m, (uint64_t)m->x + op->k, 1, &m->a);
	case OP_LDX | OP_B | OP_MSH:
		if (op->k >= m->length)
			return false;
		m->x = (m->data[op->k] & 0xfu) << 2;    /* bytes of an IPv4 header */
		return true;
	case OP_LD | OP_W | OP_LEN:
		m->a = m->length;
		return true;
	case OP_LDX | OP_W | OP_LEN:
		m->x = m->length;
		return true;
	case OP_LD | OP_IMM:
		m->a = op->k;
		return true;
	case OP_LDX | OP_IMM:
		m->x = op->k;
		return true;
	case OP_LD | OP_MEM:
		m->a = m->memory[op->k];
		return true;
	case OP_LDX | OP_MEM:
		m->x = m->memory[op->k];
		return true;
	case OP_ST:
		m->memory[op->k] = m->a;
		return true;
	case OP_STX:
		m->memory[op->k] = m->x;
		return true;
	case OP_MISC | OP_TAX:
		m->x = m->a;
		return true;
	case OP_MISC | OP_TXA:
		m->a = m->x;
		return true;
	default:                                /* OP_ALU */
		return compute(m, op->code & OP_OPERATION, op->code & OP_X ? m->x : op->k);
	}
}

uint32_t bpf_run(const struct bpf_ops *program, const uint8_t *data, uint32_t length)
{
	struct machine m = { .data = data, .length = length };

	for (const struct bpf_op *op = program->op;; op++) {
		switch (op->code & OP_CLASS) {
		case OP_RET:
			return op->code & OP_A ? m.a : op->k;
		case OP_JMP:
			if ((op->code & OP_OPERATION) == OP_JA)
				op += op->k;
			else
				op += holds(op->code & OP_OPERATION, m.a, op->code & OP_X ? m.x : op->k) ? op->jt : op->jf;
			break;
		default:
			if (!step(&m, op))
				return 0;
		}
	}
}
