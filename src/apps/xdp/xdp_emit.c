/* xdp_emit -- see xdp_emit.h: classic BPF, as libpcap makes it, becomes eBPF with the checks that the kernel's verifier wants.
 * A is w8, X is w9, the frame's bounds are r6 and r7; the memory words and what does not fit lie on the stack. Loads at constant
 * places read the frame directly; those relative to X take a helper, since adding an unknown number to a pointer needs CAP_PERFMON,
 * which nf does not keep. What a filter's machine rejects (a load beyond the end, a division by zero) goes to the kernel.
 * source: Linux Documentation/bpf/standardization/instruction-set.rst, bpf-helpers(7); for classic BPF lib/bpf.h */
#include "apps/xdp/xdp_emit.h"

#include "lib/bpf_code.h"

#include <linux/bpf.h>

enum {
	DATA = BPF_REG_6, END = BPF_REG_7, A = BPF_REG_8, X = BPF_REG_9, FP = BPF_REG_10,
	WORD = -4,                      /* memory word i: WORD * (i + 1) */
	CONTEXT = -72, QUEUE = -76, LENGTH = -80, LOADED = -84,
	FRAME_MOST = 0xffff,            /* no frame that XDP sees is longer, and the verifier follows offsets up to it */
	PER_OP = 16,                    /* instructions for one of classic BPF, at most */
	AROUND = 48,                    /* before and behind all of them */
	REJECT = -1, ACCEPT = -2        /* targets of jumps, beside numbers of classic instructions */
};

struct jump {
	uint32_t at;
	int64_t to;
};

struct emit {
	struct bpf_insn *insn;
	uint32_t count, jump_count;
	struct jump *jump;
	uint32_t *place;                /* of each classic instruction */
};

static void add(struct emit *e, uint8_t code, uint8_t dst, uint8_t src, int16_t offset, int32_t imm)
{
	e->insn[e->count++] = (struct bpf_insn){ .code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = offset,
		.imm = imm };
}

static void move(struct emit *e, uint8_t dst, uint8_t src)
{
	add(e, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void load(struct emit *e, uint8_t size, uint8_t dst, uint8_t base, int16_t offset)
{
	add(e, BPF_LDX | BPF_MEM | size, dst, base, offset, 0);
}

static void store(struct emit *e, uint8_t size, uint8_t base, int16_t offset, uint8_t src)
{
	add(e, BPF_STX | BPF_MEM | size, base, src, offset, 0);
}

static void set(struct emit *e, uint8_t dst, uint32_t value)
{
	add(e, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)value);
}

/* A jump to a classic instruction, REJECT or ACCEPT; its offset is filled in at the end. */
static void jump(struct emit *e, uint8_t code, uint8_t dst, uint8_t src, uint32_t imm, int64_t to)
{
	e->jump[e->jump_count++] = (struct jump){ e->count, to };
	add(e, code, dst, src, 0, (int32_t)imm);
}

static void go(struct emit *e, int64_t to)
{
	jump(e, BPF_JMP | BPF_JA, 0, 0, 0, to);
}

/* The same, with a way to go on that is never taken: the verifier refuses code that nothing leads to. */
static void reject_always(struct emit *e)
{
	jump(e, BPF_JMP | BPF_JGE | BPF_K, DATA, 0, 0, REJECT);
}

static bool uses(const struct bpf_ops *filter, uint16_t mode)
{
	for (uint32_t i = 0; i < filter->count; i++) {
		uint16_t class = filter->op[i].code & OP_CLASS;

		if ((class == OP_LD || class == OP_LDX) && (filter->op[i].code & OP_MODE) == mode)
			return true;
	}
	return false;
}

static void emit_begin(struct emit *e, const struct bpf_ops *filter)
{
	load(e, BPF_W, DATA, BPF_REG_1, offsetof(struct xdp_md, data));
	load(e, BPF_W, END, BPF_REG_1, offsetof(struct xdp_md, data_end));
	load(e, BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, rx_queue_index));
	store(e, BPF_W, FP, QUEUE, BPF_REG_2);
	store(e, BPF_DW, FP, CONTEXT, BPF_REG_1);
	if (filter != NULL && uses(filter, OP_LEN)) {
		add(e, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_xdp_get_buff_len);
		store(e, BPF_W, FP, LENGTH, BPF_REG_0);
	}
	set(e, A, 0);
	set(e, X, 0);
	for (int i = 0; i < BPF_WORDS && filter != NULL && uses(filter, OP_MEM); i++)
		store(e, BPF_W, FP, (int16_t)(WORD * (i + 1)), A);
}

/* Does a jump lead there? */
static bool is_target(const struct emit *e, int64_t to)
{
	for (uint32_t i = 0; i < e->jump_count; i++)
		if (e->jump[i].to == to)
			return true;
	return false;
}

/* Both ways out, as far as anything leads to them. */
static void emit_end(struct emit *e, const struct bpf_ops *filter, int map, uint32_t *accept, uint32_t *reject)
{
	*accept = e->count;
	if (filter == NULL || is_target(e, ACCEPT)) {
		load(e, BPF_W, BPF_REG_2, FP, QUEUE);
		add(e, BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
		add(e, 0, 0, 0, 0, 0);
		/* The answer when the queue has no socket. */
		add(e, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_PASS);
		add(e, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map);
		add(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	*reject = e->count;
	if (is_target(e, REJECT)) {
		add(e, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS);
		add(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
}

/* From network order. */
static void swap(struct emit *e, uint8_t reg, uint32_t size)
{
	if (size > 1)
		add(e, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, (int32_t)(size * 8));
}

static uint8_t size_code(uint32_t size)
{
	return size == 4 ? BPF_W : size == 2 ? BPF_H : BPF_B;
}

/* Bytes at a constant place of the frame into `reg`. */
static void emit_absolute(struct emit *e, uint8_t reg, uint32_t k, uint32_t size)
{
	if (k > FRAME_MOST - size) {
		reject_always(e);
		return;
	}
	move(e, BPF_REG_1, DATA);
	add(e, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, (int32_t)(k + size));
	jump(e, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_1, END, 0, REJECT);
	load(e, size_code(size), reg, BPF_REG_1, (int16_t)-(int32_t)size);
	swap(e, reg, size);
}

/* Bytes at X + k into A. */
static void emit_indirect(struct emit *e, uint32_t k, uint32_t size)
{
	if (k > FRAME_MOST) {
		reject_always(e);
		return;
	}
	jump(e, BPF_JMP32 | BPF_JGT | BPF_K, X, 0, FRAME_MOST, REJECT);
	load(e, BPF_DW, BPF_REG_1, FP, CONTEXT);
	add(e, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_2, X, 0, 0);
	add(e, BPF_ALU | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, (int32_t)k);
	move(e, BPF_REG_3, FP);
	add(e, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, LOADED);
	set(e, BPF_REG_4, size);
	add(e, BPF_ST | BPF_MEM | BPF_W, FP, 0, LOADED, 0);
	add(e, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_xdp_load_bytes);
	jump(e, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0, REJECT);
	load(e, size_code(size), A, FP, LOADED);
	swap(e, A, size);
}

static void emit_load(struct emit *e, const struct bpf_op *op)
{
	uint8_t reg = (op->code & OP_CLASS) == OP_LD ? A : X;

	switch (op->code & OP_MODE) {
	case OP_ABS:
		emit_absolute(e, A, op->k, bpf_load_size(op->code));
		break;
	case OP_IND:
		emit_indirect(e, op->k, bpf_load_size(op->code));
		break;
	case OP_LEN:
		load(e, BPF_W, reg, FP, LENGTH);
		break;
	case OP_IMM:
		set(e, reg, op->k);
		break;
	case OP_MEM:
		load(e, BPF_W, reg, FP, (int16_t)(WORD * ((int)op->k + 1)));
		break;
	default:                        /* OP_MSH: the length of an IPv4 header */
		emit_absolute(e, X, op->k, 1);
		add(e, BPF_ALU | BPF_AND | BPF_K, X, 0, 0, 15);
		add(e, BPF_ALU | BPF_LSH | BPF_K, X, 0, 0, 2);
		break;
	}
}

/* The operations have the same codes in both machines, but for what eBPF defines otherwise. */
static void emit_arithmetic(struct emit *e, const struct bpf_op *op)
{
	uint8_t operation = op->code & OP_OPERATION;
	bool by_x = (op->code & OP_X) != 0;

	if (operation == OP_NEG) {
		add(e, BPF_ALU | BPF_NEG, A, 0, 0, 0);
		return;
	}
	if ((operation == OP_DIV || operation == OP_MOD) && by_x)
		jump(e, BPF_JMP32 | BPF_JEQ | BPF_K, X, 0, 0, REJECT);
	if ((operation == OP_LSH || operation == OP_RSH) && by_x) {
		/* Classic BPF shifts everything out; eBPF takes the number modulo 32. */
		add(e, BPF_JMP32 | BPF_JLE | BPF_K, X, 0, 2, 31);
		set(e, A, 0);
		add(e, BPF_JMP | BPF_JA, 0, 0, 1, 0);
	}
	if (by_x)
		add(e, (uint8_t)(BPF_ALU | operation | BPF_X), A, X, 0, 0);
	else
		add(e, (uint8_t)(BPF_ALU | operation | BPF_K), A, 0, 0, (int32_t)op->k);
}

static void emit_jump(struct emit *e, const struct bpf_op *op, uint32_t number)
{
	int64_t next = (int64_t)number + 1;
	uint8_t operation = op->code & OP_OPERATION;

	if (operation == OP_JA) {
		go(e, next + op->k);
		return;
	}
	jump(e, (uint8_t)(BPF_JMP32 | operation | (op->code & OP_X ? BPF_X : BPF_K)), A, op->code & OP_X ? X : 0,
		op->code & OP_X ? 0 : op->k, next + op->jt);
	if (op->jf != 0)
		go(e, next + op->jf);
}

static void emit_op(struct emit *e, const struct bpf_op *op, uint32_t number)
{
	switch (op->code & OP_CLASS) {
	case OP_LD:
	case OP_LDX:
		emit_load(e, op);
		break;
	case OP_ST:
	case OP_STX:
		store(e, BPF_W, FP, (int16_t)(WORD * ((int)op->k + 1)), (op->code & OP_CLASS) == OP_ST ? A : X);
		break;
	case OP_ALU:
		emit_arithmetic(e, op);
		break;
	case OP_JMP:
		emit_jump(e, op, number);
		break;
	case OP_RET:
		if (op->code & OP_A) {
			jump(e, BPF_JMP32 | BPF_JEQ | BPF_K, A, 0, 0, REJECT);
			go(e, ACCEPT);
		} else {
			go(e, op->k == 0 ? REJECT : ACCEPT);
		}
		break;
	default:                        /* OP_MISC */
		if (op->code & OP_TXA)
			add(e, BPF_ALU | BPF_MOV | BPF_X, A, X, 0, 0);
		else
			add(e, BPF_ALU | BPF_MOV | BPF_X, X, A, 0, 0);
		break;
	}
}

/* Fill in where the jumps lead. A program whose jumps are too long gets none. */
static int link_jumps(struct emit *e, uint32_t accept, uint32_t reject)
{
	for (uint32_t i = 0; i < e->jump_count; i++) {
		const struct jump *j = &e->jump[i];
		int64_t to = j->to == REJECT ? reject : j->to == ACCEPT ? accept : e->place[j->to],
			offset = to - (int64_t)j->at - 1;

		if (offset > INT16_MAX)
			return nf_fail(EINVAL, "the filter is too long for XDP: it takes a jump over %lld instructions",
				(long long)offset);
		e->insn[j->at].off = (int16_t)offset;
	}
	return 0;
}

int xdp_emit(const struct bpf_ops *filter, int map, struct bpf_insn **program)
{
	uint32_t count = filter != NULL ? filter->count : 0, accept, reject;
	struct emit e = { .insn = calloc((size_t)count * PER_OP + AROUND, sizeof(*e.insn)),
		.jump = calloc((size_t)count * 3 + 1, sizeof(*e.jump)), .place = calloc((size_t)count + 1, sizeof(*e.place)) };
	int code = 0;

	if (e.insn == NULL || e.jump == NULL || e.place == NULL) {
		code = nf_fail(ENOMEM, "no memory for an XDP program of %u instructions", count);
	} else {
		emit_begin(&e, filter);
		for (uint32_t i = 0; i < count; i++) {
			e.place[i] = e.count;
			emit_op(&e, &filter->op[i], i);
		}
		emit_end(&e, filter, map, &accept, &reject);
		code = link_jumps(&e, accept, reject);
	}
	free(e.jump);
	free(e.place);
	if (code == 0)
		*program = e.insn;
	else
		free(e.insn);
	return code == 0 ? (int)e.count : code;
}
