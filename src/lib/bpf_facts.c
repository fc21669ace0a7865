/* bpf_facts -- see bpf_facts.h. Jumps go forward only: one pass from the end finds what will be needed, one from the begin what is
 * known. */
#include "lib/lib.h"
#include "lib/bpf_code.h"
#include "lib/bpf_facts.h"

#include <errno.h>
#include <stdlib.h>

/* Loads at k beyond this lie outside of any frame. */
enum { K_MOST = INT32_MAX - 8 };

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t web_find(struct bpf_facts *facts, uint32_t web)
{
	while (facts->web[web].parent != web) {
		facts->web[web].parent = facts->web[facts->web[web].parent].parent;
		web = facts->web[web].parent;
	}
	return web;
}

static uint32_t web_new(struct bpf_facts *facts, uint8_t size, bool number)
{
	uint32_t web = facts->web_count++;

	facts->web[web] = (struct bpf_web){ .parent = web, .size = size, .number = number };
	return web;
}

static void web_join(struct bpf_facts *facts, uint32_t a, uint32_t b)
{
	a = web_find(facts, a);
	b = web_find(facts, b);
	if (a == b)
		return;
	facts->web[b].parent = a;
	facts->web[a].number |= facts->web[b].number || facts->web[a].size != facts->web[b].size;
}

uint32_t bpf_facts_raw(struct bpf_facts *facts, uint32_t web)
{
	const struct bpf_web *root = &facts->web[web_find(facts, web)];

	return root->number || root->size == 1 ? 0 : root->size;
}

bool bpf_facts_begins(const struct bpf_facts *facts, uint32_t i)
{
	return i == 0 || facts->fact[i].program != facts->fact[i - 1].program;
}

/* What an instruction itself reads, and what it writes so that nothing before it matters. */
static void note_registers(const struct bpf_op *op, struct bpf_fact *fact)
{
	bool with_x = op->code & OP_X;

	switch (op->code & OP_CLASS) {
	case OP_LD:
		fact->reads_a = false;
		fact->reads_x |= (op->code & OP_MODE) == OP_IND;
		if ((op->code & OP_MODE) == OP_MEM)
			fact->reads_memory |= (uint16_t)(1u << op->k);
		break;
	case OP_LDX:
		fact->reads_x = false;
		if ((op->code & OP_MODE) == OP_MEM)
			fact->reads_memory |= (uint16_t)(1u << op->k);
		break;
	case OP_ST:
	case OP_STX:
		fact->reads_memory &= (uint16_t)~(1u << op->k);
		fact->reads_a |= (op->code & OP_CLASS) == OP_ST;
		fact->reads_x |= (op->code & OP_CLASS) == OP_STX;
		break;
	case OP_ALU:
	case OP_JMP:
		fact->reads_a |= op->code != (OP_JMP | OP_JA);
		fact->reads_x |= with_x;
		break;
	case OP_RET:
		fact->reads_a = op->code & OP_A;
		break;
	default:
		fact->reads_a = op->code == (OP_MISC | OP_TAX);
		fact->reads_x = op->code == (OP_MISC | OP_TXA);
		break;
	}
}

/* The facts of an instruction become those that hold before either of two. */
static void meet_needs(struct bpf_fact *fact, const struct bpf_fact *one, const struct bpf_fact *other)
{
	fact->need = smaller(one->need, other->need);
	fact->need_x = smaller(one->need_x, other->need_x);
	fact->reads_memory = one->reads_memory | other->reads_memory;
	fact->reads_a = one->reads_a || other->reads_a;
	fact->reads_x = one->reads_x || other->reads_x;
}

/* TAX and TXA read one register and write the other; what is behind them may read the one, too. */
static void note_transfer(const struct bpf_op *op, struct bpf_fact *fact)
{
	bool a = fact->reads_a, x = fact->reads_x;

	fact->reads_a = op->code == (OP_MISC | OP_TAX) ? a || x : false;
	fact->reads_x = op->code == (OP_MISC | OP_TXA) ? a || x : false;
}

/* What the rest of the program needs, from here on. */
static void find_need(const struct bpf_op *op, struct bpf_fact *fact)
{
	uint16_t class = op->code & OP_CLASS, mode = op->code & OP_MODE;

	if (class == OP_RET) {
		bool is_no = op->code == (OP_RET | OP_K) && op->k == 0;

		fact->need = fact->need_x = is_no ? BPF_NOTHING : 0;
	} else if (class == OP_JMP && (op->code & OP_OPERATION) == OP_JA) {
		meet_needs(fact, fact + 1 + op->k, fact + 1 + op->k);
	} else if (class == OP_JMP) {
		meet_needs(fact, fact + 1 + op->jt, fact + 1 + op->jf);
	} else {
		meet_needs(fact, fact + 1, fact + 1);
	}
	if (class == OP_MISC)
		note_transfer(op, fact);
	else
		note_registers(op, fact);
	if (class == OP_LDX || op->code == (OP_MISC | OP_TAX))
		fact->need_x = 0;
	if ((class == OP_LD && (mode == OP_ABS || mode == OP_IND)) || (class == OP_LDX && mode == OP_MSH)) {
		uint32_t end = op->k > K_MOST ? BPF_NOTHING : op->k + bpf_load_size(op->code);

		/* X is at least 0: a load relative to it says something of the length, too. */
		fact->need = larger(fact->need, end);
		if (mode == OP_IND)
			fact->need_x = larger(fact->need_x, end);
	}
}

/* What is known on one way to an instruction meets what is known on the others. */
static void meet(struct bpf_facts *facts, const struct bpf_fact *from, uint32_t to)
{
	struct bpf_fact *fact;

	if (to >= facts->count)
		return;
	fact = &facts->fact[to];
	if (!fact->is_reached) {
		fact->is_reached = true;
		fact->known = from->known;
		fact->known_x = from->known_x;
		fact->held_code = from->held_code;
		fact->held_k = from->held_k;
		fact->held_x = from->held_x;
		fact->web = from->web;
		return;
	}
	fact->known = smaller(fact->known, from->known);
	fact->known_x = smaller(fact->known_x, from->known_x);
	if (fact->held_x != from->held_x)
		fact->held_x = BPF_NOTHING;
	if (fact->held_k != from->held_k || fact->held_code != from->held_code)
		fact->held_k = BPF_NOTHING;
	if (fact->reads_a || fact->held_k != BPF_NOTHING)
		web_join(facts, fact->web, from->web);
}

/* A becomes something that is no load from the frame. */
static void set_number(struct bpf_facts *facts, struct bpf_fact *now)
{
	now->held_k = BPF_NOTHING;
	now->web = web_new(facts, 0, true);
}

static void set_x(struct bpf_fact *now, uint32_t held)
{
	now->known_x = 0;
	now->held_x = held;
}

/* A load from the frame: what must be checked, and what is known afterwards. gives: false when no frame is long enough */
static bool pass_load(struct bpf_facts *facts, const struct bpf_op *op, struct bpf_fact *fact, struct bpf_fact *now)
{
	bool is_msh = (op->code & OP_CLASS) == OP_LDX, is_relative = (op->code & OP_MODE) == OP_IND;
	uint32_t size = bpf_load_size(op->code), known = is_relative ? now->known_x : now->known;
	uint32_t need = is_relative ? fact->need_x : fact->need, end;

	fact->is_outside = op->k > K_MOST;
	if (fact->is_outside)
		return false;
	end = op->k + size;
	fact->is_kept = is_msh ? now->held_x == op->k : now->held_k == op->k && now->held_code == op->code;
	if (known < end) {
		/* As far as all ways on need it. */
		fact->check = need > K_MOST ? end : larger(need, end);
		if (is_relative)
			now->known_x = fact->check;
		now->known = larger(now->known, fact->check);
	}
	if (fact->is_kept)
		return true;
	if (is_msh) {
		set_x(now, op->k);
	} else {
		now->held_code = op->code;
		now->held_k = is_relative ? BPF_NOTHING : op->k;
		now->web = fact->made = web_new(facts, (uint8_t)size, false);
	}
	return true;
}

static void pass_a_is_read(struct bpf_facts *facts, const struct bpf_fact *fact)
{
	facts->web[web_find(facts, fact->web)].number = true;
}

/* All but jumps, returns and loads from the frame. */
static void pass_other(struct bpf_facts *facts, const struct bpf_op *op, const struct bpf_fact *fact, struct bpf_fact *now)
{
	switch (op->code & OP_CLASS) {
	case OP_LD:
		set_number(facts, now);
		break;
	case OP_LDX:
		set_x(now, BPF_NOTHING);
		break;
	case OP_ST:
		pass_a_is_read(facts, fact);
		break;
	case OP_ALU:
		now->held_k = BPF_NOTHING;
		if (op->code == (OP_ALU | OP_AND | OP_K))
			break;          /* of a turned number with a turned constant: A stays as it lies */
		pass_a_is_read(facts, fact);
		set_number(facts, now);
		break;
	case OP_MISC:
		if (op->code == (OP_MISC | OP_TAX)) {
			pass_a_is_read(facts, fact);
			set_x(now, BPF_NOTHING);
		} else {
			set_number(facts, now);
		}
		break;
	default:
		break;
	}
}

static void pass_jump(struct bpf_facts *facts, const struct bpf_op *op, const struct bpf_fact *now, uint32_t i)
{
	uint16_t operation = op->code & OP_OPERATION;

	if (operation == OP_JA) {
		meet(facts, now, i + 1 + op->k);
		return;
	}
	if (operation == OP_JGT || operation == OP_JGE || op->code & OP_X)
		pass_a_is_read(facts, &facts->fact[i]);
	meet(facts, now, i + 1 + op->jt);
	meet(facts, now, i + 1 + op->jf);
}

/* One instruction that is reached: from what is known before it to what is known behind it, on each way. */
static void pass(struct bpf_facts *facts, uint32_t i)
{
	const struct bpf_op *op = &facts->op[i];
	struct bpf_fact *fact = &facts->fact[i], now;
	uint16_t class = op->code & OP_CLASS, mode = op->code & OP_MODE;

	if (bpf_facts_begins(facts, i)) {
		/* Each program begins with registers and memory that are 0; the compiler clears those that are read, through A. */
		if (fact->reads_a || fact->reads_memory != 0 || fact->web == BPF_NOTHING)
			set_number(facts, fact);
		if (fact->reads_x)
			set_x(fact, BPF_NOTHING);
	}
	now = *fact;
	if (class == OP_RET) {
		if (op->code & OP_A)
			pass_a_is_read(facts, fact);
		if (op->code & OP_A || op->k == 0)
			meet(facts, &now, fact->otherwise);
	} else if (class == OP_JMP) {
		pass_jump(facts, op, &now, i);
	} else if ((class == OP_LD && (mode == OP_ABS || mode == OP_IND)) || (class == OP_LDX && mode == OP_MSH)) {
		meet(facts, fact, fact->otherwise);
		if (pass_load(facts, op, fact, &now))
			meet(facts, &now, i + 1);
	} else {
		if (class == OP_ALU && op->code & OP_X)
			meet(facts, fact, fact->otherwise);     /* a division by zero */
		pass_other(facts, op, fact, &now);
		meet(facts, &now, i + 1);
	}
}

/* Put the programs one behind the other. */
static void join_programs(struct bpf_facts *facts, const struct bpf_ops *programs, uint32_t count)
{
	uint32_t at = 0;

	for (uint32_t p = 0; p < count; p++) {
		memcpy(facts->op + at, programs[p].op, programs[p].count * sizeof(*facts->op));
		for (uint32_t i = 0; i < programs[p].count; i++) {
			facts->fact[at + i].otherwise = at + programs[p].count;
			facts->fact[at + i].program = p;
		}
		at += programs[p].count;
	}
}

int bpf_facts_find(struct bpf_facts *facts, const struct bpf_ops *programs, uint32_t count)
{
	uint32_t total = 0;

	*facts = (struct bpf_facts){ 0 };
	for (uint32_t p = 0; p < count; p++) {
		total += programs[p].count;
		if (total > 2 * BPF_OPS)
			return -E2BIG;
	}
	if (total == 0)
		return -EINVAL;
	facts->count = total;
	facts->op = calloc(total, sizeof(*facts->op));
	facts->fact = calloc(total, sizeof(*facts->fact));
	/* A begins as a web, and each instruction makes one at most. */
	facts->web = calloc(total + count, sizeof(*facts->web));
	if (facts->op == NULL || facts->fact == NULL || facts->web == NULL) {
		bpf_facts_free(facts);
		return -ENOMEM;
	}
	join_programs(facts, programs, count);
	for (uint32_t i = total; i-- > 0;)
		find_need(&facts->op[i], &facts->fact[i]);
	facts->fact[0].is_reached = true;
	facts->fact[0].held_k = facts->fact[0].held_x = facts->fact[0].web = BPF_NOTHING;
	for (uint32_t i = 0; i < total; i++)
		if (facts->fact[i].is_reached)
			pass(facts, i);
	return 0;
}

void bpf_facts_free(struct bpf_facts *facts)
{
	free(facts->op);
	free(facts->fact);
	free(facts->web);
	*facts = (struct bpf_facts){ 0 };
}
